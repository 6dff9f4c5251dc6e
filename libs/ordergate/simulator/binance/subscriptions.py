"""The user data streams of one WebSocket API connection: which accounts it hears, under which ids, and by which key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import NOT_SUBSCRIBED, SUBSCRIBED_ALREADY, SUBSCRIPTIONS_USED_UP
from ordergate.simulator.binance.frames import event_frame
from ordergate.simulator.binance.operations import Failure, UserEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.binance.hub import Hub

ACTIVE_MAX = 1_000
LIFETIME_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """by_logon: ends with the session's logon."""

    id: int
    account: str
    key: str
    by_logon: bool


class Subscriptions:
    """Those of one connection. tell: an event with its frame."""

    def __init__(self, hub: Hub, tell: Callable[[UserEvent, bytes], None], now_ms: Callable[[], int]) -> None:
        """None yet; ids count from zero over the connection's whole life."""
        self._hub = hub
        self._tell = tell
        self._now_ms = now_ms
        self._active: dict[int, Subscription] = {}
        self._next = 0

    def __bool__(self) -> bool:
        """Whether any is active."""
        return bool(self._active)

    @property
    def active(self) -> list[Subscription]:
        """In the order of their ids."""
        return list(self._active.values())

    def start(self, account: str, key: str, *, by_logon: bool) -> int | Failure:
        """Hear an account; one subscription for each."""
        if any(each.account == account for each in self._active.values()):
            return SUBSCRIBED_ALREADY
        if self._next >= LIFETIME_MAX or len(self._active) >= ACTIVE_MAX:
            return SUBSCRIPTIONS_USED_UP
        made = Subscription(id=self._next, account=account, key=key, by_logon=by_logon)
        self._next += 1
        self._active[made.id] = made
        owner = (self, made.id)
        self._hub.join_user(account, owner, lambda event: self._tell(event, event_frame(event.payload, made.id)))
        self._hub.watch_key(key, owner, lambda: self.end(made.id))
        return made.id

    def stop(self, subscription: int | None) -> Failure | None:
        """End one, or all of them."""
        if subscription is not None and subscription not in self._active:
            return NOT_SUBSCRIBED
        for each in [subscription] if subscription is not None else list(self._active):
            self.end(each)
        return None

    def end_logon(self) -> None:
        """The session was logged out."""
        for each in self.active:
            if each.by_logon:
                self.end(each.id)

    def end(self, subscription: int) -> None:
        """Tell the client that it ends, and end it."""
        ended = self._forget(subscription)
        now_ms = self._now_ms()
        body: dict[str, object] = {"e": "eventStreamTerminated", "E": now_ms}
        event = UserEvent(account=ended.account, kind="eventStreamTerminated", payload=body, at_ms=now_ms)
        self._tell(event, event_frame(body, ended.id))

    def drop(self) -> None:
        """The connection is gone."""
        for each in list(self._active):
            self._forget(each)

    def _forget(self, subscription: int) -> Subscription:
        ended = self._active.pop(subscription)
        self._hub.leave_user(ended.account, (self, ended.id))
        self._hub.forget_key(ended.key, (self, ended.id))
        return ended
