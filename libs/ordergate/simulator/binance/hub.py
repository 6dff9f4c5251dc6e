"""Who hears what: user events go to the subscribers of an account, market streams to those of a name. It knows nothing of connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ordergate.simulator.binance.channels import Channels
from ordergate.simulator.binance.operations import MarketEvent, UserEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.binance.channels import Channel, Payload
    from ordergate.simulator.binance.operations import Engine
    from ordergate.simulator.binance.tape import Tape

HearUser = Callable[[UserEvent], None]
HearMarket = Callable[[str, "Payload"], None]
_TIMES = frozenset({"E", "T", "u", "U", "pu", "lastUpdateId", "O", "C"})


@dataclass(slots=True)
class _Wanted:
    """A market stream that somebody listens to. next_ms: it says nothing before; said: what it said last, without times."""

    channel: Channel | None
    listeners: dict[object, HearMarket] = field(default_factory=dict)
    next_ms: int = 0
    said: object = None


class Hub:
    """All subscriptions. An owner is whoever subscribed; it hears each event once."""

    def __init__(self, engine: Engine, tape: Tape, *, is_futures: bool) -> None:
        """Nobody listens."""
        self._channels = Channels(engine.markets, tape, is_futures=is_futures)
        self._users: dict[str, dict[object, HearUser]] = {}
        self._keys: dict[str, dict[object, Callable[[], None]]] = {}
        self._streams: dict[str, _Wanted] = {}

    def join_user(self, account: str, owner: object, hear: HearUser) -> None:
        """Hear what happens to the account from now on."""
        self._users.setdefault(account, {})[owner] = hear

    def leave_user(self, account: str, owner: object) -> None:
        """Hear no more of it."""
        self._users.get(account, {}).pop(owner, None)

    def watch_key(self, key: str, owner: object, end: Callable[[], None]) -> None:
        """Be told when the key is taken away."""
        self._keys.setdefault(key, {})[owner] = end

    def forget_key(self, key: str, owner: object) -> None:
        """No longer."""
        self._keys.get(key, {}).pop(owner, None)

    def end_key(self, key: str) -> None:
        """The key was taken away: whoever listens by it is told, once."""
        for end in self._keys.pop(key, {}).values():
            end()

    def join_market(self, stream: str, owner: object, hear: HearMarket) -> None:
        """Hear a stream; a name that nobody ever speaks under is allowed, as the venue allows it."""
        wanted = self._streams.get(stream)
        if wanted is None:
            wanted = self._streams[stream] = _Wanted(self._channels.find(stream))
        wanted.listeners[owner] = hear

    def leave_market(self, stream: str, owner: object) -> None:
        """Hear no more of it."""
        wanted = self._streams.get(stream)
        if wanted is not None:
            wanted.listeners.pop(owner, None)
            if not wanted.listeners:
                del self._streams[stream]

    def tell_user(self, event: UserEvent) -> None:
        """To all who listen to the account, in the order in which they came."""
        for hear in list(self._users.get(event.account, {}).values()):
            hear(event)

    def tell_market(self, event: MarketEvent) -> None:
        """An engine's own stream, and for an execution the aggregate of one that it is."""
        self._say(event.stream, event.payload)
        symbol, _, topic = event.stream.partition("@")
        if topic == "trade":
            self._say(f"{symbol}@aggTrade", _aggregate(event))

    def advance(self, now_ms: int) -> None:
        """Let the streams that are made of books and statistics say what is new."""
        for name, wanted in list(self._streams.items()):
            channel = wanted.channel
            if channel is None or now_ms < wanted.next_ms:
                continue
            payload = channel.render(now_ms)
            if payload is None:
                continue
            wanted.next_ms = now_ms + channel.interval_ms
            matter = _matter(payload)
            if matter != wanted.said:
                wanted.said = matter
                self._say(name, payload)

    def _say(self, name: str, payload: Payload) -> None:
        wanted = self._streams.get(name)
        for hear in list(wanted.listeners.values()) if wanted else ():
            # `!bookTicker` speaks of one symbol at a time.
            for each in payload if isinstance(payload, list) and name == "!bookTicker" else (payload,):
                hear(name, each)


def _matter(payload: Payload) -> object:
    rows: list[Mapping[str, object]] = list(payload) if isinstance(payload, list) else [payload]
    return [{name: value for name, value in row.items() if name not in _TIMES} for row in rows]


def _aggregate(event: MarketEvent) -> dict[str, object]:
    body = event.payload
    head = {"e": "aggTrade", "E": event.at_ms, "s": event.symbol}
    return {
        **head,
        "a": body["t"],
        "p": body["p"],
        "q": body["q"],
        "f": body["t"],
        "l": body["t"],
        "T": body["T"],
        "m": body["m"],
    }
