"""What may only read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ordergate.access.session import Call
from ordergate.ports.venue import AccountTerms, Balance, Priority, SymbolTerms, VenuePosition, VenueTrade
from ordergate.trading.errors import Misuse, VenueUnavailable
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId
from ordergate.trading.order import VenueView
from ordergate.venues.binance.fields import check, check_rows
from ordergate.venues.binance_futures import limits, models, parse
from ordergate.venues.binance_futures.calls import BALANCES, get, seen
from ordergate.venues.binance_futures.children import may_be_child
from ordergate.venues.binance_futures.errors import Purpose
from ordergate.venues.binance_futures.finding import FuturesClient
from ordergate.venues.binance_futures.history import TradeHistory
from ordergate.venues.binance_futures.parse import Fields

TRADES_PAGE_MAX = 1_000
ALGO_PAGE_MAX = 1_000
PARENTS_AGAIN_SECONDS = 5.0
"""How often, at most, a symbol's conditional orders of the last days are read to see what their triggers made."""

_NUMBER = re.compile(r"[0-9]{1,30}")


@dataclass(slots=True, kw_only=True)
class BinanceFuturesReading(FuturesClient):
    """Signed reads, repeated while that may help; ports.venue.Reading, the position mode, and listen keys."""

    _history: TradeHistory = field(init=False)
    _parents_read_at: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._history = TradeHistory(self._trades_page)

    async def lookup(
        self, symbol: Symbol, client_order_id: ClientOrderId, *, priority: Priority = Priority.RESOLVE
    ) -> VenueView | None:
        """Conditional orders first, then ordinary ones: one that is triggered between the two questions is found by the first.

        Where an ended conditional order and an ordinary one bear the same id, the newer.
        """
        algo = await self.algo_row(("clientAlgoId", client_order_id), priority)
        if algo is not None and algo.symbol != symbol:
            algo = None  # the question names no symbol; ids are the account's, so this is another order of the id
        conditional = None if algo is None else await self.with_child(algo, priority)
        if conditional is not None and not conditional.status.is_terminal:
            return conditional
        row = await self.order_row(symbol, ("origClientOrderId", client_order_id), priority)
        if row is None or (algo is not None and row.orderId == algo.actualOrderId):
            return conditional
        self.children.note_plain(row)
        ordinary = seen(lambda: parse.view(row))
        found = [each for each in (conditional, ordinary) if each is not None]
        return max(found, key=lambda view: view.created_at_ms)

    async def order(self, symbol: Symbol, venue_order_id: VenueOrderId) -> VenueView | None:
        """None: the venue says that it has no such order. An order that a trigger made is shown as the conditional order that it belongs to."""
        algo_id = parse.algo_id_of(venue_order_id)
        if algo_id is not None:
            return await self.conditional(symbol, algo_id, Priority.RESOLVE)
        if not parse.is_order_id(venue_order_id):
            return None
        return await self.ordinary(symbol, venue_order_id, Priority.RESOLVE)

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        """`GET /fapi/v1/openAlgoOrders`, then `GET /fapi/v1/openOrders`: an order that is triggered between the two is in one of them at least."""
        algos = await self.open_algo_rows(symbol, Priority.POLL)
        orders = await self.open_order_rows(symbol, Priority.POLL)
        for gone in self.children.listed(algos, symbol=symbol):
            if any(may_be_child(gone, row) for row in self.children.unknown(orders)):
                await self.algo_row(("algoId", gone.algoId), Priority.POLL)  # triggered since the last list, or ended
        await self._read_parents(orders)
        return await self._views(algos, orders)

    async def _views(self, algos: list[models.AlgoRow], orders: list[models.OrderRow]) -> list[VenueView]:
        found: dict[VenueOrderId, VenueView] = {}
        for row in algos:
            if row.algoStatus in parse.OPEN_ALGO and row.actualOrderId is None:
                view = await self.with_child(row, Priority.POLL)
                found[view.venue_order_id] = view
        for order in orders:
            parent = self.children.parent(order.symbol, order.orderId)
            if parent is None and self.children.expects(order):
                continue  # the child of one that stands in the list already
            view = _listed(order, parent)
            found[view.venue_order_id] = view
        return list(found.values())

    async def _read_parents(self, orders: list[models.OrderRow]) -> None:
        """See whether orders that are new in the list were made by a trigger."""
        now = self.session.clock.monotonic()
        unknown = self.children.unknown(orders)
        for symbol in sorted({row.symbol for row in unknown}):
            read_at = self._parents_read_at.get(symbol)
            if read_at is not None and now - read_at < PARENTS_AGAIN_SECONDS:
                continue
            self._parents_read_at[symbol] = now
            query = (("symbol", symbol), ("limit", str(ALGO_PAGE_MAX)))
            call = get("/fapi/v1/allAlgoOrders", Priority.POLL, limits.MEDIUM, query)
            for algo in await self.read(call, lambda answer: check_rows(models.AlgoRow, answer)):
                self.children.note(algo)
            for row in self.children.unknown(row for row in unknown if row.symbol == symbol):
                if not self.children.expects(row):
                    self.children.note_plain(row)

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        """`GET /fapi/v1/userTrades`, all that the venue keeps (three months). Raises Misuse for a limit outside 1..1000."""
        if not 1 <= limit <= TRADES_PAGE_MAX:
            raise Misuse(f"limit must be 1..{TRADES_PAGE_MAX}")
        if from_id is not None and _NUMBER.fullmatch(from_id) is None:
            from_id = (
                None  # no id of this exchange, so a damaged cursor: from the oldest on, which stores nothing twice
            )
        return await self._history.since(symbol, from_id=from_id, limit=limit, now_ms=self.venue_now_ms())

    async def _trades_page(self, symbol: Symbol, parameters: Fields) -> list[VenueTrade]:
        call = get("/fapi/v1/userTrades", Priority.RECONCILE, limits.MEDIUM, (("symbol", symbol), *parameters))
        from_id = dict(parameters).get("fromId")
        since = None if from_id is None else TradeId(from_id)
        return await self.read(call, lambda answer: parse.trades_answer(answer, symbol=symbol, from_id=since))

    async def positions(self) -> Sequence[VenuePosition]:
        """`GET /fapi/v3/positionRisk`."""
        return await self.read(get("/fapi/v3/positionRisk", Priority.RECONCILE, limits.MEDIUM), parse.positions_answer)

    async def balances(self) -> Sequence[Balance]:
        """`GET /fapi/v3/balance`."""
        return await self.read(BALANCES, parse.balances_answer)

    async def is_hedging(self) -> bool:
        """`GET /fapi/v1/positionSide/dual`: whether LONG and SHORT are held beside each other."""
        call = get("/fapi/v1/positionSide/dual", Priority.RECONCILE, limits.POSITION_MODE)
        return await self.read(call, lambda answer: check(models.PositionMode, answer).dualSidePosition)

    async def account_terms(self, symbols: Sequence[Symbol]) -> AccountTerms:
        """Position mode, and `GET /fapi/v1/symbolConfig` of each symbol: leverage and margin type."""
        found: dict[Symbol, SymbolTerms] = {}
        for symbol in symbols:
            call = get("/fapi/v1/symbolConfig", Priority.RECONCILE, limits.MEDIUM, (("symbol", symbol),))
            for row in await self.read(call, lambda answer: check_rows(models.SymbolConfigRow, answer)):
                found[Symbol(row.symbol)] = SymbolTerms(leverage=row.leverage, isolated=row.marginType == "ISOLATED")
        return AccountTerms(hedging=await self.is_hedging(), symbols=found)

    # The private stream's key: shown the API key, not signed.

    async def listen_key(self) -> str:
        """`POST /fapi/v1/listenKey`: the one that lives, its life extended by 60 minutes, or a new one. Secret: it opens the account's stream."""
        return await self.read(_listen_call("POST"), lambda answer: check(models.ListenKeyAnswer, answer).listenKey)

    async def extend_listen_key(self) -> bool:
        """`PUT /fapi/v1/listenKey`: for another 60 minutes. False: there is none any more (-1125), another must be asked for."""
        return await self.session.find(_listen_call("PUT")) is not None

    async def close_listen_key(self) -> None:
        """`DELETE /fapi/v1/listenKey`: ends the stream of everybody who uses this account's key."""
        await self.session.find(_listen_call("DELETE"))


def _listed(row: models.OrderRow, parent: models.AlgoRow | None) -> VenueView:
    """A row of the list of open orders. A status that is new counts as open there: it must not keep the others from being seen."""
    known = row if row.status in parse.STATES else row.model_copy(update={"status": "NEW"})
    view = seen(lambda: parse.view(known) if parent is None else parse.algo_view(parent, known))
    if view.status not in parse.OPEN:
        raise VenueUnavailable("GET /fapi/v1/openOrders: a list of open orders holds one that is not open")
    return view


def _listen_call(method: str) -> Call:
    return Call(
        method=method,
        path="/fapi/v1/listenKey",
        purpose=Purpose.LISTEN,
        priority=Priority.RECONCILE,
        weights=limits.LIGHT,
        signed=False,
        keyed=True,
    )
