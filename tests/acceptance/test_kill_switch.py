"""The kill switch, thrown as anybody may throw it: an entry in CONTROL, and a core request that every sender acknowledges."""

import json
import time
from typing import Any

from tests.acceptance.desk import ACCOUNT, VENUE, Desk, now_ms, until

THROWN_SECONDS = 0.1


async def test_a_throw_cancels_what_rests_refuses_what_comes_and_says_flat_with_evidence(desk: Desk) -> None:
    price = await desk.price()
    resting = [await desk.place(price=f"{price * 0.95:.1f}") for _ in range(5)]
    for order_id in resting:
        await desk.wait_order(order_id, "accepted")
    began = time.monotonic()
    acknowledged = await _turn(desk, epoch=1, thrown=True)
    assert time.monotonic() - began < THROWN_SECONDS
    assert (acknowledged["service"], acknowledged["epoch"]) == ("order_submission", 1)
    seen = (await desk.get("arrivals"))["lastSequence"]

    refused = await desk.place()
    order = await desk.wait_order(refused)
    assert order["state"] in {"refused", "canceled"}
    assert "killed" in order["reason"]
    assert order["errorId"]
    for order_id in resting:
        assert (await desk.wait_order(order_id))["state"] == "canceled"

    flat = await until(lambda: desk.last("AUDIT", f"risk.{VENUE}.{ACCOUNT}.kill_flat"), what="flat is said")
    assert "2 reads of open orders at the venue were empty" in flat["message"]
    assert await desk.last("AUDIT", f"risk.{VENUE}.{ACCOUNT}.kill_thrown")
    after = await desk.arrivals(after=seen)
    assert [row for row in after if row[2] == "POST /v2/orders"] == []
    books = await desk.get(f"ledger?account={ACCOUNT}")
    assert not [row for row in books["orders"] if row["status"] in {"NEW", "PENDING_NEW", "PARTIALLY_FILLED"}]


async def test_after_the_resume_orders_flow_again(desk: Desk) -> None:
    await _turn(desk, epoch=2, thrown=False)

    async def flows() -> str | None:
        order = await desk.wait_order(await desk.place())
        return order["state"] if order["state"] == "filled" else None

    await until(flows, what="an order is filled after the resume")


async def test_the_switch_for_everything_stops_the_account_too(desk: Desk) -> None:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    await _turn(desk, epoch=3, thrown=True, everything=True)
    assert (await desk.wait_order(order_id))["state"] == "canceled"
    assert (await desk.wait_order(await desk.place()))["state"] in {"refused", "canceled"}
    await _turn(desk, epoch=4, thrown=False, everything=True)


async def test_an_entry_that_cannot_be_read_is_taken_for_a_throw(desk: Desk) -> None:
    bucket = await desk.jetstream.key_value("CONTROL")
    await bucket.put(f"kill.{VENUE}.{ACCOUNT}", b"stop! everything! now!")

    async def stopped() -> bool | None:
        return (await desk.wait_order(await desk.place()))["state"] != "filled" or None

    await until(stopped, what="nothing is sent any more")
    await _turn(desk, epoch=9, thrown=False)

    async def flows() -> bool | None:
        return (await desk.wait_order(await desk.place()))["state"] == "filled" or None

    await until(flows, what="orders flow again")
    await desk.wait_no_differences()


async def _turn(desk: Desk, *, epoch: int, thrown: bool, everything: bool = False) -> dict[str, Any]:
    """Write the new epoch, then ask; the first acknowledgement."""
    document = {"schema": 1, "epoch": epoch, "thrown": thrown, "reason": "a test", "atMs": now_ms()}
    scope, key = ({}, "kill._._") if everything else ({"venue": VENUE, "account": ACCOUNT}, f"kill.{VENUE}.{ACCOUNT}")
    data = json.dumps(document | scope).encode()
    await (await desk.jetstream.key_value("CONTROL")).put(key, data)
    answer = await desk.client.request("control.kill.request", data, timeout=5)
    acknowledged: dict[str, Any] = json.loads(answer.data)
    return acknowledged
