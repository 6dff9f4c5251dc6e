"""The composition root of fill streaming."""

from functools import partial

from ordergate.ports.stream import PrivateStream
from ordergate.ports.venue import Reading
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.halts import BusHalts
from ordergate.runtime.keys import open_keys
from ordergate.runtime.opening import open_account, open_stream
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import find_venue, open_reading, stream_url
from ordergate.venues.registry import open_stream as open_venue_stream
from ordergate.wire import streams, subjects
from services.fill_streaming.following import Following
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
        stream = open_stream(
            frame,
            account,
            stream_url(venue, account.base_url),
            partial(open_venue_stream, venue, reading, trades=True, orders=False),
        )
        serve(frame, account, reading=reading, stream=stream, pace=Pace(read_seconds=read_seconds))


def serve(
    stage: Stage, account: AccountSettings, *, reading: Reading, pace: Pace, stream: PrivateStream | None = None
) -> FillDesk:
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
    if stream is not None:
        desk.doubt = stream.doubt
        halts = BusHalts(stage.shelf(streams.CONTROL), venue=venue, account=name, service=stage.name, clock=stage.clock)
        stage.task(f"stream:{name}", Following(stream=stream, desk=desk, halts=halts).follow)
    stage.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    stage.answer(subjects.statement_request(venue, name), state_now)
    stage.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
    return desk
