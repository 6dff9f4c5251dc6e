"""Provisioning on a real nats-server: created once, compared for ever, never rewritten."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.provision import Resource, check, provision, resources
from ordergate.runtime.pull import Pull
from ordergate.trading.errors import StreamDrift
from ordergate.trading.ids import StrategyName
from ordergate.wire import streams, subjects
from ordergate.wire.streams import BucketSpec, ConsumerSpec, StreamSpec
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, VENUE

ORDERS_SPEC = next(spec for spec in streams.streams() if spec.name == streams.ORDERS)
CONTROL_SPEC = next(spec for spec in streams.buckets() if spec.name == streams.CONTROL)
RISK_SPEC = streams.risk_consumer(VENUE, ACCOUNT)


def everything() -> tuple[Resource, ...]:
    return resources(
        streams=streams.streams(),
        buckets=streams.buckets(),
        consumers=(*streams.consumers(VENUE, ACCOUNT), streams.strangers_consumer()),
        earlier=streams.earlier_consumers(VENUE, ACCOUNT),
    )


async def info(bus: Bus, name: str) -> dict[str, Any]:
    answer = await bus.jetstream.api(name)
    assert not isinstance(answer, Refusal)
    return answer


async def take_one(bus: Bus, spec: ConsumerSpec) -> None:
    """Be handed the next message, and do not acknowledge it."""
    taken = asyncio.Event()
    pull = Pull(
        bus, stream=spec.stream, consumer=spec.durable, window=1, room=lambda: 1, take=lambda *_frame: taken.set()
    )
    await pull.start()
    async with asyncio.timeout(5):
        await taken.wait()
    await pull.stop()


async def test_creates_all_and_then_nothing(connected: Connect) -> None:
    bus = await connected()
    created = await provision(bus.jetstream, everything())
    assert len(created) == len(everything())
    assert await provision(bus.jetstream, everything()) == ()
    await check(bus.jetstream, everything())


async def test_what_is_absent_is_told_at_start(connected: Connect) -> None:
    bus = await connected()
    with pytest.raises(StreamDrift, match="stream ORDERS"):
        await check(bus.jetstream, everything())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_age_seconds": 3600.0}, "max_age"),
        ({"duplicate_window_seconds": 60.0}, "duplicate_window"),
        ({"discard": streams.Discard.OLD}, "discard"),
        ({"max_message_bytes": 1024}, "max_msg_size"),
        ({"max_messages_per_subject": 5}, "max_msgs_per_subject"),
        ({"deny_delete": False}, "deny_delete"),
        ({"allow_direct": True}, "allow_direct"),
        ({"subjects": ("orders.>",)}, "subjects"),
        ({"description": "something else"}, "description"),
        ({"persist_mode": streams.PersistMode.ASYNC}, "persist_mode"),
    ],
)
async def test_a_stream_that_differs_is_refused_by_field_and_left_alone(
    connected: Connect, change: dict[str, Any], field: str
) -> None:
    bus = await connected()
    found: StreamSpec = replace(ORDERS_SPEC, **change)
    await provision(bus.jetstream, resources(streams=(found,)))
    before = await info(bus, "STREAM.INFO.ORDERS")
    with pytest.raises(StreamDrift, match=rf"stream ORDERS: {field} is .*, declared "):
        await provision(bus.jetstream, everything())
    after = await info(bus, "STREAM.INFO.ORDERS")
    assert after["config"] == before["config"]
    assert isinstance(await bus.jetstream.api("STREAM.INFO.INTENTS"), Refusal), "drift creates nothing beside it"


async def test_a_field_that_nobody_declared_is_drift(connected: Connect) -> None:
    bus = await connected()
    (resource,) = resources(streams=(ORDERS_SPEC,))
    await bus.jetstream.api(resource.create, {**resource.body, "max_msgs": 5})
    with pytest.raises(StreamDrift, match="max_msgs is 5"):
        await check(bus.jetstream, (resource,))


async def test_metadata_of_somebody_else_is_drift_and_the_servers_own_is_not(connected: Connect) -> None:
    bus = await connected()
    (resource,) = resources(streams=(ORDERS_SPEC,))
    await bus.jetstream.api(resource.create, {**resource.body, "metadata": {"owner": "x"}})
    with pytest.raises(StreamDrift, match="metadata"):
        await check(bus.jetstream, (resource,))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ack_wait_seconds": 30.0}, "ack_wait"),
        ({"max_ack_pending": 1}, "max_ack_pending"),
        ({"max_deliver": 3}, "max_deliver"),
        ({"filter_subjects": subjects.ALL_INTENTS}, "filters"),
        ({"headers_only": True}, "headers_only"),
        ({"ack_policy": streams.AckPolicy.ALL}, "ack_policy"),
    ],
)
async def test_a_consumer_that_differs_is_refused(connected: Connect, change: dict[str, Any], field: str) -> None:
    bus = await connected()
    found: ConsumerSpec = replace(RISK_SPEC, **change)
    await provision(bus.jetstream, resources(streams=streams.streams(), consumers=(found,)))
    with pytest.raises(StreamDrift, match=rf"consumer risk-zetarium-main of INTENTS: {field} is "):
        await provision(bus.jetstream, everything())


async def test_a_consumer_of_an_earlier_version_is_renewed_by_the_command_and_keeps_its_place(
    connected: Connect,
) -> None:
    bus = await connected()
    earlier = streams.earlier_consumers(VENUE, ACCOUNT)
    await provision(bus.jetstream, resources(streams=streams.streams(), consumers=earlier))
    await bus.jetstream.publish(
        subjects.intent(VENUE, ACCOUNT, StrategyName("alpha"), subjects.IntentKind.PLACE, BTC), b"{}"
    )
    await take_one(bus, RISK_SPEC)
    with pytest.raises(StreamDrift, match=r"of an earlier version: consumer risk-zetarium-main of INTENTS, .*; run "):
        await check(bus.jetstream, resources(consumers=streams.consumers(VENUE, ACCOUNT)[::2], earlier=earlier))
    renewed = await provision(bus.jetstream, everything())
    assert {f"consumer {spec.durable} of INTENTS" for spec in earlier} <= set(renewed)
    found = await info(bus, f"CONSUMER.INFO.INTENTS.{RISK_SPEC.durable}")
    assert sorted(found["config"]["filter_subjects"]) == sorted(RISK_SPEC.filter_subjects)
    assert (found["delivered"]["stream_seq"], found["num_ack_pending"]) == (1, 1)


async def test_a_consumer_that_is_no_versions_is_not_renewed(connected: Connect) -> None:
    bus = await connected()
    strange = [replace(spec, max_ack_pending=1) for spec in streams.earlier_consumers(VENUE, ACCOUNT)]
    await provision(bus.jetstream, resources(streams=streams.streams(), consumers=strange))
    with pytest.raises(StreamDrift, match="max_ack_pending"):
        await provision(bus.jetstream, everything())
    found = await info(bus, f"CONSUMER.INFO.INTENTS.{RISK_SPEC.durable}")
    assert sorted(found["config"]["filter_subjects"]) == sorted(strange[0].filter_subjects)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"ttl_seconds": 60.0}, "max_age"), ({"per_key_ttl": True}, "allow_msg_ttl"), ({"max_value_bytes": 9}, "max_msg")],
)
async def test_a_bucket_that_differs_is_refused(connected: Connect, change: dict[str, Any], field: str) -> None:
    bus = await connected()
    found: BucketSpec = replace(CONTROL_SPEC, **change)
    await provision(bus.jetstream, resources(buckets=(found,)))
    with pytest.raises(StreamDrift, match=rf"bucket CONTROL: .*{field}"):
        await check(bus.jetstream, resources(buckets=(CONTROL_SPEC,)))
