"""What a close intent becomes on Spot, where no order can be reduce-only: a sale of what is certainly ours."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest

from ordergate.trading.book import Book
from ordergate.trading.ids import ClientOrderId, IntentId, Symbol, TradeId
from ordergate.trading.instrument import Instrument, ReferencePrice
from ordergate.trading.order import OrderKey, OrderRequest, PositionSide, Side, State
from ordergate.trading.position import EXTERNAL
from ordergate.trading.risk import Passed, RiskLimits, RiskRefusal, check
from ordergate.venues.binance_futures.declaration import DECLARATION as FUTURES
from ordergate.venues.binance_spot.declaration import DECLARATION as SPOT
from ordergate.wire.gate import CloseRequest
from services.risk.closing import Closings, NoOrder
from services.risk.first_word import FirstWord
from tests.unit.trading.making import ACCOUNT, ALPHA, BTC, VENUE, fill, instrument, order, terms

NOW = 50_000


class Shown:
    """One symbol at 100, as the venue shows it."""

    def __init__(self, shown: Instrument) -> None:
        self.shown = shown

    def instrument(self, *_: object) -> Instrument:
        return self.shown

    def reference_price(self, _venue: object, symbol: Symbol) -> ReferencePrice:
        return ReferencePrice(symbol=symbol, price=Decimal(100), observed_at_ms=NOW)

    def awaits_price(self, *_: object) -> bool:
        return False


def held(*fills: tuple[str, str], side: Side = Side.BUY, asset: str = "BTC") -> Book:
    """Fills by quantity and fee in an asset."""
    book = Book(VENUE, ACCOUNT)
    for number, (quantity, fee) in enumerate(fills, start=1):
        one = fill(
            number, Decimal(quantity), side=side, fee=Decimal(fee), fee_asset=asset, trade_id=TradeId(str(number))
        )
        book.note_fill(replace(one, client_order_id=None))
    return book


def asked(quantity: str | None = None, **changes: Any) -> CloseRequest:
    values: dict[str, Any] = {
        "key": OrderKey(venue=VENUE, account=ACCOUNT, symbol=BTC, client_order_id=ClientOrderId("close-1")),
        "strategy": ALPHA,
        "intent_id": IntentId("c-1"),
        "request_hash": "hash",
        "position_side": PositionSide.BOTH,
        "quantity": None if quantity is None else Decimal(quantity),
        "created_at_ms": NOW,
        "valid_for_ms": 1_000,
    }
    return CloseRequest(**(values | changes))


def closing(book: Book, request: CloseRequest | None = None, **filters: Any) -> OrderRequest | NoOrder:
    first_word = FirstWord(VENUE, cast("Any", Shown(instrument(notional_min=Decimal(5), **filters))))
    return Closings(declaration=SPOT, book=book, first_word=first_word).order_for(request or asked(), NOW)


def sold(*args: Any, **kwargs: Any) -> Decimal | None:
    found = closing(*args, **kwargs)
    assert isinstance(found, OrderRequest), found
    assert (found.terms.side, found.terms.reduce_only) == (Side.SELL, False)
    return found.terms.quantity


def declined(*args: Any, **kwargs: Any) -> tuple[str, str]:
    found = closing(*args, **kwargs)
    assert isinstance(found, NoOrder), found
    return found.reason, found.message


def test_what_the_fills_hold_is_sold_less_the_fees_that_were_taken_from_it_and_truncated_to_the_step() -> None:
    assert sold(held(("1", "0.001"), ("0.5", "0.0005"))) == Decimal("1.498")


def test_fees_in_another_asset_take_nothing_away() -> None:
    assert sold(held(("1", "0.7"), asset="BNB")) == 1


def test_no_more_is_sold_than_was_asked_for_and_than_is_held() -> None:
    book = held(("1", "0"))
    assert sold(book, asked("0.25")) == Decimal("0.25")
    assert sold(book, asked("7")) == 1


def test_what_open_orders_may_still_sell_is_not_sold_twice() -> None:
    book = held(("10", "0"))
    selling = terms(side=Side.SELL, quantity=Decimal(6), price=Decimal(101))
    book.note_order(order(State.ACCEPTED, number=7, asked=selling))
    assert sold(book) == 4
    book.note_order(order(State.UNKNOWN, number=8, asked=replace(selling, quantity=Decimal(4))))
    reason, message = declined(book)
    assert reason == "held_by_open_orders"
    assert "cancel" in message


def test_no_more_is_sold_than_the_venue_shows() -> None:
    book = held(("10", "0"))
    book.note_wallet({"BTC": Decimal("3.5")}, NOW - 10_000)
    assert sold(book) == Decimal("3.5")
    book.note_wallet({}, NOW - 10_000)
    assert declined(book)[0] == "not_in_the_wallet"


@pytest.mark.parametrize("asked_at_ms", [NOW - 31_000, 30_500])
def test_a_wallet_that_is_old_or_need_not_show_the_last_fill_says_nothing(asked_at_ms: int) -> None:
    book = held(("10", "0"))  # received at 30,010
    book.note_wallet({}, asked_at_ms)
    assert sold(book) == 10


@pytest.mark.parametrize(("left", "name"), [("0.0004", "LOT_SIZE"), ("0.04", "MIN_NOTIONAL")])
def test_what_is_too_little_to_be_sold_is_dust_and_the_filter_is_named(left: str, name: str) -> None:
    reason, message = declined(held((left, "0")))
    assert (reason, name in message, left in message) == ("dust", True, True)


def test_a_part_that_is_too_little_is_refused_by_the_filter_and_is_no_dust() -> None:
    assert sold(held(("1", "0")), asked("0.04")) == Decimal("0.04")  # risk names MIN_NOTIONAL as for any order


def test_what_was_sold_beyond_the_fills_is_not_bought_back() -> None:
    reason, message = declined(held(("2", "0"), side=Side.SELL))
    assert (reason, "2 more was sold" in message) == ("short_on_spot", True)


def test_what_others_bought_in_the_account_is_not_ours_to_sell() -> None:
    book = held(("1", "0"))
    for strategy in (None, EXTERNAL):
        book.note_fill(
            replace(fill(9, Decimal(5)), client_order_id=None, strategy=strategy, trade_id=TradeId(f"{strategy}"))
        )
    assert book.exposure(BTC).quantity == 11
    assert sold(book) == 1


def test_nothing_held_is_nothing_to_close() -> None:
    assert declined(Book(VENUE, ACCOUNT))[0] == "nothing_to_close"


def test_one_that_comes_too_late_is_left_to_be_refused_as_such() -> None:
    found = closing(held(("1", "0")), asked(created_at_ms=NOW - 2_000))
    assert isinstance(found, OrderRequest)
    assert found.expires_at_ms < NOW


def test_where_orders_can_reduce_only_the_whole_position_is_asked_for() -> None:
    closings = Closings(declaration=FUTURES, book=held(("2", "0.1"), side=Side.SELL), first_word=cast("Any", None))
    found = closings.order_for(asked(), NOW)
    assert isinstance(found, OrderRequest)
    assert (found.terms.side, found.terms.quantity, found.terms.reduce_only) == (Side.BUY, Decimal(2), True)


def test_after_the_days_loss_what_is_held_may_be_sold_where_no_order_can_be_reduce_only() -> None:
    book = held(("2", "0"))
    book.note_equity(Decimal(0), 1)
    book.note_equity(Decimal(-500), 2)
    limits = RiskLimits(max_daily_loss=Decimal(100))

    def judged(quantity: str, *, has_reduce_only: bool) -> object:
        found = closing(book, asked(quantity))
        assert isinstance(found, OrderRequest)
        quantity_asked = replace(found.terms, quantity=Decimal(quantity))
        request = replace(found, terms=quantity_asked)
        return check(request, limits, book, None, instrument(), NOW, has_reduce_only=has_reduce_only)

    assert isinstance(judged("2", has_reduce_only=False), Passed)
    assert isinstance(judged("2.001", has_reduce_only=False), RiskRefusal)
    assert isinstance(judged("2", has_reduce_only=True), RiskRefusal)
