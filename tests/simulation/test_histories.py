"""Claims about whole histories: the honest services keep every promise, each built-in mistake is found, a seed is a history."""

from collections.abc import Iterator

import pytest

from ordergate.ports.venue import IdScope, OrderEntry
from ordergate.trading.ids import VenueName
from tests.simulation.ambient import AmbientUse, quiet_graves, simulated
from tests.simulation.controls import CONTROLS, controls_at
from tests.simulation.plan import ZETARIUM, draw_plan
from tests.simulation.runner import Place, digests, digests_elsewhere, hunt, run_chunk, run_history, tell_history

SEEDS = 60
CHUNKS = 2
SPOT = VenueName("binance-spot")
BINANCE = (SPOT, VenueName("binance-futures"))
BINANCE_SEEDS = 20
SOCKET_SEEDS = 6


@pytest.fixture(autouse=True)
def graves() -> Iterator[None]:
    with quiet_graves():
        yield


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_history_breaks_a_promise(chunk: int) -> None:
    count = SEEDS // CHUNKS
    tally = run_chunk(1 + chunk * count, count)
    assert [f"make simulate SEED={broken.seed}: {broken.what}" for broken in tally.broken] == []
    assert tally.histories == count
    assert tally.orders >= 6 * count  # most of what is asked for gets as far as the ledger
    assert tally.executed >= 2 * count  # and enough of it to the venue


@pytest.mark.parametrize("venue", BINANCE)
def test_no_history_at_binance_breaks_a_promise(venue: VenueName) -> None:
    tally = run_chunk(1, BINANCE_SEEDS, place=Place(venue))
    assert [f"make simulate VENUE={venue} SEED={broken.seed}: {broken.what}" for broken in tally.broken] == []
    assert tally.orders >= 6 * BINANCE_SEEDS
    assert tally.executed >= 2 * BINANCE_SEEDS


def test_no_history_with_orders_over_the_websocket_breaks_a_promise() -> None:
    place = Place(SPOT, OrderEntry.SOCKET)
    tally = run_chunk(1, SOCKET_SEEDS, place=place)
    assert [
        f"make simulate VENUE={SPOT} ENTRY=socket SEED={broken.seed}: {broken.what}" for broken in tally.broken
    ] == []
    _, moments = tell_history(2, place=place)
    assert any("WS order.place arrives: 200" in moment.what for moment in moments)
    assert digests([2], place) != digests([2], Place(SPOT))


@pytest.mark.parametrize("name", ["blind_resend", "query_then_resend"])
@pytest.mark.parametrize("venue", BINANCE)
def test_an_order_that_is_sent_again_is_found_where_a_finished_order_frees_its_id(venue: VenueName, name: str) -> None:
    assert draw_plan(1, venue).declaration.id_scope is IdScope.OPEN_ONLY
    gives_away = CONTROLS[name].gives_away
    histories = (run_history(seed, control=name, place=Place(venue)) for seed in range(1, 200))
    assert any(gives_away(found) for verdict in histories for found in verdict.differences)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", controls_at(ZETARIUM))
def test_each_mistake_is_found(name: str) -> None:
    found = hunt(name, enough=1)
    assert found.broken, f"{name} stayed unfound in {found.histories} histories"


def test_a_seed_is_a_history_here_and_in_a_process_with_other_hashes() -> None:
    seeds = [3, 14, 15]
    here = [run_history(seed).digest for seed in seeds]
    assert [run_history(seed).digest for seed in seeds] == here
    assert digests_elsewhere(seeds, hash_seed=99) == here
    assert len(set(here)) == len(seeds)


@pytest.mark.parametrize("venue", BINANCE)
def test_a_seed_is_a_history_at_binance_too(venue: VenueName) -> None:
    seeds = [3, 14]
    here = digests(seeds, Place(venue))
    assert digests_elsewhere(seeds, hash_seed=99, place=Place(venue)) == here
    assert not set(here) & {run_history(seed).digest for seed in seeds}


def test_a_told_history_is_the_same_history() -> None:
    seed = next(seed for seed in range(1, 50) if run_history(seed).executed)
    verdict, moments = tell_history(seed)
    assert verdict.digest == run_history(seed).digest
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert any("sends" in moment.what for moment in moments)


def test_the_real_clock_and_real_chance_are_out_of_reach() -> None:
    import secrets  # noqa: PLC0415 - looked up as simulated code would
    import time  # noqa: PLC0415

    with simulated():
        for ask in (time.time, time.monotonic, lambda: secrets.token_hex(4)):
            with pytest.raises(AmbientUse):
                ask()


def test_plans_hold_every_kind_of_trouble() -> None:
    plans = [draw_plan(seed) for seed in range(200)]
    assert {trouble.what for plan in plans for trouble in plan.troubles} >= {
        "crash",
        "freeze",
        "bus_restart",
        "leader_lost",
        "bus_cut",
        "venue_cut",
        "clock",
        "venue_clock",
        "market",
        "kill",
        "resume",
    }
    assert all(plan.orders >= 8 for plan in plans)
    assert {plan.declaration.id_scope for plan in plans} == {"forever", "open_only", "none"}
