"""Claims about the sentences of `explain`."""

from decimal import Decimal

from ordergate.cli.life import effect_of
from ordergate.cli.telling import answer_sentence, fill_sentence, intent_sentence, request_sentence
from tests.unit.trading.making import fill


def test_a_request_that_waited_or_was_never_answered_says_so() -> None:
    body = {"service": "order_submission", "method": "POST", "path": "/v2/orders", "latencyMs": 12}
    assert request_sentence({**body, "status": 200}) == "order_submission called POST /v2/orders: HTTP 200 in 12 ms"
    assert "no answer in 12 ms, after waiting 1.5 s for budget" in request_sentence({**body, "waitedMs": 1_500})
    assert "HTTP 503 in 12 ms (errorId e-1)" in request_sentence({**body, "status": 503, "errorId": "e-1"})
    assert ": not sent" in request_sentence({**body, "outcome": "not_sent"})


def test_an_inferred_fill_and_its_reversal_are_told_apart() -> None:
    body = {"tradeId": "t", "quantity": "0.010", "price": "100", "fee": "0", "feeAsset": "USDT", "liquidity": "maker"}
    assert fill_sentence(body).startswith("fill t: 0.01 at 100")
    assert fill_sentence({**body, "inferred": True}).startswith("inferred fill, which the venue hides, t")
    assert fill_sentence({**body, "inferred": True, "quantity": "-0.010"}).startswith("inferred fill taken back, t")


def test_an_intent_says_who_asked_for_what() -> None:
    assert intent_sentence({"strategy": "a", "kind": "place", "validForMs": 5_000}) == (
        "a asked to place it, to be sent within 5.0 s"
    )
    replaced = {"strategy": "a", "kind": "replace", "replaces": "a-1", "clientOrderId": "a-2"}
    assert intent_sentence(replaced) == "a asked to replace a-1 by a-2"
    assert intent_sentence({"strategy": "a", "kind": "cancel_all", "scope": "account"}) == (
        "a asked to cancel everything of the account"
    )


def test_an_answer_carries_its_reason_and_error() -> None:
    body = {"kind": "cancel", "intentId": "i-1", "outcome": "refused", "reason": "unknown_order", "errorId": "e-1"}
    assert answer_sentence(body) == "answer to the cancel i-1: refused, unknown_order (errorId e-1)"


def test_the_effect_of_fills_is_their_signed_sum() -> None:
    first = fill(1)
    effect = effect_of([first])
    assert effect.quantity == first.signed_quantity
    assert effect.cash_flow == -first.signed_quantity * first.price
    assert effect.average_price == first.price
    assert effect_of([]).quantity == Decimal(0)
