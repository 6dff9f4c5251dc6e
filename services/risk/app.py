"""The composition root of risk."""

from functools import partial

from ordergate.ports.bus import IntentLog
from ordergate.ports.control import KillSwitch
from ordergate.ports.market import MarketData
from ordergate.ports.positions import Positions
from ordergate.ports.venue import Declaration
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.control import BusKillSwitch
from ordergate.runtime.intents import BusIntentLog, IntentBodies
from ordergate.runtime.lane import Sequential
from ordergate.runtime.market import ShelfMarketData
from ordergate.runtime.positions import BusPositions
from ordergate.runtime.service import Frame
from ordergate.runtime.settings import AccountSettings
from ordergate.runtime.stage import Stage
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import find_venue
from ordergate.wire import streams
from services.risk.fold import AccountFold
from services.risk.handlers import RiskDesk, StrangersDesk


async def compose(frame: Frame) -> None:
    """One fold and one lane an account; one lane for the intents of accounts that nobody serves."""
    kill = BusKillSwitch(frame.bus, clock=frame.clock)
    await kill.read_restore()
    frame.task("kill-watch", kill.watch)
    frame.task("kill-confirm", kill.confirm)
    frame.ready_when("kill switch confirmed", kill.is_confirmed)
    announced = [(account.venue_name, Symbol(symbol)) for account in frame.accounts for symbol in account.symbols]
    market = ShelfMarketData(frame.shelf(streams.INSTRUMENTS), announced=announced)
    frame.task("market", market.watch)
    for account in frame.accounts:
        venue = account.venue_name
        declaration = account.venue_deviation.of(find_venue(venue).declaration)
        spec = streams.risk_consumer(venue, account.account_name, replicas=frame.replicas)
        serve(
            frame,
            account,
            declaration=declaration,
            kill=kill,
            market=market,
            positions=BusPositions(frame.bus),
            intents=BusIntentLog(frame.bus, spec, venue=venue, account=account.account_name),
        )
        for symbol in account.symbols:
            frame.ready_when(f"{venue} {symbol} filters and price", partial(market.knows, venue, Symbol(symbol)))
    if frame.installation.answers_strangers(frame.environment.shard):
        _answer_strangers(frame)


def _answer_strangers(frame: Frame) -> None:
    """Whoever is served by any shard is no stranger."""
    strangers = StrangersDesk(
        served=frozenset((account.venue_name, account.account_name) for account in frame.installation.accounts),
        bodies=IntentBodies(frame.bus),
        publisher=frame.publisher,
        clock=frame.clock,
    )
    frame.lane(
        streams.strangers_consumer(replicas=frame.replicas),
        strangers.hear,
        mode=Sequential(window=512),
    )


def serve(
    stage: Stage,
    account: AccountSettings,
    *,
    declaration: Declaration,
    kill: KillSwitch,
    market: MarketData,
    positions: Positions,
    intents: IntentLog,
) -> RiskDesk:
    """One account's handlers and what they do for as long as the service lives."""
    venue, name = account.venue_name, account.account_name
    checkpoint = BusCheckpoint(
        stage.shelf(streams.CHECKPOINTS), service=streams.RISK, venue=venue, account=name, clock=stage.clock
    )
    fold = AccountFold(
        venue=venue,
        account=name,
        ledger=stage.ledger,
        feed=stage.feed,
        positions=positions,
        market=market,
        checkpoint=checkpoint,
        clock=stage.clock,
    )
    desk = RiskDesk(
        venue=venue,
        account=name,
        declaration=declaration,
        limits=account.risk_limits,
        fold=fold,
        intents=intents,
        ledger=stage.ledger,
        publisher=stage.publisher,
        market=market,
        kill=kill,
        clock=stage.clock,
        trace=stage.trace,
    )
    stage.task(f"orders:{name}", fold.follow_orders)
    stage.task(f"fills:{name}", fold.follow_fills)
    stage.task(f"equity:{name}", fold.follow_equity)
    stage.task(f"again:{name}", desk.decide_again)
    stage.task(f"checkpoint:{name}", lambda: checkpoint.keep(fold.mark))
    stage.ready_when(f"{venue}/{name} caught up", lambda: fold.is_caught_up)
    stage.lane(streams.risk_consumer(venue, name, replicas=stage.replicas), desk.decide, mode=Sequential())
    return desk
