"""What the front's tests ask a whole venue with: requests that sign on their own, and lines that keep what was sent."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ordergate.simulator.binance.front import BinanceVenue
from ordergate.simulator.binance.sockets import Channel, admit, open_channel
from ordergate.simulator.clock import VenueClock
from ordergate.simulator.config import SimulatorConfig
from ordergate.simulator.dialects import build_venue
from ordergate.simulator.faults import FaultPlan, Faults
from ordergate.simulator.served import Request, Response

NOON = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000
SECRET = "of-these-tests"
ED25519 = Ed25519PrivateKey.generate()
PEM = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ADDRESS = "10.0.0.9"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


class LineOfTests:
    """Keeps what was sent, and what is to happen later until it is let happen."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.waiting: list[tuple[int, Callable[[], None]]] = []
        self.muted: bool | None = None
        self.closed: int | None = None
        self.is_cut = False
        self.outliving = 0
        """How much of it happens whether or not this line is still there."""

    def send(self, data: bytes) -> None:
        if self.muted is None and not self.is_cut:
            self.frames.append(orjson.loads(data))

    def later(self, delay_ms: int, action: Callable[[], None], *, outlives: bool = False) -> None:
        self.outliving += outlives
        self.waiting.append((delay_ms, action))

    def mute(self, *, pings: bool) -> None:
        self.muted = pings

    def close(self, code: int) -> None:
        self.closed = code

    def cut(self) -> None:
        self.is_cut = True

    def pass_time(self) -> list[int]:
        """Let everything happen that waits; how long it would have waited."""
        waiting, self.waiting = self.waiting, []
        for _, action in waiting:
            action()
        return [delay_ms for delay_ms, _ in waiting]


class VenueDesk:
    """One venue and a hand that asks it in few words."""

    def __init__(self, dialect: str = "binance-spot", **changes: Any) -> None:
        keys = [
            {"key": "trader", "secret": SECRET},
            {"key": "reader", "secret": SECRET, "permissions": ["READ_ONLY"]},
            {"key": "modern", "publicKey": PEM},
        ]
        accounts = [
            {"account": "main", "keys": keys},
            {"account": "other", "keys": [{"key": "stranger", "secret": SECRET}]},
        ]
        document = {"dialect": dialect, "accounts": accounts, "flow": {"enabled": False}, **changes}
        venue = build_venue(SimulatorConfig.model_validate(document))
        assert isinstance(venue, BinanceVenue)
        self.venue = venue
        self.now_ms = NOON
        self.clock = VenueClock(lambda: self.now_ms)
        self.faults = Faults()
        self.notes: list[tuple[str, str | None, int]] = []
        self.bugs: list[Exception] = []
        self.prefix = "/fapi/v1" if venue.is_futures else "/api/v3"

    def request(self, method: str, path: str, *, key: str | None = "trader", **parameters: object) -> Request:
        """Signed, if there is a key; a path without a slash in front is below the dialect's own."""
        full = path if path.startswith("/") else f"{self.prefix}/{path}"
        query = urlencode(parameters)
        if key is None:
            return Request(method, full, query, {}, b"", ADDRESS)
        query = urlencode({**parameters, "timestamp": self.now_ms, **parameters})
        query += f"&signature={hmac.digest(SECRET.encode(), query.encode(), 'sha256').hex()}"
        return Request(method, full, query, {"x-mbx-apikey": key}, b"", ADDRESS)

    def ask(self, method: str, path: str, *, key: str | None = "trader", **parameters: object) -> Response:
        return self.venue.handle(self.request(method, path, key=key, **parameters), self.now_ms)

    def json(self, method: str, path: str, **parameters: Any) -> Any:
        return orjson.loads(self.ask(method, path, **parameters).body)

    def code(self, method: str, path: str, **parameters: Any) -> tuple[int, int]:
        """HTTP status and the venue's code; 0: none."""
        response = self.ask(method, path, **parameters)
        body = orjson.loads(response.body)
        return response.status, body.get("code", 0) if isinstance(body, dict) else 0

    def break_with(self, **rule: Any) -> None:
        self.faults.replace(FaultPlan.model_validate({"rules": [rule]}))

    def fill(self, client_order_id: str) -> None:
        """Somebody takes this resting order, all of it."""
        found = self.venue.dialect.engine.order_named({"symbol": "BTCUSDT", "origClientOrderId": client_order_id})
        assert found is not None
        assert self.venue.fill(found[0], self.now_ms)

    def refuse(self, path: str) -> Response | None:
        """What a new connection is refused with."""
        return admit(self.venue, Request("GET", path, "", {}, b"", ADDRESS), self.now_ms)

    def connect(self, path: str, query: str = "") -> Wired:
        request = Request("GET", path, query, {}, b"", ADDRESS)
        assert self.refuse(path) is None
        line = LineOfTests()
        channel = open_channel(
            self.venue,
            line,
            request,
            faults=self.faults,
            clock=self.clock,
            note=lambda *row: self.notes.append(row),
            report=self.bugs.append,
        )
        return Wired(self, line, channel)


class Wired:
    """A WebSocket connection without a socket."""

    def __init__(self, desk: VenueDesk, line: LineOfTests, channel: Channel) -> None:
        self.desk = desk
        self.line = line
        self.channel = channel

    def say(self, document: Any) -> Any:
        """What is answered last."""
        before = len(self.line.frames)
        self.channel.receive(document if isinstance(document, bytes) else orjson.dumps(document))
        return self.line.frames[-1] if len(self.line.frames) > before else None

    def ask(self, method: str, *, key: str | None = None, identity: Any = 1, **parameters: Any) -> Any:
        """A request of the WebSocket API, signed if there is a key."""
        if key is not None:
            parameters |= {"apiKey": key, "timestamp": self.desk.now_ms}
            text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters)).encode()
            signed = b64encode(ED25519.sign(text)).decode() if key == "modern" else _hmac(text)
            parameters["signature"] = signed
        return self.say({"id": identity, "method": method, "params": parameters})

    def events(self) -> list[Any]:
        """The bodies of events so far."""
        return [frame["event"] for frame in self.line.frames if "event" in frame]


def _hmac(text: bytes) -> str:
    return hmac.digest(SECRET.encode(), text, "sha256").hex()
