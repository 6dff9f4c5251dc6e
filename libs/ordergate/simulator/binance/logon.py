"""What a connection of the WebSocket API is to itself: the key that is logged on, its user data streams, and the operations that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ordergate.simulator.binance.failures import KEY_REFUSED, illegal
from ordergate.simulator.binance.operations import Call, Engine, Failure, Operation, Security

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ordergate.simulator.binance.gate import Key
    from ordergate.simulator.binance.subscriptions import Subscriptions

Said = object | Failure


class Logon:
    """The state of one connection. asking: the key of the request that is being carried out."""

    def __init__(self, subscriptions: Subscriptions, *, shows_limits: bool, connected_ms: int) -> None:
        """Nobody is logged on."""
        self.key: Key | None = None
        self.asking: Key | None = None
        self.shows_limits = shows_limits
        self._connected_ms = connected_ms
        self._authorized_ms: int | None = None
        self._subscriptions = subscriptions

    def forget(self) -> None:
        """Nobody is logged on any more; streams that signed for themselves go on."""
        self.key = self._authorized_ms = None
        self._subscriptions.end_logon()

    def log_on(self, call: Call) -> Said:
        """Ed25519 only; a second logon changes the key and ends the stream of the first."""
        if self.asking is None or not self.asking.logs_on:
            return KEY_REFUSED
        self._subscriptions.end_logon()
        self.key, self._authorized_ms = self.asking, call.now_ms
        return self.status(call)

    def log_out(self, call: Call) -> Said:
        """Forget the key."""
        self.forget()
        return self.status(call)

    def status(self, call: Call) -> Said:
        """What it knows of itself."""
        return {
            "apiKey": self.key.name if self.key else None,
            "authorizedSince": self._authorized_ms,
            "connectedSince": self._connected_ms,
            "returnRateLimits": self.shows_limits,
            "serverTime": call.now_ms,
            "userDataStream": bool(self._subscriptions),
        }

    def subscribe_logon(self, call: Call) -> Said:
        """Hear the account that is logged on."""
        del call
        return self._subscribe(by_logon=True)

    def subscribe_signed(self, call: Call) -> Said:
        """Hear the account of the key that signed this request."""
        del call
        return self._subscribe(by_logon=False)

    def unsubscribe(self, call: Call) -> Said:
        """One, or all."""
        named = call.parameters.get("subscriptionId")
        if named is not None and not (named.isascii() and named.isdigit() and len(named) < 10):  # noqa: PLR2004
            return illegal("subscriptionId", "^[0-9]{1,9}$")
        return self._subscriptions.stop(None if named is None else int(named)) or {}

    def listed(self, call: Call) -> Said:
        """All active subscriptions."""
        del call
        return [{"subscriptionId": each.id} for each in self._subscriptions.active]

    def _subscribe(self, *, by_logon: bool) -> Said:
        key = self.key if by_logon else self.asking
        if key is None:
            return KEY_REFUSED
        started = self._subscriptions.start(key.account, key.name, by_logon=by_logon)
        return started if isinstance(started, Failure) else {"subscriptionId": started}


def _carried(answer: Callable[[Logon, Call], Said]) -> Callable[[Engine, Call], Said]:
    def carry(engine: Engine, call: Call) -> Said:
        del engine
        return answer(cast("Logon", call.connection), call)

    return carry


def _operations() -> Iterable[Operation[Engine]]:
    signed = Security.SIGNED_STREAM
    rows: tuple[tuple[str, Security, Callable[[Logon, Call], Said], tuple[str, ...]], ...] = (
        ("session.logon", signed, Logon.log_on, ()),
        ("session.logout", Security.NONE, Logon.log_out, ()),
        ("session.status", Security.NONE, Logon.status, ()),
        ("session.subscriptions", Security.NONE, Logon.listed, ()),
        ("userDataStream.subscribe", Security.KEY, Logon.subscribe_logon, ()),
        ("userDataStream.subscribe.signature", signed, Logon.subscribe_signed, ()),
        ("userDataStream.unsubscribe", Security.NONE, Logon.unsubscribe, ("subscriptionId",)),
    )
    for name, security, answer, optional in rows:
        yield Operation(
            name=name,
            method="WS",
            path=name,
            ws=name,
            answer=_carried(answer),
            security=security,
            weight=2,
            optional=optional,
        )


def session_methods() -> dict[str, Operation[Engine]]:
    """By their names; every connection has the same."""
    return {operation.name: operation for operation in _operations()}
