"""What a WebSocket connection is to the front: a channel that takes text, and a line that it speaks through. No sockets here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

from ordergate.simulator.binance.session import Session
from ordergate.simulator.binance.streams import Streams, join_by_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.binance.front import BinanceVenue
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.faults import Faults
    from ordergate.simulator.served import Request, Response

CONNECT_WEIGHT = 2
API_PATHS = frozenset({"/ws-api/v3", "/ws-fapi/v1"})
_HOSTS = ("", "/private", "/public", "/market")


class Line(Protocol):
    """A connection, as far as a channel may use it."""

    def send(self, data: bytes) -> None:
        """One text frame, now; nothing happens on a line that is gone."""

    def later(self, delay_ms: int, action: Callable[[], None], *, outlives: bool = False) -> None:
        """Do something so much later, unless the line is gone then; outlives: then too."""

    def mute(self, *, pings: bool) -> None:
        """Send nothing more, for ever; pings: go on pinging, so that only the matter is missing."""

    def close(self, code: int) -> None:
        """End it as WebSocket wants it."""

    def cut(self) -> None:
        """End it as a broken network does."""


class Channel(Protocol):
    """What a connection talks to."""

    @property
    def kind(self) -> str:
        """ws-api or streams."""

    def receive(self, text: bytes) -> None:
        """One text frame of the client."""

    def closed(self) -> None:
        """The line is gone."""

    def shut_down(self) -> None:
        """Tell the client that the server is about to end."""

    def accounts(self) -> list[str]:
        """Whose events it hears."""


def is_socket_path(path: str) -> bool:
    """Whether a WebSocket may be opened there."""
    return path in API_PATHS or _host(path) is not None


def admit(venue: BinanceVenue, request: Request, now_ms: int) -> Response | None:
    """None: the connection may be opened; it costs weight on the WebSocket API."""
    over = venue.limits.connect(request.address, now_ms)
    if over is None and request.path in API_PATHS:
        over = venue.limits.weigh(request.address, CONNECT_WEIGHT, now_ms)
    return None if over is None else venue.respond(over)


def open_channel(
    venue: BinanceVenue,
    line: Line,
    request: Request,
    *,
    faults: Faults,
    clock: VenueClock,
    note: Callable[[str, str | None, int], None],
    report: Callable[[Exception], None],
) -> Channel:
    """What a new connection to this path talks to. note: each request's call, order and status; report: bugs of the simulator."""
    if request.path in API_PATHS:
        shows = dict(parse_qsl(request.query)).get("returnRateLimits", "true") != "false"
        return Session(
            venue,
            line,
            faults=faults,
            clock=clock,
            address=request.address,
            shows_limits=shows,
            note=note,
            report=report,
        )
    host = _host(request.path) or ""
    streams = Streams(
        venue,
        line,
        faults=faults,
        clock=clock,
        private=venue.is_futures and host == "/private",
        combined=request.path.removeprefix(host).startswith("/stream"),
    )
    join_by_path(streams, request.path, request.query)
    return streams


def _host(path: str) -> str | None:
    for host in _HOSTS:
        rest = path.removeprefix(host) if path.startswith(host) else ""
        if rest in {"/ws", "/stream"} or rest.startswith(("/ws/", "/stream/")):
            return host
    return None
