"""A cancel is a request; its answer speaks of the cancel, and a cancel that meets a fill is a fill."""

from decimal import Decimal

from tests.acceptance.desk import ACCOUNT, VENUE, Desk, open_desk, until
from tests.acceptance.system import System


async def test_a_cancel_ends_an_open_order_and_says_so(desk: Desk) -> None:
    order_id = await _resting(desk)
    answer = await desk.wait_answer(await desk.cancel(order_id))
    assert (answer["outcome"], answer["clientOrderId"]) == ("done", order_id)
    order = await desk.wait_order(order_id)
    assert order["state"] == "canceled"
    assert order["cancelRequestedAtMs"]


async def test_a_cancel_of_what_was_filled_before_is_too_late_and_the_fill_counts(desk: Desk) -> None:
    order_id = await desk.place()
    await desk.wait_order(order_id, "filled")
    answer = await desk.wait_answer(await desk.cancel(order_id))
    assert (answer["outcome"], answer["reason"]) == ("too_late", "already_filled")
    assert (await desk.wait_order(order_id))["state"] == "filled"


async def test_a_partial_fill_before_the_cancel_still_counts(desk: Desk) -> None:
    """Half of it trades while it rests, then it is canceled: the half is stored, as an inferred maker fill."""
    price = await desk.price()
    order_id = await desk.place(price=f"{price * 0.97:.1f}", quantity="30")
    await desk.wait_order(order_id, "accepted")
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price * 0.97:.1f}"})
    answer = await desk.wait_answer(await desk.cancel(order_id))
    assert answer["outcome"] in {"done", "too_late"}
    order = await desk.wait_order(order_id)

    async def complete() -> bool | None:
        (at_venue,) = await desk.venue_orders(order_id)
        now = await desk.order(order_id)
        fills = sum(Decimal(fill["quantity"]) for fill in await desk.fills(order_id))
        executed = Decimal(at_venue["executedQuantity"])
        return (now is not None and executed == fills == Decimal(now["executedQuantity"])) or None

    await until(complete, what="fills, ledger and venue say the same executed quantity")
    assert order["state"] in {"canceled", "filled"}
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price:.1f}"})


async def test_a_cancel_right_behind_its_place_leaves_nothing_open(desk: Desk) -> None:
    """It meets the order wherever it is: not decided yet, approved, on the wire, or resting."""
    price = await desk.price()
    pairs = []
    for _ in range(20):
        order_id = await desk.place(price=f"{price * 0.95:.1f}")
        pairs.append((order_id, await desk.cancel(order_id)))
    for order_id, intent in pairs:
        answer = await desk.wait_answer(intent, limit_seconds=20)
        assert answer["outcome"] == "done", answer
        order = await desk.wait_order(order_id)
        assert order["state"] == "canceled"


async def test_an_order_canceled_before_it_was_sent_never_reaches_the_venue(desk: Desk) -> None:
    """The venue is frozen by its own 429, so the second order waits approved, and its cancel wins."""
    first, second = desk.place_body(), desk.place_body()
    await desk.faults(
        {
            "kind": "rate_limited",
            "retryAfterSeconds": 3,
            "call": "POST /v2/orders",
            "clientOrderId": first["clientOrderId"],
            "times": 1,
        }
    )
    await desk.publish(desk.subject(first), first)

    async def proven() -> bool | None:
        return any("unexecuted" in document for document in await desk.history(first["clientOrderId"])) or None

    await until(proven, what="the ledger holds the proof that the venue would not take the first")
    await desk.publish(desk.subject(second), second)
    await desk.wait_order(second["clientOrderId"], "approved")
    answer = await desk.wait_answer(await desk.cancel(second["clientOrderId"]))
    assert (answer["outcome"], answer["reason"]) == ("done", "never_sent")
    waited_for = await desk.cancel(first["clientOrderId"])
    assert (await desk.wait_order(first["clientOrderId"], limit_seconds=20))["state"] == "canceled"
    assert (await desk.wait_answer(waited_for))["reason"] == "throttled"
    assert await desk.arrivals(second["clientOrderId"]) == []
    assert await desk.venue_orders(first["clientOrderId"]) == []
    await desk.faults()


async def test_a_second_cancel_is_answered_and_changes_nothing(desk: Desk) -> None:
    order_id = await _resting(desk)
    first, second = await desk.cancel(order_id), await desk.cancel(order_id)
    outcomes = {(await desk.wait_answer(intent))["outcome"] for intent in (first, second)}
    assert outcomes <= {"done", "too_late"}
    third = await desk.wait_answer(await desk.cancel(order_id))
    assert (third["outcome"], third["reason"]) == ("too_late", "already_canceled")
    assert (await desk.states(order_id))[-1] == "canceled"


async def test_cancel_all_of_a_strategy_leaves_the_others_alone(desk: Desk, system: System) -> None:
    async with open_desk(system.nats_url, system.simulator_url) as rival:
        mine = [await _resting(desk) for _ in range(4)]
        theirs = await _resting(rival)
        answer = await desk.wait_answer(await desk.ask("cancel_all", scope="strategy"))
        assert answer["outcome"] == "done"
        assert {(await desk.wait_order(order_id))["state"] for order_id in mine} == {"canceled"}
        order = await rival.order(theirs)
        assert order is not None
        assert order["state"] == "accepted"
        await desk.cancel_everything()
        assert (await rival.wait_order(theirs))["state"] == "canceled"


async def test_a_close_intent_brings_the_position_to_nothing(desk: Desk) -> None:
    async def position() -> str:
        found = await desk.last("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.ETHUSDT")
        return "0" if found is None else str(found["quantity"])

    async def is_held() -> bool | None:
        return Decimal(await position()) == Decimal("0.25") or None

    async def is_flat() -> bool | None:
        return Decimal(await position()) == 0 or None

    await desk.wait_order(await desk.place(symbol="ETHUSDT", quantity="0.250"), "filled")
    await until(is_held, what="the position stands")
    intent = await desk.ask_now("close", symbol="ETHUSDT")
    await until(is_flat, what="the position is closed")
    again = await desk.ask_now("close", symbol="ETHUSDT")
    answer = await desk.wait_answer(again)
    assert (answer["outcome"], answer["reason"]) == ("done", "nothing_to_close")
    assert intent != again


async def test_nothing_differs_in_the_end(desk: Desk) -> None:
    await desk.cancel_everything()
    await desk.wait_no_differences()


async def _resting(desk: Desk) -> str:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    return order_id
