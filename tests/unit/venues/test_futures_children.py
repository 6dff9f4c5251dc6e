"""An order that a trigger made is never told by itself, in whatever order its story comes."""

from itertools import permutations
from typing import Any, cast

import orjson
import pytest

from ordergate.ports.stream import OrderSeen, TradeSeen
from ordergate.trading.order import State
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import models
from ordergate.venues.binance_futures.children import REMEMBERED_MAX, Children, may_be_child
from ordergate.venues.binance_futures.stream import FuturesStreamManners
from tests.unit.venues.futures_rows import (
    ALGO,
    CHILD,
    NEW_ALGO_EVENT,
    ORDER,
    TRIGGERED,
    TRIGGERED_ALGO_EVENT,
    child_event,
)

ALGO_NAME = "algo-1000000033225453"


def algo(**changes: Any) -> models.AlgoRow:
    return check(models.AlgoRow, {**ALGO, **changes})


def child(**changes: Any) -> models.OrderRow:
    return check(models.OrderRow, {**CHILD, **changes})


def test_a_child_is_known_by_the_number_that_its_parent_names() -> None:
    children = Children()
    assert children.unknown([child()]) == [child()]
    children.note(check(models.AlgoRow, TRIGGERED))
    parent = children.parent("BTCUSDT", "88937381063")
    assert parent is not None
    assert parent.algoId == ALGO["algoId"] or parent.algoId == str(ALGO["algoId"])
    assert children.parent("ETHUSDT", "88937381063") is None, "numbers are the symbol's"
    assert children.unknown([child()]) == []


def test_an_open_conditional_order_of_the_same_id_may_turn_out_to_be_the_parent() -> None:
    children = Children()
    assert not children.expects(child())
    children.note(algo())
    assert children.expects(child())
    assert not children.expects(child(side="SELL"))
    assert not children.expects(child(clientOrderId="other"))
    children.note(algo(algoStatus="CANCELED"))
    assert not children.expects(child())


def test_what_left_the_list_is_told_once() -> None:
    children = Children()
    other = algo(algoId=7, symbol="ETHUSDT")
    assert children.listed([algo(), other], symbol=None) == []
    assert children.listed([other], symbol="ETHUSDT") == [], "the list of one symbol says nothing of another"
    assert [row.algoId for row in children.listed([], symbol=None)] == [algo().algoId, "7"]
    assert children.listed([], symbol=None) == []


@pytest.mark.parametrize(
    ("terms", "may_be"),
    [({}, True), ({"side": "SELL"}, False), ({"origQty": "0.011"}, False), ({"positionSide": "LONG"}, False)],
)
def test_only_an_order_of_the_triggers_terms_may_be_its_child(terms: dict[str, Any], may_be: bool) -> None:  # noqa: FBT001
    assert may_be_child(algo(), child(**terms)) is may_be
    assert may_be_child(algo(quantity="0", closePosition=True), child(origQty="0.5"))


def test_no_more_is_remembered_than_is_bounded() -> None:
    children = Children()
    for number in range(1, REMEMBERED_MAX + 10):
        children.note_plain(child(orderId=number))
    assert not children.is_plain(child(orderId=1))
    assert children.is_plain(child(orderId=REMEMBERED_MAX))


def heard(*events: dict[str, Any]) -> list[object]:
    manners = FuturesStreamManners(session=cast("Any", None))
    return [fact for event in events for fact in manners.read(orjson.dumps(event))]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_whatever_order_the_stream_tells_it_no_child_is_seen_by_itself(order: tuple[int, ...]) -> None:
    """Seen on the live venue: the execution comes before the word that a trigger made it."""
    story = [TRIGGERED_ALGO_EVENT, child_event(x="NEW", X="NEW"), child_event()]
    facts = heard(NEW_ALGO_EVENT, *(story[place] for place in order))
    views = [fact.view for fact in facts if isinstance(fact, OrderSeen)]
    assert {view.venue_order_id for view in views} == {ALGO_NAME}
    [trade] = [fact.trade for fact in facts if isinstance(fact, TradeSeen)]
    assert (trade.client_order_id, trade.venue_order_id) == ("alpha-1", "88937381063")


def test_once_the_link_is_known_the_parent_is_seen_with_its_childs_executions() -> None:
    [seen] = [
        fact for fact in heard(NEW_ALGO_EVENT, TRIGGERED_ALGO_EVENT, child_event()) if isinstance(fact, OrderSeen)
    ][-1:]
    assert (seen.view.status, str(seen.view.executed_quantity)) == (State.FILLED, "0.010")


def test_an_ordinary_order_is_told_as_it_is() -> None:
    plain = child_event(i=ORDER["orderId"], c="beta-1", ot="LIMIT")
    [seen] = [fact for fact in heard(NEW_ALGO_EVENT, plain) if isinstance(fact, OrderSeen)][-1:]
    assert seen.view.venue_order_id == str(ORDER["orderId"])
