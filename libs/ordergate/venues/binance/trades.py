"""A page of an account's trade list, as both exchanges answer it."""

from collections.abc import Sequence
from itertools import pairwise

from ordergate.ports.venue import VenueTrade
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import Symbol, TradeId


def checked(trades: Sequence[VenueTrade], *, symbol: Symbol, from_id: TradeId | None) -> list[VenueTrade]:
    """What was asked for, or Unreadable: a cursor that trusts a page out of order would step over fills.

    An account that trades with itself has both sides of the trade: one id, two orders. The same row twice is no answer.
    """
    rows = [(int(each.trade_id), each.venue_order_id) for each in trades]
    if any(each.symbol != symbol for each in trades):
        raise Unreadable("trades: of another symbol")
    if any(later < earlier for (earlier, _), (later, _) in pairwise(rows)) or len(set(rows)) != len(rows):
        raise Unreadable("trades: not ascending")
    if rows and from_id is not None and rows[0][0] < int(from_id):
        raise Unreadable("trades: from before what was asked for")
    return list(trades)
