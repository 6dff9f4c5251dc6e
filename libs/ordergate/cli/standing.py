"""status: how it stands, in one look, read from the bus alone; whatever is wrong is named as a problem."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from ordergate.cli import reading, say
from ordergate.cli.caller import Caller, Line, open_bus, open_line
from ordergate.cli.exits import Exit
from ordergate.cli.killing import StandingKill, standing_kills
from ordergate.cli.raining import BudgetStanding, rain_document, rain_text, read_budgets, read_rain
from ordergate.client.replay import Start
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.presence import present
from ordergate.trading.errors import BusUnavailable, Unreadable
from ordergate.trading.order import IN_FLIGHT, Order, State
from ordergate.wire import streams, subjects
from ordergate.wire.messages import DriftMessage, RainDocument

LIMIT_SECONDS = 10.0
MINUTE_MS = 60_000
SILENT_MS = 20_000
"""A service that speaks to the venue does so every few seconds; its last request older than this: it is gone."""
LAG_MAX = 1_000
NO_DRIFT = "none"
DRIFT_KINDS = ("orders", "positions")
THROTTLED = frozenset({418, 429})
STREAMS = tuple(spec.name for spec in streams.streams())
SPEAKING = (streams.STATUS_POLLING, streams.FILL_STREAMING, streams.POSITION_TRACKING)
"""Services without a lane: their requests to the venue are their signs of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStanding:
    """messages None: the stream is not there."""

    name: str
    messages: int | None
    size_bytes: int = 0
    last_sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStanding:
    """A durable consumer. waiting: stored and not yet delivered; listeners: requests for more, 0 when nobody listens."""

    durable: str
    waiting: int
    unacknowledged: int
    redelivered: int
    listeners: int


@dataclass(slots=True)
class Requests:
    """The venue requests of the last minute, of one service."""

    count: int = 0
    weight: int = 0
    throttled: int = 0
    failed: int = 0
    last_at_ms: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        status = record.get("status", 0)
        self.count += 1
        self.weight += record.get("weight", 0)
        self.throttled += status in THROTTLED
        self.failed += status == 0 or status >= 500  # noqa: PLR2004 - HTTP's classes
        self.last_at_ms = max(self.last_at_ms, record.get("atMs", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that was read, at now_ms."""

    now_ms: int
    server: str
    answer_ms: float
    streams: tuple[StreamStanding, ...]
    lanes: tuple[LaneStanding, ...]
    missing_lanes: tuple[str, ...]
    senders: tuple[str, ...]
    requests: Mapping[str, Requests]
    live: tuple[Order, ...]
    kills: tuple[StandingKill, ...]
    drift: tuple[DriftMessage, ...]
    rain: RainDocument | None = None
    budgets: tuple[BudgetStanding, ...] = ()
    lane_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> dict[str, bool]:
        """Each service and whether something says that it is alive."""
        listening = {lane.durable for lane in self.lanes if lane.listeners}
        alive = {
            streams.RISK: self.lane_of.get(streams.RISK) in listening,
            streams.ORDER_SUBMISSION: bool(self.senders),
        }
        for name in SPEAKING:
            heard = self.requests.get(name)
            alive[name] = heard is not None and self.now_ms - heard.last_at_ms < SILENT_MS
        return alive

    @property
    def unknown(self) -> dict[str, int]:
        """Age in ms of each order whose fate is not known."""
        return {
            order.key.client_order_id: max(0, self.now_ms - (order.unknown_since_ms or order.revised_at_ms))
            for order in self.live
            if order.state is State.UNKNOWN
        }

    def problems(self) -> list[str]:
        found = [
            f"the stream {each.name} is missing: run `python -m services.provision`"
            for each in self.streams
            if each.messages is None
        ]
        found += [f"the consumer {name} is missing: run `python -m services.provision`" for name in self.missing_lanes]
        found += [f"{name} gives no sign of life: see its log" for name, alive in self.services.items() if not alive]
        found += [f"{lane.waiting} messages wait in {lane.durable}" for lane in self.lanes if lane.waiting > LAG_MAX]
        found += [
            f"{name} is unknown for {say.duration(age)}: see `ordergate explain {name}`"
            for name, age in self.unknown.items()
        ]
        found += [f"the kill switch is thrown: {kill.describe()}; see `ordergate resume`" for kill in self.kills]
        found += [f"drift of {each.what}: {each.message}; proposal: {each.proposal}" for each in self.drift]
        found += [
            f"nobody owns {each.name}: every process lives on its part of the fall-back; see the log of order_submission"
            for each in self.budgets
            if each.owner is None
        ]
        found += [
            f"the venue told us to stop ({'418' if each.banned else '429'}): {each.name} is frozen for {say.duration(left_ms)}"
            for each in self.budgets
            if (left_ms := each.frozen_until_ms - self.now_ms) > 0
        ]
        throttled = sum(each.throttled for each in self.requests.values())
        found += [f"the venue throttled {throttled} requests in the last minute"] if throttled else []
        return found


async def status(caller: Caller) -> Exit:
    limit = caller.limit(LIMIT_SECONDS)
    async with open_bus(caller, limit_seconds=limit) as bus, open_line(caller, limit_seconds=limit) as line:
        standing = await read(bus, line, caller)
    problems = standing.problems()
    if caller.as_json:
        say.document(as_document(standing, caller))
    else:
        for text in as_text(standing, caller):
            say.line(text)
    return Exit.NOT_DONE if problems else Exit.DONE


async def read(bus: Bus, line: Line, caller: Caller) -> Standing:
    """What cannot be read because a stream is missing is empty; the missing stream is the problem then."""
    began = time.monotonic()
    states = [await _stream(bus, name) for name in STREAMS]
    answer_ms = (time.monotonic() - began) * 1000 / len(STREAMS)
    there = {state.name for state in states if state.messages is not None}
    lanes, missing = await _lanes(bus, caller)
    live = (await reading.live_orders(line, caller))[0] if streams.ORDERS in there else {}
    now_ms = time.time_ns() // 1_000_000
    has_audit = streams.AUDIT in there
    return Standing(
        now_ms=now_ms,
        server=bus.client.server_version,
        answer_ms=answer_ms,
        streams=tuple(states),
        lanes=tuple(lanes),
        missing_lanes=tuple(missing),
        senders=tuple(sorted(await present(bus, service=streams.ORDER_SUBMISSION))) if there else (),
        requests=await _requests(line, caller, now_ms) if has_audit else {},
        live=tuple(live.values()),
        kills=tuple(await standing_kills(bus)) if there else (),
        drift=tuple(await _drift(line, caller)) if has_audit else (),
        rain=await read_rain(bus) if there else None,
        budgets=tuple(await read_budgets(bus, caller.venue, caller.account)) if there else (),
        lane_of={streams.RISK: streams.durable_name(streams.RISK, caller.venue, caller.account)},
    )


async def _stream(bus: Bus, name: str) -> StreamStanding:
    answer = await bus.jetstream.api(f"STREAM.INFO.{name}")
    if isinstance(answer, Refusal):
        return StreamStanding(name=name, messages=None)
    state = answer["state"]
    return StreamStanding(
        name=name, messages=state["messages"], size_bytes=state["bytes"], last_sequence=state["last_seq"]
    )


async def _lanes(bus: Bus, caller: Caller) -> tuple[list[LaneStanding], list[str]]:
    found: list[LaneStanding] = []
    missing: list[str] = []
    for spec in (*streams.consumers(caller.venue, caller.account), streams.strangers_consumer()):
        answer = await bus.jetstream.api(f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
        if isinstance(answer, Refusal):
            missing.append(spec.durable)
            continue
        found.append(
            LaneStanding(
                durable=spec.durable,
                waiting=answer["num_pending"],
                unacknowledged=answer["num_ack_pending"],
                redelivered=answer["num_redelivered"],
                listeners=answer["num_waiting"],
            )
        )
    return found, missing


async def _requests(line: Line, caller: Caller, now_ms: int) -> dict[str, Requests]:
    found: dict[str, Requests] = {}
    filters = (subjects.requests_of(caller.venue, caller.account),)
    start = Start(time_ms=now_ms - MINUTE_MS)
    async with aclosing(reading.stored(line, streams.AUDIT, filters, start)) as messages:
        async for message in messages:
            record = orjson.loads(message.data)
            found.setdefault(record["service"], Requests()).add(record)
    return found


async def _drift(line: Line, caller: Caller) -> list[DriftMessage]:
    """The last word of each kind, unless it is that all agrees again."""
    found = []
    for kind in DRIFT_KINDS:
        subject = subjects.reconciliation(caller.venue, caller.account, kind)
        try:
            data = await line.connection.last(streams.AUDIT, subject)
            drift = None if data is None else DriftMessage.of(data)
        except (BusUnavailable, Unreadable):
            continue
        if drift is not None and drift.proposal != NO_DRIFT:
            found.append(drift)
    return found


def as_document(standing: Standing, caller: Caller) -> dict[str, Any]:
    return {
        "venue": caller.venue,
        "account": caller.account,
        "atMs": standing.now_ms,
        "bus": {"url": caller.url, "server": standing.server, "answerMs": round(standing.answer_ms, 2)},
        "streams": {
            each.name: None
            if each.messages is None
            else {"messages": each.messages, "bytes": each.size_bytes, "lastSequence": each.last_sequence}
            for each in standing.streams
        },
        "consumers": {
            lane.durable: {
                "lag": lane.waiting,
                "unacknowledged": lane.unacknowledged,
                "redelivered": lane.redelivered,
                "listeners": lane.listeners,
            }
            for lane in standing.lanes
        },
        "services": standing.services,
        "senders": list(standing.senders),
        "orders": {
            "live": len(standing.live),
            "inFlight": sum(order.state in IN_FLIGHT for order in standing.live),
            "unknown": standing.unknown,
        },
        "kills": [kill.to_json() for kill in standing.kills],
        "rain": rain_document(standing.rain),
        "budgets": {
            each.name: {"owner": each.owner, "frozenUntilMs": each.frozen_until_ms or None, "banned": each.banned}
            for each in standing.budgets
        },
        "requestsLastMinute": {
            service: {
                "count": each.count,
                "weight": each.weight,
                "throttled": each.throttled,
                "failed": each.failed,
                "lastAtMs": each.last_at_ms,
            }
            for service, each in sorted(standing.requests.items())
        },
        "drift": [each.model_dump(by_alias=True, exclude_none=True, mode="json") for each in standing.drift],
        "problems": standing.problems(),
    }


def as_text(standing: Standing, caller: Caller) -> list[str]:
    services = ", ".join(f"{name}{'' if alive else ' MISSING'}" for name, alive in standing.services.items())
    weight = sum(each.weight for each in standing.requests.values())
    in_flight = sum(order.state in IN_FLIGHT for order in standing.live)
    lines = [
        f"{caller.venue}/{caller.account} at {say.clock(standing.now_ms)} UTC",
        f"bus       {caller.url}, nats-server {standing.server}, answers in {standing.answer_ms:.1f} ms",
        f"services  {services}",
        f"orders    {len(standing.live)} live, {in_flight} in flight, {len(standing.unknown)} unknown",
        f"kill      {'; '.join(kill.describe() for kill in standing.kills) or 'not thrown'}",
        f"drift     {'; '.join(each.message for each in standing.drift) or 'none'}",
        f"rain      {rain_text(standing.rain)}",
        f"budget    weight {weight} in the last minute",
    ]
    lines += [
        f"          {each.count:6} requests, weight {each.weight}, throttled {each.throttled}, failed {each.failed}: {name}"
        for name, each in sorted(standing.requests.items())
    ]
    lines += [f"          {each.name} is owned by {each.owner or 'nobody'}" for each in standing.budgets]
    lines.append("streams")
    lines += [
        f"          {each.messages:10} messages {_size(each.size_bytes):>10}  {each.name}"
        for each in standing.streams
        if each.messages is not None
    ]
    lines.append("consumers")
    lines += [
        f"          {lane.waiting:6} waiting, {lane.unacknowledged} unacknowledged, {lane.redelivered} redelivered: {lane.durable}"
        for lane in standing.lanes
    ]
    return [*lines, *(f"PROBLEM   {problem}" for problem in standing.problems())]


def _size(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:  # noqa: PLR2004 - SI
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
