"""The fault plan: which calls it strikes, how often, and that a seed repeats itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ordergate.simulator.faults import Effect, FaultPlan, Faults

PLACE, CANCEL = "POST /v2/orders", "DELETE /v2/orders/:id"


def _faults(*rules: dict[str, Any], seed: int = 7) -> Faults:
    faults = Faults()
    faults.replace(FaultPlan.model_validate({"seed": seed, "rules": rules}))
    return faults


def _hits(faults: Faults) -> list[tuple[int, int]]:
    rules = faults.report()["rules"]
    assert isinstance(rules, list)
    return [(rule["matched"], rule["hits"]) for rule in rules]


def test_rule_strikes_its_call_and_its_order_only() -> None:
    faults = _faults({"kind": "answer_lost", "call": PLACE, "clientOrderId": "a"})
    assert faults.strike(PLACE, "b") is None
    assert faults.strike(CANCEL, "a") is None
    assert faults.strike(PLACE, "a") == Effect(answer_lost=True)
    assert _hits(faults) == [(1, 1)]


def test_rule_strikes_from_the_nth_match_so_many_times() -> None:
    faults = _faults({"kind": "answer_lost", "call": PLACE, "nth": 3, "times": 2})
    assert [faults.strike(PLACE, None) is not None for _ in range(6)] == [False, False, True, True, False, False]
    assert _hits(faults) == [(6, 2)]


def test_seeded_rate_repeats_itself_and_does_not_depend_on_other_rules() -> None:
    lost = {"kind": "answer_lost", "rate": 0.3}
    alone, again, beside = _faults(lost), _faults(lost), _faults(lost, {"kind": "slow", "rate": 0.5, "delayMs": 1})
    struck = [alone.strike(PLACE, None) is not None for _ in range(1000)]
    assert struck == [again.strike(PLACE, None) is not None for _ in range(1000)]
    effects = [beside.strike(PLACE, None) for _ in range(1000)]
    assert struck == [effect is not None and effect.answer_lost for effect in effects]
    assert 200 < sum(struck) < 400
    other = _faults(lost, seed=8)
    assert struck != [other.strike(PLACE, None) is not None for _ in range(1000)]


def test_rules_that_strike_one_call_are_joined() -> None:
    faults = _faults(
        {"kind": "slow", "phase": "before", "delayMs": 20},
        {"kind": "slow", "delayMs": 30},
        {"kind": "error_after_execution", "status": 500, "body": "html"},
        {"kind": "clock_offset", "offsetMs": -4000},
    )
    assert faults.strike(PLACE, None) == Effect(
        delay_before_ms=20, delay_after_ms=30, error_status=500, error_body="html", offset_ms=-4000
    )


def test_empty_plan_heals_everything() -> None:
    faults = _faults({"kind": "reset"})
    faults.replace(FaultPlan())
    assert not faults
    assert faults.strike(PLACE, None) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "meteor"},
        {"kind": "slow", "rate": 0},
        {"kind": "slow", "rate": 1.1},
        {"kind": "slow", "status": 503},
        {"kind": "error_after_execution", "status": 200},
        {"kind": "rate_limited", "retryAfterSeconds": -1},
        {"kind": "answer_lost", "times": 0},
        {"kind": "answer_lost", "clientOrderID": "typo"},
        {"kind": "slow", "phase": "mid_body"},
        {"kind": "symbol_halted"},
        {"kind": "legs_refused"},
        {"kind": "trades_late", "share": 0},
    ],
)
def test_rule_that_makes_no_sense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaultPlan.model_validate({"rules": [rule]})
