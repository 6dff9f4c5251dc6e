"""What the venue does to an order's request, and what the ledger may say of it: never more than was proven.

The faults strike single orders, so their claims are tried at the same time: the fence alone takes seven seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.desk import Desk, Document, until

PLACE = "POST /v2/orders"
FENCE_SECONDS = 6.0
"""The venue's window and its settling."""


@pytest_asyncio.fixture(autouse=True)
async def venue_is_well_again(desk: Desk) -> AsyncIterator[None]:
    yield
    await desk.faults()
    await desk.post("clock", {"offsetMs": 0})


LOST: dict[str, tuple[Mapping[str, Any], bool]] = {
    "the answer is lost after execution": ({"kind": "answer_lost"}, True),
    "a 503 after execution": ({"kind": "error_after_execution", "status": 503}, True),
    "a page of a proxy after execution": ({"kind": "error_after_execution", "status": 502, "body": "html"}, True),
    "a reset after execution": ({"kind": "reset", "phase": "after"}, True),
    "slower than the client waits": ({"kind": "slow", "phase": "after", "delayMs": 13_000}, True),
    "a reset before execution": ({"kind": "reset", "phase": "before"}, False),
    "looked at when its window has passed": ({"kind": "slow", "phase": "before", "delayMs": 13_000}, False),
}


NEVER = {"kind": "reset", "phase": "before", "call": PLACE, "times": 1}


@pytest.mark.timeout(90)
async def test_a_lost_outcome_is_unknown_until_the_venue_or_the_fence_says_more_and_only_then_goes_on(
    desk: Desk,
) -> None:
    """What may be said of the order, when a cancel of it ends, and when it may be sent again: all of it waits for the fence."""
    lost = {name: desk.place_body() for name in LOST}
    again, short = desk.place_body(resubmit=True), desk.place_body(resubmit=True, validForMs=4_000)
    executed = desk.place_body(resubmit=True)
    absent = desk.place_body(price=f"{await desk.price() * 0.95:.1f}")
    answer_lost = {"kind": "answer_lost", "call": PLACE, "times": 1}
    rules = [({**rule, "call": PLACE, "times": 1}, lost[name]) for name, (rule, _) in LOST.items()]
    rules += [(NEVER, again), (NEVER, short), (answer_lost, executed), (NEVER, absent)]
    await desk.faults(*({**rule, "clientOrderId": body["clientOrderId"]} for rule, body in rules))
    for _, body in rules:
        await desk.publish(desk.subject(body), body)
    await asyncio.gather(
        *(_told_truly(desk, name, lost[name]["clientOrderId"], executed=LOST[name][1]) for name in LOST),
        _sent_again_only_where_it_is_asked_for_and_lives(desk, again, short, executed),
        _cancel_ends_when_the_fence_has_passed(desk, absent["clientOrderId"]),
    )


async def _told_truly(desk: Desk, name: str, order_id: str, *, executed: bool) -> None:
    order = await desk.wait_order(order_id, limit_seconds=40)
    assert order["state"] == ("filled" if executed else "not_placed"), (name, order)
    states = await desk.states(order_id)
    # An answer that is only slow is found by a lookup while its request still hangs: it never was unknown.
    expected = {("approved", "submitting", *middle, order["state"]) for middle in ((), ("unknown",))}
    assert tuple(states) in (expected if "slower" in name else {max(expected, key=len)}), (name, states)
    placed = [row for row in await desk.arrivals(order_id) if row[2] == PLACE]
    assert len(placed) <= 1, f"{name}: a lookup is a read, nothing is sent twice: {placed}"
    assert len(await desk.venue_orders(order_id)) == (1 if executed else 0), name
    if not executed:
        await _is_proven_absent(desk, order_id)


async def _is_proven_absent(desk: Desk, order_id: str) -> None:
    """Two lookups that found nothing, both asked after the fence; and every unknown has an errorId."""
    history = await desk.history(order_id)
    last = history[-1]
    assert last["evidence"]["fenceMs"] >= last["attempt"]["timestampMs"] + FENCE_SECONDS * 1000
    asked = last["evidence"]["askedAtMs"]
    assert len(asked) >= 2
    assert min(asked) > last["evidence"]["fenceMs"]
    unknown = next(document for document in history if document["state"] == "unknown")
    assert unknown["errorId"]
    assert unknown["unknownSinceMs"]


async def _sent_again_only_where_it_is_asked_for_and_lives(
    desk: Desk, again: Document, short: Document, executed: Document
) -> None:
    """resubmit: attempt 2, after risk let it pass again. Too short a life: not_placed. Executed after all: found, and never sent again."""
    bodies = (again, short, executed)
    ended = await asyncio.gather(*(desk.wait_order(body["clientOrderId"], limit_seconds=40) for body in bodies))
    assert [order["state"] for order in ended] == ["filled", "not_placed", "filled"], [
        order.get("reason") for order in ended
    ]
    assert [order["attempt"]["number"] for order in ended] == [2, 1, 1]
    states = ["approved", "submitting", "unknown", "approved", "submitting", "filled"]
    assert await desk.states(again["clientOrderId"]) == states
    for body, count in zip(bodies, (1, 0, 1), strict=True):
        assert len(await desk.venue_orders(body["clientOrderId"])) == count


async def _cancel_ends_when_the_fence_has_passed(desk: Desk, never_arrived: str) -> None:
    await desk.wait_order(never_arrived, "unknown")
    answer = await desk.wait_answer(await desk.cancel(never_arrived), limit_seconds=25)
    assert (answer["outcome"], answer["reason"]) == ("too_late", "already_not_placed")


async def test_a_resting_order_whose_answer_was_lost_is_found_and_can_be_canceled(desk: Desk) -> None:
    price = await desk.price()
    body = desk.place_body(price=f"{price * 0.95:.1f}")
    await desk.faults({"kind": "answer_lost", "call": PLACE, "clientOrderId": body["clientOrderId"], "times": 1})
    await desk.publish(desk.subject(body), body)

    async def arrived() -> bool | None:
        return bool(await desk.arrivals(body["clientOrderId"])) or None

    await until(arrived, what="the venue has the order")
    intent = await desk.cancel(body["clientOrderId"])  # while nobody here knows yet where it is
    answer = await desk.wait_answer(intent, limit_seconds=20)
    assert answer["outcome"] == "done", answer
    assert (await desk.wait_order(body["clientOrderId"]))["state"] == "canceled"
    (at_venue,) = await desk.venue_orders(body["clientOrderId"])
    assert at_venue["status"] == "CANCELED"


async def test_a_lost_answer_to_a_cancel_is_asked_again(desk: Desk) -> None:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    await desk.faults(
        {"kind": "answer_lost", "call": "DELETE /v2/orders/:id", "clientOrderId": order_id, "times": 1},
    )
    answer = await desk.wait_answer(await desk.cancel(order_id), limit_seconds=15)
    assert answer["outcome"] in {"done", "too_late"}
    assert (await desk.wait_order(order_id))["state"] == "canceled"


async def test_after_a_429_nothing_is_asked_until_retry_after_and_the_order_lives_on(desk: Desk) -> None:
    pause_seconds = 2
    body = desk.place_body()
    seen = (await desk.get("arrivals"))["lastSequence"]
    await desk.faults(
        {
            "kind": "rate_limited",
            "retryAfterSeconds": pause_seconds,
            "call": PLACE,
            "clientOrderId": body["clientOrderId"],
            "times": 1,
        }
    )
    await desk.publish(desk.subject(body), body)
    later = [await desk.place() for _ in range(3)]
    for order_id in (body["clientOrderId"], *later):
        await desk.wait_order(order_id, "filled", limit_seconds=15)
    placed = [row for row in await desk.arrivals(after=seen) if row[2] == PLACE]
    refused_at = next(row[1] for row in placed if row[4] == 429)
    too_early = [row for row in placed if refused_at < row[1] < refused_at + pause_seconds * 1e9 - 50e6]
    # Those that were on the wire already when the refusal was read cannot be called back.
    assert [row for row in too_early if row[1] > refused_at + 50e6] == []
    attempts = [
        document["attempt"]["number"]
        for document in await desk.history(body["clientOrderId"])
        if document.get("attempt")
    ]
    assert max(attempts) == 2
    assert len(await desk.venue_orders(body["clientOrderId"])) == 1


@pytest.mark.parametrize("offset_ms", [4_000, -4_000, -6_000, 6_000])
async def test_a_venue_whose_clock_jumps_is_followed(desk: Desk, offset_ms: int) -> None:
    """Within the window nothing is noticed; beyond it the refusal is proof, the clock is read, the request signed again."""
    await desk.post("clock", {"offsetMs": offset_ms})
    order_id = await desk.place()
    await desk.wait_order(order_id, "filled", limit_seconds=15)
    placed = [row for row in await desk.arrivals(order_id) if row[2] == PLACE]
    assert [row[4] for row in placed] in ([200], [401, 200])
    assert len(await desk.venue_orders(order_id)) == 1
    resting = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(resting, "accepted", limit_seconds=15)
    await desk.wait_answer(await desk.cancel(resting), limit_seconds=15)
    assert (await desk.wait_order(resting))["state"] == "canceled"


async def test_an_order_that_waits_for_budget_longer_than_it_lives_expires_unsent(desk: Desk) -> None:
    frozen, waiting = desk.place_body(), desk.place_body(validForMs=1_500)
    await desk.faults(
        {
            "kind": "rate_limited",
            "retryAfterSeconds": 3,
            "call": PLACE,
            "clientOrderId": frozen["clientOrderId"],
            "times": 1,
        }
    )
    await desk.publish(desk.subject(frozen), frozen)

    async def refused() -> bool | None:
        return any(row[4] == 429 for row in await desk.arrivals(frozen["clientOrderId"])) or None

    await until(refused, what="the venue has refused the first")
    waiting["createdAtMs"] = frozen["createdAtMs"] + 100
    await desk.publish(desk.subject(waiting), waiting)
    order: Document = await desk.wait_order(waiting["clientOrderId"])
    assert order["state"] == "expired"
    assert order["errorId"]
    assert await desk.arrivals(waiting["clientOrderId"]) == []
    await desk.wait_order(frozen["clientOrderId"], "filled", limit_seconds=15)


async def test_nothing_differs_in_the_end(desk: Desk) -> None:
    await desk.cancel_everything()
    await desk.wait_no_differences()
