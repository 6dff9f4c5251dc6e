"""The `ordergate` command: what an operator or a script says and sees. Its entry is `main`.

Law of this room: it decides nothing about orders. It publishes intents as any strategy would, turns the kill switch, and reads what
stands on the bus. Every command answers people in text and programs in JSON (`--json`), and its exit code says how it went (`exits`).
Heavy imports wait until a command needs them, so that `--help` and a mistyped option answer at once.
"""

from ordergate.cli.app import main

__all__ = ["main"]
