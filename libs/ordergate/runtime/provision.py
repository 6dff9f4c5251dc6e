"""The declared streams, consumers and buckets on the real bus: created where absent, compared where present, never rewritten.

One thing is changed, and by the command only: a consumer that is exactly what an earlier version declared becomes what this one declares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ordergate.runtime.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, JetStream, Refusal
from ordergate.trading.errors import BusUnavailable, StreamDrift
from ordergate.wire.streams import BucketSpec, ConsumerSpec, StreamSpec

Config = dict[str, Any]

_NANOSECONDS = 1_000_000_000
_DUPLICATE_WINDOW_SECONDS = 120.0

# What the server says where nothing was declared. Whatever else it shows and we did not declare is drift.
_STREAM_DEFAULTS: Config = {
    "max_consumers": -1,
    "max_msgs": -1,
    "compression": "none",
    "persist_mode": "default",
    "consumer_limits": {},
}
_CONSUMER_DEFAULTS: Config = {"max_waiting": 512, "replay_policy": "instant", "deliver_policy": "all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing on the bus: how it is asked for and how it should be. `name` is for people, e.g. `stream ORDERS`.

    earlier: how versions before this one declared it.
    """

    name: str
    info: str
    create: str
    body: Config
    config: Config
    defaults: Mapping[str, Any]
    earlier: tuple[Config, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that is not as declared. None: not there."""

    resource: str
    field: str
    declared: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.resource}: {self.field} is {self.found!r}, declared {self.declared!r}"


def resources(
    *,
    streams: Iterable[StreamSpec] = (),
    buckets: Iterable[BucketSpec] = (),
    consumers: Iterable[ConsumerSpec] = (),
    earlier: Iterable[ConsumerSpec] = (),
) -> tuple[Resource, ...]:
    """In the order in which they can be created."""
    before: dict[tuple[str, str], tuple[Config, ...]] = {}
    for spec in earlier:
        before[spec.stream, spec.durable] = (*before.get((spec.stream, spec.durable), ()), _consumer(spec).config)
    kept = (replace(_consumer(spec), earlier=before.get((spec.stream, spec.durable), ())) for spec in consumers)
    return (*map(_stream, streams), *map(_bucket, buckets), *kept)


async def provision(jetstream: JetStream, wanted: Sequence[Resource]) -> tuple[str, ...]:
    """Create what is absent, renew what an earlier version declared, and return the names of both. Raises StreamDrift if anything else

    differs; then nothing was changed.
    """
    seen = await _compare(jetstream, wanted)
    for resource in seen.absent:
        await _write(jetstream, resource, "created", resource.body)
    for resource in seen.of_before:
        await _write(jetstream, resource, "renewed", {**resource.body, "action": "update"})
    # Two of these commands may run at once: what counts is how it stands in the end.
    await check(jetstream, wanted)
    return tuple(resource.name for resource in (*seen.absent, *seen.of_before))


async def _write(jetstream: JetStream, resource: Resource, done: str, body: Config) -> None:
    answer = await jetstream.api(resource.create, body)
    if isinstance(answer, Refusal):
        raise StreamDrift(f"{resource.name} cannot be {done}: {answer.description}; is there room on the bus's disk?")


async def check(jetstream: JetStream, wanted: Sequence[Resource]) -> None:
    """Raises StreamDrift naming every difference; an absent resource is one, and one of an earlier version."""
    seen = await _compare(jetstream, wanted)
    found = {"not on the bus": seen.absent, "of an earlier version": seen.of_before}
    told = [f"{how}: {', '.join(each.name for each in which)}" for how, which in found.items() if which]
    if told:
        raise StreamDrift(f"{'; '.join(told)}; run python -m services.provision")


def differences(resource: Resource, found: Config) -> tuple[Difference, ...]:
    """Field by field; the server's own metadata and its defaults are no difference."""
    declared, found = _normal(resource.config, resource.defaults), _normal(found, resource.defaults)
    return tuple(
        Difference(resource=resource.name, field=field, declared=declared.get(field), found=found.get(field))
        for field in sorted(declared.keys() | found.keys())
        if declared.get(field) != found.get(field)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is not as declared and can be made so."""

    absent: Sequence[Resource]
    of_before: Sequence[Resource]


async def _compare(jetstream: JetStream, wanted: Sequence[Resource]) -> _Seen:
    absent: list[Resource] = []
    of_before: list[Resource] = []
    drift: list[Difference] = []
    for resource in wanted:
        answer = await jetstream.api(resource.info)
        if not isinstance(answer, Refusal):
            unlike = differences(resource, answer["config"])
            if unlike and any(
                not differences(replace(resource, config=config), answer["config"]) for config in resource.earlier
            ):
                of_before.append(resource)
            else:
                drift += unlike
        elif answer.error_code in {STREAM_NOT_FOUND, CONSUMER_NOT_FOUND}:
            absent.append(resource)
        else:
            raise BusUnavailable(f"{resource.name} cannot be read: {answer.description}")
    if drift:
        raise StreamDrift("; ".join(map(str, drift)))
    return _Seen(absent=absent, of_before=of_before)


def _normal(config: Config, defaults: Mapping[str, Any]) -> Config:
    """Without what says nothing: server metadata, defaults, and the many spellings of no."""
    config = dict(config)
    metadata = {key: text for key, text in (config.pop("metadata", None) or {}).items() if not key.startswith("_nats.")}
    filters = config.pop("filter_subjects", None) or [config.pop("filter_subject", None)]
    config.pop("filter_subject", None)
    config |= {
        "metadata": metadata,
        "filters": sorted(filter(None, filters)),
        "subjects": sorted(config.get("subjects", ())),
    }
    return {field: value for field, value in config.items() if value and defaults.get(field) != value}


def _stream(spec: StreamSpec) -> Resource:
    config: Config = {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "storage": "file",
        "discard": str(spec.discard),
        "num_replicas": spec.replicas,
        "max_age": int(spec.max_age_seconds * _NANOSECONDS),
        "max_bytes": spec.max_bytes,
        "max_msg_size": spec.max_message_bytes,
        "max_msgs_per_subject": spec.max_messages_per_subject,
        "discard_new_per_subject": spec.discard_new_per_subject,
        "duplicate_window": int(spec.duplicate_window_seconds * _NANOSECONDS),
        "persist_mode": str(spec.persist_mode),
        "allow_direct": spec.allow_direct,
        "deny_delete": spec.deny_delete,
        "deny_purge": spec.deny_purge,
    }
    return _stream_resource(f"stream {spec.name}", config)


def _bucket(spec: BucketSpec) -> Resource:
    """A bucket is a stream KV_<name> (ADR-8)."""
    window = min(_DUPLICATE_WINDOW_SECONDS, spec.ttl_seconds or _DUPLICATE_WINDOW_SECONDS)
    config: Config = {
        "name": f"KV_{spec.name}",
        "description": spec.description,
        "subjects": [f"$KV.{spec.name}.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": spec.replicas,
        "max_age": int(spec.ttl_seconds * _NANOSECONDS),
        "max_bytes": -1,
        "max_msg_size": spec.max_value_bytes,
        "max_msgs_per_subject": 1,
        "duplicate_window": int(window * _NANOSECONDS),
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": spec.per_key_ttl,
        "deny_delete": True,
    }
    return _stream_resource(f"bucket {spec.name}", config)


def _stream_resource(name: str, config: Config) -> Resource:
    return Resource(
        name=name,
        info=f"STREAM.INFO.{config['name']}",
        create=f"STREAM.CREATE.{config['name']}",
        body={field: value for field, value in config.items() if value != "default"},
        config=config,
        defaults=_STREAM_DEFAULTS,
    )


def _consumer(spec: ConsumerSpec) -> Resource:
    config: Config = {
        "name": spec.durable,
        "durable_name": spec.durable,
        "description": spec.description,
        "filter_subjects": list(spec.filter_subjects),
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_policy": str(spec.ack_policy),
        "ack_wait": int(spec.ack_wait_seconds * _NANOSECONDS),
        "max_ack_pending": spec.max_ack_pending,
        "max_deliver": spec.max_deliver,
        "num_replicas": spec.replicas,
        "headers_only": spec.headers_only,
    }
    return Resource(
        name=f"consumer {spec.durable} of {spec.stream}",
        info=f"CONSUMER.INFO.{spec.stream}.{spec.durable}",
        create=f"CONSUMER.CREATE.{spec.stream}.{spec.durable}",
        body={"stream_name": spec.stream, "config": config, "action": "create"},
        config=config,
        defaults=_CONSUMER_DEFAULTS,
    )
