"""Every way in which USD-M futures say no, with the venue's codes (error codes of the futures documents).

Codes are facts of the venue; texts follow its documents as far as they print them.
"""

from __future__ import annotations

from ordergate.simulator.binance.operations import Failure

BAD_COMBINATION = Failure(code=-1128, msg="Combination of optional parameters invalid.")
BAD_PRECISION = Failure(code=-1111, msg="Precision is over the maximum defined for this asset.")
INVALID_TIME_IN_FORCE = Failure(code=-1115, msg="Invalid timeInForce.")
INVALID_ORDER_TYPE = Failure(code=-1116, msg="Invalid orderType.")
INVALID_SIDE = Failure(code=-1117, msg="Invalid side.")
INVALID_SYMBOL = Failure(code=-1121, msg="Invalid symbol.")
INVALID_RESPONSE_TYPE = Failure(code=-1136, msg="Invalid newOrderRespType.")
UNKNOWN_ORDER = Failure(code=-2011, msg="Unknown order sent.")
NO_SUCH_ORDER = Failure(code=-2013, msg="Order does not exist.")
BALANCE_INSUFFICIENT = Failure(code=-2018, msg="Balance is insufficient.")
MARGIN_INSUFFICIENT = Failure(code=-2019, msg="Margin is insufficient.")
WOULD_TRIGGER = Failure(code=-2021, msg="Order would immediately trigger.")
REDUCE_ONLY_REJECTED = Failure(code=-2022, msg="ReduceOnly Order is rejected.")
MAX_OPEN_ORDERS = Failure(code=-2025, msg="Reach max open order limit.")
MAX_POSITION = Failure(code=-2027, msg="Exceeded the maximum allowable position at current leverage.")
LEVERAGE_TOO_SMALL = Failure(code=-2028, msg="Leverage is smaller than permitted: insufficient margin balance.")
PRICE_NOT_POSITIVE = Failure(code=-4001, msg="Price less than 0.")
PRICE_TOO_HIGH = Failure(code=-4002, msg="Price greater than max price.")
QUANTITY_NOT_POSITIVE = Failure(code=-4003, msg="Quantity less than or equal to zero.")
QUANTITY_TOO_SMALL = Failure(code=-4004, msg="Quantity less than min quantity.")
QUANTITY_TOO_LARGE = Failure(code=-4005, msg="Quantity greater than max quantity.")
PRICE_TOO_LOW = Failure(code=-4013, msg="Price less than min price.")
PRICE_OFF_TICK = Failure(code=-4014, msg="Price not increased by tick size.")
CLIENT_ID_INVALID = Failure(code=-4015, msg="Client order id is not valid.")
QUANTITY_OFF_STEP = Failure(code=-4023, msg="Quantity not increased by step size.")
INVALID_LEVERAGE = Failure(code=-4028, msg="Leverage is not valid.")
MAX_ALGO_ORDERS = Failure(code=-4045, msg="Reach max stop order limit.")
SAME_MARGIN_TYPE = Failure(code=-4046, msg="No need to change margin type.")
MARGIN_TYPE_OPEN_ORDERS = Failure(code=-4047, msg="Margin type cannot be changed if there exists open orders.")
MARGIN_TYPE_POSITION = Failure(code=-4048, msg="Margin type cannot be changed if there exists position.")
SAME_POSITION_MODE = Failure(code=-4059, msg="No need to change position side.")
INVALID_POSITION_SIDE = Failure(code=-4060, msg="Invalid position side.")
POSITION_SIDE_MISMATCH = Failure(code=-4061, msg="Order's position side does not match user's setting.")
POSITION_MODE_OPEN_ORDERS = Failure(code=-4067, msg="Position side cannot be changed if there exists open orders.")
POSITION_MODE_POSITION = Failure(code=-4068, msg="Position side cannot be changed if there exists position.")
INVALID_BATCH_SIZE = Failure(code=-4082, msg="Invalid number of batch place orders.")
CLIENT_ID_DUPLICATED = Failure(code=-4116, msg="ClientOrderId is duplicated.")
ALGO_ENDPOINT = Failure(
    code=-4120, msg="Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
COUNTERPARTY_PRICE = Failure(
    code=-4131, msg="The counterparty's best price does not meet the PERCENT_PRICE filter limit."
)
QUANTITY_WITH_CLOSE = Failure(code=-4137, msg="Quantity must be zero with closePosition equals true.")
SYMBOL_CLOSED = Failure(code=-4141, msg="Symbol is closed.")
SAME_MULTI_ASSETS = Failure(code=-4171, msg="No need to change multi-assets mode.")
FOK_REJECTED = Failure(
    code=-5021,
    msg="Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history.",
)
POST_ONLY_REJECTED = Failure(
    code=-5022,
    msg="Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history.",
)
LIMIT_ORDER_ONLY = Failure(code=-5025, msg="Only limit order is supported.")
TOO_MANY_AMENDMENTS = Failure(code=-5026, msg="Exceed maximum modify order limit.")
SAME_ORDER = Failure(code=-5027, msg="No need to modify the order.")
NOT_REDUCE_ONLY = Failure(code=-5047, msg="The original order is not a reduce-only order.")
INVALID_PRICE_MATCH = Failure(code=-5037, msg="Invalid price match.")
INVALID_SELF_TRADE = Failure(code=-5039, msg="Invalid self trade prevention mode.")
INVALID_GOOD_TILL = Failure(
    code=-5040,
    msg="The goodTillDate timestamp must be greater than the current time plus 600 seconds "
    "and smaller than 253402300799000.",
)
NO_DEPTH_TO_MATCH = Failure(code=-5041, msg="No depth matches this BBO order.")


def missing(name: str) -> Failure:
    """-1102 of one parameter."""
    return Failure(code=-1102, msg=f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def neither(one: str, other: str) -> Failure:
    """-1102 where one of two parameters is due."""
    return Failure(code=-1102, msg=f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def malformed(name: str) -> Failure:
    """-1130 of one parameter."""
    return Failure(code=-1130, msg=f"Data sent for parameter '{name}' is not valid.")


def not_required(name: str) -> Failure:
    """-1106 of one parameter."""
    return Failure(code=-1106, msg=f"Parameter '{name}' sent when not required.")


def above_cap(price: str) -> Failure:
    """-4016: PERCENT_PRICE, upwards."""
    return Failure(code=-4016, msg=f"Limit price can't be higher than {price}.")


def below_floor(price: str) -> Failure:
    """-4024: PERCENT_PRICE, downwards."""
    return Failure(code=-4024, msg=f"Limit price can't be lower than {price}.")


def notional_too_small(least: str) -> Failure:
    """-4164."""
    return Failure(code=-4164, msg=f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
