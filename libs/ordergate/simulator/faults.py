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

from ordergate.simulator.sight import Sight

Kind = Literal[
    "answer_lost",
    "error_after_execution",
    "error_before_execution",
    "slow",
    "reset",
    "black_hole",
    "connection_closed",
    "answer_doubled",
    "answer_misnamed",
    "rate_limited",
    "banned",
    "forbidden",
    "key_revoked",
    "symbol_halted",
    "clock_offset",
    "filled_first",
    "legs_refused",
    "stale",
    "trades_late",
    "trades_hidden",
    "trades_twice",
    "trades_shuffled",
    "stream_cut",
    "stream_silent",
    "stream_late",
    "stream_doubled",
    "stream_reordered",
    "stream_shutdown",
]
Phase = Literal["before", "after", "mid_body"]
Share = Annotated[float, Field(gt=0, le=1)]


class _Gate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class FaultRule(_Gate):
    """One rule as it is posted; docs/simulator.md has the table of kinds and their fields."""

    kind: Kind
    call: Annotated[str, Field(min_length=1)] | None = None
    """`METHOD /path`; an id in the path is spelled `:id` (`DELETE /v2/orders/:id`). On the WebSocket API `WS order.place`; of a `stream_…` rule the
    event's type (`executionReport`) or the market stream's name (`btcusdt@trade`)."""
    client_order_id: Annotated[str, Field(min_length=1)] | None = None
    rate: float = Field(default=1.0, gt=0, le=1)
    nth: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)
    phase: Phase = "after"
    delay_ms: int = Field(default=1000, ge=0, le=600_000)
    status: int = Field(default=503, ge=500, le=599)
    body: Literal["json", "html"] = "json"
    code: Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,40}$")] = "INTERNAL_ERROR"
    retry_after_seconds: int = Field(default=60, ge=0)
    offset_ms: int = 0
    symbol: str | None = None
    halted: bool = True
    legs: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(), max_length=10)
    share: Share = 1.0
    pings: bool = False

    @model_validator(mode="after")
    def _without_foreign_fields(self) -> FaultRule:
        allowed = _ALWAYS | _OF_KIND[self.kind]
        foreign = self.model_fields_set - allowed
        if foreign:
            message = f"{self.kind} has no {', '.join(sorted(foreign))}"
            raise ValueError(message)
        if self.phase == "mid_body" and self.kind != "reset":
            message = f"{self.kind} has no phase mid_body"
            raise ValueError(message)
        lacking = _NEEDED.get(self.kind, frozenset()) - self.model_fields_set
        if lacking:
            message = f"{self.kind} needs {', '.join(sorted(lacking))}"
            raise ValueError(message)
        return self


_ALWAYS = frozenset({"kind", "call", "client_order_id", "rate", "nth", "times"})
_OF_KIND: dict[Kind, frozenset[str]] = {
    "answer_lost": frozenset(),
    "error_after_execution": frozenset({"status", "body", "code"}),
    "error_before_execution": frozenset({"status", "body", "code"}),
    "slow": frozenset({"delay_ms", "phase"}),
    "reset": frozenset({"phase"}),
    "black_hole": frozenset({"phase"}),
    "connection_closed": frozenset(),
    "answer_doubled": frozenset(),
    "answer_misnamed": frozenset(),
    "rate_limited": frozenset({"retry_after_seconds"}),
    "banned": frozenset({"retry_after_seconds"}),
    "forbidden": frozenset({"phase"}),
    "key_revoked": frozenset(),
    "symbol_halted": frozenset({"symbol", "halted"}),
    "clock_offset": frozenset({"offset_ms"}),
    "filled_first": frozenset(),
    "legs_refused": frozenset({"legs"}),
    "stale": frozenset({"delay_ms"}),
    "trades_late": frozenset({"delay_ms", "share"}),
    "trades_hidden": frozenset({"share"}),
    "trades_twice": frozenset(),
    "trades_shuffled": frozenset(),
    "stream_cut": frozenset(),
    "stream_silent": frozenset({"pings"}),
    "stream_late": frozenset({"delay_ms"}),
    "stream_doubled": frozenset(),
    "stream_reordered": frozenset({"delay_ms"}),
    "stream_shutdown": frozenset({"delay_ms"}),
}
_NEEDED: dict[Kind, frozenset[str]] = {
    "symbol_halted": frozenset({"symbol"}),
    "legs_refused": frozenset({"legs"}),
}
_SIGHTS = frozenset({"stale", "trades_late", "trades_hidden", "trades_twice", "trades_shuffled"})


class FaultPlan(_Gate):
    """The whole plan; no rules = all is well again."""

    seed: int = Field(default=1, ge=-(2**63), lt=2**63)
    rules: tuple[FaultRule, ...] = Field(default=(), max_length=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is to be done to one call. Silence wins over a reset, that over a lost answer, that over an error, an error over the true answer."""

    offset_ms: int | None = None
    halts: tuple[tuple[str, bool], ...] = ()
    filled_first: bool = False
    silent_before: bool = False
    delay_before_ms: int = 0
    reset_before: bool = False
    retry_after_seconds: int | None = None
    banned: bool = False
    forbidden_before: bool = False
    revoked: bool = False
    refused_legs: tuple[int, ...] = ()
    sight: Sight | None = None
    forbidden_after: bool = False
    error_before: bool = False
    error_status: int | None = None
    error_body: Literal["json", "html"] = "json"
    error_code: str = "INTERNAL_ERROR"
    delay_after_ms: int = 0
    silent_after: bool = False
    answer_lost: bool = False
    reset_after: bool = False
    reset_mid_body: bool = False
    closed_after: bool = False
    answer_doubled: bool = False
    answer_misnamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEffect:
    """What is to be done to one event of a stream. A cut wins over silence, that over everything else.

    silent: neither this nor anything after it is sent on the connection, nor pings, unless `pings`. delay_ms: this and what comes after it is held back so
    long. reordered: it is sent behind the next one, or after keep_ms if none comes. shutdown_ms: the server says that it ends, and does so then.
    """

    cut: bool = False
    silent: bool = False
    pings: bool = False
    delay_ms: int = 0
    doubled: bool = False
    reordered: bool = False
    keep_ms: int = 1000
    shutdown_ms: int | None = None


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
        struck = [rule.rule for rule in self._rules if not _is_of_streams(rule) and rule.strikes(call, client_order_id)]
        return _join(struck, self._seed) if struck else None

    def strike_event(self, name: str, client_order_id: str | None) -> StreamEffect | None:
        """Ask every rule of streams about one event; None when it goes well."""
        struck = [rule.rule for rule in self._rules if _is_of_streams(rule) and rule.strikes(name, client_order_id)]
        return _join_stream(struck) if struck else None

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


def _is_of_streams(armed: _Armed) -> bool:
    return armed.rule.kind.startswith("stream_")


def _join_stream(rules: list[FaultRule]) -> StreamEffect:
    of_kind = {rule.kind: rule for rule in reversed(rules)}
    late, silent = of_kind.get("stream_late"), of_kind.get("stream_silent")
    reordered, shutdown = of_kind.get("stream_reordered"), of_kind.get("stream_shutdown")
    return StreamEffect(
        cut="stream_cut" in of_kind,
        silent=silent is not None,
        pings=silent is not None and silent.pings,
        delay_ms=late.delay_ms if late else 0,
        doubled="stream_doubled" in of_kind,
        reordered=reordered is not None,
        keep_ms=reordered.delay_ms if reordered else 0,
        shutdown_ms=shutdown.delay_ms if shutdown else None,
    )


def _join(rules: list[FaultRule], seed: int) -> Effect:
    phases = {(rule.kind, rule.phase) for rule in rules}
    kinds = {rule.kind for rule in rules}
    slow = [rule for rule in rules if rule.kind == "slow"]
    offset = next((rule for rule in rules if rule.kind == "clock_offset"), None)
    limited = next((rule for rule in rules if rule.kind in {"rate_limited", "banned"}), None)
    error = next((rule for rule in rules if rule.kind in {"error_before_execution", "error_after_execution"}), None)
    return Effect(
        offset_ms=offset.offset_ms if offset else None,
        halts=tuple((rule.symbol or "", rule.halted) for rule in rules if rule.kind == "symbol_halted"),
        filled_first="filled_first" in kinds,
        silent_before=("black_hole", "before") in phases,
        delay_before_ms=sum(rule.delay_ms for rule in slow if rule.phase == "before"),
        reset_before=("reset", "before") in phases,
        retry_after_seconds=limited.retry_after_seconds if limited else None,
        banned=limited is not None and limited.kind == "banned",
        # A wall stands before the exchange, unless the rule says otherwise.
        forbidden_before=any(rule.kind == "forbidden" and not _is_after(rule) for rule in rules),
        revoked="key_revoked" in kinds,
        refused_legs=tuple(leg for rule in rules if rule.kind == "legs_refused" for leg in rule.legs),
        sight=_sight(rules, seed) if kinds & _SIGHTS else None,
        forbidden_after=any(rule.kind == "forbidden" and _is_after(rule) for rule in rules),
        error_before=error is not None and error.kind == "error_before_execution",
        error_status=error.status if error else None,
        error_body=error.body if error else "json",
        error_code=error.code if error else "INTERNAL_ERROR",
        delay_after_ms=sum(rule.delay_ms for rule in slow if rule.phase == "after"),
        silent_after=("black_hole", "after") in phases,
        answer_lost="answer_lost" in kinds,
        reset_after=("reset", "after") in phases,
        reset_mid_body=("reset", "mid_body") in phases,
        closed_after="connection_closed" in kinds,
        answer_doubled="answer_doubled" in kinds,
        answer_misnamed="answer_misnamed" in kinds,
    )


def _is_after(rule: FaultRule) -> bool:
    return "phase" in rule.model_fields_set and rule.phase == "after"


def _sight(rules: list[FaultRule], seed: int) -> Sight:
    kinds = {rule.kind for rule in rules}
    late = next((rule for rule in rules if rule.kind == "trades_late"), None)
    hidden = next((rule for rule in rules if rule.kind == "trades_hidden"), None)
    return Sight(
        seed=seed,
        stale_ms=max((rule.delay_ms for rule in rules if rule.kind == "stale"), default=0),
        late_ms=late.delay_ms if late else 0,
        late_share=late.share if late else 1.0,
        hidden_share=hidden.share if hidden else 0.0,
        twice="trades_twice" in kinds,
        shuffled="trades_shuffled" in kinds,
    )
