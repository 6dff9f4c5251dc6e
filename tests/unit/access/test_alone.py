"""The library by itself: everything it names is there, and none of it needs a bus."""

import subprocess
import sys
from pathlib import Path

import pytest

from ordergate import access
from ordergate.access import make_key, signature

PROGRAM = """
import sys
from ordergate.access import *
from ordergate.access import read_credentials, signature
from pathlib import Path
credentials = read_credentials(Path(sys.argv[1]))
print(signature("binance-rest", b"symbol=BTCUSDT&timestamp=1736393892000", credentials.material))
foreign = {name.partition(".")[0] for name in sys.modules} & {"nats", "faststream", "pydantic", "opentelemetry", "structlog", "httpx", "aiohttp"}
print(sorted(foreign))
"""


def test_every_name_that_it_shows_is_there() -> None:
    assert {name for name in access.__all__ if getattr(access, name, None) is None} == set()
    assert sorted(access._ROOM_OF) == sorted(access.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        access.nothing  # noqa: B018


def test_a_program_with_nothing_but_the_library_signs_and_loads_no_bus(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secretKey\n")
    key.chmod(0o400)
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(key)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["d326342fddb7d8574fa355101500c78ab918b5af9854b62a591963c69dc618a3", "[]"]


def test_what_is_imported_from_the_room_is_the_thing_itself() -> None:
    from ordergate.access.keys.key import make_key as own  # noqa: PLC0415 - the claim
    from ordergate.access.signing.registry import signature as signs  # noqa: PLC0415

    assert make_key is own
    assert signature is signs
