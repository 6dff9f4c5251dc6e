"""The composition root of risk."""

from functools import partial

from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.control import BusKillSwitch
from ordergate.runtime.intents import IntentBodies
from ordergate.runtime.lane import Sequential
from ordergate.runtime.market import ShelfMarketData
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import find_venue
from ordergate.wire import streams
from services.risk.fold import AccountFold
from services.risk.handlers import RiskDesk, StrangersDesk


async def compose(frame: Frame) -> None:
    """One fold and one lane an account; one lane for the intents of accounts that nobody serves."""
    kill = BusKillSwitch(frame.bus, clock=frame.clock)
    frame.task("kill-watch", kill.watch)
    frame.task("kill-confirm", kill.confirm)
    frame.ready_when("kill switch confirmed", kill.is_confirmed)
    market = ShelfMarketData(frame.shelf(streams.INSTRUMENTS))
    frame.task("market", market.watch)
    for account in frame.accounts:
        _compose_account(frame, account, kill, market)
    strangers = StrangersDesk(
        served=frozenset((account.venue_name, account.account_name) for account in frame.accounts),
        bodies=IntentBodies(frame.bus),
        publisher=frame.publisher,
        clock=frame.clock,
    )
    frame.lane(
        streams.strangers_consumer(replicas=frame.installation.bus.replicas),
        strangers.hear,
        mode=Sequential(window=512),
    )


def _compose_account(frame: Frame, account: AccountSettings, kill: BusKillSwitch, market: ShelfMarketData) -> None:
    venue, name = account.venue_name, account.account_name
    checkpoint = BusCheckpoint(
        frame.shelf(streams.CHECKPOINTS), service=streams.RISK, venue=venue, account=name, clock=frame.clock
    )
    fold = AccountFold(
        venue=venue,
        account=name,
        ledger=frame.ledger,
        feed=frame.feed,
        positions=BusPositions(frame.bus),
        market=market,
        checkpoint=checkpoint,
        clock=frame.clock,
    )
    desk = RiskDesk(
        venue=venue,
        account=name,
        declaration=find_venue(venue).declaration,
        limits=account.risk_limits,
        fold=fold,
        ledger=frame.ledger,
        publisher=frame.publisher,
        market=market,
        kill=kill,
        clock=frame.clock,
        trace=frame.trace,
    )
    frame.task(f"orders:{name}", fold.follow_orders)
    frame.task(f"fills:{name}", fold.follow_fills)
    frame.task(f"equity:{name}", fold.follow_equity)
    frame.task(f"checkpoint:{name}", lambda: checkpoint.keep(fold.mark))
    frame.ready_when(f"{venue}/{name} caught up", lambda: fold.is_caught_up)
    for symbol in account.symbols:
        frame.ready_when(f"{venue} {symbol} filters and price", partial(market.knows, venue, Symbol(symbol)))
    frame.lane(
        streams.risk_consumer(venue, name, replicas=frame.installation.bus.replicas),
        desk.decide,
        mode=Sequential(),
    )
