"""What a session needs of whatever carries its requests: HTTP (access.http) or a WebSocket connection (access.sockets).

Both promise the same: `NothingSent` only where not one byte was given to a socket, after that an answer or `AnswerLost`; and no await between `exchange`
being called and the bytes being given to the socket.
"""

from typing import Any, Protocol

from ordergate.access.http import AnswerLost, EngineCounts, NothingSent, Origin
from ordergate.access.response import Response


class Carrier(Protocol):
    """What carries one request at a time, between `acquire` and `release`."""

    @property
    def is_alive(self) -> bool: ...

    async def exchange(self, request: bytes, *, timeout_seconds: float) -> Response | NothingSent | AnswerLost:
        """Send `request` and wait for its answer."""


class Connections(Protocol):
    """The connections to one origin."""

    counts: EngineCounts

    @property
    def origin(self) -> Origin: ...

    async def warm(self, count: int) -> int:
        """Have connections before they are needed; returns how many there are. Failures are counted, not raised."""

    def spare(self) -> Carrier | None:
        """A live one that is free, at once."""

    async def acquire(self, *, timeout_seconds: float, urgent: bool = False) -> Carrier | NothingSent:
        """A live one of one's own until `release`."""

    def release(self, connection: Any) -> None:
        """Give back what `acquire` or `spare` of these connections gave; again is harmless."""

    async def close(self) -> None:
        """Close everything. A request still under way becomes AnswerLost."""
