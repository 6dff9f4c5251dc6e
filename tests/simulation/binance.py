"""Binance in the simulated world: the simulator's whole venue behind wires that lie, and the real clients and streams before them.

The adapters, their sessions (signing, budget, clock, error tables), the HTTP engine and the keepers of private streams are the real ones. What is
assumed of a venue is kept here too: a read is never older than STALE_MS_MAX and a trade shows within the declared lag.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Protocol, cast

from ordergate.access.budget import Scope, Weights, divided
from ordergate.access.clock import VenueClock
from ordergate.access.http import parse_origin
from ordergate.access.keys import make_key
from ordergate.access.limiter import Denied, Granted, Limiter
from ordergate.access.opening import BudgetTerms, Opening
from ordergate.access.session import Patience, RequestRecord
from ordergate.access.streaming import StreamOpening, StreamPace
from ordergate.access.upkeep import Rhythm
from ordergate.ports.clock import Clock
from ordergate.ports.stream import PrivateStream
from ordergate.ports.venue import (
    Declaration,
    Market,
    OrderEntry,
    Outcome,
    PlacesLists,
    Priority,
    Reading,
    Replacement,
    Replaces,
    Trading,
    WriteAhead,
)
from ordergate.simulator.binance.delivery import GOING_AWAY
from ordergate.simulator.binance.frames import Frame
from ordergate.simulator.binance.front import BinanceVenue
from ordergate.simulator.binance.session import Session
from ordergate.simulator.binance.sockets import API_PATHS, Channel, admit, open_channel
from ordergate.simulator.clock import VenueClock as SimulatorClock
from ordergate.simulator.config import AccountConfig, BinanceLimitsConfig, KeyConfig, SimulatorConfig
from ordergate.simulator.dialects import build_venue
from ordergate.simulator.faults import FaultPlan, Faults
from ordergate.simulator.oracle import VenueBooks, read_books
from ordergate.simulator.served import Request, Response
from ordergate.simulator.sight import Sight
from ordergate.trading.ids import AccountName, ClientOrderId, Symbol, VenueOrderId
from ordergate.trading.order import OrderRequest
from ordergate.venues.registry import OpenReading, open_market, open_reading, open_stream, open_trading, stream_url
from tests.simulation.loop import EPOCH_MS, Node, Scheduler
from tests.simulation.pipes import FarEnd
from tests.simulation.plan import PROVES_NOTHING
from tests.simulation.venue import Arrival, Note, VenueFaults
from tests.simulation.wires import Wire, names_in, orders_named

TICK_SECONDS = 0.35
"""So often the crowd and the market streams are looked after, whoever asks or does not."""
LATE_SHARE = 0.3
LIMIT = 1_000_000
PORT_MIN = 20_000
NEVER_EXECUTED = {"binance-spot": "-1008", "binance-futures": "-1016"}
OK = 200
BROKEN_SHARE, BROKEN_WITHIN_MS = 0.5, 4_000
"""So many connections of the WebSocket API break, each so soon, where orders go over them."""
_CANCELING = frozenset({"order.cancel", "order.cancelReplace"})
_PLACING = frozenset(
    {"order.place", "order.cancelReplace", *(f"orderList.place.{kind}" for kind in ("oco", "oto", "otoco"))}
)
_REPLACE = "/api/v3/order/cancelReplace"
_LISTS = frozenset({f"/api/v3/orderList/{kind}" for kind in ("oco", "oto", "otoco")})
_ORDERS = frozenset({"/api/v3/order", _REPLACE, "/fapi/v1/order", "/fapi/v1/algoOrder"}) | _LISTS
_PACE = StreamPace(renew_seconds=20.0, renew_spread_seconds=12.0, look_seconds=2.0, stable_seconds=3.0)
_RHYTHM = Rhythm(clock_samples=1, warm_count=1, warm_seconds=45.0)


def binance_limits() -> BinanceLimitsConfig:
    """Out of reach: rate limits have a suite of their own, and 429s come by chance here."""
    return BinanceLimitsConfig(
        weight_1m=LIMIT, raw_requests_5m=LIMIT, orders_10s=LIMIT, orders_1m=LIMIT, orders_1d=LIMIT
    )


def binance_account(name: AccountName) -> AccountConfig:
    """With the two keys that its services sign with."""
    return AccountConfig(
        account=name,
        keys=(
            KeyConfig(key=f"{name}Trading", secret=f"{name}-trading-secret"),
            KeyConfig(key=f"{name}Reading", secret=f"{name}-reading-secret", permissions=("READ_ONLY",)),
        ),
    )


class SimulatedBinance:
    """All of the venue. Root callbacks of the scheduler move it; nodes reach it through their wires only."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        config: SimulatorConfig,
        declaration: Declaration,
        faults: VenueFaults,
        stream_faults: FaultPlan,
        offset_ms: int,
        note: Note,
        entry: OrderEntry = OrderEntry.REST,
    ) -> None:
        front = build_venue(config)
        if not isinstance(front, BinanceVenue):
            raise TypeError(config.dialect)
        self.scheduler = scheduler
        self.declaration = declaration
        self.faults = faults
        self.arrivals: list[Arrival] = []
        self.note = note
        self.draw = scheduler.draws("venue")
        self.on_the_way = 0  # requests that change something and have not arrived yet
        self.bugs: list[Exception] = []
        self._breaks_sockets = entry is OrderEntry.SOCKET
        self._front = front
        self._seed = config.seed
        self._lag = VenueFaults(stale_ms_max=faults.stale_ms_max, trade_late_ms_max=faults.trade_late_ms_max)
        self._clock = SimulatorClock(lambda: EPOCH_MS + int(scheduler.now * 1000.0 + 1e-6), offset_ms=offset_ms)
        self._stream_faults = Faults()
        self._stream_faults.replace(stream_faults)
        scheduler.at(TICK_SECONDS, self._tick)

    def set_clock(self, by_ms: int) -> None:
        self._clock.offset_ms += by_ms
        self.note("venue", f"its clock is set by {by_ms} ms")

    def calm(self) -> None:
        """Faults end. A venue's reads still lag: that is how it is, not a fault."""
        self.faults = self._lag
        self._breaks_sockets = False
        self._stream_faults.replace(FaultPlan())

    def move(self, symbol: str, share: Decimal) -> None:
        """The market goes there: its price changes by that share."""
        market = self._front.dialect.engine.markets[symbol]
        price = Decimal(market.symbol.price_text(market.mark)) * (1 + share)
        said = self._front.set_price(symbol, price, self._clock.now_ms())
        self.note("venue", f"{symbol} moves to {said}")

    def executed(self) -> VenueBooks:
        """What it executed, for the oracle."""
        self._front.advance(self._clock.now_ms())
        return read_books(self._front.ledger(None))

    # What the wires end in.

    def answer(self, request: Request, *, sender: str, sent_at: float, knowing: bool) -> Response:
        now_ms = self._clock.now_ms()
        self._front.advance(now_ms)
        if request.method == "DELETE" or request.path == _REPLACE:
            self._squeeze(request, now_ms)
        response = self._front.handle(request, now_ms, self._sight() if request.method == "GET" else None)
        if request.method != "GET":
            self.note("venue", f"{request.method} {request.path} arrives: {response.status} {response.body[:160]!r}")
        if request.method == "POST" and request.path in _ORDERS:
            self._keep_arrival(request, response, sender=sender, sent_at=sent_at, knowing=knowing)
        return response

    def proves_nothing(self) -> Response:
        return self._front.failed(self.draw.choice((500, 503)), self.draw.choice(PROVES_NOTHING))

    def not_executed(self) -> Response:
        return self._front.failed(503, NEVER_EXECUTED[self.declaration.venue])

    def throttled(self) -> Response:
        return self._front.refuse_by_limit(1 + int(self.draw.random() * 2), banned=self.draw.random() < 0.2)

    def refuse_connection(self, request: Request) -> Response | None:
        if self._breaks_sockets and self.draw.random() < self.faults.throttled:
            return self.throttled()
        return admit(self._front, request, self._clock.now_ms())

    def open_channel(self, line: FarEnd, request: Request) -> Channel:
        if request.path not in API_PATHS:
            return open_channel(
                self._front,
                line,
                request,
                faults=self._stream_faults,
                clock=self._clock,
                note=self._note_frame,
                report=self.bugs.append,
            )
        session = WatchedSession(
            self._front,
            line,
            faults=self._stream_faults,
            clock=self._clock,
            address=request.address,
            shows_limits=True,
            note=self._note_frame,
            report=self.bugs.append,
        )
        session.before, session.carried = self._before, partial(self._keep_frame, line)
        if self._breaks_sockets and self.draw.random() < BROKEN_SHARE:
            line.later(int(self.draw.random() * BROKEN_WITHIN_MS), partial(self._break, line, session))
        return session

    def _break(self, line: FarEnd, session: Session) -> None:
        """Cut, ended, deaf and mute with and without pings, or ended with notice."""
        if not self._breaks_sockets:
            return
        match self.draw.randrange(5):
            case 0:
                line.cut()
            case 1:
                line.close(GOING_AWAY)
            case 2 | 3 as silence:
                line.mute(pings=silence == 2)
            case _:
                session.shut_down()
                line.later(int(self.draw.random() * 2_000), partial(line.close, GOING_AWAY))
        self.note("venue", "a connection of the WebSocket API breaks")

    def _note_frame(self, call: str, _name: str | None, status: int) -> None:
        self.note("venue", f"{call} arrives: {status}")

    def _before(self, frame: Frame) -> None:
        now_ms = self._clock.now_ms()
        self._front.advance(now_ms)
        if frame.method in _CANCELING:
            named = self._front.named_by(f"WS {frame.method}", frame.parameters)
            self._squeeze_order(named.order_id or int(frame.parameters.get("cancelOrderId", 0)), now_ms)

    def _keep_frame(self, line: FarEnd, frame: Frame, response: Response) -> None:
        sent, said = line.sent(frame.id.decode().strip('"')), frame.parameters
        if frame.method not in _PLACING or sent is None:
            return
        self.arrivals.extend(
            Arrival(
                account=AccountName(said.get("apiKey", "").removesuffix("Trading")),
                client_order_id=ClientOrderId(name),
                timestamp_ms=int(said["timestamp"]),
                sender=line.sender,
                knowing=sent.knowing,
                sent_at=sent.at,
                arrived_at=self.scheduler.now,
                executed=response.status == OK,
            )
            for name in names_in(said)
        )

    def _tick(self) -> None:
        self._front.advance(self._clock.now_ms())
        self.scheduler.at(TICK_SECONDS, self._tick)

    def _squeeze(self, request: Request, now_ms: int) -> None:
        """The market takes an order just before its cancel arrives."""
        self._squeeze_order(self._front.named(request).order_id or _replaced(request.query), now_ms)

    def _squeeze_order(self, order_id: int | None, now_ms: int) -> None:
        if not self.faults.squeezed or self.draw.random() >= self.faults.squeezed:
            return
        if order_id and self._front.fill(order_id, now_ms):
            self.note("venue", f"order {order_id} is filled before its cancel")

    def _sight(self) -> Sight | None:
        stale, late = self.faults.stale_ms_max, self.faults.trade_late_ms_max
        if not stale and not late:
            return None
        stale_ms = int(self.draw.random() * stale) if self.draw.random() < 0.5 else 0
        return Sight(seed=self._seed, stale_ms=stale_ms, late_ms=late, late_share=LATE_SHARE)

    def _keep_arrival(
        self, request: Request, response: Response, *, sender: str, sent_at: float, knowing: bool
    ) -> None:
        said = self._front.named(request)
        names = orders_named(request.query) or (said.client_order_id or "",)
        signed = dict(part.partition("=")[::2] for part in request.query.split("&"))
        caller = request.headers.get("x-mbx-apikey", "")
        self.arrivals.extend(
            Arrival(
                account=AccountName(caller.removesuffix("Trading")),
                client_order_id=ClientOrderId(name),
                timestamp_ms=int(signed["timestamp"]),
                sender=sender,
                knowing=knowing,
                sent_at=sent_at,
                arrived_at=self.scheduler.now,
                executed=response.status == 200,
            )
            for name in names
        )


class WatchedSession(Session):
    """One that tells what it is about to carry out, and what came of it."""

    before: Callable[[Frame], None]
    carried: Callable[[Frame, Response], None]

    def _answer(self, frame: Frame, received_ms: int, sight: Sight | None) -> Response:
        self.before(frame)
        response = super()._answer(frame, received_ms, sight)
        self.carried(frame, response)
        return response


class Network:
    """tests.simulation.loop.Network of one node: its wires by port."""

    def __init__(self) -> None:
        self.wires: dict[int, Wire] = {}

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, *, ssl: Any = None) -> Any:  # noqa: ARG002 - a loop's
        return await self.wires[port].create_connection(factory, ssl=ssl)

    async def open_pipe(self, port: int, target: str, **parts: Any) -> Any:
        return await self.wires[port].open_pipe(target, **parts)


class SlowLimiter(Limiter):
    """An order waits for its turn as if others were before it."""

    def __init__(self, *parts: Any, clock: Clock, wait_seconds: Callable[[], float], **more: Any) -> None:
        super().__init__(*parts, clock=clock, **more)
        self._its_clock = clock
        self._wait_seconds = wait_seconds

    async def take(self, weights: Weights, priority: Priority, *, deadline_seconds: float) -> Granted | Denied:
        if priority is not Priority.PLACE:
            return await super().take(weights, priority, deadline_seconds=deadline_seconds)
        waits = min(self._wait_seconds(), deadline_seconds)
        await self._its_clock.sleep(waits)
        if waits == deadline_seconds:
            return Denied(reason="budget_deadline", waited_ms=int(waits * 1000))
        return await super().take(weights, priority, deadline_seconds=deadline_seconds - waits)


class Noticed:
    """A trading client of which the world knows which orders it was asked to place."""

    def __init__(self, trading: Trading, asked: dict[str, OrderRequest]) -> None:
        self.declaration = trading.declaration
        self._trading = trading
        self._asked = asked

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        self._asked[request.key.client_order_id] = request
        return await self._trading.place(request, write_ahead=write_ahead, deadline_seconds=deadline_seconds)

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        return await self._trading.cancel(symbol, venue_order_id=venue_order_id)

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        return await self._trading.cancel_all(symbol)


class NoticedReplaces(Noticed):
    """Of a venue that replaces in one request."""

    def __init__(self, trading: Trading, replacing: Replaces, asked: dict[str, OrderRequest]) -> None:
        super().__init__(trading, asked)
        self._replacing = replacing

    async def replace(
        self, request: OrderRequest, *, canceled: VenueOrderId, write_ahead: WriteAhead, deadline_seconds: float
    ) -> Replacement:
        self._asked[request.key.client_order_id] = request
        return await self._replacing.replace(
            request, canceled=canceled, write_ahead=write_ahead, deadline_seconds=deadline_seconds
        )


class NoticedLists(NoticedReplaces):
    """Of a venue that takes lists too."""

    def __init__(
        self, trading: Trading, replacing: Replaces, listing: PlacesLists, asked: dict[str, OrderRequest]
    ) -> None:
        super().__init__(trading, replacing, asked)
        self._listing = listing

    async def place_legs(
        self, legs: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        self._asked.update({leg.key.client_order_id: leg for leg in legs})
        return await self._listing.place_legs(legs, write_ahead=write_ahead, deadline_seconds=deadline_seconds)


def noticed(trading: Trading, asked: dict[str, OrderRequest]) -> Trading:
    if isinstance(trading, Replaces) and isinstance(trading, PlacesLists):
        return NoticedLists(trading, trading, trading, asked)
    return NoticedReplaces(trading, trading, asked) if isinstance(trading, Replaces) else Noticed(trading, asked)


def _replaced(query: str) -> int | None:
    """The order that a cancelReplace ends."""
    named = dict(part.partition("=")[::2] for part in query.split("&")).get("cancelOrderId")
    return None if named is None else int(named)


def _knows_nothing(_name: str) -> bool:
    return False


class Around(Protocol):
    """Of a process, what its clients need."""

    node: Node
    lines: list[Any]


@dataclass(slots=True, kw_only=True)
class RealClients:
    """tests.simulation.process.Clients over wires."""

    venue: SimulatedBinance
    request_seconds: float
    budget_seconds: Callable[[], float]
    entry: OrderEntry = OrderEntry.REST
    _ports: int = field(default=PORT_MIN, init=False)

    async def trading(
        self, process: Around, account: AccountName, *, is_killed: Callable[[OrderRequest], bool]
    ) -> Trading:
        asked: dict[str, OrderRequest] = {}
        clock = process.node.clock

        def share(terms: BudgetTerms, venue_clock: VenueClock) -> Limiter:
            return SlowLimiter(
                divided(terms.limits, shares=terms.shares),
                clock=clock,
                now_ms=lambda: venue_clock.now_ms() if venue_clock.is_known else clock.now_ms(),
                wait_seconds=self.budget_seconds,
            )

        opening = self._opening(
            process, account, "Trading", knowing=lambda name: name in asked and is_killed(asked[name])
        )
        client = open_trading(self.venue.declaration.venue, replace(opening, budget=share, order_entry=self.entry))
        await client.start()
        return noticed(client, asked)

    async def reading(self, process: Around, account: AccountName) -> OpenReading:
        reading = open_reading(self.venue.declaration.venue, self._opening(process, account, "Reading"))
        await reading.start()
        return reading

    async def market(self, process: Around) -> Market:
        market = open_market(self.venue.declaration.venue, self._opening(process, None, ""))
        await market.start()
        return market

    def stream(self, process: Around, reading: Reading, *, trades: bool, orders: bool) -> PrivateStream | None:
        """Over the wire of the reading client."""
        venue, client = self.venue.declaration.venue, cast("OpenReading", reading)
        url = stream_url(venue, _url(client.session.engine.origin.port))
        if url is None:
            return None
        opening = StreamOpening(
            origin=parse_origin(url, plain="ws", encrypted="wss"),
            clock=process.node.clock,
            draw=self._draws(process).random,
            pace=_PACE,
        )
        return open_stream(venue, client, opening, trades=trades, orders=orders)

    def _opening(
        self,
        process: Around,
        account: AccountName | None,
        kind: str,
        *,
        knowing: Callable[[str], bool] = _knows_nothing,
    ) -> Opening:
        self._ports += 1
        wire = Wire(self.venue, process.node, knowing=knowing)
        process.lines.append(wire)
        network = process.node.network
        if not isinstance(network, Network):
            network = process.node.network = Network()
        network.wires[self._ports] = wire
        name = f"{account}{kind}"
        return Opening(
            url=_url(self._ports),
            clock=process.node.clock,
            record=_unrecorded,
            draw=self._draws(process).random,
            key=None if account is None else make_key(public=name, secret=f"{account}-{kind.lower()}-secret"),
            limits=dict.fromkeys(Scope, LIMIT),
            patience=Patience(request_seconds=self.request_seconds),
            rhythm=_RHYTHM,
        )

    def _draws(self, process: Around) -> Random:
        return process.node.scheduler.draws(f"{process.node.name} {self._ports}")


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _unrecorded(_record: RequestRecord) -> None:
    """What was asked stands in the history already."""
