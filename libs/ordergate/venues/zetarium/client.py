"""The three clients of ZetariumDex: what may trade, what may only read, and what needs no key."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar
from urllib.parse import quote

import orjson

from ordergate.access.opening import Opening, open_session
from ordergate.access.session import Answered, Call, Session, VenueManners
from ordergate.access.signing import sign_sorted_query
from ordergate.access.upkeep import Upkeep
from ordergate.ports.venue import (
    Balance,
    Declaration,
    Executed,
    IdScope,
    NotExecuted,
    NotSent,
    Outcome,
    Priority,
    Unknown,
    VenuePosition,
    VenuePrice,
    VenueTrade,
    WriteAhead,
)
from ordergate.trading.errors import Misuse, Unreadable, VenueUnavailable
from ordergate.trading.ids import ClientOrderId, Symbol, TradeId, VenueOrderId, derive_error_id
from ordergate.trading.instrument import Instrument
from ordergate.trading.order import OrderRequest, State, VenueView
from ordergate.venues.client import VenueClient
from ordergate.venues.zetarium import limits, models, parse
from ordergate.venues.zetarium.declaration import DECLARATION
from ordergate.venues.zetarium.errors import Purpose, classify, classify_leg

BATCH_LEGS_MAX = 10
ORDERS_PAGE = 500
ORDERS_PAGES_MAX = 40
TRADES_PAGE_MAX = 1_000
CANCEL_WAIT_SECONDS = 5.0
"""How long a cancel waits for budget. It has a reserve of its own, so this only shows while the venue has frozen us."""

_NUMBER = re.compile(r"[0-9]{1,30}")


@dataclass(slots=True, kw_only=True)
class _Client(VenueClient):
    """A session with ZetariumDex."""

    declaration: Declaration = DECLARATION
    proof_of_key: ClassVar[Call] = Call(
        method="GET",
        path="/v2/positions",
        purpose=Purpose.READ,
        priority=Priority.RECONCILE,
        weights=limits.READ,
        parameters=(("status", "OPEN"),),
    )


class ZetariumTrading(_Client):
    """Calls that change something. Each is sent at most once; ports.venue.Trading, and batch and close."""

    __slots__ = ()

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        """`POST /v2/orders`. An idempotent repeat is an answer about the same order: it counts if every term agrees."""
        if (refusal := _refuse(request)) is not None:
            return refusal
        call = Call(
            method="POST",
            path="/v2/orders",
            purpose=Purpose.PLACE,
            priority=Priority.PLACE,
            weights=limits.PLACE,
            body=parse.order_body(request),
            client_order_id=request.key.client_order_id,
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        return _judge_order(result.document, request) if isinstance(result, Answered) else result

    async def place_batch(
        self, requests: Sequence[OrderRequest], *, write_ahead: WriteAhead, deadline_seconds: float
    ) -> tuple[Outcome, ...]:
        """`POST /v2/orders/batch`: one request, an outcome for each leg in order. write_ahead speaks for all legs.

        Raises Misuse unless there are 1 to BATCH_LEGS_MAX orders with different ids that this exchange can take.
        """
        ids = {request.key.client_order_id for request in requests}
        if not 1 <= len(requests) <= BATCH_LEGS_MAX or len(ids) != len(requests):
            raise Misuse(f"a batch has 1 to {BATCH_LEGS_MAX} orders with different ids")
        if any(_refuse(request) is not None for request in requests):
            raise Misuse("a batch may only hold orders that the exchange can take")
        call = Call(
            method="POST",
            path="/v2/orders/batch",
            purpose=Purpose.BATCH,
            priority=Priority.PLACE,
            weights=limits.BATCH,
            body=parse.batch_body(requests),
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return tuple(result for _ in requests)
        return _judge_batch(result.document, requests)

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        """`DELETE /v2/orders/:id`. too_late: the order had ended already, its view says how."""
        call = Call(
            method="DELETE",
            path=f"/v2/orders/{quote(venue_order_id, safe='')}",
            purpose=Purpose.CANCEL,
            priority=Priority.CANCEL,
            weights=limits.CANCEL,
        )
        result = await self.session.change(call, deadline_seconds=CANCEL_WAIT_SECONDS)
        if isinstance(result, NotExecuted) and result.view is not None:
            same = result.view.venue_order_id == venue_order_id
            return result if same else _unreadable("cancel", venue_order_id)
        if not isinstance(result, Answered):
            return result
        shown = parse.shown_order(result.document)
        if shown is None or shown.venue_order_id != venue_order_id or shown.symbol != symbol:
            return _unreadable("cancel", venue_order_id)
        return Executed(view=shown)

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        """`DELETE /v2/orders`. Its answer lists what was canceled; what is open afterwards only a read can say."""
        call = Call(
            method="DELETE",
            path="/v2/orders",
            purpose=Purpose.CANCEL_ALL,
            priority=Priority.CANCEL,
            weights=limits.CANCEL,
            parameters=() if symbol is None else (("symbol", symbol),),
        )
        result = await self.session.change(call, deadline_seconds=CANCEL_WAIT_SECONDS)
        return Executed(view=None) if isinstance(result, Answered) else result

    async def close_position(
        self, position_id: str, *, write_ahead: WriteAhead | None, deadline_seconds: float
    ) -> Outcome:
        """`POST /v2/positions/close`. The order that closes it has an id of the venue's making; its view is in the answer."""
        call = Call(
            method="POST",
            path="/v2/positions/close",
            purpose=Purpose.CLOSE,
            priority=Priority.PLACE,
            weights=limits.CLOSE,
            body=orjson.dumps({"positionId": position_id}),
        )
        result = await self.session.change(call, deadline_seconds=deadline_seconds, write_ahead=write_ahead)
        if not isinstance(result, Answered):
            return result
        shown = parse.shown_order(result.document)
        return _unreadable("close", position_id) if shown is None else Executed(view=shown)


class _TimeReader(_Client):
    __slots__ = ()

    async def venue_time_ms(self) -> int:
        """`GET /v2/platform/status`: not earlier than the exchange's clock showed when this was called."""
        return await read_time(self.session)


class ZetariumReading(_TimeReader):
    """Signed reads, repeated while that may help; ports.venue.Reading."""

    __slots__ = ()

    async def lookup(
        self,
        symbol: Symbol,  # noqa: ARG002 - ids are the account's, whatever the symbol; who asked judges the terms
        client_order_id: ClientOrderId,
        *,
        priority: Priority = Priority.RESOLVE,
    ) -> VenueView | None:
        """`GET /v2/orders?clientOrderId=`. An answer with any other order in it is none: a filter that was ignored would make a false "not found".

        Where ids are kept for ever a second order of the id is an answer that cannot be; elsewhere the list is oldest first.
        """
        call = _get("/v2/orders", priority, (("clientOrderId", client_order_id),), client_order_id=client_order_id)
        found = await self.read(call, parse.orders_answer)
        alone = self.declaration.id_scope is IdScope.FOREVER
        if any(each.client_order_id != client_order_id for each in found) or (alone and len(found) > 1):
            raise VenueUnavailable("GET /v2/orders: the answer is about other orders than asked for")
        return max(found, key=lambda view: int(view.venue_order_id)) if found else None

    async def order(
        self,
        symbol: Symbol,  # noqa: ARG002 - as in lookup
        venue_order_id: VenueOrderId,
    ) -> VenueView | None:
        """`GET /v2/orders/:id`. None: the venue says that it has no such order."""
        call = _get(f"/v2/orders/{quote(venue_order_id, safe='')}", Priority.RESOLVE)
        document = await self.session.find(call)
        if document is None:
            return None
        shown = parse.shown_order(document)
        if shown is None or shown.venue_order_id != venue_order_id:
            raise VenueUnavailable(f"GET {call.path}: the answer is not about this order")
        return shown

    async def open_orders(self, symbol: Symbol | None = None) -> Sequence[VenueView]:
        """`GET /v2/orders?status=OPEN`, all pages. The list holds conditional orders too. Raises VenueUnavailable rather than leave one out."""
        scope = () if symbol is None else (("symbol", symbol),)
        found: list[VenueView] = []
        for _ in range(ORDERS_PAGES_MAX):
            after = (("afterId", found[-1].venue_order_id),) if found else ()
            query = (("limit", str(ORDERS_PAGE)), ("status", "OPEN"), *scope, *after)
            page = await self.read(_get("/v2/orders", Priority.POLL, query), parse.orders_answer)
            _check_order(page, after=found[-1].venue_order_id if found else None)
            _check_open(page)
            found += page
            if len(page) < ORDERS_PAGE:
                return found
        raise VenueUnavailable(f"GET /v2/orders: more than {ORDERS_PAGE * ORDERS_PAGES_MAX} open orders")

    async def orders_after(self, after: VenueOrderId | None) -> Sequence[VenueView]:
        """`GET /v2/orders?afterId=`, whatever became of them. Raises VenueUnavailable for a page that cannot be the next."""
        query = (("limit", str(ORDERS_PAGE)), ("afterId", after or "0"))
        page = await self.read(_get("/v2/orders", Priority.POLL, query), parse.orders_answer)
        _check_order(page, after=after)
        return page

    async def trades(self, symbol: Symbol, *, from_id: TradeId | None, limit: int) -> Sequence[VenueTrade]:
        """`GET /v2/futures/myTrades`: taker trades only. Raises Misuse for a limit outside 1..1000."""
        if not 1 <= limit <= TRADES_PAGE_MAX:
            raise Misuse(f"limit must be 1..{TRADES_PAGE_MAX}")
        if from_id is not None and _NUMBER.fullmatch(from_id) is None:
            from_id = (
                None  # no id of this exchange, so a damaged cursor: from the oldest on, which stores nothing twice
            )
        query = (("fromId", from_id or "0"), ("limit", str(limit)), ("symbol", symbol))
        call = _get("/v2/futures/myTrades", Priority.RECONCILE, query)
        return await self.read(call, lambda document: parse.trades_answer(document, symbol=symbol, from_id=from_id))

    async def positions(self) -> Sequence[VenuePosition]:
        """`GET /v2/positions?status=OPEN`."""
        call = _get("/v2/positions", Priority.RECONCILE, (("status", "OPEN"),))
        return await self.read(call, parse.positions_answer)

    async def balances(self) -> Sequence[Balance]:
        """`GET /v2/futures/balance`."""
        return await self.read(_get("/v2/futures/balance", Priority.RECONCILE), parse.balances_answer)


class ZetariumMarket(_TimeReader):
    """Public facts; ports.venue.Market."""

    __slots__ = ()

    async def instruments(self) -> Sequence[Instrument]:
        """`GET /v2/symbols`."""
        return await self.read(_public("/v2/symbols"), parse.instruments_answer)

    async def prices(self) -> Sequence[VenuePrice]:
        """`GET /v2/tickers`: the mark prices, which the exchange's price band refers to."""
        return await self.read(_public("/v2/tickers"), parse.prices_answer)


def open_trading(opening: Opening) -> ZetariumTrading:
    session, upkeep = _open(opening, rest_ms=TRADING_KEY_REST_MS, replay_memory_ms=REPLAY_MEMORY_MS)
    return ZetariumTrading(session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION))


def open_reading(opening: Opening) -> ZetariumReading:
    # A read that is refused as a replay is simply asked again: no rest, no memory needed.
    session, upkeep = _open(opening, rest_ms=0, replay_memory_ms=0)
    return ZetariumReading(session=session, upkeep=upkeep, declaration=opening.deviation.of(DECLARATION))


def open_market(opening: Opening) -> ZetariumMarket:
    session, upkeep = _open(replace(opening, key=None, keychain=None), rest_ms=0, replay_memory_ms=0)
    return ZetariumMarket(session=session, upkeep=upkeep)


TRADING_KEY_REST_MS = 500
"""As far as a predecessor's timestamps may have been ahead of the clock."""
REPLAY_MEMORY_MS = 65_000
"""A signature is remembered for 60 s; the rest is for the window."""

MANNERS = VenueManners(
    key_header="X-API-KEY",
    sign=sign_sorted_query,
    classify=classify,
    read_usage=limits.read_usage,
    window_ms=DECLARATION.window_ms,
    send_margin_ms=DECLARATION.send_margin_ms,
)


def _open(opening: Opening, *, rest_ms: int, replay_memory_ms: int) -> tuple[Session, Upkeep]:
    return open_session(
        opening,
        manners=MANNERS,
        limits=limits.LIMITS,
        shares=limits.shares(requests=opening.request_share),
        order_weights=limits.PLACE,
        ask=read_time,
        rest_ms=rest_ms,
        replay_memory_ms=replay_memory_ms,
    )


async def read_time(session: Session) -> int:
    document = await session.read(_public("/v2/platform/status"))
    try:
        return parse.check(models.StatusAnswer, document).serverTime
    except Unreadable as error:
        raise VenueUnavailable(f"GET /v2/platform/status: {error}") from error


def _refuse(request: OrderRequest) -> NotSent | None:
    if request.validate_only:
        return NotSent(reason="validate_only", retriable=False)
    if (term := parse.unsupported(request.terms)) is not None:
        return NotSent(reason=f"unsupported_{term}", retriable=False)
    return None


def _judge_order(document: object, request: OrderRequest) -> Executed | Unknown:
    shown = parse.shown_order(document)
    if shown is None:
        return _unreadable("order", request.key.client_order_id)
    if (field := parse.difference(request, shown)) is not None:
        return _unreadable("order", request.key.client_order_id, reason=f"answer_differs_{field}")
    return Executed(view=shown)


def _judge_batch(document: object, requests: Sequence[OrderRequest]) -> tuple[Outcome, ...]:
    try:
        legs = parse.check(models.BatchAnswer, document).results
    except Unreadable:
        legs = []
    if len(legs) != len(requests):
        return tuple(_unreadable("batch", request.key.client_order_id) for request in requests)
    return tuple(_judge_leg(leg, request) for leg, request in zip(legs, requests, strict=True))


def _judge_leg(leg: dict[str, object], request: OrderRequest) -> Executed | NotExecuted | Unknown:
    if leg.get("ok") is True:
        return _judge_order(leg, request)
    return classify_leg(leg, derive_error_id("leg", request.key.account, request.key.client_order_id))


def _unreadable(what: str, name: str, *, reason: str = "unreadable_answer") -> Unknown:
    return Unknown(reason=reason, error_id=derive_error_id("zetarium", reason, what, name))


def _check_order(page: Sequence[VenueView], *, after: VenueOrderId | None) -> None:
    numbers = [int(number) for number in [after or "0", *(each.venue_order_id for each in page)]]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise VenueUnavailable("GET /v2/orders: the pages are not in ascending order")


def _check_open(page: Sequence[VenueView]) -> None:
    if any(each.status not in {State.PENDING, State.ACCEPTED, State.PARTIALLY_FILLED} for each in page):
        raise VenueUnavailable("GET /v2/orders: a list of open orders holds one that is not open")


def _get(
    path: str, priority: Priority, parameters: tuple[tuple[str, str], ...] = (), *, client_order_id: str | None = None
) -> Call:
    return Call(
        method="GET",
        path=path,
        purpose=Purpose.READ,
        priority=priority,
        weights=limits.READ,
        parameters=parameters,
        client_order_id=client_order_id,
    )


def _public(path: str) -> Call:
    return Call(
        method="GET",
        path=path,
        purpose=Purpose.READ,
        priority=Priority.RECONCILE,
        weights=limits.PUBLIC,
        signed=False,
    )
