"""The composition root of fill streaming."""

from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.opening import open_account
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import find_venue, open_reading
from ordergate.wire import streams, subjects
from services.fill_streaming.handlers import FillDesk, Pace


async def compose(frame: Frame) -> None:
    for account in frame.accounts:
        await _compose_account(frame, account)


async def _compose_account(frame: Frame, account: AccountSettings) -> None:
    venue, name, share = account.venue_name, account.account_name, account.shares["fill_streaming"]
    reading = open_reading(venue, open_account(frame, account))
    await reading.start()
    frame.at_stop(reading.close)
    checkpoint = BusCheckpoint(
        frame.shelf(streams.CHECKPOINTS), service=frame.name, venue=venue, account=name, clock=frame.clock
    )
    desk = FillDesk(
        venue=venue,
        account=name,
        symbols=[Symbol(symbol) for symbol in account.symbols],
        reading=reading,
        ledger=frame.ledger,
        feed=frame.feed,
        publisher=frame.publisher,
        cursors=frame.shelf(streams.CURSORS),
        checkpoint=checkpoint,
        clock=frame.clock,
        trace=frame.trace,
        pace=Pace(read_seconds=find_venue(venue).seconds_between_requests(account.limits.get("requests"), share)),
    )

    async def state_now(_request: bytes) -> bytes:
        return (await desk.publish_statement()).to_bytes()

    frame.task(f"orders:{name}", desk.follow_orders)
    frame.task(f"trades:{name}", desk.read_trades)
    frame.task(f"statement:{name}", desk.state_sums)
    frame.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    frame.answer(subjects.statement_request(venue, name), state_now)
    frame.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
