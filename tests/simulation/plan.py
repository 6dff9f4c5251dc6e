"""What happens in one history, drawn from its seed: what the strategies ask for, and everything that goes wrong meanwhile.

A plan is data. The same plan is run by the honest services and by the broken ones (tests/simulation/controls.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any

from ordergate.ports.venue import Declaration, IdScope, OrderEntry
from ordergate.simulator.faults import FaultPlan, FaultRule
from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.venues.registry import find_venue
from ordergate.venues.zetarium.declaration import DECLARATION
from ordergate.wire.subjects import IntentKind
from tests.simulation.bus import BusFaults
from tests.simulation.venue import VenueFaults

Fields = dict[str, Any]

ACTIVE_SECONDS = 5.0
"""In this time the strategies ask and things go wrong; then all faults end."""
SERVICES = ("risk", "order_submission", "status_polling", "fill_streaming", "position_tracking")
STRATEGY = StrategyName("alpha")
ZETARIUM = DECLARATION.venue
REPLACES_MAX = 12
STALE_MS_MAX = 900
"""Of a read at Binance: less than the second that its settle has for it."""
LONG_MS, LONGER_MS = 8_000, 30_000
PLACING = frozenset({IntentKind.PLACE, IntentKind.REPLACE})
NEVER_EXECUTED_SPOT = "-1008"
PROVES_NOTHING = ("-1000", "-1007")
SOCKET_CALLS = (
    "WS order.place", "WS order.cancel", "WS openOrders.cancelAll", "WS order.cancelReplace",
    "WS orderList.place.oco", "WS orderList.place.oto", "WS orderList.place.otoco",
)  # fmt: skip
"""What changes something, as a connection of the WebSocket API calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    symbol: Symbol
    price: Decimal
    tick: Decimal
    size: Decimal


MARKETS = (
    Market(symbol=Symbol("BTCUSDT"), price=Decimal(64250), tick=Decimal("0.1"), size=Decimal("0.050")),
    Market(symbol=Symbol("ETHUSDT"), price=Decimal(3200), tick=Decimal("0.01"), size=Decimal("0.800")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One message of a strategy. fields: its body without address, schema and createdAtMs; garbage: bytes that are no intent."""

    at: float
    account: AccountName
    kind: IntentKind
    symbol: Symbol | None
    intent_id: str
    fields: Fields = field(default_factory=dict)
    garbage: bytes | None = None
    is_first: bool = True  # of its intentId; later ones repeat or contradict it


class What(StrEnum):
    CRASH = "crash"
    FREEZE = "freeze"
    BUS_RESTART = "bus_restart"
    LEADER_LOST = "leader_lost"
    BUS_CUT = "bus_cut"
    VENUE_CUT = "venue_cut"
    CLOCK = "clock"
    VENUE_CLOCK = "venue_clock"
    MARKET = "market"
    KILL = "kill"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that happens to the world. service: whom; seconds, count, amount: what each `What` needs.

    after: not at a time, but so many seconds after the count-th message of that stream was stored: where the steps of a service are close
    to each other, chance alone would hardly ever strike between them.
    """

    at: float
    what: What
    service: str = ""
    replica: int = 0
    seconds: float = 0.0
    count: int = 0
    by_effect: bool = False
    after: str = ""
    amount: Decimal = Decimal(0)
    symbol: str = ""
    account: AccountName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    seed: int
    accounts: tuple[AccountName, ...]
    declaration: Declaration
    replicas: dict[str, int]
    asks: tuple[Ask, ...]
    troubles: tuple[Trouble, ...]
    venue_faults: VenueFaults
    bus_faults: BusFaults
    is_cluster: bool
    venue_offset_ms: int
    wall_offsets_ms: tuple[int, ...]
    request_seconds: float
    slow_budget: float  # chance that a request waits long for budget
    feed_pace_seconds: float  # how far behind followers of the ledger may be
    stream_faults: FaultPlan = field(default_factory=FaultPlan)
    entry: OrderEntry = OrderEntry.REST

    @property
    def orders(self) -> int:
        return sum(1 for ask in self.asks if ask.kind in PLACING and ask.is_first and ask.garbage is None)


def draw_plan(seed: int, venue: VenueName = ZETARIUM, entry: OrderEntry = OrderEntry.REST) -> Plan:
    """The same seed has another history at each venue. By the socket the same is asked and goes wrong, and what befalls requests there."""
    plan = _draw_at(seed, venue)
    if entry is OrderEntry.REST:
        return plan
    drawn = Random(f"plan:{venue}:{entry}:{seed}")  # noqa: S311
    rules = (*plan.stream_faults.rules, *_socket_rules(drawn, plan.venue_faults))
    return replace(plan, entry=entry, stream_faults=FaultPlan(seed=seed, rules=rules))


def _draw_at(seed: int, venue: VenueName) -> Plan:
    if venue == ZETARIUM:
        return _draw(seed, Random(f"plan:{seed}"))  # noqa: S311 - a history can be repeated
    drawn = Random(f"plan:{venue}:{seed}")  # noqa: S311
    plan = _draw(seed, drawn)
    faults = replace(
        plan.venue_faults,
        stale_ms_max=drawn.choice((0, 300, STALE_MS_MAX)),
        trade_late_ms_max=0 if not plan.venue_faults.trade_late_ms_max else drawn.choice((0, 500, 1_500)),
    )
    declaration = find_venue(venue).declaration
    rules = tuple(_stream_rules(drawn))
    asks = (*plan.asks, *_replaces(drawn, plan.asks)) if declaration.native_replace else plan.asks
    if declaration.order_lists:
        asks = (*asks, *_lists(drawn, plan.accounts))
    return replace(
        plan,
        asks=tuple(sorted((_patient(ask) for ask in asks), key=lambda ask: ask.at)),
        declaration=declaration,
        venue_faults=faults,
        stream_faults=FaultPlan(seed=seed, rules=rules),
    )


def _patient(ask: Ask) -> Ask:
    """Orders that live long live longer than the fence takes there, so that some are sent again."""
    if ask.fields.get("validForMs") != LONG_MS:
        return ask
    return replace(ask, fields={**ask.fields, "validForMs": LONGER_MS})


def _replaces(drawn: Random, asks: tuple[Ask, ...]) -> Iterator[Ask]:
    """Other orders in the place of those that were asked for, and of these again: at once, soon, or when they may be long gone."""
    olds = [ask for ask in asks if ask.kind is IntentKind.PLACE and ask.is_first and ask.garbage is None]
    number = 0
    while olds:
        old = olds.pop()
        weights = (2, 6, 2) if "price" in old.fields else (7, 2, 1)  # most of what has no price is over at once
        for _ in range(drawn.choices((0, 1, 2), weights=weights)[0]):
            number += 1
            new = _replace(drawn, old, number)
            yield new
            yield from _repeats(drawn, new)
            if drawn.random() < 0.2:
                yield _cancel(drawn, new, 100 + number)
            if drawn.random() < 0.3 and number < REPLACES_MAX:
                olds.append(new)


def _replace(drawn: Random, old: Ask, number: int) -> Ask:
    market = next(market for market in MARKETS if market.symbol == old.symbol)
    side = str(old.fields["side"])
    make = drawn.choice((_rests, _near, _near, _crosses, _takes))
    terms: Fields = {
        "symbol": market.symbol,
        "side": side,
        "quantity": str(market.size * drawn.choice((1, 2))),
        "clientOrderId": f"n-{number}",
        "replaces": "o-99" if drawn.random() < 0.05 else old.fields["clientOrderId"],
        "validForMs": drawn.choice((900, 3_000, LONG_MS)),
    }
    if drawn.random() < 0.2:
        terms["resubmit"] = True
    return Ask(
        at=old.at + drawn.choice((0.0, 0.05, 0.2, 0.5, 2.0)) * drawn.random(),
        account=old.account,
        kind=IntentKind.REPLACE,
        symbol=old.symbol,
        intent_id=f"r-{number}",
        fields={**terms, **make(market, side)},
    )


def _lists(drawn: Random, accounts: tuple[AccountName, ...]) -> Iterator[Ask]:
    """Orders that end or begin one another, some of them such as risk or the venue refuses; and cancels of any one of them."""
    for number in range(drawn.choice((0, 1, 2, 3))):
        ask = _list(drawn, drawn.choice(accounts), number)
        yield ask
        if drawn.random() < 0.3:
            again = replace(ask, at=ask.at + drawn.uniform(0.0, 2.0), is_first=False)
            yield again if drawn.random() < 0.6 else replace(again, intent_id=f"{ask.intent_id}-thief")
        if drawn.random() < 0.4:
            leg = drawn.choice(legs_of(ask))
            yield _cancel(drawn, replace(ask, fields={"clientOrderId": leg}), 200 + number)


def legs_of(ask: Ask) -> list[str]:
    """The ids of all orders of a list that was asked for."""
    return [ask.fields["clientOrderId"], *(other["clientOrderId"] for other in ask.fields["list"]["others"])]


def _list(drawn: Random, account: AccountName, number: int) -> Ask:
    market, kind = drawn.choice(MARKETS), drawn.choice(("OCO", "OTO", "OTOCO"))
    side = drawn.choice(("BUY", "SELL"))
    exit_side = side if kind == "OCO" else ("SELL" if side == "BUY" else "BUY")
    quantity = str(market.size * drawn.choice((1, 2)))
    pair = [_gains(drawn, market, exit_side), _stops_loss(drawn, market, exit_side)]
    drawn.shuffle(pair)
    orders = [{"side": exit_side, "quantity": quantity, **terms} for terms in pair]
    if kind != "OCO":
        make = drawn.choice((_near, _near, _rests, _crosses))
        orders = [{"side": side, "quantity": quantity, **make(market, side)}, *orders][: 2 if kind == "OTO" else 3]
    named = [{**order, "clientOrderId": f"l-{number}-{leg}"} for leg, order in enumerate(orders, 1)]
    return Ask(
        at=drawn.uniform(0.8, ACTIVE_SECONDS - 0.8),
        account=account,
        kind=IntentKind.PLACE,
        symbol=market.symbol,
        intent_id=f"l-{number}",
        fields={
            "symbol": market.symbol,
            "validForMs": drawn.choice((900, 3_000, LONG_MS)),
            **named[0],
            "list": {"kind": kind, "others": named[1:]},
        },
    )


def _gains(drawn: Random, market: Market, side: str) -> Fields:
    """What takes a profit: seldom such as stands over the market already, or between two ticks."""
    share = drawn.choices(("0.0004", "0.004", "0.02", "-0.01"), weights=(5, 3, 1, 1))[0]
    if drawn.random() < 0.3:
        return {"type": "TAKE_PROFIT_MARKET", "stopPrice": _away(market, side, share)}
    price = Decimal(_away(market, side, share)) + (market.tick / 2 if drawn.random() < 0.05 else 0)
    return {"type": "LIMIT", "price": str(price), "postOnly": True}


def _stops_loss(drawn: Random, market: Market, side: str) -> Fields:
    stop = _away(market, side, drawn.choices(("-0.001", "-0.006", "-0.03"), weights=(4, 4, 1))[0])
    return {"type": "STOP_MARKET", "stopPrice": stop}


def _stream_rules(drawn: Random) -> Iterator[FaultRule]:
    """What befalls the events of private streams."""
    if drawn.random() < 0.5:
        yield FaultRule(kind="stream_late", rate=0.2, delay_ms=drawn.choice((50, 400, 3_000)))
    if drawn.random() < 0.5:
        yield FaultRule(kind="stream_doubled", rate=0.3)
    if drawn.random() < 0.5:
        yield FaultRule(kind="stream_reordered", rate=0.2, delay_ms=drawn.choice((20, 1_000)))
    if drawn.random() < 0.5:
        yield FaultRule(kind="stream_cut", rate=0.1)
    if drawn.random() < 0.25:
        yield FaultRule(kind="stream_silent", rate=0.05, pings=drawn.random() < 0.5)
    if drawn.random() < 0.25:
        yield FaultRule(kind="stream_shutdown", rate=0.05, delay_ms=drawn.choice((100, 2_000)))
    if drawn.random() < 0.3:  # of subscriptions, where they are requests
        yield FaultRule(kind="reset", rate=0.3, phase=drawn.choice(("before", "after")))
    if drawn.random() < 0.3:
        yield FaultRule(kind="rate_limited", rate=0.3, retry_after_seconds=1)


def _socket_rules(drawn: Random, faults: VenueFaults) -> Iterator[FaultRule]:
    """As the wires do it to HTTP: lost on the way, late, refused by a wall, executed and not said, or said under another name."""
    doubled, misnamed = _perhaps(drawn, 0.3, 0.1), _perhaps(drawn, 0.3, 0.1)
    fates: tuple[tuple[float, dict[str, Any]], ...] = (
        (faults.lost_request / 2, {"kind": "black_hole", "phase": "before"}),
        (faults.lost_request / 2, {"kind": "reset", "phase": "before"}),
        (faults.late_request, {"kind": "slow", "phase": "before", "delay_ms": drawn.randint(1, int(faults.late_seconds * 1000))}),
        (faults.throttled, {"kind": drawn.choice(("rate_limited", "banned")), "retry_after_seconds": drawn.randint(1, 2)}),
        (faults.wall / 2, {"kind": "forbidden"}),
        (faults.wall / 2, {"kind": "error_before_execution", "code": NEVER_EXECUTED_SPOT}),
        (faults.lost_answer / 2, {"kind": "black_hole", "phase": "after"}),
        (faults.lost_answer / 2, {"kind": "answer_lost"}),
        (faults.error_after / 2, {"kind": "error_after_execution", "code": drawn.choice(PROVES_NOTHING)}),
        (faults.error_after / 2, {"kind": "forbidden", "phase": "after"}),
        (faults.error_after / 2, {"kind": "slow", "phase": "after", "delay_ms": drawn.choice((100, 1_500, 4_000))}),
        (doubled, {"kind": "answer_doubled"}),
        (misnamed, {"kind": "answer_misnamed"}),
    )  # fmt: skip
    for call in SOCKET_CALLS:
        yield from (FaultRule(call=call, rate=rate, **rule) for rate, rule in fates if rate)


def _draw(seed: int, drawn: Random) -> Plan:
    accounts = tuple(AccountName(name) for name in ("main", "spare")[: 1 + (drawn.random() < 0.25)])
    asks = tuple(sorted(_asks(drawn, accounts), key=lambda ask: ask.at))
    return Plan(
        seed=seed,
        accounts=accounts,
        declaration=_declaration(drawn),
        replicas={service: 2 if drawn.random() < 0.25 else 1 for service in SERVICES},
        asks=asks,
        troubles=tuple(sorted(_troubles(drawn, accounts, asks), key=lambda trouble: trouble.at)),
        venue_faults=draw_venue_faults(drawn),
        bus_faults=_bus_faults(drawn),
        is_cluster=drawn.random() < 0.5,
        venue_offset_ms=drawn.randint(-4_000, 4_000),
        wall_offsets_ms=tuple(drawn.randint(-200, 200) for _ in range(16)),
        request_seconds=drawn.choice((0.7, 1.2, 3.0)),
        slow_budget=_perhaps(drawn, 0.4, 0.3),
        feed_pace_seconds=drawn.choice((0.0, 0.0, 0.0, 0.05)),
    )


def _declaration(drawn: Random) -> Declaration:
    """The venue's own, with a shorter window so that the fence comes soon, and with each id scope."""
    return replace(
        DECLARATION,
        id_scope=drawn.choice((IdScope.FOREVER, IdScope.OPEN_ONLY, IdScope.NONE)),
        window_ms=2_000,
        settle_ms=1_000,
        send_margin_ms=300,
        trade_lag_ms=600,
        hides_maker_fills=drawn.random() < 0.7,
    )


def draw_venue_faults(drawn: Random) -> VenueFaults:
    """What may become of calls in this history."""
    return VenueFaults(
        late_request=_perhaps(drawn, 0.6, 0.35),
        late_seconds=drawn.choice((1.5, 3.0, 6.0)),
        lost_request=_perhaps(drawn, 0.5, 0.15),
        lost_answer=_perhaps(drawn, 0.6, 0.3),
        error_after=_perhaps(drawn, 0.5, 0.25),
        wall=_perhaps(drawn, 0.3, 0.1),
        throttled=_perhaps(drawn, 0.4, 0.15),
        read_failed=_perhaps(drawn, 0.4, 0.2),
        squeezed=_perhaps(drawn, 0.5, 0.5),
        stale_ms_max=drawn.choice((0, 200, 450)),
        trade_late_ms_max=drawn.choice((0, 100, 200)),
    )


def _bus_faults(drawn: Random) -> BusFaults:
    return BusFaults(
        lose_request=_perhaps(drawn, 0.3, 0.03),
        lose_answer=_perhaps(drawn, 0.5, 0.08),
        lose_ack=_perhaps(drawn, 0.5, 0.2),
        lose_delivery=_perhaps(drawn, 0.3, 0.1),
        slow=_perhaps(drawn, 0.3, 0.01),
        slow_seconds=drawn.choice((0.3, 3.0)),
        undecided=_perhaps(drawn, 0.3, 0.3),
        delay_seconds_max=drawn.choice((0.001, 0.001, 0.01, 0.03)),
    )


def _perhaps(drawn: Random, chance: float, most: float) -> float:
    return drawn.random() * most if drawn.random() < chance else 0.0


# What the strategies ask.


def _asks(drawn: Random, accounts: tuple[AccountName, ...]) -> Iterator[Ask]:
    for number in range(drawn.randint(8, 12)):
        ask = _order(drawn, drawn.choice(accounts), number)
        yield ask
        yield from _repeats(drawn, ask)
        if drawn.random() < 0.4:
            yield _cancel(drawn, ask, number)
    if drawn.random() < 0.3:
        for number, account in enumerate(accounts):
            yield Ask(
                at=drawn.uniform(2.0, ACTIVE_SECONDS),
                account=account,
                kind=IntentKind.CANCEL_ALL,
                symbol=None,
                intent_id=f"all-{number}",
            )
    if drawn.random() < 0.3:
        yield Ask(
            at=drawn.uniform(0.5, ACTIVE_SECONDS),
            account=drawn.choice(accounts),
            kind=IntentKind.PLACE,
            symbol=Symbol("BTCUSDT"),
            intent_id="garbage",
            garbage=drawn.choice(
                (b"", b"{", b"[1]", b"null", b'{"schema":1}', b"\xff\xfe", b'{"schema":9,"kind":"place"}')
            ),
        )


def _order(drawn: Random, account: AccountName, number: int) -> Ask:
    market = drawn.choice(MARKETS)
    side = drawn.choice(("BUY", "SELL"))
    make = drawn.choices(_MAKERS, weights=_WEIGHTS)[0]
    terms: Fields = {
        "symbol": market.symbol,
        "side": side,
        "quantity": str(market.size * drawn.choice((1, 1, 2, 4))),
        "clientOrderId": f"o-{number}",
        "validForMs": drawn.choice((900, 3_000, 8_000)),
    }
    if drawn.random() < 0.3:
        terms["resubmit"] = True
    return Ask(
        at=drawn.uniform(0.8, ACTIVE_SECONDS - 0.8),
        account=account,
        kind=IntentKind.PLACE,
        symbol=market.symbol,
        intent_id=f"i-{number}",
        fields={**terms, **make(market, side)},
    )


def _repeats(drawn: Random, ask: Ask) -> Iterator[Ask]:
    """The same intent again, or another body under its id."""
    chance = drawn.random()
    if chance < 0.15:
        yield replace(ask, at=ask.at + drawn.uniform(0.0, 2.0), is_first=False)
    elif chance < 0.22:
        changed = {**ask.fields, "side": "SELL" if ask.fields["side"] == "BUY" else "BUY"}
        yield replace(ask, at=ask.at + drawn.uniform(0.3, 2.0), fields=changed, is_first=False)
    elif chance < 0.28:
        yield replace(ask, at=ask.at + drawn.uniform(0.3, 2.0), intent_id=f"{ask.intent_id}-thief", is_first=False)


def _cancel(drawn: Random, ask: Ask, number: int) -> Ask:
    return Ask(
        at=ask.at + drawn.choice((0.0, 0.01, 0.1, 0.5, 1.5)) * drawn.random(),
        account=ask.account,
        kind=IntentKind.CANCEL,
        symbol=None,
        intent_id=f"c-{number}",
        fields={"clientOrderId": ask.fields["clientOrderId"]},
    )


def _away(market: Market, side: str, share: str) -> str:
    """A price that share of the market's away from it, on the passive side (a negative share crosses)."""
    sign = -1 if side == "BUY" else 1
    return str((market.price * (1 + sign * Decimal(share))).quantize(market.tick))


def _takes(_market: Market, _side: str) -> Fields:
    return {"type": "MARKET"}


def _rests(market: Market, side: str) -> Fields:
    return {"type": "LIMIT", "price": _away(market, side, "0.02")}


def _near(market: Market, side: str) -> Fields:
    return {"type": "LIMIT", "price": _away(market, side, "0.0003")}


def _crosses(market: Market, side: str) -> Fields:
    return {"type": "LIMIT", "price": _away(market, side, "-0.01")}


def _stops(market: Market, side: str) -> Fields:
    return {"type": "STOP_MARKET", "stopPrice": _away(market, side, "-0.004")}


def _profits(market: Market, side: str) -> Fields:
    stop = _away(market, side, "0.004")
    return {"type": "TAKE_PROFIT", "stopPrice": stop, "price": stop}


def _reduces(_market: Market, _side: str) -> Fields:
    return {"type": "MARKET", "reduceOnly": True}


def _off_tick(market: Market, side: str) -> Fields:
    return {"type": "LIMIT", "price": str(Decimal(_away(market, side, "0.02")) + market.tick / 2)}


_MAKERS = (_takes, _rests, _near, _crosses, _stops, _profits, _reduces, _off_tick)
_WEIGHTS = (4, 4, 5, 2, 2, 2, 2, 1)


# What goes wrong.

# A crash of the service within so many seconds after a message of the stream.
_CLOSE = (
    ("FILLS", "fill_streaming", 0.02),
    ("FILLS", "position_tracking", 0.06),
    ("ORDERS", "order_submission", 0.02),
    ("ORDERS", "risk", 0.01),
    ("ORDERS", "status_polling", 0.05),
    ("KV_CURSORS", "fill_streaming", 0.003),
    ("KV_CURSORS", "fill_streaming", 0.001),
    ("KV_CURSORS", "fill_streaming", 0.003),
    ("POSITIONS", "position_tracking", 0.003),
    ("INTENTS", "risk", 0.01),
    ("INTENTS", "order_submission", 0.01),
    ("INTENTS", "strategy", 0.002),
)


def _troubles(drawn: Random, accounts: tuple[AccountName, ...], asks: tuple[Ask, ...]) -> Iterator[Trouble]:
    for _ in range(drawn.choice((0, 1, 2, 3))):
        stream, service, seconds = drawn.choice(_CLOSE)
        yield Trouble(
            at=0.0,
            what=What.CRASH,
            service=service,
            replica=drawn.randrange(2),
            after=stream,
            count=drawn.randint(1, 3 if stream == "KV_CURSORS" else 12),
            seconds=drawn.random() * seconds,
        )
    for _ in range(drawn.choice((0, 0, 1, 2))):
        yield Trouble(
            at=_when(drawn),
            what=What.CRASH,
            service=drawn.choice((*SERVICES, "order_submission", "fill_streaming", "strategy")),
            replica=drawn.randrange(2),
            count=drawn.randint(1, 60),
            by_effect=drawn.random() < 0.7,
            seconds=drawn.uniform(0.1, 2.0),
        )
    for _ in range(drawn.choice((0, 0, 1, 2))):
        yield Trouble(
            at=_when(drawn),
            what=What.FREEZE,
            service=drawn.choice((*SERVICES, "order_submission")),
            replica=drawn.randrange(2),
            count=drawn.randint(1, 60),
            by_effect=drawn.random() < 0.7,
            seconds=drawn.uniform(0.2, 5.0),
        )
    if drawn.random() < 0.25:
        what = drawn.choice((What.BUS_RESTART, What.LEADER_LOST))
        yield Trouble(at=_when(drawn), what=what, seconds=drawn.uniform(0.1, 1.5))
    for what in (What.BUS_CUT, What.VENUE_CUT):
        if drawn.random() < 0.25:
            yield Trouble(
                at=_when(drawn),
                what=what,
                service=drawn.choice((*SERVICES, "order_submission")),
                replica=drawn.randrange(2),
                seconds=drawn.uniform(0.2, 3.0),
            )
    if drawn.random() < 0.25:
        amount = Decimal(drawn.choice((-3_000, -500, 500, 3_000)))
        yield Trouble(at=_when(drawn), what=What.CLOCK, service=drawn.choice(SERVICES), amount=amount)
    if drawn.random() < 0.25:
        # What a venue's clock may be set by is what its settle leaves beside the lag of its reads.
        yield Trouble(at=_when(drawn), what=What.VENUE_CLOCK, amount=Decimal(drawn.choice((-350, -100, 100, 350))))
    for _ in range(drawn.choice((0, 1, 2, 4))):
        yield Trouble(
            at=_when(drawn),
            what=What.MARKET,
            symbol=drawn.choice(MARKETS).symbol,
            amount=Decimal(drawn.choice(("-0.006", "-0.002", "-0.0005", "0.0005", "0.002", "0.006"))),
        )
    yield from _kill(drawn, accounts, asks)


def _kill(drawn: Random, accounts: tuple[AccountName, ...], asks: tuple[Ask, ...]) -> Iterator[Trouble]:
    if drawn.random() >= 0.5:
        return
    account = drawn.choice((None, accounts[0]))
    at = drawn.choice(asks).at + drawn.choice((0.01, 0.03, 0.1, 1.0)) * drawn.random()
    yield Trouble(at=at, what=What.KILL, account=account)
    if drawn.random() < 0.6:
        yield Trouble(at=at + drawn.uniform(0.5, 3.0), what=What.RESUME, account=account)


def _when(drawn: Random) -> float:
    return drawn.uniform(0.5, ACTIVE_SECONDS)
