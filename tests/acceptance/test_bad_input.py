"""What strangers may send by mistake: each is answered with a reason and an errorId, and nobody else waits for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import nats.errors
import nats.js.errors
import pytest
import pytest_asyncio

from tests.acceptance.desk import ACCOUNT, VENUE, Desk, Document, now_ms, until
from tests.acceptance.system import System

ENDLESS = "9" * 3_000


@pytest_asyncio.fixture(autouse=True)
async def nothing_crashed(system: System, desk: Desk) -> AsyncIterator[None]:
    """After every bad input the same processes run, and a good order is answered as ever."""
    pids = system.pids()
    yield
    await desk.wait_order(await desk.place(), "filled")
    assert system.pids() == pids


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "wrong schema number": ({"schema": 2}, "wrong_schema"),
    "schema as text": ({"schema": "1"}, "wrong_schema"),
    "no schema number": ({"schema": None}, "missing_field"),
    "another kind than the subject's": ({"kind": "cancel"}, "wrong_kind"),
    "a field that does not exist": ({"quanttiy": "1"}, "unknown_field"),
    "no createdAtMs": ({"createdAtMs": None}, "missing_field"),
    "no validForMs": ({"validForMs": None}, "missing_field"),
    "valid for two days": ({"validForMs": 2 * 86_400_000}, "valid_for_too_long"),
    "a negative quantity": ({"quantity": "-0.010"}, "invalid_number"),
    "no quantity at all": ({"quantity": "0"}, "invalid_terms"),
    "not a number": ({"quantity": "NaN"}, "invalid_number"),
    "a bare NaN": ({"quantity": float("nan")}, "invalid_number"),
    "infinity": ({"quantity": "Infinity"}, "invalid_number"),
    "a bare number": ({"quantity": 0.01}, "invalid_number"),
    "scientific notation": ({"quantity": "1e-2"}, "invalid_number"),
    "an absurdly long quantity": ({"quantity": ENDLESS}, "invalid_number"),
    "an absurdly long price": ({"type": "LIMIT", "price": f"1.{ENDLESS}"}, "invalid_number"),
    "an absurdly large time": ({"createdAtMs": 10**30}, "invalid_number"),
    "a limit order without a price": ({"type": "LIMIT"}, "invalid_terms"),
    "a clientOrderId that no subject takes": ({"clientOrderId": "a.b.>"}, "invalid_field"),
    "a clientOrderId too long": ({"clientOrderId": "x" * 37}, "invalid_field"),
    "an unknown side": ({"side": "HOLD"}, "invalid_field"),
}


@pytest.mark.parametrize(("terms", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_an_intent_that_is_not_understood_is_refused_and_kept(
    desk: Desk, terms: dict[str, Any], reason: str
) -> None:
    body = desk.place_body(**terms)
    sequence = await desk.publish(f"intents.{VENUE}.{ACCOUNT}.{desk.strategy}.place.BTCUSDT", body)
    await _is_refused_and_dead(desk, body["intentId"], sequence, reason)
    assert await desk.order(str(body["clientOrderId"])[:36].replace(".", "=2E").replace(">", "=3E")) is None


NOT_JSON = {
    "text": b"buy some bitcoin, please",
    "nothing": b"",
    "half an object": b'{"schema":1,"kind":"place","intentId":"half-1","ven',
    "a list": b"[1,2,3]",
    "bytes that are no text": bytes(range(128, 256)),
    "brackets without end": b"[" * 15_000,
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_json_is_answered_where_a_sender_is_known_and_kept(desk: Desk, data: bytes) -> None:
    sequence = await desk.publish(f"intents.{VENUE}.{ACCOUNT}.{desk.strategy}.place.BTCUSDT", data)
    found = b'"intentId":"' in data
    intent_id = data.split(b'"intentId":"')[1].split(b'"')[0].decode() if found else None
    await _is_refused_and_dead(desk, intent_id, sequence, "not_json")


@pytest.mark.parametrize(
    ("venue", "account", "reason"),
    [("nowhere", ACCOUNT, "unknown_venue"), (VENUE, "nobody", "unknown_account")],
)
async def test_an_intent_for_whom_nobody_serves_is_answered(desk: Desk, venue: str, account: str, reason: str) -> None:
    body = desk.place_body(venue=venue, account=account)
    await desk.publish(desk.subject(body), body)
    answer = await desk.wait_answer(body["intentId"], venue=venue, account=account)
    assert (answer["outcome"], answer["reason"]) == ("refused", reason)
    assert answer["errorId"]


@pytest.mark.parametrize(
    "terms",
    [{"account": "other"}, {"venue": "binance"}, {"strategy": "rival"}, {"symbol": "ETHUSDT"}],
    ids=["account", "venue", "strategy", "symbol"],
)
async def test_a_body_unlike_its_subject_is_refused(desk: Desk, terms: dict[str, Any]) -> None:
    body = desk.place_body(**terms)
    sequence = await desk.publish(f"intents.{VENUE}.{ACCOUNT}.{desk.strategy}.place.BTCUSDT", body)
    await _is_refused_and_dead(desk, body["intentId"], sequence, "address_mismatch")
    assert await desk.order(body["clientOrderId"]) is None


async def test_an_unknown_symbol_is_refused_on_the_orders_own_subject(desk: Desk) -> None:
    order = await _refused_order(desk, symbol="DOGEUSDT")
    assert order["reason"].startswith("unknown_symbol")


async def test_an_intent_whose_time_has_passed_is_refused_and_never_sent(desk: Desk) -> None:
    order = await _refused_order(desk, createdAtMs=now_ms() - 10_000, validForMs=5_000)
    assert order["reason"].startswith("expired")
    assert await desk.arrivals(order["clientOrderId"]) == []


async def test_an_intent_from_the_far_future_is_refused(desk: Desk) -> None:
    order = await _refused_order(desk, createdAtMs=now_ms() + 3_600_000)
    assert order["reason"].startswith("created_in_the_future")


async def test_the_same_intent_again_is_answered_and_is_one_order(desk: Desk) -> None:
    body = desk.place_body()
    for _ in range(5):
        await desk.publish(desk.subject(body), body)
    answer = await desk.wait_answer(body["intentId"])
    assert (answer["outcome"], answer["reason"]) == ("done", "repeated")
    await desk.wait_order(body["clientOrderId"], "filled")
    assert len(await desk.venue_orders(body["clientOrderId"])) == 1
    assert len([row for row in await desk.arrivals(body["clientOrderId"]) if row[2] == "POST /v2/orders"]) == 1


async def test_the_same_intent_with_another_body_is_refused_and_the_first_counts(desk: Desk) -> None:
    body = desk.place_body()
    await desk.publish(desk.subject(body), body)
    await desk.publish(desk.subject(body), {**body, "quantity": "0.020"})
    answer = await desk.wait_answer(body["intentId"])
    assert (answer["outcome"], answer["reason"]) == ("refused", "intent_id_reused")
    assert answer["errorId"]
    order = await desk.wait_order(body["clientOrderId"], "filled")
    assert order["quantity"] == "0.010"


async def test_the_order_id_of_another_intent_is_refused(desk: Desk) -> None:
    first = desk.place_body()
    second = desk.place_body(clientOrderId=first["clientOrderId"])
    for body in (first, second):
        await desk.publish(desk.subject(body), body)
    answer = await desk.wait_answer(second["intentId"])
    assert (answer["outcome"], answer["reason"]) == ("refused", "client_order_id_in_use")


async def test_an_intent_larger_than_the_stream_takes_is_refused_to_its_publisher(desk: Desk) -> None:
    body = desk.place_body(note="x" * 20_000)
    with pytest.raises(nats.js.errors.APIError) as refusal:
        await desk.jetstream.publish(desk.subject(body), json.dumps(body).encode())
    assert "maximum" in str(refusal.value).lower()
    body["note"] = "x" * 100_000
    with pytest.raises(nats.errors.MaxPayloadError):
        await desk.jetstream.publish(desk.subject(body), json.dumps(body).encode())


@pytest.mark.parametrize("kind", ["cancel", "cancel_all", "close"])
async def test_every_kind_of_intent_refuses_what_it_does_not_understand(desk: Desk, kind: str) -> None:
    for data in (b"{", json.dumps({"schema": 1, "kind": kind, "surprise": True}).encode()):
        sequence = await desk.publish(f"intents.{VENUE}.{ACCOUNT}.{desk.strategy}.{kind}.BTCUSDT", data)
        dead = await _dead(desk, sequence)
        assert dead["ordergate-reason"] in {"not_json", "missing_field", "unknown_field"}


async def test_cancels_of_what_is_not_there_or_not_ones_own_are_refused(desk: Desk) -> None:
    intent = await desk.cancel("no-such-order")
    assert (await desk.wait_answer(intent))["reason"] == "unknown_order"
    price = await desk.price()
    order_id = await desk.place(price=f"{price * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    own, desk.strategy = desk.strategy, f"{desk.strategy}x"
    intent = await desk.cancel(order_id)
    answer = await desk.wait_answer(intent)
    assert (answer["outcome"], answer["reason"]) == ("refused", "not_your_order")
    desk.strategy = own
    await desk.wait_answer(await desk.cancel(order_id))
    assert (await desk.wait_order(order_id))["state"] == "canceled"


async def test_a_replace_is_refused_where_the_venue_has_none(desk: Desk) -> None:
    order = await _refused_order(desk, price="60000.0", kind="replace", replaces="whatever")
    assert order["reason"].startswith("unsupported_by_venue")
    assert await desk.arrivals(order["clientOrderId"]) == []


@pytest.mark.parametrize(
    "terms",
    [{"timeInForce": "IOC"}, {"timeInForce": "FOK"}, {"postOnly": True}],
    ids=["immediate or cancel", "fill or kill", "post only"],
)
async def test_what_the_venue_lacks_is_refused_before_anything_is_sent(desk: Desk, terms: dict[str, Any]) -> None:
    order = await _refused_order(desk, price="60000.0", **terms)
    assert order["reason"].startswith("unsupported_by_venue")
    assert await desk.arrivals(order["clientOrderId"]) == []


async def test_bad_ones_between_good_ones_delay_nobody(desk: Desk) -> None:
    """A flood of what cannot be read, mixed with good orders: each good one is filled, each bad one is answered."""
    bad = [desk.place_body(quantity="-1") for _ in range(100)]
    good = [desk.place_body(quantity="0.002") for _ in range(100)]
    for wrong, right in zip(bad, good, strict=True):
        await asyncio.gather(*(desk.publish(desk.subject(body), body) for body in (wrong, right)))
    for body in good:
        assert (await desk.wait_order(body["clientOrderId"]))["state"] == "filled"
    for body in bad:
        assert (await desk.wait_answer(body["intentId"]))["reason"] == "invalid_number"


async def _refused_order(desk: Desk, **terms: Any) -> Document:
    order = await desk.wait_order(await desk.place(**terms))
    assert order["state"] == "refused"
    assert order["errorId"]
    return order


async def _is_refused_and_dead(desk: Desk, intent_id: str | None, sequence: int, reason: str) -> None:
    answer = await desk.wait_answer(intent_id)
    assert (answer["outcome"], answer["reason"]) == ("refused", reason), answer
    dead = await _dead(desk, sequence)
    assert dead["ordergate-reason"] == reason
    assert dead["ordergate-error-id"] == answer["errorId"]


async def _dead(desk: Desk, sequence: int) -> dict[str, str]:
    """Headers of the DEAD message that keeps the intent of this stream sequence, case folded."""

    async def kept() -> dict[str, str] | None:
        for message in await desk.stored("DEAD"):
            headers = {name.lower(): value for name, value in message.headers.items()}
            if headers.get("nats-msg-id", "").startswith(f"INTENTS:{sequence}:"):
                return headers
        return None

    return await until(kept, what=f"intent {sequence} is kept in DEAD")
