"""The composition root of status polling."""

from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.market import ShelfMarketBoard
from ordergate.runtime.opening import open_account, open_public
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.schedule import PollPolicy
from ordergate.venues.registry import find_venue, open_market, open_reading
from ordergate.wire import streams
from services.status_polling.handlers import Pace, PollingDesk
from services.status_polling.market import MarketDesk, MarketPace


async def compose(frame: Frame) -> None:
    for venue in sorted({account.venue_name for account in frame.accounts}):
        await _compose_market(frame, venue)
    for account in frame.accounts:
        await _compose_account(frame, account)


async def _compose_market(frame: Frame, venue: VenueName) -> None:
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
        pace=MarketPace(),
    )
    frame.task(f"instruments:{venue}", desk.post_instruments)
    frame.task(f"prices:{venue}", desk.post_prices)


async def _compose_account(frame: Frame, account: AccountSettings) -> None:
    venue, name = account.venue_name, account.account_name
    reading = open_reading(venue, open_account(frame, account))
    await reading.start()
    frame.at_stop(reading.close)
    checkpoint = BusCheckpoint(
        frame.shelf(streams.CHECKPOINTS), service=frame.name, venue=venue, account=name, clock=frame.clock
    )
    declaration = find_venue(venue).declaration
    desk = PollingDesk(
        venue=venue,
        account=name,
        reading=reading,
        ledger=frame.ledger,
        feed=frame.feed,
        publisher=frame.publisher,
        positions=BusPositions(frame.bus),
        cursors=frame.shelf(streams.CURSORS),
        checkpoint=checkpoint,
        clock=frame.clock,
        trace=frame.trace,
        pace=Pace(policy=PollPolicy(owner_hold_ms=declaration.window_ms + declaration.send_margin_ms)),
    )
    frame.task(f"orders:{name}", desk.follow_orders)
    frame.task(f"poll:{name}", desk.poll)
    frame.task(f"checkpoint:{name}", lambda: checkpoint.keep(desk.mark))
    frame.ready_when(f"{venue}/{name} rebuilt", desk.rebuilt.is_set)
