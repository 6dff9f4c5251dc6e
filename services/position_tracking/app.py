"""The composition root of position tracking."""

from functools import partial

from ordergate.ports.positions import Positions
from ordergate.ports.venue import Reading
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.keys import open_keys
from ordergate.runtime.opening import open_account
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.venues.registry import find_venue, open_reading
from ordergate.wire import streams
from services.position_tracking.handlers import Pace, PositionDesk


async def compose(frame: Frame) -> None:
    for account in frame.accounts:
        keys = await open_keys(frame, account, find_venue(account.venue_name).declaration)
        reading = open_reading(account.venue_name, open_account(frame, account, keys))
        await reading.start()
        frame.at_stop(reading.close)
        keys.keep(reading)
        desk = serve(frame, account, reading=reading, positions=frame.positions())
        frame.sample(partial(_show, frame, account, desk))


def _show(frame: Frame, account: AccountSettings, desk: PositionDesk) -> None:
    frame.metrics.differences(account.venue, account.account, "position", count=desk.difference_count)


def serve(stage: Stage, account: AccountSettings, *, reading: Reading, positions: Positions) -> PositionDesk:
    """One account's handlers and what they do for as long as the service lives."""
    venue, name = account.venue_name, account.account_name
    checkpoint = BusCheckpoint(
        stage.shelf(streams.CHECKPOINTS), service=stage.name, venue=venue, account=name, clock=stage.clock
    )
    desk = PositionDesk(
        venue=venue,
        account=name,
        feed=stage.feed,
        positions=positions,
        reading=reading,
        publisher=stage.publisher,
        checkpoint=checkpoint,
        clock=stage.clock,
        trace=stage.trace,
        pace=Pace(),
    )
    stage.task(f"fills:{name}", desk.follow_fills)
    stage.task(f"publish:{name}", desk.publish_changes)
    stage.task(f"compare:{name}", desk.compare_with_venue)
    stage.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    stage.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
    return desk
