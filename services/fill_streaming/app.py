"""The composition root of fill streaming."""

from ordergate.ports.venue import Reading
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.keys import open_keys
from ordergate.runtime.opening import open_account
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import find_venue, open_reading
from ordergate.wire import streams, subjects
from services.fill_streaming.handlers import FillDesk, Pace


async def compose(frame: Frame) -> None:
    for account in frame.accounts:
        venue, share = account.venue_name, account.shares["fill_streaming"]
        keys = await open_keys(frame, account, find_venue(venue).declaration)
        reading = open_reading(venue, open_account(frame, account, keys))
        await reading.start()
        frame.at_stop(reading.close)
        keys.keep(reading)
        read_seconds = find_venue(venue).seconds_between_requests(account.limits.get("requests"), share)
        serve(frame, account, reading=reading, pace=Pace(read_seconds=read_seconds))


def serve(stage: Stage, account: AccountSettings, *, reading: Reading, pace: Pace) -> FillDesk:
    """One account's handlers and what they do for as long as the service lives."""
    venue, name = account.venue_name, account.account_name
    checkpoint = BusCheckpoint(
        stage.shelf(streams.CHECKPOINTS), service=stage.name, venue=venue, account=name, clock=stage.clock
    )
    desk = FillDesk(
        venue=venue,
        account=name,
        symbols=[Symbol(symbol) for symbol in account.symbols],
        reading=reading,
        ledger=stage.ledger,
        feed=stage.feed,
        publisher=stage.publisher,
        cursors=stage.shelf(streams.CURSORS),
        checkpoint=checkpoint,
        clock=stage.clock,
        trace=stage.trace,
        pace=pace,
    )

    async def state_now(_request: bytes) -> bytes:
        return (await desk.publish_statement()).to_bytes()

    stage.task(f"orders:{name}", desk.follow_orders)
    stage.task(f"trades:{name}", desk.read_trades)
    stage.task(f"statement:{name}", desk.state_sums)
    stage.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    stage.answer(subjects.statement_request(venue, name), state_now)
    stage.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
    return desk
