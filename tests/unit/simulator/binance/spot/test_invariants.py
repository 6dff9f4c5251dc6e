"""What holds after any sequence of calls: money is conserved, locked is what open orders hold, and the events tell all of it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.accounts import SpotAccount
from ordergate.simulator.binance.spot.orders import SpotOrder
from ordergate.simulator.orders import Status
from tests.unit.simulator.binance.spot.desk import NOW, START, SpotDesk

ACCOUNTS = ("main", "other")
FEES = {"maker": "0.00075", "taker": "0.001"}
PRICES = st.integers(min_value=960, max_value=1040).map(lambda ticks: str(Decimal(ticks) / 10))
LOTS = st.integers(min_value=60, max_value=4000)
QUANTITIES = LOTS.map(lambda lots: str(Decimal(lots) / 1000))
MODES = st.sampled_from(["NONE", "NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"])
TYPES = ["LIMIT", "LIMIT", "LIMIT", "MARKET", "QUOTE", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"]
SIDES = st.sampled_from(["BUY", "SELL"])


@st.composite
def _orders(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from([*TYPES, "TAKE_PROFIT_LIMIT"]))
    order: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": draw(SIDES),
        "type": "MARKET" if kind == "QUOTE" else kind,
        "selfTradePreventionMode": draw(MODES),
    }
    if kind == "QUOTE":
        return {**order, "quoteOrderQty": draw(QUANTITIES) + "77"}
    lots = draw(LOTS)
    order["quantity"] = str(Decimal(lots) / 1000)
    if kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        order["timeInForce"] = draw(st.sampled_from(["GTC", "GTC", "IOC", "FOK"]))
    if kind in {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
        order["price"] = draw(PRICES)
        if order.get("timeInForce", "GTC") == "GTC" and draw(st.booleans()):
            order["icebergQty"] = str(Decimal(-(-lots // draw(st.integers(1, 5)))) / 1000)
    if kind.startswith(("STOP", "TAKE")):
        how = draw(st.sampled_from(["stop", "trailing", "both"]))
        if how != "trailing":
            order["stopPrice"] = draw(PRICES)
        if how != "stop":
            order["trailingDelta"] = draw(st.sampled_from([10, 50, 200]))
    return order


@st.composite
def _lists(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["oco", "oto", "otoco"]))
    side, quantity = draw(SIDES), draw(QUANTITIES)
    low, high = sorted((draw(PRICES), draw(PRICES)), key=Decimal)
    sells = side == "SELL"
    above, below = ("pendingAbove", "pendingBelow") if kind == "otoco" else ("above", "below")
    gain, stop = (above, below) if sells else (below, above)
    pair = {
        f"{gain}Type": "LIMIT_MAKER",
        f"{gain}Price": high if sells else low,
        f"{stop}Type": "STOP_LOSS",
        f"{stop}StopPrice": low if sells else high,
    }
    working = {
        "workingType": "LIMIT",
        "workingTimeInForce": draw(st.sampled_from(["GTC", "IOC"])),
        "workingSide": draw(SIDES),
        "workingPrice": draw(PRICES),
        "workingQuantity": draw(QUANTITIES),
    }
    plain = {"pendingType": "LIMIT", "pendingTimeInForce": "GTC", "pendingPrice": draw(PRICES)}
    fields: dict[str, Any] = {
        "oco": {"side": side, "quantity": quantity, **pair},
        "oto": {**working, **plain, "pendingSide": side, "pendingQuantity": quantity},
        "otoco": {**working, **pair, "pendingSide": side, "pendingQuantity": quantity},
    }[kind]
    return {"call": kind, "symbol": "BTCUSDT", "selfTradePreventionMode": draw(MODES), **fields}


@st.composite
def _moves(draw: st.DrawFn) -> dict[str, Any]:
    what = draw(st.sampled_from(["order"] * 8 + ["list"] * 2 + ["cancel", "amend", "replace", "all", "price", "fill"]))
    move: dict[str, Any] = {"what": what, "account": draw(st.sampled_from(ACCOUNTS)), "pick": draw(st.integers(0, 30))}
    if what in {"order", "replace"}:
        move["fields"] = draw(_orders())
    if what == "list":
        move["fields"] = draw(_lists())
    if what == "amend":
        move["quantity"] = draw(QUANTITIES)
    if what == "price":
        move["price"] = draw(PRICES)
    return move


def _make(desk: SpotDesk, move: dict[str, Any]) -> None:
    account = desk.exchange.accounts[move["account"]]
    orders = [order.id for order in account.orders]
    order_id = orders[move["pick"] % len(orders)] if orders else 1
    on = {"account": move["account"], "symbol": "BTCUSDT"}
    match move["what"]:
        case "order":
            desk.ask("order", account=move["account"], **move["fields"])
        case "list":
            fields = dict(move["fields"])
            desk.ask(fields.pop("call"), account=move["account"], **fields)
        case "cancel":
            desk.ask("cancel", **on, orderId=order_id)
        case "amend":
            desk.ask("amend", **on, orderId=order_id, newQty=move["quantity"])
        case "replace":
            mode = "ALLOW_FAILURE" if move["pick"] % 2 else "STOP_ON_FAILURE"
            fields = {**move["fields"], "cancelOrderId": order_id, "cancelReplaceMode": mode}
            desk.ask("cancelReplace", account=move["account"], **fields)
        case "all":
            desk.ask("cancelAll", **on)
        case "price":
            desk.exchange.set_price("BTCUSDT", Decimal(move["price"]), desk.now_ms)
        case _:
            desk.exchange.fill(order_id, desk.now_ms)


def _check_money(desk: SpotDesk) -> None:
    """Per asset: accounts + the crowd + commissions = what there was."""
    exchange = desk.exchange
    for asset, start in START.items():
        held = sum((account.totals[asset] for account in exchange.accounts.values()), Decimal(0))
        crowd = exchange.floor.matching.crowd.get(asset, Decimal(0))
        commissions = exchange.floor.matching.commissions.get(asset, Decimal(0))
        assert held + crowd + commissions == start * len(exchange.accounts)


def _check_account(account: SpotAccount) -> None:
    holds: dict[str, Decimal] = defaultdict(Decimal)
    pairs: dict[int, list[SpotOrder]] = defaultdict(list)
    for order in account.open_orders.values():
        listed = order.order_list
        if listed is None or order is listed.working:
            holds[order.pays_with] += order.held
        else:
            pairs[listed.id].append(order)
    for legs in pairs.values():
        holds[legs[0].pays_with] += max(leg.held for leg in legs)
    for asset in account.totals:
        assert account.locked[asset] == holds[asset]
        assert account.free(asset) >= 0
    assert {order.id for order in account.orders if order.is_open} == set(account.open_orders)
    for order in account.orders:
        assert order.executed == sum(trade.lots for trade in order.trades)
        assert order.executed + order.prevented <= order.lots or order.amendments
        assert order.resting == (order.is_open and order.is_working)
        if order.status is Status.FILLED:
            assert order.remaining == 0
    for listed in account.lists:
        assert listed.is_open == any(order.is_open for order in listed.orders)


def _check_book(desk: SpotDesk) -> None:
    book = desk.exchange.markets["BTCUSDT"].book
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is None or ask is None or bid < ask
    resting = [order for side in (book.bids, book.asks) for _, orders in side.levels() for order in orders]
    mine = [order for account in desk.exchange.accounts.values() for order in account.orders if order.resting]
    assert {order.id for order in resting} == {order.id for order in mine}


def _replay(desk: SpotDesk, account: str) -> None:
    """Who only hears the events knows the balances, the open orders and every trade."""
    balances = {asset: (f"{amount:.8f}", "0.00000000") for asset, amount in START.items()}
    executed: dict[int, Decimal] = defaultdict(Decimal)
    statuses: dict[int, str] = {}
    seen: set[int] = set()
    totals = dict(START)
    for event in desk.events:
        if event.account != account:
            continue
        body: dict[str, Any] = event.payload
        if event.kind == "outboundAccountPosition":
            balances |= {row["a"]: (row["f"], row["l"]) for row in body["B"]}
        if event.kind != "executionReport":
            continue
        assert body["I"] not in seen
        seen.add(body["I"])
        if body["x"] == "REJECTED":
            continue
        statuses[body["i"]] = body["X"]
        if body["x"] == "TRADE":
            executed[body["i"]] += Decimal(body["l"])
            assert Decimal(body["z"]) == executed[body["i"]]
            gain, cost = Decimal(body["l"]), -Decimal(body["Y"])
            if body["S"] == "SELL":
                gain, cost = -gain, -cost
            totals["BTC"] += gain
            totals["USDT"] += cost
            totals[body["N"]] -= Decimal(body["n"])
    owner = desk.exchange.accounts[account]
    assert totals == owner.totals
    assert balances == {name: (f"{owner.free(name):.8f}", f"{owner.locked[name]:.8f}") for name in owner.totals}
    assert statuses == {order.id: order.status for order in owner.orders}


@settings(max_examples=200, deadline=None)
@given(st.lists(_moves(), max_size=30))
def test_books_add_up_after_every_call(moves: list[dict[str, Any]]) -> None:
    desk = SpotDesk(fees=FEES)
    for move in moves:
        desk.now_ms += 1
        _make(desk, move)
        _check_money(desk)
        _check_book(desk)
        for account in desk.exchange.accounts.values():
            _check_account(account)
    for name in ACCOUNTS:
        _replay(desk, name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PRICES, QUANTITIES), min_size=2, max_size=8), st.tuples(PRICES, QUANTITIES))
def test_better_prices_trade_before_worse_and_older_before_newer(
    resting: list[tuple[str, str]], taking: tuple[str, str]
) -> None:
    desk = SpotDesk()
    rows = []
    for price, quantity in resting:
        answer = desk.ask("order", account="other", **_sell(price, quantity))
        assert not isinstance(answer, Failure)
        rows.append((Decimal(price), answer["orderId"]))
    desk.ask("order", **{**_sell(*taking), "side": "BUY"})
    by_priority = [order_id for _, order_id in sorted(rows)]
    shares = [
        (order.executed, order.remaining)
        for order_id in by_priority
        for order in [_of(desk, order_id)]
        if order is not None
    ]
    # Nobody trades while somebody before him still waits.
    assert all(executed == 0 for (_, left), (executed, _) in pairwise(shares) if left)


def _sell(price: str, quantity: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": quantity,
    }


def _of(desk: SpotDesk, order_id: int) -> SpotOrder | None:
    return desk.exchange.accounts["other"].order(order_id)


def test_seed_is_a_history() -> None:
    def history(seed: int) -> list[Any]:
        desk = SpotDesk(seed=seed, flow={"takerRate": 0.9}, accounts=[{"account": "main"}])
        for turn in range(40):
            desk.now_ms = NOW + turn * 100
            desk.exchange.advance(desk.now_ms)
            desk.ask("order", **_sell(str(100 + turn % 7), "0.5"), newOrderRespType="FULL")
        return [*(event.payload for event in desk.events), *(event.payload for event in desk.prints)]

    assert history(1) == history(1)
    assert history(1) != history(2)
