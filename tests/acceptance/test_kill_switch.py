"""The kill switch, thrown as anybody may throw it: an entry in CONTROL, and a core request that every sender acknowledges."""

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.acceptance.desk import ACCOUNT, VENUE, Desk, now_ms, until

THROWN_SECONDS = 0.1


async def test_a_throw_cancels_what_rests_refuses_what_comes_and_says_flat_with_evidence(desk: Desk) -> None:
    price = await desk.price()
    resting = [await desk.place(price=f"{price * 0.95:.1f}") for _ in range(5)]
    for order_id in resting:
        await desk.wait_order(order_id, "accepted")
    took = []
    for epoch in (1, 2, 3):  # a busy machine may hold up one of them
        began = time.monotonic()
        acknowledged = await _turn(desk, epoch=epoch, thrown=True)
        took.append(time.monotonic() - began)
        assert (acknowledged["service"], acknowledged["epoch"]) == ("order_submission", epoch)
    assert min(took) < THROWN_SECONDS
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
    await _turn(desk, epoch=4, thrown=False)
    await _flows(desk)


async def test_the_switch_for_everything_stops_the_account_too(desk: Desk) -> None:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    await _turn(desk, epoch=3, thrown=True, everything=True)
    assert (await desk.wait_order(order_id))["state"] == "canceled"
    assert (await desk.wait_order(await desk.place()))["state"] in {"refused", "canceled"}
    await _turn(desk, epoch=4, thrown=False, everything=True)
    await _flows(desk)


async def test_a_throw_of_one_strategy_leaves_the_others_alone(desk: Desk) -> None:
    scope = {"venue": VENUE, "account": ACCOUNT, "strategy": "alpha"}
    low = f"{await desk.price() * 0.95:.1f}"
    mine, others = await desk.place(price=low, strategy="alpha"), await desk.place(price=low, strategy="beta")
    for order_id in (mine, others):
        await desk.wait_order(order_id, "accepted")
    epoch = now_ms()
    await _turn(desk, epoch=epoch, thrown=True, scope=scope)
    assert (await desk.wait_order(mine))["state"] == "canceled"
    flat = await _said(desk, "kill_flat", epoch)
    assert flat["strategy"] == "alpha"
    refused = await desk.wait_order(await desk.place(strategy="alpha"))
    assert refused["state"] in {"refused", "canceled"}
    assert (await desk.wait_order(await desk.place(strategy="beta")))["state"] == "filled"
    assert (await desk.venue_orders(others))[0]["status"] == "NEW"
    await _turn(desk, epoch=epoch + 1, thrown=False, scope=scope)
    await _flows(desk, strategy="alpha")
    await desk.cancel_everything()


async def test_a_throw_of_one_symbol_closes_its_position_by_orders_that_can_only_reduce(desk: Desk) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert (await desk.wait_order(await desk.place(symbol=symbol, quantity="0.100")))["state"] == "filled"
    before = await _held(desk)
    assert before["BTCUSDT"] != 0
    epoch, scope = now_ms(), {"symbol": "BTCUSDT"}
    await _turn(desk, epoch=epoch, thrown=True, scope=scope, flatten=True)
    closed = await _said(desk, "kill_flattened", epoch)
    assert "symbol BTCUSDT of every account: no position is left" in closed["message"]
    after = await _held(desk)
    assert after.get("BTCUSDT", 0) == 0
    assert after["ETHUSDT"] == before["ETHUSDT"]
    assert (await desk.wait_order(await desk.place(symbol="ETHUSDT", quantity="0.100")))["state"] == "filled"
    assert (await desk.wait_order(await desk.place(symbol="BTCUSDT")))["state"] in {"refused", "canceled"}
    await _turn(desk, epoch=epoch + 1, thrown=False, scope=scope)
    await desk.wait_no_differences()


async def test_a_throw_of_one_strategy_closes_its_part_of_a_position_and_no_more(desk: Desk) -> None:
    for strategy, quantity in (("gamma", "0.030"), ("delta", "0.050")):
        placed = await desk.place(strategy=strategy, quantity=quantity)
        assert (await desk.wait_order(placed))["state"] == "filled"
    before = (await _held(desk))["BTCUSDT"]
    epoch, scope = now_ms(), {"venue": VENUE, "account": ACCOUNT, "strategy": "gamma"}
    await _turn(desk, epoch=epoch, thrown=True, scope=scope, flatten=True)
    assert "strategy gamma" in (await _said(desk, "kill_flattened", epoch))["message"]
    assert before - (await _held(desk))["BTCUSDT"] == Decimal("0.030")
    await _turn(desk, epoch=epoch + 1, thrown=False, scope=scope)
    await desk.wait_no_differences()


async def test_an_entry_that_cannot_be_read_is_taken_for_a_throw(desk: Desk) -> None:
    bucket = await desk.jetstream.key_value("CONTROL")
    await bucket.put(f"kill.{VENUE}.{ACCOUNT}", b"stop! everything! now!")

    async def stopped() -> bool | None:
        return (await desk.wait_order(await desk.place()))["state"] != "filled" or None

    await until(stopped, what="nothing is sent any more")
    await _turn(desk, epoch=9, thrown=False)
    await _flows(desk)
    await desk.wait_no_differences()


async def _turn(
    desk: Desk,
    *,
    epoch: int,
    thrown: bool,
    everything: bool = False,
    scope: Mapping[str, str] | None = None,
    flatten: bool = False,
) -> dict[str, Any]:
    """Write the new epoch, then ask; the first acknowledgement."""
    document = {"schema": 1, "epoch": epoch, "thrown": thrown, "reason": "a test", "atMs": now_ms(), "flatten": flatten}
    meant = {} if everything else scope or {"venue": VENUE, "account": ACCOUNT}
    key = ".".join(["kill", *(meant.get(name, "_") for name in ("venue", "account"))])
    if "strategy" in meant or "symbol" in meant:
        key = ".".join([key, *(meant.get(name, "_") for name in ("strategy", "symbol"))])
    data = json.dumps(document | dict(meant)).encode()
    await (await desk.jetstream.key_value("CONTROL")).put(key, data)
    answer = await desk.client.request("control.kill.request", data, timeout=5)
    acknowledged: dict[str, Any] = json.loads(answer.data)
    return acknowledged


async def _flows(desk: Desk, **terms: str) -> None:
    """Wait until risk, too, has heard of the resume."""

    async def filled() -> bool | None:
        return (await desk.wait_order(await desk.place(**terms)))["state"] == "filled" or None

    await until(filled, what="orders flow again")


async def _said(desk: Desk, what: str, epoch: int) -> dict[str, Any]:
    """What order submission says of that throw: nothing older."""

    async def newest() -> dict[str, Any] | None:
        said: dict[str, Any] | None = await desk.last("AUDIT", f"risk.{VENUE}.{ACCOUNT}.{what}")
        return said if said is not None and said["atMs"] >= epoch else None

    return await until(newest, what=f"{what} is said", limit_seconds=20)


async def _held(desk: Desk) -> dict[str, Decimal]:
    """The venue's own positions."""
    books = await desk.get(f"ledger?account={ACCOUNT}")
    return {row["symbol"]: Decimal(str(row["quantity"])) for row in books["positions"]}
