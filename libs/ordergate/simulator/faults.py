"""The fault plan: which calls go wrong, how, and how often. Pure: it decides, `connection` carries out.

A rule acts on the calls it matches (`call`, `clientOrderId`; absent = any), from the `nth` match on, `times` times at most, each with probability `rate`
drawn from its own seeded generator. So both exact plans ("this order, that call, the second time") and seeded rates are one mechanism. All rules that act
on a call are joined into one `Effect`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Kind = Literal["answer_lost", "error_after_execution", "slow", "reset", "rate_limited", "clock_offset"]
Phase = Literal["before", "after"]


class _Gate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class FaultRule(_Gate):
    """One rule as it is posted.

    `answer_lost`: executed, then the connection is closed without a byte. `error_after_execution`: executed, then `status` (500 to 599) with a JSON or HTML
    body. `slow`: `delayMs` before execution or before the answer. `reset`: a TCP reset before or after execution. `rate_limited`: 429 with `retry-after`,
    not executed and not counted. `clock_offset`: the venue's clock jumps to `offsetMs` before the call is looked at.
    """

    kind: Kind
    call: Annotated[str, Field(min_length=1)] | None = None
    """`METHOD /path`; an id in the path is spelled `:id` (`DELETE /v2/orders/:id`)."""
    client_order_id: Annotated[str, Field(min_length=1)] | None = None
    rate: float = Field(default=1.0, gt=0, le=1)
    nth: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)
    phase: Phase = "after"
    delay_ms: int = Field(default=1000, ge=0, le=600_000)
    status: int = Field(default=503, ge=500, le=599)
    body: Literal["json", "html"] = "json"
    retry_after_seconds: int = Field(default=60, ge=0)
    offset_ms: int = 0

    @model_validator(mode="after")
    def _without_foreign_fields(self) -> FaultRule:
        allowed = _ALWAYS | _OF_KIND[self.kind]
        foreign = self.model_fields_set - allowed
        if foreign:
            message = f"{self.kind} has no {', '.join(sorted(foreign))}"
            raise ValueError(message)
        return self


_ALWAYS = frozenset({"kind", "call", "client_order_id", "rate", "nth", "times"})
_OF_KIND: dict[Kind, frozenset[str]] = {
    "answer_lost": frozenset(),
    "error_after_execution": frozenset({"status", "body"}),
    "slow": frozenset({"delay_ms", "phase"}),
    "reset": frozenset({"phase"}),
    "rate_limited": frozenset({"retry_after_seconds"}),
    "clock_offset": frozenset({"offset_ms"}),
}


class FaultPlan(_Gate):
    """The whole plan; no rules = all is well again."""

    seed: int = 1
    rules: tuple[FaultRule, ...] = Field(default=(), max_length=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is to be done to one call. A reset or a lost answer wins over an error, an error over the true answer."""

    offset_ms: int | None = None
    delay_before_ms: int = 0
    reset_before: bool = False
    retry_after_seconds: int | None = None
    error_status: int | None = None
    error_body: Literal["json", "html"] = "json"
    delay_after_ms: int = 0
    answer_lost: bool = False
    reset_after: bool = False


class _Armed:
    """A rule in force, with its own generator so that rules do not disturb each other's luck."""

    __slots__ = ("hits", "matched", "random", "rule")

    def __init__(self, rule: FaultRule, seed: str) -> None:
        self.rule = rule
        self.random = Random(seed)
        self.matched = 0
        self.hits = 0

    def strikes(self, call: str, client_order_id: str | None) -> bool:
        rule = self.rule
        if rule.call is not None and rule.call != call:
            return False
        if rule.client_order_id is not None and rule.client_order_id != client_order_id:
            return False
        self.matched += 1
        if self.matched < rule.nth or (rule.times is not None and self.hits >= rule.times):
            return False
        if rule.rate < 1 and self.random.random() >= rule.rate:
            return False
        self.hits += 1
        return True


class Faults:
    """The plan in force."""

    __slots__ = ("_rules", "_seed")

    def __init__(self) -> None:
        """Nothing goes wrong."""
        self._seed = 1
        self._rules: list[_Armed] = []

    def __bool__(self) -> bool:
        """Whether any rule is in force."""
        return bool(self._rules)

    def replace(self, plan: FaultPlan) -> None:
        """Put a new plan in force; counts start at zero."""
        self._seed = plan.seed
        self._rules = [_Armed(rule, f"{plan.seed}:{at}") for at, rule in enumerate(plan.rules)]

    def strike(self, call: str, client_order_id: str | None) -> Effect | None:
        """Ask every rule about one call; None when it goes well."""
        struck = [armed.rule for armed in self._rules if armed.strikes(call, client_order_id)]
        return _join(struck) if struck else None

    def report(self) -> dict[str, object]:
        """The plan in force with, for each rule, the calls it matched and those it struck."""
        rules = [
            {
                **armed.rule.model_dump(mode="json", by_alias=True, exclude_unset=True),
                "matched": armed.matched,
                "hits": armed.hits,
            }
            for armed in self._rules
        ]
        return {"ok": True, "seed": self._seed, "rules": rules}


def _join(rules: list[FaultRule]) -> Effect:
    resets = {rule.phase for rule in rules if rule.kind == "reset"}
    slow = [rule for rule in rules if rule.kind == "slow"]
    offset = next((rule for rule in rules if rule.kind == "clock_offset"), None)
    limited = next((rule for rule in rules if rule.kind == "rate_limited"), None)
    error = next((rule for rule in rules if rule.kind == "error_after_execution"), None)
    return Effect(
        offset_ms=offset.offset_ms if offset else None,
        delay_before_ms=sum(rule.delay_ms for rule in slow if rule.phase == "before"),
        reset_before="before" in resets,
        retry_after_seconds=limited.retry_after_seconds if limited else None,
        error_status=error.status if error else None,
        error_body=error.body if error else "json",
        delay_after_ms=sum(rule.delay_ms for rule in slow if rule.phase == "after"),
        answer_lost=any(rule.kind == "answer_lost" for rule in rules),
        reset_after="after" in resets,
    )
