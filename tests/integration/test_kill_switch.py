"""The kill switch on a real nats-server: seen at once, confirmed through the leader, closed when it cannot be."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import (
    CONFIRMED_SECONDS,
    BusKillSwitch,
    KillResponder,
    restore_of,
    scope_of,
    turn_restore,
)
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.ids import AccountName, IntentId, StrategyName
from ordergate.trading.order import OrderType
from ordergate.trading.scope import Scope
from ordergate.wire import keys
from ordergate.wire.messages import KillAcknowledgement, KillDocument
from ordergate.wire.streams import CONTROL
from tests.integration.conftest import Connect
from tests.integration.orders_at_hand import ACCOUNT, BTC, ETH, VENUE, eventually, request

OTHER = AccountName("other")
OURS = request(1)
OTHERS = replace(OURS, key=replace(OURS.key, account=OTHER))
ALPHA, BETA = StrategyName("alpha"), StrategyName("beta")


@pytest_asyncio.fixture
async def switch(bus: Bus, connected: Connect) -> AsyncIterator[BusKillSwitch]:
    """Watching and confirming, on a connection of its own."""
    assert bus.client.is_connected
    watching = BusKillSwitch(await connected("sender"), clock=SystemClock())
    tasks = [asyncio.create_task(watching.watch()), asyncio.create_task(watching.confirm())]
    yield watching
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def document(
    epoch: int, *, thrown: bool, everything: bool = False, scope: Scope | None = None, flatten: bool = False
) -> KillDocument:
    meant = scope or (Scope() if everything else Scope(venue=VENUE, account=ACCOUNT))
    return KillDocument(
        epoch=epoch,
        thrown=thrown,
        venue=meant.venue,
        account=meant.account,
        strategy=meant.strategy,
        symbol=meant.symbol,
        reason="test",
        flatten=flatten,
        at_ms=1,
    )


async def put(bus: Bus, said: KillDocument) -> None:
    await BusShelf(bus, bucket=CONTROL).put(keys.kill(scope_of(said)), said.to_bytes())


async def test_nothing_is_confirmed_before_the_first_answer(bus: Bus) -> None:
    assert not BusKillSwitch(bus, clock=SystemClock()).is_confirmed()


async def test_an_empty_bucket_is_confirmed_and_open(switch: BusKillSwitch) -> None:
    await eventually(switch.is_confirmed)
    assert switch.thrown(OURS) is None


async def test_a_throw_closes_its_account_and_a_resume_opens_it(bus: Bus, switch: BusKillSwitch) -> None:
    await eventually(switch.is_confirmed)
    changed = asyncio.create_task(switch.changed())
    await asyncio.sleep(0)
    took = []
    for epoch in (1, 3, 5):
        await put(bus, document(epoch, thrown=True))
        took.append(await eventually(lambda: switch.thrown(OURS) is not None))
        assert switch.thrown(OTHERS) is None
        await put(bus, document(epoch + 1, thrown=False))
        await eventually(lambda: switch.thrown(OURS) is None)
    assert statistics.median(took) < 0.1, "pushed, not found by the next question"
    await asyncio.wait_for(changed, 1)
    await eventually(switch.is_confirmed)


async def test_a_throw_for_everything_closes_every_account(bus: Bus, switch: BusKillSwitch) -> None:
    await put(bus, document(1, thrown=True, everything=True))
    await eventually(lambda: switch.thrown(OTHERS) is not None)
    await put(bus, document(2, thrown=True))
    await put(bus, document(3, thrown=False, everything=True))
    await eventually(lambda: switch.thrown(OTHERS) is None)
    assert switch.thrown(OURS) is not None


async def test_a_throw_of_a_strategy_or_symbol_closes_only_that(bus: Bus, switch: BusKillSwitch) -> None:
    of_alpha = Scope(venue=VENUE, account=ACCOUNT, strategy=ALPHA)
    await put(bus, document(1, thrown=True, scope=of_alpha))
    await eventually(lambda: switch.thrown(OURS) is not None)
    assert switch.thrown(replace(OURS, strategy=BETA)) is None
    assert switch.thrown(OTHERS) is None
    of_eth = Scope(symbol=ETH)
    await put(bus, document(1, thrown=True, scope=of_eth))
    eth = request(2, symbol=ETH)
    await eventually(lambda: switch.thrown(replace(eth, strategy=BETA)) is not None)
    assert {kill.scope for kill in switch.standing(VENUE, ACCOUNT)} == {of_alpha, of_eth}
    await put(bus, document(2, thrown=False, scope=of_alpha))
    await eventually(lambda: switch.thrown(OURS) is None)
    assert switch.thrown(eth) is not None, "a resume lifts the one scope that it names"


async def test_an_order_that_closes_for_the_throw_passes_the_sender_and_never_risk(
    bus: Bus, switch: BusKillSwitch
) -> None:
    await put(bus, document(7, thrown=True, flatten=True, scope=Scope(symbol=BTC)))
    await eventually(lambda: switch.thrown(OURS) is not None)
    terms = replace(OURS.terms, type=OrderType.MARKET, price=None, reduce_only=True)
    closing = replace(OURS, terms=terms, intent_id=IntentId("flatten-7-BTCUSDT-BOTH-1"))
    assert switch.stops(closing) is None
    assert switch.thrown(closing) is not None
    assert switch.stops(replace(closing, intent_id=IntentId("flatten-6-BTCUSDT-BOTH-1"))) is not None, "another throw's"
    assert switch.stops(replace(closing, terms=replace(terms, reduce_only=False))) is not None, "it could open"
    assert switch.stops(OURS) is not None


async def test_what_cannot_be_read_closes_everything(bus: Bus, switch: BusKillSwitch) -> None:
    key = keys.kill(Scope(venue=VENUE, account=ACCOUNT))
    await BusShelf(bus, bucket=CONTROL).put(key, b"not JSON")
    await eventually(lambda: switch.thrown(OTHERS) is not None)
    await BusShelf(bus, bucket=CONTROL).delete(key)
    await eventually(lambda: switch.thrown(OTHERS) is None)


async def test_a_watch_that_is_behind_is_not_confirmed(bus: Bus) -> None:
    switch = BusKillSwitch(bus, clock=SystemClock())
    switch._caught_up = True  # it has seen an empty bucket, and then it hangs
    await put(bus, document(1, thrown=True))
    await switch._confirm_once()
    assert not switch.is_confirmed()
    assert switch.thrown(OURS) is not None, "the question itself found the throw"


async def test_without_the_bus_every_sender_is_closed_and_open_again_with_it(
    server: EmbeddedServer, switch: BusKillSwitch
) -> None:
    await eventually(switch.is_confirmed)
    server.kill()
    took = await eventually(lambda: not switch.is_confirmed())
    assert took <= CONFIRMED_SECONDS + 0.1
    server.start()
    assert await eventually(switch.is_confirmed) < 1


async def test_a_request_is_acknowledged_after_it_counts(bus: Bus) -> None:
    switch = BusKillSwitch(bus, clock=SystemClock())
    responder = KillResponder(
        switch, service="order_submission", instance="one", clock=SystemClock(), in_flight=lambda _scope: 3
    )
    answer = KillAcknowledgement.of(await responder.acknowledge(document(4, thrown=True).to_bytes()))
    assert (answer.epoch, answer.in_flight, answer.instance) == (4, 3, "one")
    assert switch.thrown(OURS) is not None
    await responder.acknowledge(document(3, thrown=False).to_bytes())
    assert switch.thrown(OURS) is not None, "an older epoch changes nothing"


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON"])
async def test_a_request_that_cannot_be_read_changes_nothing(bus: Bus, body: bytes) -> None:
    switch = BusKillSwitch(bus, clock=SystemClock())
    responder = KillResponder(switch, service="s", instance="i", clock=SystemClock(), in_flight=lambda _scope: 0)
    with pytest.raises(ValueError, match="not a KillDocument"):
        await responder.acknowledge(body)
    assert switch.thrown(OURS) is None


async def test_a_restore_holds_everything_and_what_was_asked_for_before_it_for_ever(
    bus: Bus, switch: BusKillSwitch
) -> None:
    await eventually(switch.is_confirmed)
    clock = SystemClock()
    begun = await turn_restore(bus, halted=True, reason="test", clock=clock, above=None)
    later = replace(OTHERS, created_at_ms=begun.began_at_ms + 1)
    await eventually(switch.is_recovering)
    held = switch.stops(later)
    assert held is not None
    assert held.restoring
    assert switch.standing(VENUE, ACCOUNT) == (), "a restore cancels nothing at the venue"

    finished = await turn_restore(bus, halted=False, reason="test", clock=clock, above=begun)
    await eventually(lambda: not switch.is_recovering())
    assert (finished.epoch, finished.began_at_ms) == (begun.epoch, begun.began_at_ms)
    assert switch.stops(later) is None
    assert switch.thrown(replace(later, created_at_ms=begun.began_at_ms)) is not None


async def test_a_process_that_starts_in_a_restore_knows_it_before_it_hears_anything(bus: Bus) -> None:
    begun = await turn_restore(bus, halted=True, reason="test", clock=SystemClock(), above=None)
    assert await restore_of(bus) == begun
    starting = BusKillSwitch(bus, clock=SystemClock())
    await starting.read_restore()
    assert starting.is_recovering()


async def test_a_restore_knows_until_when_the_bus_knew(bus: Bus) -> None:
    """Nothing of an empty bus; else the time of its last order or fill, also where it is begun once more after the venue was read."""
    clock = SystemClock()
    empty = await turn_restore(bus, halted=True, reason="test", clock=clock, above=None)
    assert empty.known_until_ms == 0
    before_ms = clock.now_ms()
    await bus.jetstream.publish(f"orders.{VENUE}.{ACCOUNT}.BTCUSDT.x-1.approved", b"{}")
    again = await turn_restore(bus, halted=True, reason="test", clock=clock, above=empty)
    assert again.known_until_ms == 0
    finished = await turn_restore(bus, halted=False, reason="test", clock=clock, above=again)
    older = await turn_restore(bus, halted=True, reason="test", clock=clock, above=finished)
    assert before_ms - 1_000 <= older.known_until_ms <= clock.now_ms()


async def test_a_second_restore_is_a_later_epoch(bus: Bus) -> None:
    first = await turn_restore(bus, halted=True, reason="test", clock=SystemClock(), above=None)
    second = await turn_restore(bus, halted=True, reason="test", clock=SystemClock(), above=first)
    assert second.epoch > first.epoch
