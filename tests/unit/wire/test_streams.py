"""Streams as data: what each promises, checked against what the server does with it."""

import re
from itertools import combinations

import pytest

from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import streams, subjects
from ordergate.wire.streams import Discard, PersistMode

VENUE, MAIN = VenueName("zetarium"), AccountName("main")


def test_no_two_streams_want_the_same_subject() -> None:
    specs = streams.streams()
    roots = [(spec.name, {subject.split(".")[0] for subject in spec.subjects}) for spec in specs]
    for (one, ones), (other, others) in combinations(roots, 2):
        assert not ones & others, f"{one} and {other}"


def test_only_audit_forgets_when_it_is_full() -> None:
    assert [spec.name for spec in streams.streams() if spec.discard is not Discard.NEW] == [streams.AUDIT]


def test_a_fill_is_refused_the_second_time_and_a_position_replaced() -> None:
    specs = {spec.name: spec for spec in streams.streams()}
    assert specs["FILLS"].max_messages_per_subject == 1
    assert specs["FILLS"].discard_new_per_subject
    assert specs["POSITIONS"].max_messages_per_subject == 1
    assert not specs["POSITIONS"].discard_new_per_subject


def test_a_dead_message_has_room_for_the_largest_that_can_die() -> None:
    specs = {spec.name: spec for spec in streams.streams()}
    assert specs["DEAD"].max_message_bytes > specs["ORDERS"].max_message_bytes > specs["INTENTS"].max_message_bytes


@pytest.mark.parametrize("replicas", [1, 3])
def test_asynchronous_persistence_is_for_one_replica_only(replicas: int) -> None:
    asynchronous = {spec.name for spec in streams.streams(replicas=replicas) if spec.persist_mode is PersistMode.ASYNC}
    assert asynchronous == ({"POSITIONS", "AUDIT"} if replicas == 1 else set())
    assert all(spec.replicas == replicas for spec in streams.streams(replicas=replicas))


def test_every_intent_of_an_account_reaches_exactly_one_lane() -> None:
    filters = [
        subject
        for consumer in streams.consumers(VENUE, MAIN)
        if consumer.stream == streams.INTENTS
        for subject in consumer.filter_subjects
    ]
    assert sorted(filters) == sorted(subjects.intents_of(VENUE, MAIN))


def test_accounts_never_share_a_durable() -> None:
    names = [
        consumer.durable
        for venue, account in [("a", "b-c"), ("a-b", "c"), ("a=2Db", "c"), ("a", "b")]
        for consumer in streams.consumers(VenueName(venue), AccountName(account))
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_=-]+", name) for name in names)
    assert streams.risk_consumer(VENUE, MAIN).durable == "risk-zetarium-main"


def test_a_lease_can_be_taken_again_the_moment_it_expires() -> None:
    leases = next(bucket for bucket in streams.buckets() if bucket.name == streams.LEASES)
    assert leases.per_key_ttl
    assert leases.ttl_seconds == 0
