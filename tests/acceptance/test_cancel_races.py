"""Cancels that race: against risk's decision, against a fill, against orders that still stream in."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.acceptance.desk import LIVE, Desk
from tests.acceptance.system import System


@pytest_asyncio.fixture(autouse=True)
async def venue_is_well_again(desk: Desk) -> AsyncIterator[None]:
    yield
    await desk.faults()


async def test_a_cancel_all_reaches_orders_that_were_asked_for_before_it_and_decided_after(
    desk: Desk, system: System
) -> None:
    """Risk dies with a queue of intents: "nothing open" is said when they, too, are decided and canceled."""
    price = f"{await desk.price() * 0.95:.1f}"
    before = [await desk.place(price=price) for _ in range(10)]
    pid = system.kill("risk")
    before += [await desk.place(price=price) for _ in range(20)]
    intent = await desk.ask("cancel_all", scope="strategy")
    after = await desk.place(price=price)
    answer = await desk.wait_answer(intent, limit_seconds=40)
    assert (answer["outcome"], answer["reason"]) == ("done", "nothing_open")
    states = {order_id: (await desk.order(order_id) or {}).get("state") for order_id in before}
    assert not [order_id for order_id, state in states.items() if state is None or state in LIVE], states
    assert (await desk.wait_order(after, "accepted", "canceled", "filled"))["state"] == "accepted"
    await desk.wait_answer(await desk.cancel(after))
    system.wait_restarted("risk", pid)


async def test_a_cancel_waits_for_the_decision_about_its_order_however_long_risk_is_away(
    desk: Desk, system: System
) -> None:
    pid = system.kill("risk")
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    intent = await desk.cancel(order_id)
    unknown = await desk.cancel(f"{desk.strategy}-never")
    assert (await desk.wait_answer(intent, limit_seconds=40))["outcome"] == "done"
    assert (await desk.wait_order(order_id))["state"] == "canceled"
    assert (await desk.wait_answer(unknown, limit_seconds=40))["reason"] == "unknown_order"
    system.wait_restarted("risk", pid)


async def test_a_cancel_that_meets_a_fill_is_a_fill(desk: Desk) -> None:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    await desk.faults({"kind": "filled_first", "call": "DELETE /v2/orders/:id", "clientOrderId": order_id, "times": 1})
    answer = await desk.wait_answer(await desk.cancel(order_id))
    assert answer["outcome"] == "too_late"
    order = await desk.wait_order(order_id)
    assert (order["state"], order["executedQuantity"]) == ("filled", "0.010")


async def test_nothing_differs_in_the_end(desk: Desk) -> None:
    await desk.cancel_everything()
    await desk.wait_no_differences(limit_seconds=30)
