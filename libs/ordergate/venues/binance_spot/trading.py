"""What may trade on Binance Spot: each request is sent at most once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ordergate.access.session import Answered, Call, Verdict
from ordergate.ports.venue import (
    Executed,
    NotExecuted,
    NotSent,
    Outcome,
    Priority,
    Replacement,
    Throttled,
    Unknown,
    WriteAhead,
)
from ordergate.trading.errors import Misuse, Unavailable, Unreadable
from ordergate.trading.ids import ClientOrderId, Symbol, VenueOrderId, derive_error_id
from ordergate.trading.order import OrderRequest, VenueView
from ordergate.venues.binance.errors import document_of
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_spot import limits, models, parse
from ordergate.venues.binance_spot.calls import ORDER_PATH, SpotClient
from ordergate.venues.binance_spot.entry import SocketEntry
from ordergate.venues.binance_spot.errors import Purpose, judge_leg
from ordergate.venues.binance_spot.lists import OrderList, check_list, list_of
from ordergate.venues.binance_spot.parse import Fields

CANCEL_WAIT_SECONDS = 5.0
"""How long a cancel waits for budget. It has a reserve of its own, so this only shows while the exchange has frozen us."""
FULL: Fields = (("newOrderRespType", "FULL"),)
REPLACE_MODE = "STOP_ON_FAILURE"
"""Without it the new order is placed also where the old one was filled: the strategy would have both."""


@dataclass(slots=True, kw_only=True)
class BinanceSpotTrading(SpotClient):
    """Calls that change something. Each is sent at most once; ports.venue.Trading, lists, replacement and amendment. entry: None: all over REST."""

    entry: SocketEntry | None = None

    async def start(self, *, timeout_seconds: float = 5.0) -> bool:
        """As of every client. Where the connection for orders does not come about at once, they go over REST until it does."""
        is_known = await SpotClient.start(self, timeout_seconds=timeout_seconds)
        if self.entry is not None:
            await self.entry.engine.warm(1)
        return is_known

    async def close(self) -> None:
        if self.entry is not None:
            await self.entry.engine.close()
        await SpotClient.close(self)

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        """`POST /api/v3/order` with the FULL answer, whose fills come along as `trades`; the answer counts if every term agrees.

        Of a request that is only to be validated `/api/v3/order/test` is asked, and the outcome is NotSent with what it said.
        """
        if (term := parse.unsupported(request.terms)) is not None:
            return NotSent(reason=f"unsupported_{term}", retriable=False)
        if request.validate_only:
            return await self._validate(request, deadline_seconds)
        call = self._posting(ORDER_PATH, Purpose.PLACE, (*parse.order_parameters(request), *FULL), request)
        result = await self._change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        return _judge_order(result.document, request) if isinstance(result, Answered) else result

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        """`DELETE /api/v3/order` by the exchange's number. Of an order in a list it ends the whole list.

        The exchange says the same of an order that never was and of one that has ended (-2011). So it is read: where it has ended the answer is
        too_late, with the view; where it cannot be read, or is open, the answer stays what it was, and speaks of the cancel alone.
        """
        result = await self._end(ORDER_PATH, Purpose.CANCEL, (("symbol", symbol), ("orderId", venue_order_id)))
        if isinstance(result, NotExecuted) and result.not_found:
            return await self._explain(result, symbol, venue_order_id)
        return _judge_end(result, symbol, venue_order_id)

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        """`DELETE /api/v3/openOrders`, lists included. None: of every symbol that the list of open orders names, since the exchange cancels by symbol.

        That nothing was open is Executed too; what is open afterwards only a read can say.
        """
        try:
            symbols = [symbol] if symbol is not None else await self._open_symbols()
        except Unavailable:
            return _unreadable("cancel_all", "", reason="open_orders_unknown")
        worst: Outcome = Executed(view=None)
        for each in symbols:
            result = await self._end("/api/v3/openOrders", Purpose.CANCEL_ALL, (("symbol", each),))
            was_empty = isinstance(result, NotExecuted) and result.not_found
            if isinstance(result, Answered) or was_empty:
                continue
            if isinstance(result, Throttled):
                return result  # nobody calls before it is over
            worst = result
        return worst

    async def replace(
        self,
        request: OrderRequest,
        *,
        canceled: VenueOrderId,
        write_ahead: WriteAhead,
        deadline_seconds: float,
    ) -> Replacement:
        """`POST /api/v3/order/cancelReplace`, STOP_ON_FAILURE: the new order is not attempted unless the old one was canceled.

        Read leg by leg from the answer's data, never from its status: 409 says that one of the two happened, and not which. A half that was not
        attempted is NotExecuted, by the exchange's word.
        """
        if (term := parse.unsupported(request.terms)) is not None or request.validate_only:
            refusal = NotSent(reason=f"unsupported_{term or 'validate_only'}", retriable=False)
            return Replacement(canceled=refusal, placed=refusal)
        parameters = (
            *parse.order_parameters(request),
            ("cancelReplaceMode", REPLACE_MODE),
            ("cancelOrderId", canceled),
            *FULL,
        )
        call = self._posting("/api/v3/order/cancelReplace", Purpose.REPLACE, parameters, request)
        result = await self._change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return Replacement(canceled=result, placed=result)
        return _judge_replacement(document_of(result.document), request, canceled)

    async def amend(
        self,
        symbol: Symbol,
        *,
        venue_order_id: VenueOrderId,
        client_order_id: ClientOrderId,
        quantity: Decimal,
        deadline_seconds: float,
        write_ahead: WriteAhead | None = None,
    ) -> Outcome:
        """`PUT /api/v3/order/amend/keepPriority`: a smaller quantity for an order that rests, in its place in the queue, at most ten times.

        It keeps its client id, which is sent again so that the exchange does not give it another.
        """
        call = Call(
            method="PUT",
            path="/api/v3/order/amend/keepPriority",
            purpose=Purpose.AMEND,
            priority=Priority.PLACE,
            weights=limits.AMEND,
            parameters=(
                ("symbol", symbol),
                ("orderId", venue_order_id),
                ("newClientOrderId", client_order_id),
                *parse.amounts(newQty=quantity),
            ),
            client_order_id=client_order_id,
        )
        result = await self._change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return result
        shown = _try(parse.amended_order, result.document)
        is_it = shown is not None and (shown.symbol, shown.venue_order_id) == (symbol, venue_order_id)
        return Executed(view=shown) if is_it else _unreadable("amend", venue_order_id)

    async def place_list(
        self, orders: OrderList, *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        """`POST /api/v3/orderList/{oco,oto,otoco}`: one request, an outcome for each leg in order. write_ahead speaks for all legs.

        The exchange takes all legs or none, so a refusal is every leg's. Raises Misuse for a list that it could not take.
        """
        check_list(orders)
        call = Call(
            method="POST",
            path=orders.path,
            purpose=Purpose.LIST,
            priority=Priority.PLACE,
            weights=limits.ordering(len(orders.legs)),
            parameters=(*orders.parameters, *FULL),
            client_order_id=orders.list_client_order_id,
        )
        result = await self._change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return tuple(result for _ in orders.legs)
        return _judge_list(result.document, orders.legs)

    async def place_legs(
        self, legs: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        """As ports.venue.PlacesLists. Of a list that the exchange could not take nothing is sent."""
        try:
            orders = list_of(legs)
            check_list(orders)
        except Misuse:
            return tuple(NotSent(reason="unsupported_list", retriable=False) for _ in legs)
        outcomes = await self.place_list(orders, write_ahead=write_ahead, deadline_seconds=deadline_seconds)
        by_leg = dict(zip((leg.key.client_order_id for leg in orders.legs), outcomes, strict=True))
        return tuple(by_leg[leg.key.client_order_id] for leg in legs)

    async def cancel_list(self, symbol: Symbol, *, list_client_order_id: ClientOrderId) -> Outcome:
        """`DELETE /api/v3/orderList`: every leg that is open."""
        named = (("symbol", symbol), ("listClientOrderId", list_client_order_id))
        result = await self._end("/api/v3/orderList", Purpose.CANCEL_LIST, named)
        if not isinstance(result, Answered):
            return result
        return Executed(view=None) if parse.list_reports(result.document) else _unreadable("list", list_client_order_id)

    async def _change(
        self, call: Call, *, deadline_seconds: float, write_ahead: WriteAhead | None = None
    ) -> Verdict | NotSent:
        session, call = (self.session, call) if self.entry is None else self.entry.way(self.session, call)
        return await session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)

    async def _validate(self, request: OrderRequest, deadline_seconds: float) -> NotSent:
        call = Call(
            method="POST",
            path="/api/v3/order/test",
            purpose=Purpose.TEST,
            priority=Priority.PLACE,
            weights=limits.LIGHT,
            parameters=parse.order_parameters(request),
            client_order_id=request.key.client_order_id,
        )
        match await self._change(call, deadline_seconds=deadline_seconds):
            case Answered():
                return NotSent(reason="validate_only", retriable=False)
            case NotExecuted() as refused:
                return NotSent(reason=f"validate_refused_{refused.reason}", retriable=False)
            case other:
                return NotSent(reason=f"validate_unanswered_{getattr(other, 'reason', 'throttled')}", retriable=False)

    def _posting(self, path: str, purpose: Purpose, parameters: Fields, request: OrderRequest) -> Call:
        return Call(
            method="POST",
            path=path,
            purpose=purpose,
            priority=Priority.PLACE,
            weights=limits.PLACE,
            parameters=parameters,
            client_order_id=request.key.client_order_id,
        )

    async def _end(self, path: str, purpose: Purpose, parameters: Fields) -> Answered | Outcome:
        call = Call(
            method="DELETE",
            path=path,
            purpose=purpose,
            priority=Priority.CANCEL,
            weights=limits.LIGHT,
            parameters=parameters,
        )
        return await self._change(call, deadline_seconds=CANCEL_WAIT_SECONDS)

    async def _explain(self, refused: NotExecuted, symbol: Symbol, order_id: VenueOrderId) -> NotExecuted:
        try:
            shown = await self.one_view(symbol, ("orderId", order_id), Priority.CANCEL)
        except Unavailable:
            return refused
        if shown is None or not shown.status.is_terminal:
            return refused
        return replace(refused, not_found=False, too_late=True, view=shown)

    async def _open_symbols(self) -> list[Symbol]:
        return sorted({each.symbol for each in await self.open_views(None, Priority.CANCEL)})


def _judge_order(document: object, request: OrderRequest) -> Executed | Unknown:
    shown = parse.shown_order(document)
    if shown is None:
        return _unreadable("order", request.key.client_order_id)
    if (field := parse.difference(request, shown)) is not None:
        return _unreadable("order", request.key.client_order_id, reason=f"answer_differs_{field}")
    return Executed(view=shown, trades=parse.placed_trades(document))


def _judge_end(result: Answered | Outcome, symbol: Symbol, order_id: VenueOrderId) -> Outcome:
    if not isinstance(result, Answered):
        return result
    shown = parse.canceled_order(result.document, order_id)
    if shown is None or shown.symbol != symbol:
        return _unreadable("cancel", order_id)
    return Executed(view=shown)


def _judge_list(document: object, legs: Sequence[OrderRequest]) -> tuple[Outcome, ...]:
    shown = {view.client_order_id: view for view in parse.list_reports(document).values()}
    return tuple(_judge_listed(shown.get(leg.key.client_order_id), leg) for leg in legs)


def _judge_listed(shown: VenueView | None, leg: OrderRequest) -> Executed | Unknown:
    if shown is None:
        return _unreadable("leg", leg.key.client_order_id)
    if (field := parse.difference(leg, shown)) is not None:
        return _unreadable("leg", leg.key.client_order_id, reason=f"answer_differs_{field}")
    return Executed(view=shown)


def _judge_replacement(document: dict[str, object], request: OrderRequest, canceled: VenueOrderId) -> Replacement:
    """A success is the document itself, anything else has it in `data`."""
    try:
        answer = check(models.CancelReplaceAnswer, document.get("data", document))
    except Unreadable:
        doubt = _unreadable("replace", request.key.client_order_id)
        return Replacement(canceled=doubt, placed=doubt)
    ended = _judge_half(
        answer.cancelResult,
        answer.cancelResponse,
        Purpose.CANCEL,
        lambda row: _judge_end(Answered(document=row), request.key.symbol, canceled),
        name=canceled,
    )
    placed = _judge_half(
        answer.newOrderResult,
        answer.newOrderResponse,
        Purpose.PLACE,
        lambda row: _judge_order(row, request),
        name=request.key.client_order_id,
    )
    return Replacement(canceled=ended, placed=placed)


def _judge_half(
    result: str,
    response: dict[str, object] | None,
    purpose: Purpose,
    judge: Callable[[dict[str, object]], Outcome],
    *,
    name: str,
) -> Outcome:
    match result:
        case "SUCCESS" if response is not None:
            return judge(response)
        case "FAILURE":
            return judge_leg(purpose, response, derive_error_id("binance-spot", "replace", purpose, name))
        case "NOT_ATTEMPTED":
            message = "the order to be replaced was not canceled, so the new one was not attempted"
            error_id = derive_error_id("binance-spot", "not_attempted", purpose, name)
            return NotExecuted(reason="replaced_order_not_canceled", message=message, error_id=error_id)
        case _:
            return _unreadable("replace", name)


def _try(parse_answer: Callable[[object], VenueView], document: object) -> VenueView | None:
    try:
        return parse_answer(document)
    except Unreadable:
        return None


def _unreadable(what: str, name: str, *, reason: str = "unreadable_answer") -> Unknown:
    return Unknown(reason=reason, error_id=derive_error_id("binance-spot", reason, what, name))
