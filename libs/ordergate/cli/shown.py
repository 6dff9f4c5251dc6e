"""Orders, fills and positions as JSON documents and as rows of a table."""

from decimal import Decimal
from typing import Any

from ordergate.cli import say
from ordergate.trading.events import Restated
from ordergate.trading.fills import Fill
from ordergate.trading.order import Order, OrderType, State, Terms
from ordergate.trading.position import Leg, Position, unrealised
from ordergate.wire import facts

ORDER_COLUMNS = (
    "order",
    "strategy",
    "symbol",
    "side",
    "type",
    ">quantity",
    ">price",
    ">executed",
    "state",
    ">age",
    "why",
)
FILL_COLUMNS = (">sequence", "time (UTC)", "symbol", "side", ">quantity", ">price", ">fee", "", "order", "strategy")
POSITION_COLUMNS = (
    "symbol", "side", "of", ">quantity", ">entry", ">mark", ">unrealised", ">realised", "fees", ">fills",
)  # fmt: skip

_OF_THE_MESSAGE = frozenset({"appendId", "event", "evidence", "correction"})


def order_document(order: Order) -> dict[str, Any]:
    """The snapshot as it stands in the ledger, without the message that carried it."""
    document = facts.order_document(order, Restated(at_ms=order.revised_at_ms), append_id="")
    return {name: value for name, value in document.items() if name not in _OF_THE_MESSAGE}


def order_row(order: Order, now_ms: int) -> tuple[str, ...]:
    terms = order.terms
    since_ms = order.unknown_since_ms if order.state is State.UNKNOWN else order.request.created_at_ms
    return (
        order.key.client_order_id,
        order.request.strategy,
        order.key.symbol,
        terms.side.value,
        type_text(terms),
        quantity_text(terms),
        "" if terms.price is None else say.amount(terms.price),
        say.amount(order.executed_quantity),
        order.state.value,
        say.duration(max(0, now_ms - (since_ms or order.request.created_at_ms))),
        (order.reason or "")[:60],
    )


def type_text(terms: Terms) -> str:
    stop = "" if terms.stop_price is None else f" at {say.amount(terms.stop_price)}"
    force = "" if terms.type is OrderType.MARKET else f" {terms.time_in_force.value}"
    flags = "".join(
        f" {name}" for name, on in (("reduce-only", terms.reduce_only), ("post-only", terms.post_only)) if on
    )
    return f"{terms.type.value}{stop}{force}{flags}"


def quantity_text(terms: Terms) -> str:
    if terms.quantity is not None:
        return say.amount(terms.quantity)
    return f"for {say.amount(terms.quote_quantity)}" if terms.quote_quantity is not None else ""


def fill_document(fill: Fill, sequence: int) -> dict[str, Any]:
    return {"sequence": sequence, **facts.fill_document(fill)}


def fill_row(fill: Fill, sequence: int) -> tuple[str, ...]:
    marks = [fill.liquidity.value]
    if fill.is_reversal:
        marks.append("reversed")
    elif fill.inferred:
        marks.append("inferred")
    return (
        str(sequence),
        say.clock(fill.venue_time_ms),
        fill.symbol,
        fill.side.value,
        say.amount(fill.quantity),
        say.amount(fill.price),
        f"{say.amount(fill.fee)} {fill.fee_asset}",
        ", ".join(marks),
        fill.client_order_id or f"(venue's {fill.venue_order_id})",
        fill.strategy or "(external)",
    )


def position_document(position: Position, mark: Decimal | None) -> dict[str, Any]:
    document = facts.position_document(position)
    if mark is not None:
        document["markPrice"] = facts.decimal_text(mark)
        document["unrealisedPnl"] = facts.decimal_text(unrealised(position, mark))
    return document


def position_rows(position: Position, mark: Decimal | None, *, by_strategy: bool) -> list[tuple[str, ...]]:
    fees = ", ".join(f"{say.amount(paid)} {asset}" for asset, paid in position.fees.items())
    rows = [
        _leg_row(position, side.value, "account", leg, mark, fees, str(position.fill_count))
        for side, leg in position.legs.items()
    ]
    if by_strategy:
        rows += [
            _leg_row(position, side.value, strategy, leg, mark, "", "")
            for strategy, legs in position.by_strategy.items()
            for side, leg in legs.items()
        ]
    return rows


def _leg_row(  # noqa: PLR0917 - the cells of a row, in its order
    position: Position, side: str, owner: str, leg: Leg, mark: Decimal | None, fees: str, count: str
) -> tuple[str, ...]:
    return (
        position.symbol,
        side,
        owner,
        say.amount(leg.quantity),
        say.amount(say.to_places(leg.entry_price, 8)),
        "" if mark is None else say.amount(mark),
        "" if mark is None else say.amount(say.to_places(leg.unrealised(mark), 8)),
        say.amount(say.to_places(leg.realised_pnl, 8)),
        fees,
        count,
    )
