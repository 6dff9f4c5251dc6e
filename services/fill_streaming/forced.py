"""A trade that the venue itself made: a liquidation, an auto-deleveraging, a settlement. It is an external fill, and somebody must hear of it."""

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.venue import Declaration, VenueTrade
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.wire import subjects
from ordergate.wire.messages import RiskMessage

FORCED = "forced_order"


def is_forced(declaration: Declaration, order: ClientOrderId | None) -> bool:
    """Whether the venue made the order, by the id that it gave it."""
    prefixes = declaration.own_order_prefixes
    return order is not None and bool(prefixes) and order.startswith(prefixes)


async def tell_forced(
    trade: VenueTrade,
    order: ClientOrderId,
    *,
    venue: VenueName,
    account: AccountName,
    publisher: Publisher,
    clock: Clock,
) -> None:
    """Once an order, however many trades it has: the message's id says which. Raises BusUnavailable."""
    statement = RiskMessage(
        venue=venue,
        account=account,
        what=FORCED,
        symbol=trade.symbol,
        client_order_id=order,
        message=f"the exchange itself trades in this account: {trade.side} {trade.quantity:f} {trade.symbol} at {trade.price:f}, order {trade.venue_order_id}",
        at_ms=clock.now_ms(),
    )
    await publisher.answer(
        subjects.risk(venue, account, FORCED),
        statement.to_bytes(),
        message_id=f"{FORCED}:{venue}:{account}:{trade.symbol}:{trade.venue_order_id}",
    )
