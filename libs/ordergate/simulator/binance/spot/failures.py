"""What Spot's orders are refused with: texts of errors.md, where the same code says many things."""

from __future__ import annotations

from ordergate.simulator.binance.operations import Failure


def refused(text: str) -> Failure:
    """-2010: the engine did not take a new order."""
    return Failure(code=-2010, msg=text)


def not_canceled(text: str) -> Failure:
    """-2011: the engine did not cancel."""
    return Failure(code=-2011, msg=text)


def not_amended(text: str) -> Failure:
    """-2038: the engine did not amend."""
    return Failure(code=-2038, msg=text)


DUPLICATE = refused("Duplicate order sent.")
MARKET_CLOSED = refused("Market is closed.")
INSUFFICIENT_BALANCE = refused("Account has insufficient balance for requested action.")
WOULD_TRIGGER = refused("Order would trigger immediately.")
WOULD_MATCH = refused("Order would immediately match and take.")
BAD_RELATION = refused("The relationship of the prices for the orders is not correct.")
ICEBERG_TOO_LARGE = refused("IcebergQty exceeds QTY.")
NO_LOTS_TO_BUY = refused("Order book liquidity is less than symbol minimum quantity.")
BELOW_LOT_SIZE = refused("Order book liquidity is less than `LOT_SIZE` filter minimum quantity.")
NO_OPO = refused("OPO orders are not supported for this symbol.")
NO_PEGS = refused("Pegged orders are not supported for this symbol.")
UNKNOWN_TO_CANCEL = not_canceled("Unknown order sent.")
RESTRICTED_CANCEL = not_canceled("Order was not canceled due to cancel restrictions.")
UNKNOWN_TO_AMEND = not_amended("Unknown order sent.")
NOTHING_TO_AMEND = not_amended("The requested action would change no state; rejecting.")
NO_INCREASE = not_amended("Order amend (quantity increase) is not supported.")
TOO_MANY_AMENDS = not_amended("Filter failure: MAX_NUM_ORDER_AMENDS")
NO_SUCH_ORDER = Failure(code=-2013, msg="Order does not exist.")
NO_SUCH_LIST = Failure(code=-2018, msg="Order list does not exist.")
ARCHIVED = Failure(
    code=-2026, msg="Order was canceled or expired with no executed qty over 90 days ago and has been archived."
)
WRONG_CLIENT_ORDER_ID = Failure(code=-2039, msg="Client order ID is not correct for this order ID.")
REPLACE_FAILED = -2022
REPLACE_HALF_DONE = -2021
CONFLICT = 409
TOO_MANY_REQUESTS = 429
