"""What may trade: each request is sent at most once."""

from collections.abc import Sequence
from dataclasses import replace

from ordergate.access.session import Answered, Call
from ordergate.ports.venue import Executed, NotExecuted, NotSent, Outcome, Priority, Unknown, WriteAhead
from ordergate.trading.errors import ClockUnknown, Misuse, Unavailable, Unreadable
from ordergate.trading.ids import Symbol, VenueOrderId, derive_error_id
from ordergate.trading.order import OrderRequest, Terms, VenueView
from ordergate.venues.binance.fields import check
from ordergate.venues.binance_futures import limits, models, parse
from ordergate.venues.binance_futures.errors import NOTHING_TO_CHANGE, Purpose, classify_leg
from ordergate.venues.binance_futures.finding import ALGO_PATH, ORDER_PATH, FuturesClient
from ordergate.venues.binance_futures.parse import Fields

BATCH_LEGS_MAX = 5
CANCEL_BATCH_MAX = 10
CANCEL_WAIT_SECONDS = 5.0
"""How long a cancel waits for budget. It has a reserve of its own, so this only shows while the venue has frozen us."""
COUNTDOWN_MS_MAX = 3_600_000


class BinanceFuturesTrading(FuturesClient):
    """Calls that change something. Each is sent at most once; ports.venue.Trading and DeadMansSwitch, batches, modification and settings."""

    __slots__ = ()

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        """`POST /fapi/v1/order`, for conditional types `POST /fapi/v1/algoOrder`. The answer counts if every term agrees."""
        if (refusal := self._refuse(request)) is not None:
            return refusal
        is_conditional = request.terms.type in parse.CONDITIONAL
        call = Call(
            method="POST",
            path=ALGO_PATH if is_conditional else ORDER_PATH,
            purpose=Purpose.PLACE,
            priority=Priority.PLACE,
            weights=limits.PLACE,
            parameters=parse.algo_parameters(request) if is_conditional else parse.order_parameters(request),
            client_order_id=request.key.client_order_id,
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return result
        shown = parse.shown_algo(result.document) if is_conditional else parse.shown_order(result.document)
        return _judge(shown, request)

    async def place_batch(
        self, requests: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        """`POST /fapi/v1/batchOrders`: one request, not atomic, an outcome for each leg in order. write_ahead speaks for all legs.

        Raises Misuse unless there are 1 to BATCH_LEGS_MAX unconditional orders with different ids that this exchange can take.
        """
        ids = {request.key.client_order_id for request in requests}
        if not 1 <= len(requests) <= BATCH_LEGS_MAX or len(ids) != len(requests):
            raise Misuse(f"a batch has 1 to {BATCH_LEGS_MAX} orders with different ids")
        if any(self._refuse(each) is not None or each.terms.type in parse.CONDITIONAL for each in requests):
            raise Misuse("a batch may only hold unconditional orders that the exchange can take")
        call = Call(
            method="POST",
            path="/fapi/v1/batchOrders",
            purpose=Purpose.BATCH,
            priority=Priority.PLACE,
            weights=limits.BATCH,
            parameters=parse.batch_parameters(requests),
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return tuple(result for _ in requests)
        legs = result.document
        if not isinstance(legs, list) or len(legs) != len(requests):
            return tuple(_unreadable("batch", request.key.client_order_id) for request in requests)
        return tuple(_judge_leg(leg, request) for leg, request in zip(legs, requests, strict=True))

    async def modify(
        self,
        symbol: Symbol,
        venue_order_id: VenueOrderId,
        terms: Terms,
        *,
        write_ahead: WriteAhead,
        deadline_seconds: float,
    ) -> Outcome:
        """`PUT /fapi/v1/order`: another quantity and price for a limit order that rests; it goes to the end of the queue.

        The view is the order after it, which may have ended by it. Raises Misuse for an order that is no limit order of its own number.
        """
        if not parse.is_order_id(venue_order_id):
            raise Misuse("a conditional order cannot be modified")
        try:
            parameters = parse.modify_parameters(venue_order_id, terms, symbol)
        except Unreadable as error:
            raise Misuse(str(error)) from None
        call = Call(
            method="PUT",
            path=ORDER_PATH,
            purpose=Purpose.MODIFY,
            priority=Priority.PLACE,
            weights=limits.MODIFY,
            parameters=parameters,
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return result
        shown = parse.shown_order(result.document)
        is_it = shown is not None and (shown.symbol, shown.venue_order_id) == (symbol, venue_order_id)
        return Executed(view=shown) if is_it else _unreadable("modify", venue_order_id)

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        """`DELETE /fapi/v1/order`; of a conditional order `/fapi/v1/algoOrder`, or its child once it was triggered.

        The venue says of an order that has ended that it is unknown: then it is read, and where it has ended the answer is too_late, with the view.
        """
        algo_id = parse.algo_id_of(venue_order_id)
        if algo_id is not None:
            return await self._cancel_conditional(symbol, algo_id)
        result = await self._cancel_ordinary(symbol, venue_order_id)
        if isinstance(result, NotExecuted) and result.not_found:
            return await self._explain(result, symbol, venue_order_id)
        return result

    async def cancel_batch(self, symbol: Symbol, venue_order_ids: Sequence[VenueOrderId]) -> tuple[Outcome, ...]:
        """`DELETE /fapi/v1/batchOrders`: an outcome for each, in order. Raises Misuse unless there are 1 to CANCEL_BATCH_MAX numbers of ordinary orders."""
        if not 1 <= len(venue_order_ids) <= CANCEL_BATCH_MAX or not all(map(parse.is_order_id, venue_order_ids)):
            raise Misuse(f"1 to {CANCEL_BATCH_MAX} ordinary orders are canceled at once")
        listed = f"[{','.join(venue_order_ids)}]"
        result = await self._end("/fapi/v1/batchOrders", Purpose.CANCEL, (("symbol", symbol), ("orderIdList", listed)))
        if not isinstance(result, Answered):
            return tuple(result for _ in venue_order_ids)
        legs = result.document
        if not isinstance(legs, list) or len(legs) != len(venue_order_ids):
            return tuple(_unreadable("cancel_batch", each) for each in venue_order_ids)
        return tuple(
            _judge_canceled(leg, symbol, venue_order_id)
            for leg, venue_order_id in zip(legs, venue_order_ids, strict=True)
        )

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        """Ordinary and conditional orders of a symbol, by `DELETE /fapi/v1/allOpenOrders` and `/fapi/v1/algoOpenOrders`.

        None: of every symbol that the two lists of open orders name, since the venue cancels by symbol only. What is open afterwards only a read can say.
        """
        try:
            symbols = await self._open_symbols() if symbol is None else [symbol]
        except Unavailable:
            return Unknown(reason="open_orders_unknown", error_id=derive_error_id("binance-futures", "cancel_all"))
        worst: Outcome = Executed(view=None)
        for each in symbols:
            for path in ("/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"):
                result = await self._end(path, Purpose.CANCEL_ALL, (("symbol", each),))
                nothing_open = isinstance(result, NotExecuted) and result.not_found
                if not isinstance(result, Answered) and not nothing_open and isinstance(worst, Executed):
                    worst = result
        return worst

    async def cancel_all_after(self, symbol: Symbol, *, countdown_ms: int) -> Outcome:
        """`POST /fapi/v1/countdownCancelAll`: unless this is called again before, the exchange cancels the symbol's open orders. 0: it will not.

        Whether conditional orders are among them is not documented. Raises Misuse for a countdown outside 0..COUNTDOWN_MS_MAX.
        """
        if not 0 <= countdown_ms <= COUNTDOWN_MS_MAX:
            raise Misuse(f"a countdown is 0 to {COUNTDOWN_MS_MAX} ms")
        call = Call(
            method="POST",
            path="/fapi/v1/countdownCancelAll",
            purpose=Purpose.COUNTDOWN,
            priority=Priority.CANCEL,
            weights=limits.HEAVY,
            parameters=(("symbol", symbol), ("countdownTime", str(countdown_ms))),
        )
        result = await self.session.change(call, deadline_seconds=CANCEL_WAIT_SECONDS)
        if not isinstance(result, Answered):
            return result
        try:
            answer = check(models.CountdownAnswer, result.document)
        except Unreadable:
            return _unreadable("countdown", symbol)
        is_it = (answer.symbol, answer.countdownTime) == (symbol, str(countdown_ms))
        return Executed(view=None) if is_it else _unreadable("countdown", symbol)

    # Settings of the account. Who changes them while orders are open is refused by the exchange.

    async def set_leverage(self, symbol: Symbol, leverage: int) -> Outcome:
        """`POST /fapi/v1/leverage`, 1 to 125."""
        return await self._set("/fapi/v1/leverage", (("symbol", symbol), ("leverage", str(leverage))))

    async def set_margin_type(self, symbol: Symbol, *, isolated: bool) -> Outcome:
        """`POST /fapi/v1/marginType`. As it was: executed too."""
        return await self._set(
            "/fapi/v1/marginType", (("symbol", symbol), ("marginType", "ISOLATED" if isolated else "CROSSED"))
        )

    async def set_position_mode(self, *, hedge: bool) -> Outcome:
        """`POST /fapi/v1/positionSide/dual`, of all symbols. As it was: executed too."""
        return await self._set("/fapi/v1/positionSide/dual", (("dualSidePosition", str(hedge).lower()),))

    async def _set(self, path: str, parameters: Fields) -> Outcome:
        call = Call(
            method="POST",
            path=path,
            purpose=Purpose.SETTING,
            priority=Priority.RECONCILE,
            weights=limits.LIGHT,
            parameters=parameters,
        )
        result = await self.session.change(call, deadline_seconds=CANCEL_WAIT_SECONDS)
        as_it_was = isinstance(result, NotExecuted) and result.reason in NOTHING_TO_CHANGE
        if isinstance(result, Answered) or as_it_was:
            return Executed(view=None)
        return result

    async def _end(self, path: str, purpose: Purpose, parameters: Fields) -> Answered | Outcome:
        call = Call(
            method="DELETE",
            path=path,
            purpose=purpose,
            priority=Priority.CANCEL,
            weights=limits.LIGHT,
            parameters=parameters,
        )
        return await self.session.change(call, deadline_seconds=CANCEL_WAIT_SECONDS)

    async def _cancel_ordinary(self, symbol: Symbol, order_id: VenueOrderId) -> Outcome:
        result = await self._end(ORDER_PATH, Purpose.CANCEL, (("symbol", symbol), ("orderId", order_id)))
        return _judge_canceled(result.document, symbol, order_id) if isinstance(result, Answered) else result

    async def _cancel_conditional(self, symbol: Symbol, algo_id: str) -> Outcome:
        name = parse.algo_name(algo_id)
        result = await self._end(ALGO_PATH, Purpose.CANCEL, (("algoId", algo_id),))
        if isinstance(result, Answered):
            # The answer shows no order. What it is now is read; the cancel was taken whatever that says.
            view = await self._look(symbol, name)
            return Executed(view=view if view is not None and view.status.is_terminal else None)
        if not isinstance(result, NotExecuted) or not result.not_found:
            return result
        child = await self._child_of(symbol, algo_id)
        if child is None:
            return await self._explain(result, symbol, name)
        ended = await self._cancel_ordinary(symbol, VenueOrderId(child))
        if isinstance(ended, NotExecuted) and ended.not_found:
            return await self._explain(ended, symbol, name)
        return Executed(view=await self._look(symbol, name)) if isinstance(ended, Executed) else ended

    async def _child_of(self, symbol: Symbol, algo_id: str) -> str | None:
        try:
            row = await self.algo_row(("algoId", algo_id), Priority.CANCEL)
        except Unavailable:
            return None
        return row.actualOrderId if row is not None and row.symbol == symbol else None

    async def _explain(self, result: NotExecuted, symbol: Symbol, name: VenueOrderId) -> NotExecuted:
        """A cancel found no open order: how it ended, if a read says so."""
        view = await self._look(symbol, name)
        if view is None or not view.status.is_terminal:
            return result
        return replace(result, not_found=False, too_late=True, view=view)

    async def _look(self, symbol: Symbol, name: VenueOrderId) -> VenueView | None:
        """None: nothing is known now."""
        algo_id = parse.algo_id_of(name)
        try:
            if algo_id is not None:
                return await self.conditional(symbol, algo_id, Priority.CANCEL)
            return await self.ordinary(symbol, name, Priority.CANCEL)
        except Unavailable:
            return None

    async def _open_symbols(self) -> list[Symbol]:
        """Conditional orders first: one that is triggered between the two lists stands in the second."""
        algos = await self.open_algo_rows(None, Priority.CANCEL)
        orders = await self.open_order_rows(None, Priority.CANCEL)
        return sorted({Symbol(row.symbol) for row in algos} | {Symbol(row.symbol) for row in orders})

    def _refuse(self, request: OrderRequest) -> NotSent | None:
        if request.validate_only:
            return NotSent(reason="validate_only", retriable=False)
        try:
            now_ms = self.venue_now_ms()
        except ClockUnknown:
            now_ms = None  # the session will not sign without it either
        if (term := parse.unsupported(request.terms, now_ms=now_ms)) is not None:
            return NotSent(reason=f"unsupported_{term}", retriable=False)
        return None


def _judge(shown: VenueView | None, request: OrderRequest) -> Executed | Unknown:
    if shown is None:
        return _unreadable("order", request.key.client_order_id)
    if (term := parse.difference(request, shown)) is not None:
        return _unreadable("order", request.key.client_order_id, reason=f"answer_differs_{term}")
    return Executed(view=shown)


def _judge_leg(leg: object, request: OrderRequest) -> Executed | NotExecuted | Unknown:
    if (shown := parse.shown_order(leg)) is not None:
        return _judge(shown, request)
    return classify_leg(Purpose.BATCH, leg, derive_error_id("leg", request.key.account, request.key.client_order_id))


def _judge_canceled(document: object, symbol: Symbol, order_id: VenueOrderId) -> Executed | NotExecuted | Unknown:
    """The answer to a cancel, or a leg of one."""
    shown = parse.shown_order(document)
    if shown is None:
        return classify_leg(Purpose.CANCEL, document, derive_error_id("cancel", symbol, order_id))
    if (shown.symbol, shown.venue_order_id) != (symbol, order_id):
        return _unreadable("cancel", order_id)
    return Executed(view=shown)


def _unreadable(what: str, name: str, *, reason: str = "unreadable_answer") -> Unknown:
    return Unknown(reason=reason, error_id=derive_error_id("binance-futures", reason, what, name))
