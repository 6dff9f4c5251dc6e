"""How requests and answers look on the WebSocket API: what HTTP would have said, in one frame each (web-socket-api.md).

An answer has the status and, as `result` or `error`, the body of the REST call of the same kind, so the same table judges it. `rateLimits` stand for the
headers that REST bears, and `error.data.retryAfter`, an instant, for its Retry-After.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from ordergate.access.keys import Key
from ordergate.access.response import Response
from ordergate.access.session import Call
from ordergate.access.signing.binance import sign_bytes, websocket_payload
from ordergate.access.sockets import Reply
from ordergate.access.streaming import Turn, Wish
from ordergate.trading.errors import Unreadable
from ordergate.venues.binance.events import decode
from ordergate.venues.binance.signing import Materials

OK = 200
_STATUS = range(100, 600)
_HEADERS: Mapping[str, str] = MappingProxyType({"REQUEST_WEIGHT": "x-mbx-used-weight", "ORDERS": "x-mbx-order-count"})
_NUMBERS = frozenset({"orderId", "cancelOrderId", "orderListId", "trailingDelta"})
_DIGITS_MAX = 18


class FrameSigning:
    """access.session.Compose: a call whose path is a method of the WebSocket API. `QuerySigning` says why it never raises."""

    def __init__(self, *, window_ms: int) -> None:
        self._window_ms = window_ms
        self._materials = Materials()

    def __call__(self, call: Call, timestamp_ms: int, key: Key) -> bytes:
        """The request without its id: method, parameters and the signature over all of them, sorted."""
        parameters: dict[str, str | int] = {
            **{name: _value(name, value) for name, value in call.parameters},
            "apiKey": key.public,
            "recvWindow": self._window_ms,
            "timestamp": timestamp_ms,
        }
        parameters["signature"] = sign_bytes(self._materials.of(key), websocket_payload(parameters))
        return orjson.dumps({"method": call.path, "params": parameters})


class Frames:
    """access.sockets.Framing. now_ms: the exchange's time as well as it is known."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def write(self, name: str, request: bytes) -> bytes:
        """`request` is an object; the id stands first in it."""
        return b'{"id":"%b",%b' % (name.encode("ascii"), request[1:])

    def read(self, message: bytes) -> Reply | Turn | None:
        """Raises Unreadable for what is neither event nor answer to a request of ours."""
        frame = decode(message)
        if "event" in frame:
            return _turn(frame["event"])
        name, status = frame.get("id"), frame.get("status")
        if not isinstance(name, str) or type(status) is not int or status not in _STATUS:
            raise Unreadable("id, status: not an answer to a request of ours")
        return Reply(
            name=name,
            response=Response(status=status, headers=self._headers(frame, status), body=_body(frame, status)),
        )

    def _headers(self, frame: Mapping[str, Any], status: int) -> dict[str, str]:
        found: dict[str, str] = {}
        limits = frame.get("rateLimits")
        for row in limits if isinstance(limits, list) else ():
            name = _header(row)
            if name is not None:
                found[name] = str(row["count"])
        if status != OK and (wait_ms := self._wait_ms(frame.get("error"))) is not None:
            found["retry-after"] = str(-(-wait_ms // 1_000))
        return found

    def _wait_ms(self, error: object) -> int | None:
        """`data.retryAfter`, epoch ms by the exchange's clock, which the same `data` shows."""
        data = error.get("data") if isinstance(error, dict) else None
        until, now_ms = (data.get("retryAfter"), data.get("serverTime")) if isinstance(data, dict) else (None, None)
        if type(until) is not int:
            return None
        return max(0, until - (now_ms if type(now_ms) is int else self._now_ms()))


def _value(name: str, value: str) -> str | int:
    """Whole numbers as JSON writes them; the text that is signed is the same."""
    is_number = name in _NUMBERS and value.isascii() and value.isdigit() and value[0] != "0"
    return int(value) if is_number and len(value) <= _DIGITS_MAX else value


def _turn(event: object) -> Turn | None:
    is_shutdown = isinstance(event, dict) and event.get("e") == "serverShutdown"
    return Turn(wish=Wish.RENEW, reason="server_shutdown") if is_shutdown else None


def _body(frame: Mapping[str, Any], status: int) -> bytes:
    """Empty, which proves nothing, where status and content contradict each other."""
    named, other = ("result", "error") if status == OK else ("error", "result")
    return orjson.dumps(frame[named]) if named in frame and frame.get(other) is None else b""


def _header(row: object) -> str | None:
    """As REST names the count of a limit: `x-mbx-used-weight-1m`."""
    if not isinstance(row, dict):
        return None
    kind, interval, length, count = (row.get(name) for name in ("rateLimitType", "interval", "intervalNum", "count"))
    if type(count) is not int or type(length) is not int or not isinstance(interval, str) or not interval:
        return None
    name = _HEADERS.get(kind) if isinstance(kind, str) else None
    return None if name is None else f"{name}-{length}{interval[0].lower()}"
