"""One connection of the stream hosts: market streams by name, and on `/private` of futures user data by listen key.

A name that nobody speaks under is no error, as on the venue: it is silent. So is a listen key on any other path than `/private` (the legacy addresses of
futures ended 2026-04-23; Spot's listen keys 2026-02-20).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson

from ordergate.simulator.binance.delivery import Delivery, named_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.binance.channels import Payload
    from ordergate.simulator.binance.front import BinanceVenue
    from ordergate.simulator.binance.operations import UserEvent
    from ordergate.simulator.binance.sockets import Line
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.faults import Faults

STREAMS_MAX = 1024
POLICY_VIOLATION = 1008
VARIANTS = "expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
_ALWAYS_TOLD = frozenset({"listenKeyExpired"})


class Streams:
    """The channel of one connection."""

    kind = "streams"

    def __init__(
        self,
        venue: BinanceVenue,
        line: Line,
        *,
        faults: Faults,
        clock: VenueClock,
        private: bool,
        combined: bool,
    ) -> None:
        """Nothing is subscribed."""
        self._venue = venue
        self._line = line
        self._clock = clock
        self._private = private
        self._combined = combined
        self._delivery = Delivery(line, faults, self.shut_down)
        self._names: dict[str, frozenset[str]] = {}
        self._accounts: dict[str, str] = {}
        self._second, self._messages = 0, 0

    def receive(self, text: bytes) -> None:
        """One message of the client; who sends too many is disconnected."""
        if self._is_too_much():
            self._line.close(POLICY_VIOLATION)
            return
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._say({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})
            return
        self._obey(document if isinstance(document, dict) else {})

    def closed(self) -> None:
        """The line is gone."""
        self.leave(list(self._names))

    def shut_down(self) -> None:
        """The server is about to end."""
        body: dict[str, object] = {"e": "serverShutdown", "E": self._clock.now_ms()}
        self._line.send(self._wrapped("!serverShutdown", body))

    def accounts(self) -> list[str]:
        """Whose events it hears."""
        return list(self._accounts.values())

    def join(self, names: Iterable[str], events: frozenset[str] = frozenset()) -> None:
        """Hear these streams. events: of a listen key, only these kinds; none = all."""
        for name in names:
            if name in self._names or len(self._names) >= STREAMS_MAX:
                continue
            self._names[name] = events
            account = self._venue.listen_keys.account(name, self._clock.now_ms()) if self._private else None
            if account is None:
                self._venue.hub.join_market(name, (self, name), self._hear_market)
            else:
                self._accounts[name] = account
                self._venue.hub.join_user(account, (self, name), lambda event, name=name: self._hear_user(name, event))  # type: ignore[misc]

    def leave(self, names: Iterable[str]) -> None:
        """Hear them no more."""
        for name in names:
            self._names.pop(name, None)
            account = self._accounts.pop(name, None)
            if account is None:
                self._venue.hub.leave_market(name, (self, name))
            else:
                self._venue.hub.leave_user(account, (self, name))

    def _obey(self, document: dict[str, object]) -> None:
        method, given, identity = document.get("method"), document.get("params", []), document.get("id")
        names = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
        if method == "SUBSCRIBE":
            self.join(names)
            self._say({"result": None, "id": identity})
        elif method == "UNSUBSCRIBE":
            self.leave(names)
            self._say({"result": None, "id": identity})
        elif method == "LIST_SUBSCRIPTIONS":
            self._say({"result": list(self._names), "id": identity})
        elif method in {"SET_PROPERTY", "GET_PROPERTY"}:
            self._property(str(method), given, identity)
        elif method is None:
            self._say({"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 1"})
        else:
            message = f"Invalid request: unknown variant {str(method)[:40]}, {VARIANTS} at line 1 column 1"
            self._say({"code": 2, "msg": message})

    def _property(self, method: str, given: object, identity: object) -> None:
        match (method, given):
            case ("GET_PROPERTY", ["combined"]):
                self._say({"result": self._combined, "id": identity})
            case ("SET_PROPERTY", ["combined", bool(value)]):
                self._combined = value
                self._say({"result": None, "id": identity})
            case ("SET_PROPERTY", ["combined", *_]):
                self._say({"code": 1, "msg": "Invalid value type: expected Boolean"})
            case _:
                self._say({"code": 0, "msg": "Unknown property", "id": identity})

    def _hear_market(self, name: str, payload: Payload) -> None:
        self._delivery.deliver(name, None, self._wrapped(name, payload))

    def _hear_user(self, name: str, event: UserEvent) -> None:
        told = event.kind in _ALWAYS_TOLD
        if not told and self._venue.listen_keys.account(name, event.at_ms) != event.account:
            return  # the key was closed, or ended: the socket stays open and says nothing
        wanted = self._names.get(name)
        if told or not wanted or event.kind in wanted:
            self._delivery.deliver(event.kind, named_in(event.payload), self._wrapped(name, event.payload))

    def _wrapped(self, name: str, payload: Payload) -> bytes:
        return orjson.dumps({"stream": name, "data": payload} if self._combined else payload)

    def _say(self, body: dict[str, object]) -> None:
        self._line.send(orjson.dumps(body))

    def _is_too_much(self) -> bool:
        second = self._clock.now_ms() // 1000
        self._messages = self._messages + 1 if second == self._second else 1
        self._second = second
        return self._messages > (10 if self._venue.is_futures else 5)


def join_by_path(streams: Streams, path: str, query: str) -> None:
    """Subscribe what the address names: `/ws/a/b`, `/stream?streams=a/b`, `/private/ws?listenKey=…&events=A/B`."""
    parameters = dict(parse_qsl(query))
    _, _, tail = path.partition("/ws/")
    streams.join(name for name in tail.split("/") if name)
    streams.join(name for name in parameters.get("streams", "").split("/") if name)
    events = frozenset(name for name in parameters.get("events", "").split("/") if name)
    streams.join([parameters["listenKey"]] if "listenKey" in parameters else [], events)
