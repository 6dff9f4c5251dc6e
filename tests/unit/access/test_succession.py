"""A key takes over from another in a running process."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ordergate.access.keys import Key, make_key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.keys.rotation import KeyState
from ordergate.access.keys.standing import DAY_MS, Permissions, Severity
from ordergate.access.keys.succession import REFUSED_AGAIN_SECONDS, Succession, Terms, Told
from ordergate.access.keys.watch import Replaced, TakenAway, Unreadable
from ordergate.trading.errors import Misconfigured, OrdergateError, VenueUnavailable, WrongKey

OLD, NEW = make_key(public="old-key", secret="old-secret"), make_key(public="new-key", secret="new-secret")
NOW_MS = 1_790_000_000_000
TERMS = Terms(window_ms=5_000, settle_ms=700, trading=True)


@dataclass
class Hands:
    """The clock, the file and the venue, moved by the test."""

    at_ms: int = NOW_MS
    found: list[Replaced | TakenAway | Unreadable] = field(default_factory=list)
    answers: list[Permissions | OrdergateError] = field(default_factory=list)
    asked: list[Key] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1_000

    async def sleep(self, seconds: float) -> None:
        self.at_ms += int(seconds * 1_000)

    async def look(self) -> Replaced | TakenAway | Unreadable | None:
        return self.found.pop(0) if self.found else None

    async def verify(self, key: Key) -> Permissions:
        self.asked.append(key)
        answer = self.answers.pop(0)
        if isinstance(answer, OrdergateError):
            raise answer
        return answer

    def severities(self) -> list[Severity | None]:
        return [told.severity for told in self.told]


def succession(
    hands: Hands,
    *,
    created_at_ms: int | None = None,
    admit: Callable[[Key], None] = lambda _: None,
    tells_rights: bool = False,
) -> tuple[Succession, Keychain]:
    keychain = Keychain(OLD)
    made = Succession(
        OLD,
        keychain,
        created_at_ms=created_at_ms,
        terms=TERMS,
        look=hands.look,
        verify=hands.verify,
        venue_now_ms=hands.now_ms,
        clock=hands,
        tell=hands.told.append,
        admit=admit,
        tells_rights=tells_rights,
    )
    return made, keychain


def signing(keychain: Keychain) -> Key | None:
    return None if keychain.signing is None else keychain.signing.key


def states(made: Succession) -> dict[str, KeyState]:
    return {key.id: key.state for key in made.keys}


async def test_a_new_key_signs_after_its_read_and_the_old_one_is_ready_when_nothing_of_it_can_execute() -> None:
    hands = Hands(found=[Replaced(key=NEW)], answers=[Permissions()])
    made, keychain = succession(hands)
    under_way = keychain.begin()
    assert under_way is not None
    await made.step()
    assert hands.asked == [NEW]
    assert signing(keychain) is NEW
    assert states(made) == {OLD.id: KeyState.DRAINING, NEW.id: KeyState.ACTIVE}
    hands.at_ms += 60_000
    await made.step()
    assert not made.is_ready_to_revoke(OLD.id)  # an attempt has it
    under_way.end(hands.at_ms)
    hands.at_ms += TERMS.window_ms + TERMS.settle_ms
    await made.step()
    assert not made.is_ready_to_revoke(OLD.id)
    hands.at_ms += 1
    await made.step()
    assert made.is_ready_to_revoke(OLD.id)
    assert not made.is_ready_to_revoke(NEW.id)


@pytest.mark.parametrize(
    ("answer", "severity"),
    [
        (WrongKey("the exchange refuses it"), Severity.ALARM),
        (VenueUnavailable("timeout"), Severity.WARNING),
        (Permissions(withdraws=True), Severity.ALARM),
        (Permissions(trades=False), Severity.ALARM),
    ],
)
async def test_a_key_that_is_not_verified_never_signs_and_the_old_one_goes_on(
    answer: Permissions | OrdergateError, severity: Severity
) -> None:
    hands = Hands(found=[Replaced(key=NEW)], answers=[answer, Permissions()])
    made, keychain = succession(hands)
    await made.step()
    assert signing(keychain) is OLD
    assert states(made) == {OLD.id: KeyState.ACTIVE, NEW.id: KeyState.NEW}
    assert made.problem
    assert hands.severities() == [None, severity]
    await made.step()
    assert len(hands.asked) == 1  # not at once again
    hands.at_ms += int(REFUSED_AGAIN_SECONDS * 1_000)
    await made.step()
    assert signing(keychain) is NEW
    assert made.problem == ""


async def test_a_key_that_another_process_holds_does_not_take_over() -> None:
    def held(_: Key) -> None:
        raise Misconfigured("in use by another process")

    hands = Hands(found=[Replaced(key=NEW)])
    made, keychain = succession(hands, admit=held)
    await made.step()
    assert (signing(keychain), hands.asked) == (OLD, [])
    assert "another process" in made.problem


@pytest.mark.parametrize("found", [[TakenAway(key_id=OLD.id)], []])
async def test_a_leaked_key_signs_nothing_and_does_not_come_back_and_the_next_one_takes_over(
    found: list[Replaced | TakenAway | Unreadable],
) -> None:
    hands = Hands(found=list(found), answers=[Permissions()])
    made, keychain = succession(hands)
    under_way = keychain.begin()
    assert under_way is not None
    if found:
        await made.step()
    else:
        assert made.revoke(OLD.id) == 1
    assert (signing(keychain), keychain.begin(), under_way.is_stopped) == (None, None, True)
    hands.found.append(Replaced(key=OLD))
    await made.step()
    assert (signing(keychain), hands.asked) == (None, [])
    hands.found.append(Replaced(key=NEW))
    await made.step()
    assert signing(keychain) is NEW
    assert states(made) == {OLD.id: KeyState.REVOKED, NEW.id: KeyState.ACTIVE}


async def test_a_candidate_that_leaks_while_it_is_verified_does_not_sign() -> None:
    hands = Hands(found=[Replaced(key=NEW)], answers=[Permissions()])
    made, keychain = succession(hands)
    verify = hands.verify

    async def leaking(key: Key) -> Permissions:
        made.revoke(key.id)
        return await verify(key)

    made._verify = leaking
    await made.step()
    assert signing(keychain) is OLD
    assert states(made)[NEW.id] is KeyState.REVOKED


async def test_the_key_before_can_be_taken_back_into_use() -> None:
    hands = Hands(answers=[Permissions(), Permissions()])
    made, keychain = succession(hands)
    for key in (NEW, OLD):
        hands.found.append(Replaced(key=key))
        await made.step()
        assert signing(keychain) is key
    assert states(made) == {OLD.id: KeyState.ACTIVE, NEW.id: KeyState.DRAINING}


async def test_an_unreadable_file_changes_nothing_and_is_said_once() -> None:
    hands = Hands(found=[Unreadable(reason="mode", new=True), Unreadable(reason="mode", new=False)])
    made, keychain = succession(hands)
    await made.step()
    await made.step()
    assert signing(keychain) is OLD
    assert hands.severities() == [Severity.ALARM]


@pytest.mark.parametrize(("days", "severity"), [(79, None), (80, Severity.WARNING), (90, Severity.ALARM)])
async def test_an_old_key_is_spoken_of_once_a_day(days: int, severity: Severity | None) -> None:
    hands = Hands(at_ms=NOW_MS - NOW_MS % DAY_MS)
    made, _ = succession(hands, created_at_ms=hands.at_ms - days * DAY_MS)
    for _ in range(3):
        await made.step()
        hands.at_ms += 3_600_000
    said = [] if severity is None else [severity]
    assert hands.severities() == said
    if severity is not None:
        hands.at_ms += DAY_MS
        await made.step()
        assert len(hands.told) == 2


async def test_the_oldest_word_on_a_keys_age_counts() -> None:
    hands = Hands()
    made, _ = succession(hands, created_at_ms=NOW_MS)
    made.date(OLD.id, NOW_MS - 95 * DAY_MS)
    made.date(OLD.id, NOW_MS)
    await made.step()
    assert hands.severities() == [Severity.ALARM]


@pytest.mark.parametrize(
    "rights",
    [
        Permissions(withdraws=True),
        Permissions(trades=False),
        Permissions(reads=False),
        Permissions(expires_at_ms=NOW_MS),
    ],
)
async def test_the_key_that_a_process_starts_with_signs_nothing_more_if_the_venue_says_what_it_must_not_be(
    rights: Permissions,
) -> None:
    hands = Hands(answers=[VenueUnavailable(), rights, Permissions()])
    made, keychain = succession(hands, tells_rights=True)
    await made.step()
    assert signing(keychain) == OLD, "nothing is known of it yet"
    hands.at_ms += 2_000
    await made.step()
    assert signing(keychain) is None
    assert states(made) == {OLD.id: KeyState.REVOKED}
    assert Severity.ALARM in hands.severities()
    hands.found.append(Replaced(key=NEW))
    await made.step()
    assert signing(keychain) == NEW


async def test_what_the_venue_says_of_the_first_key_is_said_once_and_it_goes_on() -> None:
    hands = Hands(answers=[Permissions(reads=True, trades=True, withdraws=False, address_bound=False)])
    made, keychain = succession(hands, tells_rights=True)
    for _ in range(3):
        await made.step()
    assert signing(keychain) == OLD
    assert [(told.severity, told.text) for told in hands.told] == [
        (Severity.WARNING, "any address may use it; bind it to the gateway's")
    ]
    assert hands.asked == [OLD]


async def test_where_the_venue_tells_nothing_the_first_key_is_not_asked_about() -> None:
    hands = Hands()
    made, _ = succession(hands)
    await made.step()
    assert hands.asked == []
