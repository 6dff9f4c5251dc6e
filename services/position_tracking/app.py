"""The composition root of position tracking."""

from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.opening import open_account
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.venues.registry import open_reading
from ordergate.wire import streams
from services.position_tracking.handlers import Pace, PositionDesk


async def compose(frame: Frame) -> None:
    for account in frame.accounts:
        await _compose_account(frame, account)


async def _compose_account(frame: Frame, account: AccountSettings) -> None:
    venue, name = account.venue_name, account.account_name
    reading = open_reading(venue, open_account(frame, account))
    await reading.start()
    frame.at_stop(reading.close)
    checkpoint = BusCheckpoint(
        frame.shelf(streams.CHECKPOINTS), service=frame.name, venue=venue, account=name, clock=frame.clock
    )
    desk = PositionDesk(
        venue=venue,
        account=name,
        feed=frame.feed,
        positions=BusPositions(frame.bus),
        reading=reading,
        publisher=frame.publisher,
        checkpoint=checkpoint,
        clock=frame.clock,
        trace=frame.trace,
        pace=Pace(),
    )
    frame.task(f"fills:{name}", desk.follow_fills)
    frame.task(f"publish:{name}", desk.publish_changes)
    frame.task(f"compare:{name}", desk.compare_with_venue)
    frame.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    frame.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
