"""What holds after any sequence of calls: money is conserved, positions are their trades, and events alone tell the whole story."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.simulator.binance.futures.orders import FuturesOrder
from ordergate.simulator.orders import PositionSide, Status
from tests.unit.simulator.binance.futures.floor import Floor, Row
from tests.unit.simulator.desk import BTC

RICH = [{"account": name, "balance": "10000000", "leverage": 10} for name in ("main", "other")]
NAMES = ("main", "other")
PRICES = st.integers(min_value=960, max_value=1040).map(lambda ticks: f"{Decimal(ticks) / 10}")
QUANTITIES = st.integers(min_value=60, max_value=4000).map(lambda lots: f"{Decimal(lots) / 1000}")
STP = st.sampled_from([None, "NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"])
ONCE = st.sampled_from(["place"] * 6 + ["market", "market", "algo", "algo", "cancel", "modify", "countdown", "wait"])


@st.composite
def _moves(draw: st.DrawFn) -> Row:
    move: Row = {
        "what": draw(ONCE),
        "account": draw(st.sampled_from(NAMES)),
        "side": draw(st.sampled_from(["BUY", "SELL"])),
        "quantity": draw(QUANTITIES),
        "price": draw(PRICES),
        "reduceOnly": draw(st.sampled_from([None, None, "true"])),
        "selfTradePreventionMode": draw(STP),
    }
    if move["what"] == "place":
        move["timeInForce"] = draw(st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK", "GTX"]))
    if move["what"] == "algo":
        kinds = ["STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
        move["type"] = draw(st.sampled_from(kinds))
        move["trigger"] = draw(PRICES)
    return move


def _floor() -> Floor:
    return Floor(symbols=[{**BTC, "maxOpenOrders": 1000}], accounts=RICH)


def _make(floor: Floor, move: Row, *, hedged: bool = False) -> None:
    what, account = move["what"], move["account"]
    order = {name: move[name] for name in ("account", "side", "quantity", "reduceOnly", "selfTradePreventionMode")}
    if hedged:
        del order["reduceOnly"]
        order["positionSide"] = "LONG" if move["reduceOnly"] else "SHORT"
    open_orders = list(floor.exchange.accounts[account].open_orders.values())
    if what == "place":
        floor.try_place(**order, price=move["price"], timeInForce=move["timeInForce"])
    elif what == "market":
        floor.try_place(**order)
    elif what == "algo":
        _make_algo(floor, move, order)
    elif what == "cancel" and open_orders:
        floor.call("DELETE v1/order", account=account, symbol="BTCUSDT", orderId=open_orders[0].id)
    elif what == "modify" and open_orders:
        wanted = {"side": open_orders[-1].side, "quantity": move["quantity"], "price": move["price"]}
        floor.call("PUT v1/order", account=account, symbol="BTCUSDT", orderId=open_orders[-1].id, **wanted)
    elif what == "countdown":
        floor.call("POST v1/countdownCancelAll", account=account, symbol="BTCUSDT", countdownTime="700")
    else:
        floor.now_ms += 500
        floor.exchange.advance(floor.now_ms)


def _make_algo(floor: Floor, move: Row, order: Row) -> None:
    kind = move["type"]
    fields: Row = {"callbackRate": "1"} if kind == "TRAILING_STOP_MARKET" else {"triggerPrice": move["trigger"]}
    if kind in {"STOP", "TAKE_PROFIT"}:
        fields["price"] = move["price"]
    floor.call("POST v1/algoOrder", algoType="CONDITIONAL", symbol="BTCUSDT", type=kind, **order, **fields)


def _check_books(floor: Floor) -> None:
    exchange = floor.exchange
    book = exchange.markets["BTCUSDT"].book
    bid, ask = book.bids.best_price(), book.asks.best_price()
    assert bid is None or ask is None or bid < ask
    for account in exchange.accounts.values():
        trades = list(account.trades_from("BTCUSDT", 0))
        assert [trade.id for trade in trades] == sorted(trade.id for trade in trades)
        for side in PositionSide:
            held = sum(t.lots * t.order.sign for t in trades if t.order.position_side is side)
            assert held == floor.lots(account.name, side)
        gained = sum((p.realized - p.fees for p in account.positions.values()), Decimal(0))
        assert abs(account.wallet - (10_000_000 + gained)) < Decimal("1e-12")
        assert {order.id for order in account.orders if order.is_open} == set(account.open_orders)
        assert all((order.status is Status.FILLED) == (order.executed == order.lots) for order in account.orders)
        reserved = sum(o.symbol.notional(o.reference_price, o.reserved_lots) for o in account.orders)
        assert account.reserved == reserved
        assert all(account.reducible(order) for order in account.closing_orders.values())
        assert all(algo.is_open for algo in account.open_algos.values())
    accounts = exchange.accounts.values()
    assert sum(p.lots for account in accounts for p in account.positions.values()) == 0
    market = exchange.markets["BTCUSDT"]
    worth = sum((account.wallet + account.unrealized({"BTCUSDT": market}) for account in accounts), Decimal(0))
    fees = sum((p.fees for account in accounts for p in account.positions.values()), Decimal(0))
    assert abs(worth + fees - 20_000_000) < Decimal("1e-12")


@settings(max_examples=120, deadline=None)
@given(st.lists(_moves(), max_size=30))
def test_money_and_positions_add_up_after_every_call(moves: list[Row]) -> None:
    floor = _floor()
    for move in moves:
        _make(floor, move)
        _check_books(floor)


@settings(max_examples=60, deadline=None)
@given(st.lists(_moves(), max_size=30))
def test_money_and_positions_add_up_in_hedge_mode(moves: list[Row]) -> None:
    floor = _floor()
    for name in NAMES:
        floor.call("POST v1/positionSide/dual", account=name, dualSidePosition="true")
    for move in moves:
        _make(floor, move, hedged=True)
        _check_books(floor)
        assert all(floor.lots(name, "LONG") >= 0 >= floor.lots(name, "SHORT") for name in NAMES)


@settings(max_examples=120, deadline=None)
@given(st.lists(_moves(), max_size=30))
def test_reduce_only_never_turns_or_opens_a_position(moves: list[Row]) -> None:
    """It begins with positions and ends with their closing by twice as much, since hardly any sequence gets that far by chance."""
    floor = _floor()
    floor.try_place(account="other", side="SELL", quantity="1.000", price="100.0")
    floor.try_place(account="main", side="BUY", quantity="1.000", price="100.0")
    for move in moves:
        _make(floor, move)
    if (held := floor.lots("main")) != 0:
        _close_twice(floor, "main", held)
        assert floor.lots("main") == 0
    for account in floor.exchange.accounts.values():
        held = 0
        for trade in account.trades_from("BTCUSDT", 0):
            before, held = held, held + trade.lots * trade.order.sign
            if trade.order.closing:
                assert abs(held) < abs(before)
                assert held * before >= 0


def _close_twice(floor: Floor, account: str, held: int) -> None:
    """Against a resting order of the other account, once nothing else rests or waits for a price."""
    for name in NAMES:
        floor.call("DELETE v1/allOpenOrders", account=name, symbol="BTCUSDT")
        floor.call("DELETE v1/algoOpenOrders", account=name, symbol="BTCUSDT")
    sell, buy = ("SELL", "BUY") if held > 0 else ("BUY", "SELL")
    twice = Decimal(2 * abs(held)) / 1000
    (other,) = (name for name in NAMES if name != account)
    floor.try_place(account=other, side=buy, quantity=f"{twice + 1}", price="100.0")
    floor.try_place(account=account, side=sell, quantity=f"{twice}", reduceOnly="true")


@settings(max_examples=120, deadline=None)
@given(st.lists(_moves(), max_size=30))
def test_events_alone_tell_the_same_account(moves: list[Row]) -> None:
    floor = _floor()
    for move in moves:
        _make(floor, move)
    for name in NAMES:
        _check_retold(floor, name)


def _check_retold(floor: Floor, name: str) -> None:
    account = floor.exchange.accounts[name]
    told = floor.events(account=name)
    last = {event["o"]["i"]: event["o"] for event in told if event["e"] == "ORDER_TRADE_UPDATE"}
    orders = {order.id: order for order in account.orders if isinstance(order, FuturesOrder)}
    assert {i: (body["X"], Decimal(body["z"]), Decimal(body["q"])) for i, body in last.items()} == {
        i: (order.status, order.symbol.lot * order.executed, order.symbol.lot * order.lots)
        for i, order in orders.items()
    }
    _check_trades_retold(floor, name, told)
    algos = {event["o"]["aid"]: event["o"]["X"] for event in told if event["e"] == "ALGO_UPDATE"}
    assert algos == {algo.id: algo.status for algo in account.algo_orders.values()}
    balances = [event["a"] for event in told if event["e"] == "ACCOUNT_UPDATE"]
    if balances:
        position = account.positions["BTCUSDT", PositionSide.BOTH]
        assert abs(Decimal(balances[-1]["B"][0]["wb"]) - account.wallet) < Decimal("1e-8")
        assert Decimal(balances[-1]["P"][0]["pa"]) == position.symbol.lot * position.lots
        assert abs(Decimal(balances[-1]["P"][0]["ep"]) - position.entry_price) < Decimal("1e-8")


def _check_trades_retold(floor: Floor, name: str, told: list[Row]) -> None:
    """REST and both trade events tell of the same trades, once each."""
    rows = floor.call("GET v1/userTrades", account=name, symbol="BTCUSDT", fromId=0, limit=1000)
    full = [event["o"] for event in told if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["x"] == "TRADE"]
    lite = [event for event in told if event["e"] == "TRADE_LITE"]
    listed = sorted((r["id"], r["orderId"], r["price"], r["qty"], r["maker"]) for r in rows)
    for bodies in (full, lite):
        assert sorted((body["t"], body["i"], body["L"], body["l"], body["m"]) for body in bodies) == listed
    assert [(r["realizedPnl"], r["commission"]) for r in _in_order(rows, "id", "orderId")] == [
        (o["rp"], o["n"]) for o in _in_order(full, "t", "i")
    ]


def _in_order(rows: list[Any], *names: str) -> list[Any]:
    return sorted(rows, key=lambda row: tuple(row[name] for name in names))
