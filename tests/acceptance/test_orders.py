"""The main job, seen by a stranger with a bare NATS client and hand-written JSON."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.acceptance.desk import ACCOUNT, VENUE, Desk, open_desk, until
from tests.acceptance.system import System

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def check_schema(name: str, document: dict[str, Any]) -> None:
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))


async def test_hand_written_json_becomes_an_order_and_a_fill(desk: Desk) -> None:
    order_id = await desk.place()
    await desk.wait_order(order_id, "filled")
    assert await desk.states(order_id) == ["approved", "submitting", "filled"]
    fills = await _wait_filled(desk, order_id, "0.010")
    assert {fill["strategy"] for fill in fills} == {desk.strategy}
    assert not any(fill["inferred"] for fill in fills)
    (at_venue,) = await desk.venue_orders(order_id)
    assert at_venue["status"] == "FILLED"


async def test_what_a_stranger_reads_follows_the_published_schemas(desk: Desk) -> None:
    body = desk.place_body()
    check_schema("PlaceIntent", body)
    await desk.publish(desk.subject(body), body)
    order_id = body["clientOrderId"]
    await desk.wait_order(order_id, "filled")
    await _wait_filled(desk, order_id, "0.010")
    refused = await desk.ask("cancel", symbol="BTCUSDT", clientOrderId="nobody-has-this")
    check_schema("AnswerMessage", await desk.wait_answer(refused))
    for document in await desk.history(order_id):
        check_schema("OrderMessage", document)
    for fill in await desk.fills(order_id):
        check_schema("FillMessage", fill)
    position = await until(
        lambda: desk.last("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.BTCUSDT"), what="a position of BTCUSDT"
    )
    check_schema("PositionMessage", position)
    check_schema("RequestRecord", await until(lambda: desk.last("AUDIT", "requests.>"), what="a request record"))


async def test_the_position_is_the_sum_of_the_fills_and_the_venues_own(desk: Desk) -> None:
    for side, quantity in (("BUY", "0.030"), ("SELL", "0.050"), ("BUY", "0.011")):
        await desk.wait_order(await desk.place(symbol="ETHUSDT", side=side, quantity=quantity), "filled")

    async def agreed() -> bool | None:
        ours = await desk.last("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.ETHUSDT")
        books = await desk.get("ledger")
        theirs = next((row["quantity"] for row in books["positions"] if row["symbol"] == "ETHUSDT"), "0")
        summed = sum(
            (Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1))
            for fill in [message.body for message in await desk.stored("FILLS", f"fills.{VENUE}.{ACCOUNT}.ETHUSDT.*")]
        )
        alike = ours is not None and Decimal(ours["quantity"]) == Decimal(theirs) == summed
        return alike or None

    await until(agreed, what="position, fills and the venue agree")


async def test_a_position_bears_the_venues_mark_and_what_closing_at_it_would_bring(desk: Desk) -> None:
    await desk.wait_order(await desk.place(symbol="ETHUSDT", side="BUY", quantity="0.020"), "filled")

    async def marked() -> dict[str, Any] | None:
        ours = await desk.last("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.ETHUSDT")
        return ours if ours is not None and "markPrice" in ours else None

    position = await until(marked, what="a mark price from the venue's own read")
    check_schema("PositionMessage", position)
    mark = Decimal(position["markPrice"])
    assert mark > 0
    worth = [
        Decimal(leg["cashFlow"]) + Decimal(leg["quantity"]) * mark
        for legs in position["byStrategy"].values()
        for leg in legs.values()
    ]
    assert Decimal(position["realisedPnl"]) + Decimal(position["unrealisedPnl"]) == sum(worth)


async def test_maker_fills_that_the_venue_hides_are_inferred_and_marked(desk: Desk) -> None:
    """A resting order is filled as the maker; the trade list of the venue never shows that."""
    price = await desk.price()
    order_id = await desk.place(price=f"{price * 0.97:.1f}", quantity="0.020")
    await desk.wait_order(order_id, "accepted")
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price * 0.96:.1f}"})
    order = await desk.wait_order(order_id, "filled")
    fills = await _wait_filled(desk, order_id, order["executedQuantity"])
    assert all(fill["inferred"] and fill["liquidity"] == "maker" for fill in fills)
    assert all(fill["tradeId"].startswith("inferred-") for fill in fills)
    assert {Decimal(fill["price"]) for fill in fills} == {Decimal(order["price"])}
    await desk.post("price", {"symbol": "BTCUSDT", "price": f"{price:.1f}"})


async def test_the_published_sums_are_what_a_subscriber_added_up(desk: Desk) -> None:
    await _wait_filled(desk, await desk.place(quantity="0.013"), "0.013")
    await _wait_filled(desk, await desk.place(side="SELL", quantity="0.007"), "0.007")

    async def statement() -> dict[str, Any] | None:
        """Asked for by core request; also published. Taken once it speaks of all fills there are."""
        answer = await desk.client.request(f"control.statement.{VENUE}.{ACCOUNT}", b"", timeout=5)
        said: dict[str, Any] = json.loads(answer.data)
        check_schema("FillsStatement", said)
        stored = await desk.stored("FILLS", f"fills.{VENUE}.{ACCOUNT}.*.*")
        return said if said["upToSequence"] == stored[-1].sequence else None

    said = await until(statement, what="a statement up to the last fill")
    published = await until(
        lambda: desk.last("AUDIT", f"reconciliation.{VENUE}.{ACCOUNT}.fills"), what="a published statement"
    )
    assert published["upToSequence"] == said["upToSequence"]
    first, again = await _sums(desk, said["upToSequence"]), await _sums(desk, said["upToSequence"])
    assert first == again, "a replay tells the same"
    assert first == {
        symbol: (part["count"], Decimal(part["quantity"]), {a: Decimal(fee) for a, fee in part["fees"].items()})
        for symbol, part in said["symbols"].items()
    }


async def test_a_validate_intent_is_judged_but_nothing_is_sent(desk: Desk) -> None:
    good = await desk.publish_place(validate=True)
    answer = await desk.wait_answer(good["intentId"])
    assert (answer["outcome"], answer["reason"]) == ("done", "valid")
    bad = await desk.publish_place(validate=True, quantity="0.0001")
    answer = await desk.wait_answer(bad["intentId"])
    assert answer["outcome"] == "refused"
    assert answer["errorId"]
    for body in (good, bad):
        assert await desk.order(body["clientOrderId"]) is None
        assert await desk.arrivals(body["clientOrderId"]) == []


async def test_a_refusal_by_the_venue_keeps_its_reason_and_error_id(desk: Desk) -> None:
    order_id = await desk.place(side="SELL", quantity="0.010", reduceOnly=True, positionSide="LONG", symbol="ETHUSDT")
    order = await desk.wait_order(order_id)
    assert order["state"] == "rejected"
    assert "reduce" in order["reason"].lower()
    assert order["errorId"]


async def test_a_refusal_by_risk_says_which_limit_its_value_and_what_it_would_have_become(desk: Desk) -> None:
    price = await desk.price()
    order_id = await desk.place(quantity="200", price=f"{price * 0.99:.1f}")
    order = await desk.wait_order(order_id)
    assert order["state"] == "refused"
    assert "max_order_notional=10000000" in order["reason"]
    assert "would be" in order["reason"]
    assert order["errorId"]
    assert await desk.arrivals(order_id) == []


async def test_an_order_of_a_stranger_is_adopted_and_can_be_canceled(desk: Desk, system: System) -> None:
    price = await desk.price()
    shown = await desk.place_at_venue(system.home, price=f"{price * 0.95:.1f}", quantity="0.010")
    order = await desk.wait_order(shown["clientOrderId"], "adopted", "accepted", limit_seconds=20)
    assert order["strategy"] != desk.strategy
    await desk.cancel_everything()
    assert (await desk.wait_order(shown["clientOrderId"]))["state"] == "canceled"


@pytest.mark.timeout(90)
async def test_nothing_differs_in_the_end(system: System) -> None:
    """Runs last in this module: everything the claims above left behind adds up, by every account of it."""
    async with open_desk(system.nats_url, system.simulator_url) as desk:
        await desk.cancel_everything()
        await desk.wait_no_differences()


async def _wait_filled(desk: Desk, order_id: str, quantity: str) -> list[dict[str, Any]]:
    """Wait until the stored fills of the order add up to the quantity."""
    found: list[list[dict[str, Any]]] = [[]]

    async def complete() -> list[dict[str, Any]] | None:
        found[0] = await desk.fills(order_id)
        return found[0] if sum(Decimal(fill["quantity"]) for fill in found[0]) == Decimal(quantity) else None

    return await until(complete, what=lambda: f"fills of {quantity}; there are {found[0]}")


async def _sums(desk: Desk, up_to: int) -> dict[str, tuple[int, Decimal, dict[str, Decimal]]]:
    sums: dict[str, tuple[int, Decimal, dict[str, Decimal]]] = {}
    for message in await desk.stored("FILLS", f"fills.{VENUE}.{ACCOUNT}.*.*"):
        fill = message.body
        if message.sequence > up_to:
            break
        count, quantity, fees = sums.get(fill["symbol"], (0, Decimal(0), {}))
        signed = Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
        fees = {**fees, fill["feeAsset"]: fees.get(fill["feeAsset"], Decimal(0)) + Decimal(fill["fee"])}
        sums[fill["symbol"]] = (count + 1, quantity + signed, fees)
    return sums
