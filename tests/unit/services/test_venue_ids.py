"""A venue may number the orders of each symbol by themselves (Binance Spot does): a number names an order only together with its symbol."""

from dataclasses import replace

from ordergate.ports.ledger import Entry
from ordergate.trading.ids import ClientOrderId, Symbol, VenueOrderId
from ordergate.trading.order import Order, State
from services.fill_streaming.watched import WatchList
from services.status_polling.tracked import LiveBook
from tests.unit.trading.making import BTC, order

ETH = Symbol("ETHUSDT")
FIVE = VenueOrderId("5")


def resting(name: str, symbol: Symbol) -> Order:
    found = order(State.ACCEPTED)
    key = replace(found.key, client_order_id=ClientOrderId(name), symbol=symbol)
    return replace(found, request=replace(found.request, key=key), venue_order_id=FIVE)


def entry(found: Order, sequence: int) -> Entry:
    return Entry(order=found, sequence=sequence, append_id="a", event_kind="x", stored_at_ms=0)


def test_polling_tells_orders_of_two_symbols_with_one_number_apart() -> None:
    live = LiveBook()
    for number, (name, symbol) in enumerate((("b", BTC), ("e", ETH)), start=1):
        live.note(entry(resting(name, symbol), number), now_ms=0)
    found = {symbol: live.of_venue_order(symbol, FIVE) for symbol in (BTC, ETH)}
    assert {symbol: each.order.key.client_order_id for symbol, each in found.items() if each} == {BTC: "b", ETH: "e"}
    live.note(entry(replace(resting("b", BTC), state=State.CANCELED), 3), now_ms=0)
    assert live.of_venue_order(BTC, FIVE) is None
    assert live.of_venue_order(ETH, FIVE) is not None


def test_fills_of_two_symbols_with_one_number_go_to_their_own_orders() -> None:
    watched = WatchList()
    for number, (name, symbol) in enumerate((("b", BTC), ("e", ETH)), start=1):
        watched.note(entry(resting(name, symbol), number), now=0.0)
    found = {symbol: watched.of_venue_order(symbol, FIVE) for symbol in (BTC, ETH)}
    assert {symbol: each.order.key.client_order_id for symbol, each in found.items() if each} == {BTC: "b", ETH: "e"}
