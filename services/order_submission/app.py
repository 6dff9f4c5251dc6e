"""The composition root of order submission: the only process that holds a key with trading rights."""

import signal
from dataclasses import replace
from functools import partial
from itertools import count

from ordergate.ports.bus import Progress
from ordergate.ports.control import Kill, KillSwitch
from ordergate.ports.venue import DeadMansSwitch, Reading, Trading
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.control import BusKillSwitch, KillResponder, turn_switch
from ordergate.runtime.halts import halts_of
from ordergate.runtime.keys import open_keys
from ordergate.runtime.lane import Concurrent
from ordergate.runtime.opening import open_account
from ordergate.runtime.progress import ConsumerProgress
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import OpenReading, OpenTrading, find_venue, open_reading, open_trading
from ordergate.wire import streams, subjects
from services.order_submission.cancels import CancelDesk
from services.order_submission.dead_man import DeadMansWatch
from services.order_submission.emergency import Clients, EmergencyDesk
from services.order_submission.flattening import Flattening
from services.order_submission.halting import HaltDesk
from services.order_submission.handlers import Halt, OrderDesk
from services.order_submission.killing import KillDesk
from services.order_submission.live import LiveOrders

IN_FLIGHT_MAX = 256
KILL_SHARE = 0.02
"""Of the request budget: the reads that say "flat"."""
CANCELS_IN_FLIGHT_MAX = 32


async def compose(frame: Frame) -> None:
    """The kill switch first: nothing is sent before it has been read."""
    kill = BusKillSwitch(frame.bus, clock=frame.clock)
    await kill.read_restore()
    frame.task("kill-watch", kill.watch)
    frame.task("kill-confirm", kill.confirm)
    frame.ready_when("kill switch confirmed", kill.is_confirmed)
    desks, clients = [], []
    for account in frame.accounts:
        trading, reading = await _open_clients(frame, account)
        clients.append(
            Clients(venue=account.venue_name, account=account.account_name, trading=trading, reading=reading)
        )
        desks.append(_serve_account(frame, account, kill, trading, reading))
    emergency = EmergencyDesk(
        clients,
        throw_here=partial(kill.throw_here, "emergency: called at this process"),
        tell=partial(_tell_all, frame),
        clock=frame.clock,
        log=frame.log,
    )
    frame.task("emergency", emergency.watch)
    frame.when_signalled(signal.SIGUSR1, emergency.call)
    responder = KillResponder(
        kill,
        service=frame.name,
        instance=frame.instance,
        clock=frame.clock,
        in_flight=lambda scope: sum(scope.covers(order.request) for desk in desks for order in desk.in_hand()),
    )
    frame.answer(subjects.KILL_REQUEST, responder.acknowledge)


async def _tell_all(frame: Frame, kill: Kill) -> None:
    await turn_switch(frame.bus, kill.scope, thrown=True, reason=kill.reason, clock=frame.clock, above=kill.epoch)


async def _open_clients(frame: Frame, account: AccountSettings) -> tuple[OpenTrading, OpenReading]:
    venue = account.venue_name
    keys = await open_keys(frame, account, find_venue(venue).declaration)
    opening = open_account(frame, account, keys)
    trading = open_trading(venue, opening)
    reading = open_reading(venue, replace(opening, request_share=KILL_SHARE))
    for client in (trading, reading):
        await client.start()
        frame.at_stop(client.close)
    keys.keep(reading)
    return trading, reading


def _serve_account(
    frame: Frame, account: AccountSettings, kill: BusKillSwitch, trading: OpenTrading, reading: OpenReading
) -> OrderDesk:
    venue = account.venue_name
    decided = ConsumerProgress(frame.bus, streams.risk_consumer(venue, account.account_name, replicas=frame.replicas))
    if account.dead_mans_switch_seconds is not None:
        _arm(frame, account, kill, trading, countdown_ms=account.dead_mans_switch_seconds * 1_000)
    return serve(frame, account, kill=kill, decided=decided, trading=frame.sending(trading), reading=reading)


def _arm(
    frame: Frame, account: AccountSettings, kill: BusKillSwitch, trading: OpenTrading, *, countdown_ms: int
) -> None:
    """Raises Misconfigured where the venue has no such switch: nobody shall believe in one."""
    if not isinstance(trading, DeadMansSwitch):
        raise Misconfigured(f"{account.venue} has no dead-man's switch; leave dead_mans_switch_seconds out")
    watch = DeadMansWatch(
        venue=account.venue_name,
        account=account.account_name,
        symbols=[Symbol(symbol) for symbol in account.symbols],
        countdown_ms=countdown_ms,
        switch=trading,
        kill=kill,
        publisher=frame.publisher,
        clock=frame.clock,
    )
    frame.task(f"dead-man:{account.account}", watch.keep)


def serve(
    stage: Stage,
    account: AccountSettings,
    *,
    kill: KillSwitch,
    decided: Progress,
    trading: Trading,
    reading: Reading,
) -> OrderDesk:
    """One account's handlers and what they do for as long as the service lives."""
    venue, name = account.venue_name, account.account_name
    halt = Halt()
    orders = OrderDesk(
        trading=trading,
        ledger=stage.ledger,
        publisher=stage.publisher,
        kill=kill,
        halt=halt,
        clock=stage.clock,
        trace=stage.trace,
    )
    live = LiveOrders(
        venue=venue,
        account=name,
        ledger=stage.ledger,
        feed=stage.feed,
        checkpoint=BusCheckpoint(
            stage.shelf(streams.CHECKPOINTS),
            service=streams.STATUS_POLLING,
            venue=venue,
            account=name,
            clock=stage.clock,
        ),
    )
    cancels = CancelDesk(
        venue=venue,
        account=name,
        trading=trading,
        ledger=stage.ledger,
        live=live,
        decided=decided,
        publisher=stage.publisher,
        clock=stage.clock,
        trace=stage.trace,
    )
    killing = KillDesk(
        venue=venue,
        account=name,
        kill=kill,
        orders=orders,
        cancels=cancels,
        live=live,
        ledger=stage.ledger,
        trading=trading,
        reading=reading,
        flattening=Flattening(
            venue=venue, account=name, ledger=stage.ledger, reading=reading, feed=stage.feed, clock=stage.clock
        ),
        publisher=stage.publisher,
        clock=stage.clock,
    )
    stage.task(f"kill:{name}", killing.watch)
    halting = HaltDesk(venue=venue, account=name, halt=halt, publisher=stage.publisher, clock=stage.clock)
    stage.task(f"halt:{name}", halting.watch)
    if reading.declaration.private_stream:
        stage.task(f"halts:{name}", lambda: halting.hear(halts_of(stage.shelf(streams.CONTROL), venue, name)))
    stage.lane(
        streams.submission_consumer(venue, name, replicas=stage.replicas),
        orders.submit,
        mode=Concurrent(key=str, in_flight_max=IN_FLIGHT_MAX, window=IN_FLIGHT_MAX),
    )
    # Cancels of one strategy share a subject but do not wait for each other.
    numbers = count()
    stage.lane(
        streams.cancels_consumer(venue, name, replicas=stage.replicas),
        cancels.hear,
        mode=Concurrent(key=lambda _subject: str(next(numbers)), in_flight_max=CANCELS_IN_FLIGHT_MAX),
    )
    return orders
