from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.keys.rotation import TRANSITIONS, HeldKey, KeyEvent, KeyRing, KeyState
from ordergate.access.keys.standing import DAY_MS, Finding, Permissions, Severity, aged, judge, permissions_of_binance
from ordergate.trading.errors import TransitionRefused, Unreadable, WrongKey
from ordergate.trading.ids import KeyId

OLD, NEW, THIRD = KeyId("old"), KeyId("new"), KeyId("third")
REFUSED = (Finding(severity=Severity.REFUSAL, text="it can withdraw"),)
WARNED = (Finding(severity=Severity.WARNING, text="any address"),)


def with_active(key_id: KeyId = OLD) -> KeyRing:
    return (
        KeyRing()
        .load(key_id, at_ms=0, created_at_ms=None)
        .verify(key_id, at_ms=1, findings=())
        .activate(key_id, at_ms=2)
    )


def held(ring: KeyRing, key_id: KeyId) -> HeldKey:
    found = ring.find(key_id)
    assert found is not None
    return found


def state(ring: KeyRing, key_id: KeyId) -> KeyState:
    return held(ring, key_id).state


def test_a_key_takes_over_without_a_gap_and_the_old_one_drains() -> None:
    ring = with_active().signed(OLD, timestamp_ms=1_000)
    ring = ring.load(NEW, at_ms=10, created_at_ms=5)
    assert (ring.signing, state(ring, NEW)) == (OLD, KeyState.NEW)
    ring = ring.verify(NEW, at_ms=11, findings=WARNED).activate(NEW, at_ms=12)
    assert (ring.signing, state(ring, OLD)) == (NEW, KeyState.DRAINING)
    with pytest.raises(TransitionRefused):
        ring.signed(OLD, timestamp_ms=1_001)
    ring = ring.signed(NEW, timestamp_ms=1_002)
    late = {"venue_now_ms": 1_000 + 5_000 + 700, "window_ms": 5_000, "settle_ms": 700}
    assert not ring.is_drained(OLD, **{**late, "venue_now_ms": late["venue_now_ms"] + 1})  # one is in flight
    ring = ring.settled(OLD)
    assert not ring.is_drained(OLD, **late)
    with pytest.raises(TransitionRefused, match="may still be carried out"):
        ring.retire(OLD, at_ms=13, **late)
    late["venue_now_ms"] += 1
    assert ring.is_drained(OLD, **late)
    ring = ring.retire(OLD, at_ms=13, **late)
    assert state(ring, OLD) is KeyState.REVOKED
    assert ring.signing == NEW
    assert not ring.is_drained(NEW, **late)


def test_a_key_that_was_not_verified_never_signs() -> None:
    ring = with_active().load(NEW, at_ms=1, created_at_ms=None)
    with pytest.raises(TransitionRefused, match="signed read"):
        ring.activate(NEW, at_ms=2)
    with pytest.raises(WrongKey, match="withdraw"):
        ring.verify(NEW, at_ms=2, findings=(*WARNED, *REFUSED))
    assert held(ring, NEW).verified_at_ms is None


def test_a_leak_stops_signing_at_once_and_for_good() -> None:
    ring = with_active().signed(OLD, timestamp_ms=5).leak(OLD, at_ms=9)
    assert ring.signing is None
    assert ring.leak(OLD, at_ms=10) == ring
    with pytest.raises(WrongKey, match="does not come back"):
        ring.load(OLD, at_ms=11, created_at_ms=None)
    assert ring.settled(OLD).signing is None  # its last answer is still told
    after = ring.load(NEW, at_ms=11, created_at_ms=None).verify(NEW, at_ms=12, findings=()).activate(NEW, at_ms=13)
    assert after.signing == NEW


def test_loading_what_is_held_changes_nothing() -> None:
    ring = with_active()
    assert ring.load(OLD, at_ms=99, created_at_ms=99) == ring


def test_an_unknown_key_and_an_answer_to_nothing_are_refused() -> None:
    with pytest.raises(WrongKey):
        with_active().leak(NEW, at_ms=1)
    with pytest.raises(TransitionRefused):
        with_active().settled(OLD)


def test_every_way_out_of_the_table_is_refused() -> None:
    assert len(TRANSITIONS) == 7
    for before, event in product(KeyState, KeyEvent):
        key = HeldKey(id=OLD, state=before, since_ms=0, created_at_ms=None, verified_at_ms=1)
        if event is KeyEvent.ACTIVATED and (before, event) not in TRANSITIONS:
            with pytest.raises(TransitionRefused):
                KeyRing((key,)).activate(OLD, at_ms=1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([OLD, NEW, THIRD]),
            st.sampled_from(["load", "verify", "activate", "use", "use", "sign", "sign", "settle", "retire", "leak"]),
        ),
        max_size=60,
    )
)
def test_whatever_happens_at_most_one_key_signs_and_a_revoked_one_never_again(steps: list[tuple[KeyId, str]]) -> None:
    ring, revoked = KeyRing(), set[KeyId]()
    for now, (key_id, step) in enumerate(steps):
        try:
            match step:
                case "load":
                    ring = ring.load(key_id, at_ms=now, created_at_ms=None)
                case "verify":
                    ring = ring.verify(key_id, at_ms=now, findings=())
                case "activate":
                    ring = ring.activate(key_id, at_ms=now)
                case "use":  # the three at once: drawn one by one they hardly ever meet on one key
                    ring = ring.load(key_id, at_ms=now, created_at_ms=None)
                    ring = ring.verify(key_id, at_ms=now, findings=())
                    ring = ring.activate(key_id, at_ms=now)
                case "sign":
                    ring = ring.signed(key_id, timestamp_ms=now)
                    assert key_id not in revoked
                    assert held(ring, key_id).verified_at_ms is not None
                case "settle":
                    ring = ring.settled(key_id)
                case "retire":
                    ring = ring.retire(key_id, at_ms=now, venue_now_ms=now, window_ms=2, settle_ms=1)
                    assert held(ring, key_id).in_flight == 0
                case _:
                    ring = ring.leak(key_id, at_ms=now)
        except (TransitionRefused, WrongKey):
            continue
        revoked |= {key.id for key in ring.keys if key.state is KeyState.REVOKED}
        assert revoked == {key.id for key in ring.keys if key.state is KeyState.REVOKED}
        assert sum(key.state is KeyState.ACTIVE for key in ring.keys) <= 1


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        (0, None),
        (79.99, None),
        (80, Severity.WARNING),
        (89.99, Severity.WARNING),
        (90, Severity.ALARM),
        (400, Severity.ALARM),
    ],
)
def test_a_key_is_warned_of_at_80_days_and_alarmed_at_90(days: float, severity: Severity | None) -> None:
    found = aged(1_000, 1_000 + int(days * DAY_MS))
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])


@pytest.mark.parametrize(
    ("permissions", "trading", "severities"),
    [
        (Permissions(), True, []),
        (Permissions(reads=True, trades=True, withdraws=False, address_bound=True), True, []),
        (Permissions(withdraws=True), True, [Severity.REFUSAL]),
        (Permissions(reads=False), False, [Severity.REFUSAL]),
        (Permissions(trades=False), True, [Severity.REFUSAL]),
        (Permissions(trades=False), False, []),
        (Permissions(trades=True), False, [Severity.ALARM]),
        (Permissions(address_bound=False), True, [Severity.WARNING]),
        (Permissions(expires_at_ms=100 * DAY_MS), True, [Severity.REFUSAL]),
        (Permissions(expires_at_ms=103 * DAY_MS), True, [Severity.ALARM]),
        (Permissions(expires_at_ms=110 * DAY_MS), True, []),
        (Permissions(created_at_ms=10 * DAY_MS), True, [Severity.ALARM]),
    ],
)
def test_what_the_venue_tells_is_judged_and_what_it_hides_is_not_guessed(
    permissions: Permissions, *, trading: bool, severities: list[Severity]
) -> None:
    found = judge(permissions, trading=trading, created_at_ms=99 * DAY_MS, now_ms=100 * DAY_MS)
    assert [finding.severity for finding in found] == severities
    assert all(";" in finding.text for finding in found)  # each says what to do


def test_what_binance_says_of_a_key_is_read() -> None:
    answer = {
        "ipRestrict": False,
        "createTime": 1_698_645_219_000,
        "enableReading": True,
        "enableWithdrawals": True,
        "enableFutures": True,
    }
    found = permissions_of_binance(answer)
    assert found == Permissions(
        reads=True, trades=True, withdraws=True, address_bound=False, created_at_ms=1_698_645_219_000
    )
    for broken in ({}, {**answer, "enableWithdrawals": "false"}, {**answer, "ipRestrict": None}):
        with pytest.raises(Unreadable):
            permissions_of_binance(broken)
