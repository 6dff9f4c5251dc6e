"""Where a service starts reading after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What was folded: the stream sequence, the live orders with the sequence of their last message, and the service's own state.

    live_can_be_read_again: reading on from before the oldest live order's last message would do as well as naming them all.
    """

    sequence: int
    live: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, JsonValue] = field(default_factory=dict)
    live_can_be_read_again: bool = False


DAMAGED = (KeyError, IndexError, TypeError, ValueError, ArithmeticError)
"""What reading a service's own state out of a mark raises when it is not what the service wrote. Then the mark counts as none: starting at
the beginning of the stream costs time and nothing else.
"""


class Checkpoint(Protocol):
    async def load(self) -> Mark | None:
        """None where none was kept or what was kept cannot be read: then the beginning of the stream is the right place."""

    async def save(self, mark: Mark) -> None:
        """Raises BusUnavailable. A mark too large for the bus is not saved: the one before stands, with more to read after it."""
