"""The table of Spot's calls with their weights (rest-api.md) and the parameters that each reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.operations import Dialect, Operation, Parameters, Security, free
from ordergate.simulator.binance.spot import reading, trading
from ordergate.simulator.binance.spot.exchange import SpotExchange
from ordergate.simulator.binance.spot.intake import ORDER_NAMES
from ordergate.simulator.binance.spot.lists import (
    OCO_OPTIONAL,
    OCO_REQUIRED,
    OTO_OPTIONAL,
    OTO_REQUIRED,
    OTOCO_OPTIONAL,
    OTOCO_REQUIRED,
)

if TYPE_CHECKING:
    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.config import SimulatorConfig

AMEND_WEIGHT = 4
_READ = Security.SIGNED_READ
_TRADE = Security.SIGNED_TRADE
_ORDER = ("symbol", "side", "type")
_REFERENCE = ("orderId", "origClientOrderId")
_TIMES = ("startTime", "endTime", "limit")


def build(config: SimulatorConfig, listeners: Listeners) -> Dialect[SpotExchange]:
    """A Spot venue that nobody has asked anything yet."""
    return Dialect(name="binance-spot", engine=SpotExchange(config, listeners), operations=OPERATIONS)


def _test_weight(parameters: Parameters) -> int:
    return 20 if parameters.get("computeCommissionRates", "").lower() == "true" else 1


def _open_orders_weight(parameters: Parameters) -> int:
    return 6 if "symbol" in parameters else 80


def _trades_weight(parameters: Parameters) -> int:
    return 5 if "orderId" in parameters else 20


def _prevented_weight(parameters: Parameters) -> int:
    return 20 if "orderId" in parameters else 2


def _amended_weight(answer: object) -> int:
    """Nothing only where the amendment made the order expire (CHANGELOG 2026-04-02)."""
    amended = answer.get("amendedOrder") if isinstance(answer, dict) else None
    return 0 if isinstance(amended, dict) and amended.get("status") == "EXPIRED" else AMEND_WEIGHT


TRADING: tuple[Operation[SpotExchange], ...] = (
    Operation(
        name="order",
        method="POST",
        path="/api/v3/order",
        ws="order.place",
        answer=trading.place,
        security=_TRADE,
        weight_done=free,
        orders=1,
        required=_ORDER,
        optional=ORDER_NAMES,
    ),
    Operation(
        name="order/test",
        method="POST",
        path="/api/v3/order/test",
        ws="order.test",
        answer=trading.test,
        security=_TRADE,
        weight=_test_weight,
        required=_ORDER,
        optional=(*ORDER_NAMES, "computeCommissionRates"),
    ),
    Operation(
        name="cancel",
        method="DELETE",
        path="/api/v3/order",
        ws="order.cancel",
        answer=trading.cancel,
        security=_TRADE,
        weight_done=free,
        required=("symbol",),
        optional=(*_REFERENCE, "newClientOrderId", "cancelRestrictions"),
    ),
    Operation(
        name="cancelAll",
        method="DELETE",
        path="/api/v3/openOrders",
        ws="openOrders.cancelAll",
        answer=trading.cancel_all,
        security=_TRADE,
        weight_done=free,
        required=("symbol",),
    ),
    Operation(
        name="cancelReplace",
        method="POST",
        path="/api/v3/order/cancelReplace",
        ws="order.cancelReplace",
        answer=trading.cancel_replace,
        security=_TRADE,
        weight_done=free,
        orders=1,
        required=(*_ORDER, "cancelReplaceMode"),
        optional=(
            *ORDER_NAMES,
            "cancelNewClientOrderId",
            "cancelOrigClientOrderId",
            "cancelOrderId",
            "cancelRestrictions",
            "orderRateLimitExceededMode",
        ),
        judges_order_limit=True,
    ),
    Operation(
        name="amend",
        method="PUT",
        path="/api/v3/order/amend/keepPriority",
        ws="order.amend.keepPriority",
        answer=trading.amend,
        security=_TRADE,
        weight=AMEND_WEIGHT,
        weight_done=_amended_weight,
        required=("symbol", "newQty"),
        optional=(*_REFERENCE, "newClientOrderId"),
    ),
    Operation(
        name="oco",
        method="POST",
        path="/api/v3/orderList/oco",
        ws="orderList.place.oco",
        answer=trading.place_oco,
        security=_TRADE,
        weight_done=free,
        orders=2,
        required=OCO_REQUIRED,
        optional=OCO_OPTIONAL,
    ),
    Operation(
        name="oto",
        method="POST",
        path="/api/v3/orderList/oto",
        ws="orderList.place.oto",
        answer=trading.place_oto,
        security=_TRADE,
        weight_done=free,
        orders=2,
        required=OTO_REQUIRED,
        optional=OTO_OPTIONAL,
    ),
    Operation(
        name="otoco",
        method="POST",
        path="/api/v3/orderList/otoco",
        ws="orderList.place.otoco",
        answer=trading.place_otoco,
        security=_TRADE,
        weight_done=free,
        orders=3,
        required=OTOCO_REQUIRED,
        optional=OTOCO_OPTIONAL,
    ),
    Operation(
        name="opo",
        method="POST",
        path="/api/v3/orderList/opo",
        ws="orderList.place.opo",
        answer=trading.place_opo,
        security=_TRADE,
        orders=2,
        required=("symbol",),
        optional=None,
    ),
    Operation(
        name="opoco",
        method="POST",
        path="/api/v3/orderList/opoco",
        ws="orderList.place.opoco",
        answer=trading.place_opo,
        security=_TRADE,
        orders=3,
        required=("symbol",),
        optional=None,
    ),
    Operation(
        name="cancelList",
        method="DELETE",
        path="/api/v3/orderList",
        ws="orderList.cancel",
        answer=trading.cancel_list,
        security=_TRADE,
        weight_done=free,
        required=("symbol",),
        optional=("orderListId", "listClientOrderId", "newClientOrderId"),
    ),
)
READING: tuple[Operation[SpotExchange], ...] = (
    Operation(
        name="queryOrder",
        method="GET",
        path="/api/v3/order",
        ws="order.status",
        answer=reading.order,
        security=_READ,
        weight=4,
        required=("symbol",),
        optional=_REFERENCE,
    ),
    Operation(
        name="openOrders",
        method="GET",
        path="/api/v3/openOrders",
        ws="openOrders.status",
        answer=reading.open_orders,
        security=_READ,
        weight=_open_orders_weight,
        optional=("symbol",),
    ),
    Operation(
        name="allOrders",
        method="GET",
        path="/api/v3/allOrders",
        ws="allOrders",
        answer=reading.all_orders,
        security=_READ,
        weight=20,
        required=("symbol",),
        optional=("orderId", *_TIMES),
    ),
    Operation(
        name="myTrades",
        method="GET",
        path="/api/v3/myTrades",
        ws="myTrades",
        answer=reading.my_trades,
        security=_READ,
        weight=_trades_weight,
        required=("symbol",),
        optional=("orderId", "fromId", *_TIMES),
    ),
    Operation(
        name="account",
        method="GET",
        path="/api/v3/account",
        ws="account.status",
        answer=reading.account,
        security=_READ,
        weight=20,
        optional=("omitZeroBalances",),
    ),
    Operation(
        name="commission",
        method="GET",
        path="/api/v3/account/commission",
        ws="account.commission",
        answer=reading.commission,
        security=_READ,
        weight=20,
        required=("symbol",),
    ),
    Operation(
        name="orderList",
        method="GET",
        path="/api/v3/orderList",
        ws="orderList.status",
        answer=reading.order_list,
        security=_READ,
        weight=4,
        optional=("orderListId", "origClientOrderId"),
    ),
    Operation(
        name="allOrderList",
        method="GET",
        path="/api/v3/allOrderList",
        ws="allOrderLists",
        answer=reading.all_order_lists,
        security=_READ,
        weight=20,
        optional=("fromId", *_TIMES),
    ),
    Operation(
        name="openOrderList",
        method="GET",
        path="/api/v3/openOrderList",
        ws="openOrderLists.status",
        answer=reading.open_order_lists,
        security=_READ,
        weight=6,
    ),
    Operation(
        name="myPreventedMatches",
        method="GET",
        path="/api/v3/myPreventedMatches",
        ws="myPreventedMatches",
        answer=reading.prevented_matches,
        security=_READ,
        weight=_prevented_weight,
        required=("symbol",),
        optional=("preventedMatchId", "orderId", "fromPreventedMatchId", "limit"),
    ),
    Operation(
        name="amendments",
        method="GET",
        path="/api/v3/order/amendments",
        ws="order.amendments",
        answer=reading.amendments,
        security=_READ,
        weight=4,
        required=("symbol", "orderId"),
        optional=("fromExecutionId", "limit"),
    ),
    Operation(
        name="myAllocations",
        method="GET",
        path="/api/v3/myAllocations",
        ws="myAllocations",
        answer=reading.allocations,
        security=_READ,
        weight=20,
        required=("symbol",),
        optional=("startTime", "endTime", "fromAllocationId", "limit", "orderId"),
    ),
    Operation(
        name="myFilters",
        method="GET",
        path="/api/v3/myFilters",
        ws="myFilters",
        answer=reading.my_filters,
        security=_READ,
        weight=40,
        required=("symbol",),
    ),
)
OPERATIONS: tuple[Operation[SpotExchange], ...] = (*TRADING, *READING)
