"""The composition root of status polling."""

from functools import partial

from ordergate.ports.positions import Positions
from ordergate.ports.stream import PrivateStream
from ordergate.ports.venue import Reading
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.halts import BusHalts
from ordergate.runtime.keys import open_keys
from ordergate.runtime.market import ShelfMarketBoard
from ordergate.runtime.opening import open_account, open_public, open_stream
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.schedule import PollPolicy
from ordergate.venues.registry import find_venue, open_market, open_reading, stream_url
from ordergate.venues.registry import open_stream as open_venue_stream
from ordergate.wire import streams
from services.status_polling.following import Following
from services.status_polling.handlers import Pace, PollingDesk
from services.status_polling.market import MarketDesk, MarketPace
from services.status_polling.recovery import RecoveryDesk
from services.status_polling.wallet import WalletDesk

OWNER_HOLD_MS = 2_000
"""An answer normally comes in milliseconds. A lookup is a read, so looking while the sender may still wait is safe, and finds what a dead one left."""


async def compose(frame: Frame) -> None:
    venues = sorted({account.venue_name for account in frame.accounts})
    markets = {venue: await _compose_market(frame, venue) for venue in venues}
    for account in frame.accounts:
        keys = await open_keys(frame, account, find_venue(account.venue_name).declaration)
        reading = open_reading(account.venue_name, open_account(frame, account, keys))
        await reading.start()
        frame.at_stop(reading.close)
        keys.keep(reading)
        venue = account.venue_name
        stream = open_stream(
            frame,
            account,
            stream_url(venue, account.base_url),
            partial(open_venue_stream, venue, reading, trades=False, orders=True),
        )
        desk = serve(frame, account, reading=reading, positions=BusPositions(frame.bus), stream=stream)
        desk.rejected = markets[venue].ask_again
        if not reading.declaration.shows_positions:
            wallet = WalletDesk(
                venue=venue,
                account=account.account_name,
                symbols=[Symbol(symbol) for symbol in account.symbols],
                reading=reading,
                board=ShelfMarketBoard(frame.shelf(streams.INSTRUMENTS), clock=frame.clock),
                clock=frame.clock,
            )
            frame.task(f"wallet:{account.account}", wallet.keep)
        recovery = RecoveryDesk(
            venue=venue,
            account=account.account_name,
            symbols=[Symbol(symbol) for symbol in account.symbols],
            polling=desk,
            reading=reading,
            feed=frame.feed,
            publisher=frame.publisher,
            positions=BusPositions(frame.bus),
            control=frame.shelf(streams.CONTROL),
            cursors=frame.shelf(streams.CURSORS),
            clock=frame.clock,
        )
        frame.task(f"recovery:{account.account}", recovery.keep)
        frame.sample(partial(_show, frame, account, desk))


def _show(frame: Frame, account: AccountSettings, desk: PollingDesk) -> None:
    count, oldest_seconds = desk.unknowns()
    frame.metrics.unknowns(account.venue, account.account, count=count, oldest_seconds=oldest_seconds)


async def _compose_market(frame: Frame, venue: VenueName) -> MarketDesk:
    """Public facts are the venue's, not an account's: one reader for all symbols that are traded there."""
    served = [account for account in frame.accounts if account.venue_name == venue]
    market = open_market(venue, open_public(frame, served[0]))
    await market.start()
    frame.at_stop(market.close)
    desk = MarketDesk(
        venue=venue,
        symbols={Symbol(symbol) for account in served for symbol in account.symbols},
        market=market,
        board=ShelfMarketBoard(frame.shelf(streams.INSTRUMENTS), clock=frame.clock),
        clock=frame.clock,
        pace=MarketPace(prices_seconds=find_venue(venue).declaration.prices_period_ms / 1000),
    )
    frame.task(f"instruments:{venue}", desk.post_instruments)
    frame.task(f"prices:{venue}", desk.post_prices)
    return desk


def serve(
    stage: Stage,
    account: AccountSettings,
    *,
    reading: Reading,
    positions: Positions,
    stream: PrivateStream | None = None,
) -> PollingDesk:
    """One account's handlers and what they do for as long as the service lives."""
    venue, name = account.venue_name, account.account_name
    checkpoint = BusCheckpoint(
        stage.shelf(streams.CHECKPOINTS), service=stage.name, venue=venue, account=name, clock=stage.clock
    )
    desk = PollingDesk(
        venue=venue,
        account=name,
        reading=reading,
        ledger=stage.ledger,
        feed=stage.feed,
        publisher=stage.publisher,
        positions=positions,
        cursors=stage.shelf(streams.CURSORS),
        checkpoint=checkpoint,
        clock=stage.clock,
        trace=stage.trace,
        pace=Pace(
            policy=PollPolicy(owner_hold_ms=OWNER_HOLD_MS, list_period_ms=reading.declaration.list_period_ms),
            sweep_seconds=reading.declaration.sweep_period_ms / 1000,
        ),
    )
    stage.task(f"orders:{name}", desk.follow_orders)
    stage.task(f"poll:{name}", desk.poll)
    if stream is not None:
        halts = BusHalts(stage.shelf(streams.CONTROL), venue=venue, account=name, service=stage.name, clock=stage.clock)
        stage.task(f"stream:{name}", Following(stream=stream, desk=desk, halts=halts).follow)
    stage.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    stage.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
    return desk
