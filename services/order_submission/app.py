"""The composition root of order submission: the only process that holds a key with trading rights."""

from dataclasses import replace
from itertools import count

from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.control import BusKillSwitch, KillResponder
from ordergate.runtime.lane import Concurrent
from ordergate.runtime.opening import open_account
from ordergate.runtime.presence import Presence
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.venues.registry import open_reading, open_trading
from ordergate.wire import streams, subjects
from services.order_submission.cancels import CancelDesk
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
    frame.task("kill-watch", kill.watch)
    frame.task("kill-confirm", kill.confirm)
    frame.ready_when("kill switch confirmed", kill.is_confirmed)
    presence = Presence(frame.bus, service=frame.name, instance=frame.instance, clock=frame.clock)
    frame.task("presence", presence.keep)
    frame.at_stop(presence.withdraw)
    desks = [await _compose_account(frame, account, kill) for account in frame.accounts]
    responder = KillResponder(
        kill,
        service=frame.name,
        instance=frame.instance,
        clock=frame.clock,
        in_flight=lambda: sum(len(desk.in_hand()) for desk in desks),
    )
    frame.answer(subjects.KILL_REQUEST, responder.acknowledge)


async def _compose_account(frame: Frame, account: AccountSettings, kill: BusKillSwitch) -> OrderDesk:
    venue, name, replicas = account.venue_name, account.account_name, frame.installation.bus.replicas
    opening = open_account(frame, account)
    trading = open_trading(venue, opening)
    reading = open_reading(venue, replace(opening, request_share=KILL_SHARE))
    for client in (trading, reading):
        await client.start()
        frame.at_stop(client.close)
    halt = Halt()
    orders = OrderDesk(
        trading=trading,
        ledger=frame.ledger,
        publisher=frame.publisher,
        kill=kill,
        halt=halt,
        clock=frame.clock,
        trace=frame.trace,
    )
    live = LiveOrders(
        venue=venue,
        account=name,
        ledger=frame.ledger,
        feed=frame.feed,
        checkpoint=BusCheckpoint(
            frame.shelf(streams.CHECKPOINTS),
            service=streams.STATUS_POLLING,
            venue=venue,
            account=name,
            clock=frame.clock,
        ),
    )
    cancels = CancelDesk(
        venue=venue,
        account=name,
        trading=trading,
        ledger=frame.ledger,
        live=live,
        publisher=frame.publisher,
        clock=frame.clock,
        trace=frame.trace,
    )
    killing = KillDesk(
        venue=venue,
        account=name,
        kill=kill,
        orders=orders,
        cancels=cancels,
        live=live,
        trading=trading,
        reading=reading,
        publisher=frame.publisher,
        clock=frame.clock,
    )
    frame.task(f"kill:{name}", killing.watch)
    halting = HaltDesk(venue=venue, account=name, halt=halt, publisher=frame.publisher, clock=frame.clock)
    frame.task(f"halt:{name}", halting.watch)
    frame.lane(
        streams.submission_consumer(venue, name, replicas=replicas),
        orders.submit,
        mode=Concurrent(key=str, in_flight_max=IN_FLIGHT_MAX, window=IN_FLIGHT_MAX),
    )
    # Cancels of one strategy share a subject but do not wait for each other.
    numbers = count()
    frame.lane(
        streams.cancels_consumer(venue, name, replicas=replicas),
        cancels.hear,
        mode=Concurrent(key=lambda _subject: str(next(numbers)), in_flight_max=CANCELS_IN_FLIGHT_MAX),
    )
    return orders
