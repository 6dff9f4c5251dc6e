"""Where a service's keys come from, and who shares them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ordergate.access.keys import make_key
from ordergate.access.keys.store import Secret
from ordergate.access.keys.watch import Replaced, Unreadable
from ordergate.runtime.keys import Marks, StoreWatch
from ordergate.runtime.settings import Installation, Signer
from ordergate.trading.errors import Misconfigured, SecretStoreUnavailable, WrongKey
from ordergate.trading.ids import KeyId

EVERY_SECONDS = 15.0
HELD = make_key(public="first-key", secret="first-secret")


@dataclass
class Store:
    """A secret store and the clock it is asked by."""

    answers: list[Secret | Exception] = field(default_factory=list)
    seconds: float = 0.0
    reads: int = 0

    def now_ms(self) -> int:
        return int(self.seconds * 1_000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    async def read(self, _name: str) -> Secret:
        self.reads += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def version(number: int, name: str) -> Secret:
    fields = {"key": f"{name}-key", "secret": f"{name}-secret"}
    return Secret(version=number, created_at_ms=number * 1_000, fields=fields)


async def test_a_new_version_in_the_store_is_noticed_and_the_store_is_not_asked_all_the_time() -> None:
    store = Store(answers=[version(1, "first"), version(2, "second")])
    watch = StoreWatch(store, "trader", HELD, store, every_seconds=EVERY_SECONDS)
    assert [await watch.look() for _ in range(3)] == [None] * 3
    assert store.reads == 0
    store.seconds += EVERY_SECONDS
    assert await watch.look() is None
    store.seconds += EVERY_SECONDS
    found = await watch.look()
    assert isinstance(found, Replaced)
    assert (found.key.public, found.created_at_ms) == ("second-key", 2_000)


@pytest.mark.parametrize("error", [SecretStoreUnavailable("vault is sealed"), WrongKey("vault holds no secret")])
async def test_a_store_that_gives_no_key_is_spoken_of_once(error: Exception) -> None:
    store = Store(answers=[error, error, version(2, "second")])
    watch = StoreWatch(store, "trader", HELD, store, every_seconds=EVERY_SECONDS)
    found = []
    for _ in range(3):
        store.seconds += EVERY_SECONDS
        found.append(await watch.look())
    assert found[:2] == [Unreadable(reason=str(error), new=True), Unreadable(reason=str(error), new=False)]
    assert isinstance(found[2], Replaced)


async def test_timestamps_stay_above_the_marks_of_all_keys_and_a_held_key_is_refused(tmp_path: Path) -> None:
    first, second = KeyId("aaaaaaaaaa"), KeyId("bbbbbbbbbb")
    marks = Marks(tmp_path / "marks")
    marks.add(first)
    marks.raise_to(1_000)
    marks.add(second)
    assert marks.value == 1_000
    marks.raise_to(2_000)
    other = Marks(tmp_path / "marks")
    with pytest.raises(Misconfigured, match="another process"):
        other.add(second)
    await marks.close()
    other.add(second)
    assert other.value == 2_000
    await other.close()


def installation(accounts: str) -> Installation:
    head = '[[accounts]]\nvenue = "zetarium"\naccount = "main"\nbase_url = "https://x.example"\nsymbols = ["BTCUSDT"]\n'
    return Installation.of(head + accounts)


@pytest.mark.parametrize(
    ("keys", "signer", "sharers"),
    [
        ('[accounts.keys]\nstatus_polling = "a"\nfill_streaming = "b"', "status_polling", ("status_polling",)),
        (
            '[accounts.keys]\nfill_streaming = "a"\norder_submission = "a"',
            "fill_streaming",
            ("order_submission", "fill_streaming"),
        ),
        (
            '[accounts.secrets]\nstatus_polling = "s"\nposition_tracking = "s"',
            "status_polling",
            ("status_polling", "position_tracking"),
        ),
    ],
)
def test_services_that_name_the_same_key_share_it(keys: str, signer: Signer, sharers: tuple[Signer, ...]) -> None:
    assert installation(keys).accounts[0].sharers(signer) == sharers


def test_a_key_stands_in_one_place() -> None:
    with pytest.raises(Misconfigured, match="not in both"):
        installation('[accounts.keys]\nstatus_polling = "a"\n[accounts.secrets]\nstatus_polling = "s"')
