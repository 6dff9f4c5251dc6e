"""The gate: a good intent becomes a request, everything else a refusal that says why and whom to answer."""

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.ids import AccountName, IntentId, StrategyName, derive_client_order_id
from ordergate.trading.order import OrderRequest, OrderType, Rounding, Side, TimeInForce
from ordergate.wire import documents, gate
from ordergate.wire.gate import (
    CancelAllRequest,
    CancelRequest,
    CloseRequest,
    ListRequest,
    Reason,
    Refusal,
)
from ordergate.wire.messages import CancelScope

SUBJECT = "intents.zetarium.main.alpha.place.BTCUSDT"
PLACE: dict[str, Any] = {
    "schema": 1,
    "kind": "place",
    "intentId": "a-000017",
    "venue": "zetarium",
    "account": "main",
    "strategy": "alpha",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "64250.5",
    "clientOrderId": "alpha-000017",
    "validForMs": 5000,
    "createdAtMs": 1_790_000_000_000,
}
MARKET = {key: value for key, value in PLACE.items() if key != "price"} | {"type": "MARKET"}
WHO = {key: PLACE[key] for key in ("schema", "intentId", "venue", "account", "strategy")}


def read(subject: str = SUBJECT, /, **changes: object) -> gate.Request | Refusal:
    """An intent with some fields changed (... removes one)."""
    body = {name: value for name, value in (PLACE | changes).items() if value is not ...}
    return gate.read_intent(subject, json.dumps(body).encode())


def refusal(subject: str = SUBJECT, /, **changes: object) -> Refusal:
    answer = read(subject, **changes)
    assert isinstance(answer, Refusal)
    return answer


def accepted(**changes: object) -> OrderRequest:
    answer = read(**changes)
    assert isinstance(answer, OrderRequest), answer
    return answer


def test_the_intent_of_the_contract_becomes_a_request() -> None:
    request = accepted()
    assert (request.key.venue, request.key.account, request.key.symbol) == ("zetarium", "main", "BTCUSDT")
    assert (request.key.client_order_id, request.strategy, request.intent_id) == ("alpha-000017", "alpha", "a-000017")
    assert (request.terms.side, request.terms.type, request.terms.time_in_force) == (
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
    )
    assert (request.terms.quantity, request.terms.price) == (Decimal("0.010"), Decimal("64250.5"))
    assert request.expires_at_ms == 1_790_000_005_000
    assert request.rounding is Rounding.STRICT


def test_an_id_is_derived_where_the_strategy_gives_none() -> None:
    derived = derive_client_order_id(AccountName("main"), StrategyName("alpha"), IntentId("a-000017"))
    assert accepted(clientOrderId=...).key.client_order_id == derived
    assert accepted(clientOrderId=None).key.client_order_id == derived


def test_the_same_intent_repeated_after_a_crash_is_the_same_request() -> None:
    later = accepted(createdAtMs=1_790_000_009_000, validForMs=1)
    assert later.request_hash == accepted().request_hash
    assert accepted(quantity="00.0100", timeInForce=..., reduceOnly=False).request_hash == accepted().request_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "0.011"},
        {"price": "64250.6"},
        {"side": "SELL"},
        {"intentId": "a-000018"},
        {"clientOrderId": "alpha-000018"},
        {"timeInForce": "IOC"},
        {"timeInForce": "GTD", "goodTillMs": 1_790_000_100_000},
        {"reduceOnly": True},
        {"postOnly": True},
        {"positionSide": "LONG"},
        {"rounding": "adjust"},
        {"resubmit": True},
        {"validate": True},
        {"type": "STOP", "stopPrice": "64000"},
    ],
)
def test_another_body_is_another_request(changes: dict[str, object]) -> None:
    assert accepted(**changes).request_hash != accepted().request_hash


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 2}, Reason.WRONG_SCHEMA),
        ({"schema": "1"}, Reason.WRONG_SCHEMA),
        ({"schema": True}, Reason.WRONG_SCHEMA),
        ({"schema": ..., "extra": 1}, Reason.MISSING_FIELD),
        ({"kind": "cancel"}, Reason.WRONG_KIND),
        ({"leverage": 5}, Reason.UNKNOWN_FIELD),
        ({"intent_id": "a-000017"}, Reason.UNKNOWN_FIELD),
        ({"createdAtMs": ...}, Reason.MISSING_FIELD),
        ({"validForMs": ...}, Reason.MISSING_FIELD),
        ({"side": ...}, Reason.MISSING_FIELD),
        ({"side": "buy"}, Reason.INVALID_FIELD),
        ({"intentId": ""}, Reason.INVALID_FIELD),
        ({"intentId": "a b"}, Reason.INVALID_FIELD),
        ({"intentId": "x" * 65}, Reason.INVALID_FIELD),
        ({"intentId": 17}, Reason.INVALID_FIELD),
        ({"clientOrderId": "x" * 37}, Reason.INVALID_FIELD),
        ({"clientOrderId": "a/b"}, Reason.INVALID_FIELD),
        ({"reduceOnly": "true"}, Reason.INVALID_FIELD),
        ({"quantity": 0.01}, Reason.INVALID_NUMBER),
        ({"quantity": 1}, Reason.INVALID_NUMBER),
        ({"quantity": "NaN"}, Reason.INVALID_NUMBER),
        ({"quantity": "Infinity"}, Reason.INVALID_NUMBER),
        ({"quantity": "-1"}, Reason.INVALID_NUMBER),
        ({"quantity": "+1"}, Reason.INVALID_NUMBER),
        ({"quantity": "1e3"}, Reason.INVALID_NUMBER),
        ({"quantity": "1_000"}, Reason.INVALID_NUMBER),
        ({"quantity": " 1"}, Reason.INVALID_NUMBER),
        ({"quantity": "1\n"}, Reason.INVALID_NUMBER),
        ({"quantity": "١"}, Reason.INVALID_NUMBER),
        ({"quantity": ""}, Reason.INVALID_NUMBER),
        ({"quantity": "9" * 19}, Reason.INVALID_NUMBER),
        ({"quantity": "0." + "1" * 19}, Reason.INVALID_NUMBER),
        ({"price": "9" * 10_000}, Reason.INVALID_NUMBER),
        ({"createdAtMs": 1.5}, Reason.INVALID_NUMBER),
        ({"createdAtMs": "1790000000000"}, Reason.INVALID_NUMBER),
        ({"createdAtMs": -1}, Reason.INVALID_NUMBER),
        ({"createdAtMs": 10**30}, Reason.INVALID_NUMBER),
        ({"createdAtMs": True}, Reason.INVALID_NUMBER),
        ({"validForMs": 0}, Reason.INVALID_NUMBER),
        ({"validForMs": 86_400_001}, Reason.VALID_FOR_TOO_LONG),
        ({"quantity": "0.000"}, Reason.INVALID_TERMS),
        ({"price": "0"}, Reason.INVALID_TERMS),
        ({"price": ...}, Reason.INVALID_TERMS),
        ({"quantity": ...}, Reason.INVALID_TERMS),
        ({"quoteQuantity": "5"}, Reason.INVALID_TERMS),
        ({"stopPrice": "5"}, Reason.INVALID_TERMS),
        ({"type": "MARKET"}, Reason.INVALID_TERMS),
        ({"type": "STOP"}, Reason.INVALID_TERMS),
        ({"timeInForce": "GTD"}, Reason.INVALID_TERMS),
        ({"goodTillMs": 1}, Reason.INVALID_TERMS),
        ({"postOnly": True, "timeInForce": "IOC"}, Reason.INVALID_TERMS),
        ({"venue": "binance"}, Reason.ADDRESS_MISMATCH),
        ({"account": "other"}, Reason.ADDRESS_MISMATCH),
        ({"strategy": "beta"}, Reason.ADDRESS_MISMATCH),
        ({"symbol": "ETHUSDT"}, Reason.ADDRESS_MISMATCH),
    ],
)
def test_bad_intents_are_refused_by_name(changes: dict[str, object], reason: Reason) -> None:
    answer = refusal(**changes)
    assert answer.reason is reason, answer
    assert answer.address is not None
    assert answer.strategy == "alpha"
    assert len(answer.message) < 600


@pytest.mark.parametrize(
    "changes", [{"createdAtMs": ...}, {"leverage": 5}, {"quantity": "NaN"}, {"account": "other"}, {"price": ...}]
)
def test_a_refusal_carries_what_could_be_read(changes: dict[str, object]) -> None:
    answer = refusal(**changes)
    assert (answer.intent_id, answer.client_order_id) == ("a-000017", "alpha-000017")


def test_a_refusal_of_an_intent_without_an_order_id_names_the_one_it_would_have_had() -> None:
    answer = refusal(clientOrderId=..., createdAtMs=...)
    assert answer.client_order_id == accepted(clientOrderId=...).key.client_order_id


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b'{"intentId":"\\ud800"}',
        b'{"quantity":NaN',
    ],
)
def test_what_is_no_json_object_is_refused_without_harm(data: bytes) -> None:
    answer = gate.read_intent(SUBJECT, data)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.NOT_JSON
    assert answer.intent_id is None


def test_the_id_of_a_torn_message_is_still_found() -> None:
    answer = gate.read_intent(SUBJECT, json.dumps(PLACE).encode()[:-10])
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.intent_id) == (Reason.NOT_JSON, "a-000017")


def test_a_bare_nan_is_a_bad_number() -> None:
    data = json.dumps(PLACE | {"quantity": float("nan")}).encode()
    answer = gate.read_intent(SUBJECT, data)
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.INVALID_NUMBER


@pytest.mark.parametrize("subject", ["intents.z.main.=61lpha.place.BTCUSDT", "intents.z.main.alpha.buy.X", "x", ""])
def test_without_a_readable_subject_nobody_can_be_answered(subject: str) -> None:
    answer = refusal(subject)
    assert (answer.reason, answer.address) == (Reason.UNREADABLE_SUBJECT, None)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(PLACE)) | st.text(), inner, max_size=6)
        ),
    ).map(lambda body: json.dumps(body).encode())
)
def test_no_body_raises(data: bytes) -> None:
    for kind in ("place", "cancel", "cancel_all", "replace", "close"):
        assert isinstance(gate.read_intent(f"intents.z.main.alpha.{kind}._", data), Refusal)


@given(st.sampled_from(sorted(PLACE)), st.none() | st.booleans() | st.integers() | st.text() | st.floats())
def test_the_gate_lets_nothing_in_that_the_schema_refuses(field: str, value: object) -> None:
    body = PLACE | {field: value}
    answer = gate.read_intent(SUBJECT, json.dumps(body).encode())
    if isinstance(answer, OrderRequest):
        jsonschema.validate(body, documents.schemas()["PlaceIntent"])


def test_a_cancel_names_one_order() -> None:
    subject = "intents.zetarium.main.alpha.cancel.BTCUSDT"
    body = WHO | {"kind": "cancel", "symbol": "BTCUSDT", "clientOrderId": "alpha-1", "createdAtMs": 5, "validForMs": 10}
    request = gate.read_cancel(subject, json.dumps(body).encode())
    assert isinstance(request, CancelRequest)
    assert (request.client_order_id, request.order_intent_id, request.expires_at_ms) == ("alpha-1", None, 15)
    both = gate.read_cancel(subject, json.dumps(body | {"orderIntentId": "a-1"}).encode())
    assert isinstance(both, Refusal)
    assert both.reason is Reason.INVALID_TERMS
    neither = gate.read_cancel(subject, json.dumps({**body, "clientOrderId": None}).encode())
    assert isinstance(neither, Refusal)


def test_a_cancel_may_know_only_the_intent_that_placed_the_order() -> None:
    body = WHO | {"kind": "cancel", "orderIntentId": "a-1"}
    request = gate.read_cancel("intents.zetarium.main.alpha.cancel._", json.dumps(body).encode())
    assert isinstance(request, CancelRequest)
    assert (request.symbol, request.client_order_id, request.order_intent_id) == (None, None, "a-1")
    assert request.expires_at_ms is None


def test_cancel_all_is_about_the_strategy_unless_it_says_the_account() -> None:
    subject = "intents.zetarium.main.alpha.cancel_all._"
    own = gate.read_cancel_all(subject, json.dumps(WHO | {"kind": "cancel_all"}).encode())
    assert isinstance(own, CancelAllRequest)
    assert (own.scope, own.symbol) == (CancelScope.STRATEGY, None)
    everybody = gate.read_cancel_all(subject, json.dumps(WHO | {"kind": "cancel_all", "scope": "account"}).encode())
    assert isinstance(everybody, CancelAllRequest)
    assert everybody.scope is CancelScope.ACCOUNT


def test_a_symbol_in_the_subject_alone_does_not_narrow_a_cancel_all() -> None:
    answer = gate.read_cancel_all(
        "intents.zetarium.main.alpha.cancel_all.BTCUSDT", json.dumps(WHO | {"kind": "cancel_all"}).encode()
    )
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.ADDRESS_MISMATCH


def test_a_replace_is_a_new_order_and_the_name_of_the_old_one() -> None:
    subject = "intents.zetarium.main.alpha.replace.BTCUSDT"
    body = PLACE | {"kind": "replace", "replaces": "alpha-000016"}
    request = gate.read_replace(subject, json.dumps(body).encode())
    assert isinstance(request, OrderRequest)
    assert (request.key.client_order_id, request.replaces) == ("alpha-000017", "alpha-000016")
    itself = gate.read_replace(subject, json.dumps(body | {"replaces": "alpha-000017"}).encode())
    assert isinstance(itself, Refusal)


def test_a_close_is_of_all_or_of_a_quantity() -> None:
    subject = "intents.zetarium.main.alpha.close.BTCUSDT"
    body = WHO | {"kind": "close", "symbol": "BTCUSDT", "createdAtMs": 5, "validForMs": 10}
    everything = gate.read_close(subject, json.dumps(body).encode())
    part = gate.read_close(subject, json.dumps(body | {"quantity": "0.5"}).encode())
    assert isinstance(everything, CloseRequest)
    assert isinstance(part, CloseRequest)
    assert (everything.quantity, part.quantity) == (None, Decimal("0.5"))
    assert everything.request_hash != part.request_hash
    assert everything.key == part.key
    assert isinstance(gate.read_close(subject, json.dumps(body | {"quantity": "0"}).encode()), Refusal)


# Lists.

STOP: dict[str, Any] = {"side": "SELL", "type": "STOP_MARKET", "stopPrice": "60000", "quantity": "0.01"}
OCO: dict[str, Any] = {"side": "SELL", "postOnly": True, "list": {"kind": "OCO", "others": [STOP]}}


def listed(**changes: object) -> ListRequest:
    answer = read(**(OCO | changes))
    assert isinstance(answer, ListRequest), answer
    return answer


def test_each_order_of_a_list_is_one_of_its_own_that_knows_the_others() -> None:
    profit, loss = listed().legs
    assert (profit.key.client_order_id, profit.terms.price, profit.terms.stop_price) == (
        "alpha-000017",
        Decimal("64250.5"),
        None,
    )
    assert (loss.terms.type, loss.terms.price, loss.terms.stop_price) == (OrderType.STOP_MARKET, None, Decimal(60_000))
    assert (loss.terms.post_only, loss.created_at_ms, loss.valid_for_ms) == (False, 1_790_000_000_000, 5_000)
    assert profit.order_list is not None
    assert loss.order_list is not None
    assert (profit.order_list.leg, loss.order_list.leg, loss.order_list.is_last) == (1, 2, True)
    assert profit.order_list.legs == loss.order_list.legs == (profit.key.client_order_id, loss.key.client_order_id)
    assert profit.request_hash != loss.request_hash


def test_the_same_list_has_the_same_ids_and_hashes_and_another_leg_changes_the_hash_of_all() -> None:
    named = {"list": {"kind": "OCO", "others": [STOP | {"stopPrice": "60001"}]}}
    again, other = listed(createdAtMs=5), listed(**named)
    for leg, place in ((leg, place) for place, leg in enumerate(listed().legs)):
        assert again.legs[place].key == leg.key == other.legs[place].key
        assert again.legs[place].request_hash == leg.request_hash
        assert other.legs[place].request_hash != leg.request_hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"list": {"kind": "OTOCO", "others": [STOP]}}, "an OTOCO has 3 orders, not 2"),
        ({"list": {"kind": "OCO", "others": [STOP | {"side": "BUY"}]}}, "same side and quantity"),
        ({"list": {"kind": "OCO", "others": [STOP | {"type": "TAKE_PROFIT_MARKET"}]}}, "stops a loss"),
        ({"postOnly": False}, "post-only"),
        ({"list": {"kind": "OCO", "others": [STOP | {"stopPrice": None}]}}, "order 2 of the list: STOP_MARKET needs"),
        ({"list": {"kind": "OCO", "others": [STOP | {"clientOrderId": "alpha-000017"}]}}, "different clientOrderIds"),
        ({"resubmit": True}, "resubmit is for single orders"),
        (
            {"type": "MARKET", "price": ..., "postOnly": False, "list": {"kind": "OTO", "others": [STOP]}},
            "a LIMIT order",
        ),
    ],
)
def test_orders_that_are_no_list_are_refused_with_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    answer = refusal(**(OCO | changes))
    assert answer.reason is Reason.INVALID_TERMS
    assert message in answer.message


def test_an_unknown_field_of_a_leg_is_refused() -> None:
    answer = refusal(**(OCO | {"list": {"kind": "OCO", "others": [STOP | {"reduceOnly": True}]}}))
    assert answer.reason is Reason.UNKNOWN_FIELD
