"""The oracle finds every kind of lie, and none in an honest story."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ordergate.simulator.oracle import (
    FlatStatement,
    KillThrow,
    OrderId,
    PositionId,
    SentRequest,
    Story,
    VenueBooks,
    VenueBookTrade,
    VenueOrder,
    by_order,
    differences,
    read_books,
)
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol, TradeId
from ordergate.trading.order import Order, PositionSide, State
from tests.unit.trading.making import ACCOUNT, BTC, SENT_AT, fill, order, venue_order_id

FIRST, SECOND = ClientOrderId("alpha-1"), ClientOrderId("alpha-2")
POSITION: PositionId = (ACCOUNT, BTC, PositionSide.BOTH)


def at_venue(number: int = 1, *, state: State = State.FILLED, executed: int = 3, **changes: Any) -> VenueOrder:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "client_order_id": ClientOrderId(f"alpha-{number}"),
        "order_id": venue_order_id(number),
        "symbol": BTC,
        "quantity": Decimal(3),
        "executed": Decimal(executed),
        "state": state,
    }
    return VenueOrder(**(values | changes))


def trade(number: int, quantity: int, *, maker: bool = False, **changes: Any) -> VenueBookTrade:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "trade_id": str(number),
        "order_id": venue_order_id(),
        "symbol": BTC,
        "position_side": PositionSide.BOTH,
        "signed_quantity": Decimal(quantity),
        "price": Decimal(100),
        "fee": Decimal("0.01"),
        "maker": maker,
    }
    return VenueBookTrade(**(values | changes))


def sent(**changes: Any) -> SentRequest:
    """The one request of the first order, as it was written ahead, five milliseconds later."""
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "client_order_id": FIRST,
        "timestamp_ms": SENT_AT + 1,
        "sent_at_ms": SENT_AT + 5,
        "sender": "one",
    }
    return SentRequest(**(values | changes))


def life(*states: State, number: int = 1, executed: int = 3) -> list[Order]:
    """An order's ledger messages; what is terminal has executed."""
    return [
        order(state, number=number, executed_quantity=Decimal(executed if state.is_terminal else 0)) for state in states
    ]


def honest(**changes: Any) -> Story:
    """One order of 3: a taker trade of 2, and 1 as the maker, which the venue hides and we inferred. Another was never placed."""
    values: dict[str, Any] = {
        "placed": frozenset({(ACCOUNT, FIRST), (ACCOUNT, SECOND)}),
        "histories": _histories(),
        "books": _books(),
        "fills": [fill(7, 2), fill(0, 1, trade_id=TradeId("inferred-501-1"), inferred=True)],
        "positions": {POSITION: Decimal(3)},
    }
    return Story(**(values | changes))


def _histories(**changes: list[Order]) -> Mapping[OrderId, list[Order]]:
    lives = {
        FIRST: life(State.APPROVED, State.SUBMITTING, State.FILLED),
        SECOND: life(State.APPROVED, State.SUBMITTING, State.UNKNOWN, State.NOT_PLACED, number=2, executed=0),
    }
    lives |= {ClientOrderId(name.replace("_", "-")): found for name, found in changes.items()}
    return {(ACCOUNT, name): found for name, found in lives.items()}


def _books(**changes: Any) -> VenueBooks:
    values: dict[str, Any] = {
        "orders": (at_venue(),),
        "trades": (trade(7, 2), trade(8, 1, maker=True)),
        "positions": {POSITION: Decimal(3)},
    }
    return VenueBooks(**(values | changes))


def test_an_honest_story_has_no_difference() -> None:
    assert differences(honest()) == []


def test_an_empty_story_has_no_difference() -> None:
    nothing = VenueBooks(orders=(), trades=(), positions={})
    assert differences(Story(placed=frozenset(), histories={}, books=nothing, fills=[], positions={})) == []


def test_requests_before_a_kill_after_its_end_and_of_others_are_honest() -> None:
    kills = (
        KillThrow(account=None, confirmed_at_ms=SENT_AT + 5, lifted_at_ms=None),
        KillThrow(account=None, confirmed_at_ms=SENT_AT, lifted_at_ms=SENT_AT + 5),
        KillThrow(account=None, confirmed_at_ms=SENT_AT, lifted_at_ms=None, sender="another"),
        KillThrow(account=AccountName("another"), confirmed_at_ms=SENT_AT, lifted_at_ms=None),
    )
    assert differences(honest(requests=(sent(),), throws=kills)) == []


def test_an_order_that_a_reversal_corrected_is_honest() -> None:
    """The inferred fill was taken back and the real trade stored: all three are summed."""
    taken_back = fill(0, -1, trade_id=TradeId("inferred-501-1-reversed"), inferred=True)
    story = honest(fills=[*honest().fills, taken_back, fill(8, 1)])
    assert differences(story) == []


FILLED = life(State.APPROVED, State.SUBMITTING, State.FILLED)

LIES: dict[str, tuple[Story, str, str]] = {
    "two orders of one id at the venue": (
        honest(books=_books(orders=(at_venue(), at_venue(order_id="502", executed=0, state=State.CANCELED)))),
        "I1",
        "2 orders of this clientOrderId",
    ),
    "an intent that vanished": (
        honest(placed=frozenset({(ACCOUNT, FIRST), (ACCOUNT, ClientOrderId("lost"))})),
        "I2",
        "no order in the ledger",
    ),
    "an order that never ended": (
        honest(histories=_histories(alpha_2=life(State.APPROVED, State.SUBMITTING, number=2))),
        "I2",
        "it still is submitting",
    ),
    "an order that ended twice": (
        honest(histories=_histories(alpha_1=[*FILLED, *life(State.CANCELED)])),
        "I2",
        "it ended twice",
    ),
    "an order that only the venue knows": (
        honest(books=_books(orders=(at_venue(), at_venue(3, executed=0, state=State.CANCELED)))),
        "I2",
        "the ledger does not know",
    ),
    "filled without the venue": (
        honest(histories=_histories(alpha_2=life(State.SUBMITTING, State.FILLED, number=2))),
        "I3",
        "unknown to the venue",
    ),
    "not placed, but it is there": (
        honest(books=_books(orders=(at_venue(), at_venue(2, executed=0, state=State.CANCELED)))),
        "I3",
        "not_placed, but the venue has it as canceled",
    ),
    "another ending than the venue's": (
        honest(histories=_histories(alpha_1=life(State.SUBMITTING, State.CANCELED))),
        "I3",
        "canceled with 3 executed; the venue: filled with 3",
    ),
    "another executed quantity": (
        honest(histories=_histories(alpha_1=life(State.SUBMITTING, State.FILLED, executed=2))),
        "I3",
        "filled with 2 executed; the venue: filled with 3",
    ),
    "a trade stored twice": (
        honest(fills=[*honest().fills, fill(7, 2)]),
        "I4",
        "is stored 2 times",
    ),
    "a trade that was missed": (
        honest(fills=[honest().fills[1]]),
        "I4",
        "trade 7 is in no fill",
    ),
    "a fill that nobody traded": (
        honest(fills=[*honest().fills, fill(99, 1)]),
        "I4",
        "fill 99 is no trade of the venue",
    ),
    "a fill at another price": (
        honest(fills=[fill(7, 2, price=101), honest().fills[1]]),
        "I4",
        "fill 7 differs from its trade",
    ),
    "a fill with another fee": (
        honest(fills=[fill(7, 2, fee=Decimal("0.02")), honest().fills[1]]),
        "I4",
        "fill 7 differs from its trade",
    ),
    "a fill of the wrong order": (
        honest(fills=[fill(7, 2, client_order_id=SECOND), honest().fills[1]]),
        "I4",
        "says that it is of alpha-2",
    ),
    "a fill that names no order": (
        honest(fills=[fill(7, 2, client_order_id=None), honest().fills[1]]),
        "I4",
        "says that it is of no order",
    ),
    "too much inferred": (
        honest(fills=[honest().fills[0], replace(honest().fills[1], quantity=Decimal(2))]),
        "I4",
        "fills of 4, executed at the venue 3",
    ),
    "a maker's fill that was never inferred": (
        honest(fills=[honest().fills[0]]),
        "I4",
        "fills of 2, executed at the venue 3",
    ),
    "an inferred fill of no order of the venue": (
        honest(
            fills=[
                *honest().fills,
                fill(0, 1, trade_id=TradeId("inferred-9-1"), venue_order_id=venue_order_id(9), inferred=True),
            ]
        ),
        "I4",
        "which the venue does not have",
    ),
    "a position of ours that is wrong": (
        honest(positions={POSITION: Decimal(4)}),
        "I4",
        "our position 4, the venue's 3",
    ),
    "a position that we have not": (
        honest(positions={}),
        "I4",
        "our position 0, the venue's 3",
    ),
    "a position that only the venue has": (
        honest(
            books=_books(
                positions={POSITION: Decimal(3), (ACCOUNT, Symbol("ETHUSDT"), PositionSide.LONG): Decimal("0.5")}
            )
        ),
        "I4",
        "ETHUSDT LONG: fills 0, our position 0, the venue's 0.5",
    ),
    "a request that left without its write-ahead": (
        honest(requests=(sent(), sent(timestamp_ms=SENT_AT + 7))),
        "I1",
        "without its write-ahead",
    ),
    "a request that left twice": (honest(requests=(sent(), sent())), "I1", "left 2 times"),
    "an intent without an answer": (honest(unanswered=((ACCOUNT, "c-1"),)), "I7", "c-1"),
    "executed quantity that fell": (
        honest(histories=_histories(alpha_1=[*life(State.FILLED, executed=4), *FILLED])),
        "I3",
        "fell from 4 to",
    ),
    "a request after the kill was confirmed": (
        honest(
            requests=(sent(),), throws=(KillThrow(account=None, confirmed_at_ms=SENT_AT, lifted_at_ms=SENT_AT + 10),)
        ),
        "I5",
        "5.0 ms after a confirmed kill",
    ),
    "a request of a sender that had acknowledged the kill": (
        honest(
            requests=(sent(),),
            throws=(KillThrow(account=ACCOUNT, confirmed_at_ms=SENT_AT, lifted_at_ms=None, sender="one"),),
        ),
        "I5",
        "after a confirmed kill",
    ),
    "a request of a sender that knew of the kill": (honest(requests=(sent(knowing=True),)), "I5", "knew of the kill"),
    "flat with an open order": (
        honest(flats=(FlatStatement(account=ACCOUNT, open_orders=(FIRST,)),)),
        "I5",
        "said to be flat",
    ),
}


@pytest.mark.parametrize(("story", "promise", "what"), LIES.values(), ids=LIES.keys())
def test_every_kind_of_difference_is_found_and_named(story: Story, promise: str, what: str) -> None:
    found = differences(story)
    assert [each for each in found if each.promise == promise and what in each.what], found


def test_a_fill_of_a_strangers_order_may_name_none() -> None:
    story = honest(
        placed=frozenset({(ACCOUNT, SECOND)}), fills=[replace(each, client_order_id=None) for each in honest().fills]
    )
    assert differences(story) == []


def test_the_ledger_door_is_read_as_the_simulator_writes_it() -> None:
    books = read_books(
        {
            "orders": [
                {
                    "account": "main",
                    "clientOrderId": "alpha-1",
                    "id": "501",
                    "symbol": "BTCUSDT",
                    "quantity": "3",
                    "executedQuantity": "3",
                    "status": "FILLED",
                }
            ],
            "trades": [
                {
                    "account": "main",
                    "id": "7",
                    "orderId": "501",
                    "symbol": "BTCUSDT",
                    "side": "SELL",
                    "positionSide": "BOTH",
                    "quantity": "2",
                    "price": "100",
                    "fee": "0.01",
                    "liquidity": "MAKER",
                }
            ],
            "positions": [{"account": "main", "symbol": "BTCUSDT", "positionSide": "BOTH", "quantity": "-3"}],
        }
    )
    assert books.orders == (at_venue(),)
    assert books.trades == (trade(7, -2, maker=True),)
    assert books.positions == {POSITION: Decimal(-3)}


def test_messages_are_grouped_by_order_in_stream_order() -> None:
    first, second = life(State.APPROVED, State.FILLED), life(State.APPROVED, number=2)
    assert by_order([first[0], second[0], first[1]]) == {(ACCOUNT, FIRST): first, (ACCOUNT, SECOND): second}
