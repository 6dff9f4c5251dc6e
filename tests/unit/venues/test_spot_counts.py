"""Filters that need the account's book to judge: what risk lets pass Spot takes, and what it refuses Spot refuses by the same filter."""

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ordergate.simulator.binance.exchange_info import spot_info
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.config import SymbolConfig
from ordergate.trading.ids import ClientOrderId, VenueOrderId
from ordergate.trading.instrument import ReferencePrice
from ordergate.trading.order import ListKind, OrderListMembership, OrderRequest, OrderType, Side, State, Terms
from ordergate.trading.risk import Book, RiskLimits, RiskRefusal, check
from ordergate.venues.binance_spot.parse import instruments_answer, order_parameters
from tests.unit.simulator.binance.spot.desk import BTC as CONFIG
from tests.unit.simulator.binance.spot.desk import NOW, SpotDesk
from tests.unit.trading.making import ACCOUNT, BTC, VENUE, order, request

ROUNDS = 60
LIMITS = RiskLimits(self_trade=False)
REFERENCE = ReferencePrice(symbol=BTC, price=Decimal(100), observed_at_ms=NOW)
FILTERS: dict[str, dict[str, Any]] = {
    "MAX_NUM_ORDERS": {"maxNumOrders": 6},
    "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 3},
    "MAX_NUM_ICEBERG_ORDERS": {"maxNumIcebergOrders": 2},
    "EXCHANGE_MAX_NUM_ORDERS": {"maxNumOrders": 5},
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 2},
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": {"maxNumIcebergOrders": 1},
    "MAX_POSITION": {"maxPosition": "103"},
}
QUIET = {"MAX_NUM_ORDERS": {"maxNumOrders": 500}, "MAX_NUM_ALGO_ORDERS": {"maxNumAlgoOrders": 500}}


class Both:
    """The exchange, and the account's book as risk keeps it."""

    def __init__(self, filters: dict[str, dict[str, Any]]) -> None:
        config = {**CONFIG, "filters": {**QUIET, **filters}}
        self.desk = SpotDesk(symbols=[config])
        info = spot_info([(SymbolConfig.model_validate(config), False)], [], NOW)
        [self.instrument] = instruments_answer(info)
        self.book = Book(VENUE, ACCOUNT)
        self.live: list[tuple[int, int, Terms]] = []

    def judged(self, asked: OrderRequest) -> str | None:
        """The filter by which risk refuses it."""
        self.book.note_wallet({"BTC": sum(self.desk.money("BTC"), Decimal(0))}, NOW)
        verdict = check(asked, LIMITS, self.book, REFERENCE, self.instrument, NOW)
        return verdict.limit if isinstance(verdict, RiskRefusal) else None

    def sent(self, number: int, asked: OrderRequest) -> str | None:
        """The filter by which the exchange refuses it; taken, it is in the book."""
        answer = self.desk.ask("order", **dict(order_parameters(asked)))
        if isinstance(answer, Failure):
            return "filter_" + answer.msg.removeprefix("Filter failure: ").lower()
        self.live.append((number, answer["orderId"], asked.terms))
        self._note(State.ACCEPTED, number, asked.terms, answer["orderId"])
        return None

    def cancel(self, at: int) -> None:
        number, order_id, terms = self.live.pop(at)
        self.desk.cancel(order_id)
        self._note(State.CANCELED, number, terms, order_id)

    def _note(self, state: State, number: int, terms: Terms, order_id: int) -> None:
        self.book.note_order(order(state, number=number, asked=terms, venue_order_id=VenueOrderId(str(order_id))))


def drawn(rng: Random) -> Terms:
    """An order that rests: far from the market, conditional or shown in parts or neither."""
    side = rng.choice(list(Side))
    price = Decimal(60 if side is Side.BUY else 140)
    quantity = Decimal(rng.randint(200, 900)) / 1000
    kind = rng.choice(["plain", "plain", "stop", "iceberg"])
    if kind == "stop":
        stop = Decimal(140 if side is Side.BUY else 60)
        return Terms(side=side, type=OrderType.STOP, quantity=quantity, price=stop, stop_price=stop)
    shown = Decimal("0.1") if kind == "iceberg" else None
    return Terms(side=side, type=OrderType.LIMIT, quantity=quantity, price=price, iceberg_quantity=shown)


@pytest.mark.parametrize("name", FILTERS)
def test_risk_and_the_exchange_refuse_the_same_orders_by_the_same_filter(name: str) -> None:
    both, rng = Both({name: FILTERS[name]}), Random(name)  # noqa: S311 - a story, not a secret
    refused = set()
    for number in range(ROUNDS):
        if both.live and rng.random() < 0.3:
            both.cancel(rng.randrange(len(both.live)))
        asked = request(number, asked=drawn(rng))
        expected = both.judged(asked)
        assert both.sent(number, asked) == expected, number
        refused.add(expected)
    assert refused == {None, f"filter_{name.lower()}"}


@pytest.mark.parametrize("name", ["MAX_NUM_ORDER_LISTS", "EXCHANGE_MAX_NUM_ORDER_LISTS"])
def test_a_list_is_one_however_many_of_its_orders_are_open(name: str) -> None:
    both = Both({name: {"maxNumOrderLists": 2}})

    def leg(number: int, of: str, at: int) -> OrderRequest:
        legs = (ClientOrderId(f"{of}-1"), ClientOrderId(f"{of}-2"))
        listed = OrderListMembership(list_client_order_id=ClientOrderId(of), kind=ListKind.OTO, leg=at, legs=legs)
        resting = Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(1), price=Decimal(60))
        return replace(request(number, asked=resting), order_list=listed)

    def note(number: int, of: str, at: int, state: State) -> None:
        both.book.note_order(replace(order(state, number=number), request=leg(number, of, at)))

    for number, (of, at) in enumerate((("a", 1), ("a", 2), ("b", 1), ("b", 2))):
        assert both.judged(leg(number, of, at)) is None
        note(number, of, at, State.ACCEPTED)
    assert both.judged(leg(9, "c", 1)) == f"filter_{name.lower()}"
    assert both.judged(request(8, asked=leg(9, "c", 1).terms)) is None, "an order of no list is none"
    note(0, "a", 1, State.FILLED)
    assert both.judged(leg(9, "c", 1)) == f"filter_{name.lower()}", "its other order is still open"
    note(1, "a", 2, State.CANCELED)
    assert both.judged(leg(9, "c", 1)) is None


def test_a_position_that_would_become_too_large_is_refused_with_the_quantity_that_would_not() -> None:
    both = Both({"MAX_POSITION": {"maxPosition": "100.5"}})
    both.book.note_wallet({"BTC": Decimal(100)}, NOW)
    asked = request(1, asked=Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(1), price=Decimal(60)))
    verdict = check(asked, LIMITS, both.book, REFERENCE, both.instrument, NOW)
    assert isinstance(verdict, RiskRefusal)
    assert (verdict.value, verdict.would_be) == (Decimal("100.5"), Decimal(101))
    assert "quantity 0.5 would" in verdict.message.replace("0.500", "0.5")


def test_an_exchange_filter_that_cannot_be_read_is_the_exchanges_to_judge() -> None:
    info = spot_info([(SymbolConfig.model_validate(CONFIG), False)], [], NOW)
    info["exchangeFilters"] = [
        "nonsense",
        {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": "many"},
        {"filterType": "EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 9},
    ]
    [found] = instruments_answer(info)
    assert (found.account_orders_max, found.account_algo_orders_max) == (None, 9)
