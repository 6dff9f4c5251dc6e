"""The table of USD-M futures: every signed call with its weight, its order count and what it reads (the venue's pages of each call).

Public calls and listen keys are the front's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.futures import conditional, placing, reading, settings
from ordergate.simulator.binance.futures.exchange import FuturesExchange
from ordergate.simulator.binance.operations import Cost, Dialect, Operation, Security

if TYPE_CHECKING:
    from ordergate.simulator.binance.operations import Listeners
    from ordergate.simulator.config import SimulatorConfig

FuturesOperation = Operation[FuturesExchange]
_READ = Security.SIGNED_READ
_TRADE = Security.SIGNED_TRADE
_ORDER_FIELDS = (
    "positionSide",
    "timeInForce",
    "quantity",
    "reduceOnly",
    "price",
    "newClientOrderId",
    "stopPrice",
    "closePosition",
    "activationPrice",
    "callbackRate",
    "workingType",
    "priceProtect",
    "newOrderRespType",
    "priceMatch",
    "selfTradePreventionMode",
    "goodTillDate",
)
_ALGO_FIELDS = (
    "positionSide",
    "timeInForce",
    "quantity",
    "price",
    "triggerPrice",
    "workingType",
    "priceMatch",
    "closePosition",
    "priceProtect",
    "reduceOnly",
    "activatePrice",
    "callbackRate",
    "clientAlgoId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "goodTillDate",
)
_ONE_ORDER = ("orderId", "origClientOrderId")
_SPAN = ("startTime", "endTime", "limit")


def build(config: SimulatorConfig, listeners: Listeners) -> Dialect[FuturesExchange]:
    """The dialect with an exchange that nobody has asked anything yet."""
    exchange = FuturesExchange(config, listeners)
    return Dialect(name="binance-futures", engine=exchange, operations=OPERATIONS, force=exchange.force)


def _by_symbol(one: int, every: int) -> Cost:
    """A weight that depends on whether a symbol is named."""
    return lambda parameters: one if parameters.get("symbol") else every


_ORDERS: tuple[FuturesOperation, ...] = (
    Operation(
        name="order.place",
        method="POST",
        path="/fapi/v1/order",
        answer=placing.place,
        ws="order.place",
        security=_TRADE,
        weight=0,
        orders=1,
        required=("symbol", "side", "type"),
        optional=_ORDER_FIELDS,
    ),
    Operation(
        name="order.test",
        method="POST",
        path="/fapi/v1/order/test",
        answer=placing.try_order,
        security=_TRADE,
        weight=1,
        required=("symbol", "side", "type"),
        optional=_ORDER_FIELDS,
    ),
    Operation(
        name="order.modify",
        method="PUT",
        path="/fapi/v1/order",
        answer=placing.modify,
        ws="order.modify",
        security=_TRADE,
        weight=0,
        orders=1,
        required=("symbol", "side", "quantity"),
        optional=(*_ONE_ORDER, "price", "priceMatch", "modifyId", "reduceOnly"),
    ),
    Operation(
        name="order.cancel",
        method="DELETE",
        path="/fapi/v1/order",
        answer=placing.cancel,
        ws="order.cancel",
        security=_TRADE,
        required=("symbol",),
        optional=_ONE_ORDER,
    ),
    Operation(
        name="order.status",
        method="GET",
        path="/fapi/v1/order",
        answer=reading.order,
        ws="order.status",
        security=_READ,
        required=("symbol",),
        optional=_ONE_ORDER,
    ),
    Operation(
        name="batchOrders.place",
        method="POST",
        path="/fapi/v1/batchOrders",
        answer=placing.place_batch,
        security=_TRADE,
        weight=5,
        orders=5,
        orders_minute=1,
        required=("batchOrders",),
    ),
    Operation(
        name="batchOrders.modify",
        method="PUT",
        path="/fapi/v1/batchOrders",
        answer=placing.modify_batch,
        security=_TRADE,
        weight=5,
        orders=5,
        orders_minute=1,
        required=("batchOrders",),
    ),
    Operation(
        name="batchOrders.cancel",
        method="DELETE",
        path="/fapi/v1/batchOrders",
        answer=placing.cancel_batch,
        security=_TRADE,
        required=("symbol",),
        optional=("orderIdList", "origClientOrderIdList", "orderidlist", "origclientorderidlist"),
    ),
    Operation(
        name="allOpenOrders",
        method="DELETE",
        path="/fapi/v1/allOpenOrders",
        answer=placing.cancel_all,
        security=_TRADE,
        required=("symbol",),
    ),
    Operation(
        name="countdownCancelAll",
        method="POST",
        path="/fapi/v1/countdownCancelAll",
        answer=placing.set_countdown,
        security=_TRADE,
        weight=10,
        required=("symbol", "countdownTime"),
    ),
    Operation(
        name="openOrder",
        method="GET",
        path="/fapi/v1/openOrder",
        answer=reading.open_order,
        security=_READ,
        required=("symbol",),
        optional=_ONE_ORDER,
    ),
    Operation(
        name="openOrders",
        method="GET",
        path="/fapi/v1/openOrders",
        answer=reading.open_orders,
        security=_READ,
        weight=_by_symbol(1, 40),
        optional=("symbol",),
    ),
    Operation(
        name="allOrders",
        method="GET",
        path="/fapi/v1/allOrders",
        answer=reading.all_orders,
        security=_READ,
        weight=5,
        required=("symbol",),
        optional=("orderId", *_SPAN),
    ),
    Operation(
        name="orderAmendment",
        method="GET",
        path="/fapi/v1/orderAmendment",
        answer=reading.amendments,
        security=_READ,
        required=("symbol",),
        optional=(*_ONE_ORDER, *_SPAN),
    ),
    Operation(
        name="forceOrders",
        method="GET",
        path="/fapi/v1/forceOrders",
        answer=reading.force_orders,
        security=_READ,
        weight=_by_symbol(20, 50),
        optional=("symbol", "autoCloseType", *_SPAN),
    ),
)

_ALGOS: tuple[FuturesOperation, ...] = (
    Operation(
        name="algoOrder.place",
        method="POST",
        path="/fapi/v1/algoOrder",
        answer=conditional.place,
        ws="algoOrder.place",
        security=_TRADE,
        weight=0,
        orders=1,
        required=("algoType", "symbol", "side", "type"),
        optional=_ALGO_FIELDS,
    ),
    Operation(
        name="algoOrder.status",
        method="GET",
        path="/fapi/v1/algoOrder",
        answer=conditional.query,
        security=_READ,
        optional=("algoId", "clientAlgoId"),
    ),
    Operation(
        name="algoOrder.cancel",
        method="DELETE",
        path="/fapi/v1/algoOrder",
        answer=conditional.cancel,
        ws="algoOrder.cancel",
        security=_TRADE,
        optional=("algoId", "clientAlgoId", "symbol"),
    ),
    Operation(
        name="algoOpenOrders",
        method="DELETE",
        path="/fapi/v1/algoOpenOrders",
        answer=conditional.cancel_all,
        security=_TRADE,
        required=("symbol",),
    ),
    Operation(
        name="openAlgoOrders",
        method="GET",
        path="/fapi/v1/openAlgoOrders",
        answer=conditional.list_open,
        security=_READ,
        weight=_by_symbol(1, 40),
        optional=("algoType", "symbol", "algoId"),
    ),
    Operation(
        name="allAlgoOrders",
        method="GET",
        path="/fapi/v1/allAlgoOrders",
        answer=conditional.list_all,
        security=_READ,
        weight=5,
        required=("symbol",),
        optional=("algoId", "page", *_SPAN),
    ),
)

_ACCOUNT: tuple[FuturesOperation, ...] = (
    Operation(
        name="userTrades",
        method="GET",
        path="/fapi/v1/userTrades",
        answer=reading.user_trades,
        security=_READ,
        weight=5,
        required=("symbol",),
        optional=("orderId", "fromId", *_SPAN),
    ),
    Operation(
        name="positionRisk v3",
        method="GET",
        path="/fapi/v3/positionRisk",
        answer=reading.position_risk,
        ws="v2/account.position",
        security=_READ,
        weight=5,
        optional=("symbol",),
    ),
    Operation(
        name="positionRisk v2",
        method="GET",
        path="/fapi/v2/positionRisk",
        answer=reading.position_risk_v2,
        ws="account.position",
        security=_READ,
        weight=5,
        optional=("symbol",),
    ),
    Operation(
        name="account v3",
        method="GET",
        path="/fapi/v3/account",
        answer=reading.account,
        ws="v2/account.status",
        security=_READ,
        weight=5,
    ),
    Operation(
        name="account v2",
        method="GET",
        path="/fapi/v2/account",
        answer=reading.account_v2,
        ws="account.status",
        security=_READ,
        weight=5,
    ),
    Operation(
        name="balance v3",
        method="GET",
        path="/fapi/v3/balance",
        answer=reading.balance,
        ws="v2/account.balance",
        security=_READ,
        weight=5,
    ),
    Operation(
        name="balance v2",
        method="GET",
        path="/fapi/v2/balance",
        answer=reading.balance,
        ws="account.balance",
        security=_READ,
        weight=5,
    ),
    Operation(
        name="income",
        method="GET",
        path="/fapi/v1/income",
        answer=reading.income,
        security=_READ,
        weight=30,
        optional=("symbol", "incomeType", "page", *_SPAN),
    ),
    Operation(
        name="commissionRate",
        method="GET",
        path="/fapi/v1/commissionRate",
        answer=reading.commission_rate,
        security=_READ,
        weight=20,
        required=("symbol",),
    ),
    Operation(
        name="leverageBracket",
        method="GET",
        path="/fapi/v1/leverageBracket",
        answer=reading.leverage_bracket,
        security=_READ,
        optional=("symbol",),
    ),
    Operation(
        name="rateLimit/order",
        method="GET",
        path="/fapi/v1/rateLimit/order",
        answer=reading.order_limits,
        security=_READ,
    ),
)

_SETTINGS: tuple[FuturesOperation, ...] = (
    Operation(
        name="leverage",
        method="POST",
        path="/fapi/v1/leverage",
        answer=settings.set_leverage,
        security=_TRADE,
        required=("symbol", "leverage"),
    ),
    Operation(
        name="marginType",
        method="POST",
        path="/fapi/v1/marginType",
        answer=settings.set_margin_type,
        security=_TRADE,
        required=("symbol", "marginType"),
    ),
    Operation(
        name="positionSide/dual",
        method="POST",
        path="/fapi/v1/positionSide/dual",
        answer=settings.set_position_mode,
        security=_TRADE,
        required=("dualSidePosition",),
    ),
    Operation(
        name="positionSide/dual?",
        method="GET",
        path="/fapi/v1/positionSide/dual",
        answer=settings.get_position_mode,
        security=_READ,
        weight=30,
    ),
    Operation(
        name="multiAssetsMargin",
        method="POST",
        path="/fapi/v1/multiAssetsMargin",
        answer=settings.set_multi_assets,
        security=_TRADE,
        required=("multiAssetsMargin",),
    ),
    Operation(
        name="multiAssetsMargin?",
        method="GET",
        path="/fapi/v1/multiAssetsMargin",
        answer=settings.get_multi_assets,
        security=_READ,
        weight=30,
    ),
    Operation(
        name="accountConfig",
        method="GET",
        path="/fapi/v1/accountConfig",
        answer=settings.account_config,
        security=_READ,
        weight=5,
    ),
    Operation(
        name="symbolConfig",
        method="GET",
        path="/fapi/v1/symbolConfig",
        answer=settings.symbol_config,
        security=_READ,
        weight=5,
        optional=("symbol",),
    ),
)

OPERATIONS: tuple[FuturesOperation, ...] = (*_ORDERS, *_ALGOS, *_ACCOUNT, *_SETTINGS)
