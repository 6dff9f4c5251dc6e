"""Order lists: OCO, OTO and OTOCO, read from their parameters and placed as one (rest-api.md, "Order lists")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import missing
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.spot.failures import BAD_RELATION, DUPLICATE
from ordergate.simulator.binance.spot.filters import failed
from ordergate.simulator.binance.spot.intake import (
    OrderNames,
    Unreadable,
    read_answered,
    read_name,
    read_order,
    read_type,
)
from ordergate.simulator.binance.spot.orders import (
    ALGOS,
    STOPS,
    Answered,
    NewOrder,
    OrderList,
    OrderType,
    SpotOrder,
    TimeInForce,
)
from ordergate.simulator.orders import Side

if TYPE_CHECKING:
    from ordergate.simulator.binance.operations import Parameters
    from ordergate.simulator.binance.spot.accounts import SpotAccount
    from ordergate.simulator.binance.spot.exchange import SpotExchange
    from ordergate.simulator.binance.spot.market import SpotMarket

_LEG_FIELDS = (
    "ClientOrderId",
    "IcebergQty",
    "Price",
    "StopPrice",
    "TrailingDelta",
    "TimeInForce",
    "StrategyId",
    "StrategyType",
    "PegPriceType",
    "PegOffsetType",
    "PegOffsetValue",
)
_COMMON = ("listClientOrderId", "newOrderRespType", "selfTradePreventionMode")
OCO_REQUIRED = ("symbol", "side", "quantity", "aboveType", "belowType")
OCO_OPTIONAL = (*_COMMON, *(f"above{field}" for field in _LEG_FIELDS), *(f"below{field}" for field in _LEG_FIELDS))
_WORKING = ("workingType", "workingSide", "workingPrice", "workingQuantity")
_WORKING_OPTIONAL = tuple(f"working{field}" for field in _LEG_FIELDS)
OTO_REQUIRED = ("symbol", *_WORKING, "pendingType", "pendingSide", "pendingQuantity")
OTO_OPTIONAL = (*_COMMON, *_WORKING_OPTIONAL, *(f"pending{field}" for field in _LEG_FIELDS))
OTOCO_REQUIRED = ("symbol", *_WORKING, "pendingSide", "pendingQuantity", "pendingAboveType")
OTOCO_OPTIONAL = (
    *_COMMON,
    *_WORKING_OPTIONAL,
    *(f"pendingAbove{field}" for field in _LEG_FIELDS),
    "pendingBelowType",
    *(f"pendingBelow{field}" for field in _LEG_FIELDS),
)
_LEG_TYPES = ALGOS | {OrderType.LIMIT_MAKER}
_WORKING_TYPES = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewList:
    """A well-formed list: the first order of an OTO, if it is one, and the order or pair that follows."""

    client_id: str | None
    working: NewOrder | None
    pending: tuple[NewOrder, ...]
    answered: Answered

    @property
    def orders(self) -> list[NewOrder]:
        """All, as they are numbered."""
        return [*([] if self.working is None else [self.working]), *self.pending]


def read_oco(parameters: Parameters) -> NewList:
    """POST /api/v3/orderList/oco. Raises Unreadable."""
    return NewList(
        client_id=read_name(parameters, "listClientOrderId"),
        working=None,
        pending=_read_pair(parameters, "above", "below", side="side", quantity="quantity"),
        answered=read_answered(parameters, None),
    )


def read_oto(parameters: Parameters) -> NewList:
    """POST /api/v3/orderList/oto. Raises Unreadable."""
    kind = read_type(parameters, "pendingType")
    pending = read_order(parameters, kind=kind, names=OrderNames("pending"), answered=Answered.ACK)
    return NewList(
        client_id=read_name(parameters, "listClientOrderId"),
        working=_read_working(parameters),
        pending=(pending,),
        answered=read_answered(parameters, None),
    )


def read_otoco(parameters: Parameters) -> NewList:
    """POST /api/v3/orderList/otoco. Raises Unreadable."""
    if "pendingBelowType" not in parameters:
        raise Unreadable(missing("pendingBelowType"))
    pair = _read_pair(parameters, "pendingAbove", "pendingBelow", side="pendingSide", quantity="pendingQuantity")
    return NewList(
        client_id=read_name(parameters, "listClientOrderId"),
        working=_read_working(parameters),
        pending=pair,
        answered=read_answered(parameters, None),
    )


def place_list(exchange: SpotExchange, account: SpotAccount, new: NewList, now_ms: int) -> OrderList | Failure:
    """Place all of it or nothing. The first order of an OTO trades at once; what it releases is placed when it is filled."""
    requests = new.orders
    refusal = exchange.refused_before(account, requests, now_ms)
    if refusal is not None:
        return refusal
    floor, market = exchange.floor, exchange.markets[requests[0].symbol]
    limit = market.symbol.number("MAX_NUM_ORDER_LISTS", "maxNumOrderLists")
    open_lists = [each for each in account.lists if each.is_open]
    if limit is not None and sum(each.symbol is market.symbol for each in open_lists) >= limit:
        return failed("MAX_NUM_ORDER_LISTS")
    limit = market.symbol.number("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists")
    if limit is not None and len(open_lists) >= limit:
        return failed("EXCHANGE_MAX_NUM_ORDER_LISTS")
    names = [request.client_order_id for request in requests if request.client_order_id is not None]
    is_known = any(exchange.known(account, name) is not None for name in names) or len(set(names)) < len(names)
    if is_known or any(each.client_id == new.client_id for each in open_lists):
        return DUPLICATE
    orders = [floor.draft(account, request, now_ms) for request in requests]
    working = orders[0] if new.working is not None else None
    refusal = _relation(market, orders) if working is None else None
    for order in orders if working is None else orders[:1]:
        refusal = refusal or floor.impossible(order) or floor.unaffordable(order)
    if refusal is not None:
        return refusal
    return _admit(exchange, account, new, orders, now_ms)


def _admit(
    exchange: SpotExchange, account: SpotAccount, new: NewList, orders: list[SpotOrder], now_ms: int
) -> OrderList:
    floor, is_oco = exchange.floor, new.working is None
    listed = OrderList(
        id=floor.next_list_id(),
        account=account,
        symbol=orders[0].symbol,
        client_id=new.client_id or floor.invent_name(),
        contingency="OCO" if is_oco else "OTO",
        created_ms=now_ms,
        updated_ms=now_ms,
        orders=orders,
        working=None if is_oco else orders[0],
    )
    account.lists.append(listed)
    for order in orders:
        order.order_list = listed
    for order in orders:
        floor.admit(order, now_ms, pending=order is not listed.working and not is_oco)
    floor.reports.listed(listed, now_ms)
    for order in orders if is_oco else orders[:1]:
        if order.is_open:
            floor.start(order, now_ms)
    return listed


def _read_working(parameters: Parameters) -> NewOrder:
    kind = read_type(parameters, "workingType")
    if kind not in _WORKING_TYPES:
        raise Unreadable(Failure(code=-1014, msg="Unsupported order combination."))
    return read_order(parameters, kind=kind, names=OrderNames("working"), answered=Answered.ACK)


def _read_pair(parameters: Parameters, above: str, below: str, *, side: str, quantity: str) -> tuple[NewOrder, ...]:
    """The stop comes first, as the venue numbers them."""
    legs = []
    for prefix in (above, below):
        kind = read_type(parameters, f"{prefix}Type")
        if kind not in _LEG_TYPES:
            raise Unreadable(Failure(code=-1158, msg="Order type not supported in OCO."))
        if f"{prefix}IcebergQty" in parameters and parameters.get(f"{prefix}TimeInForce", "GTC") != TimeInForce.GTC:
            raise Unreadable(_only_gtc(prefix))
        names = OrderNames(prefix, side=side, quantity=quantity)
        legs.append(read_order(parameters, kind=kind, names=names, answered=Answered.ACK))
    _check_places(*legs)
    return tuple(sorted(legs, key=lambda leg: leg.type not in STOPS))


def _check_places(above: NewOrder, below: NewOrder) -> None:
    """Where each type may stand (errors.md -1165 to -1199)."""
    is_buy = above.side is Side.BUY
    stops = [leg.type in STOPS for leg in (above, below)]
    if not any(leg.type in ALGOS for leg in (above, below)):
        raise Unreadable(Failure(code=-1168, msg="At least one OCO order must be contingent."))
    gains = above if is_buy else below  # where a limit or a take-profit must not stand
    if gains.type is OrderType.LIMIT_MAKER:
        raise Unreadable(
            Failure(code=-1165, msg="A limit order in a buy OCO must be below.")
            if is_buy
            else Failure(code=-1166, msg="A limit order in a sell OCO must be above.")
        )
    if gains.type not in STOPS:
        raise Unreadable(
            Failure(code=-1198, msg="A take profit order in a buy OCO must be below.")
            if is_buy
            else Failure(code=-1199, msg="A take profit order in a sell OCO must be above.")
        )
    if all(stops):
        raise Unreadable(
            Failure(code=-1196, msg="A stop loss order in a buy OCO must be above.")
            if is_buy
            else Failure(code=-1197, msg="A stop loss order in a sell OCO must be below.")
        )


def _only_gtc(prefix: str) -> Failure:
    return Failure(
        code=-1160,
        msg=f"Parameter '{prefix}IcebergQty' is not supported if `aboveTimeInForce`/`belowTimeInForce` is not GTC.",
    )


def _relation(market: SpotMarket, orders: list[SpotOrder]) -> Failure | None:
    """Both legs' prices have the last price between them: the gaining one on the good side, the stop on the bad."""
    stop, gain = orders
    sign, last = stop.sign, market.last
    gaining = gain.price if gain.type is OrderType.LIMIT_MAKER else gain.stop_price
    if gaining is not None and (last - gaining) * sign <= 0:
        return BAD_RELATION
    if stop.stop_price is not None and (stop.stop_price - last) * sign <= 0:
        return BAD_RELATION
    return None
