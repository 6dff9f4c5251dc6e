"""Reading what a client sent: JSON bodies and query parameters become the engine's own types, or a refusal.

Strict on purpose, so that our adapter's mistakes show: unknown fields, JSON numbers where the exchange wants strings, and prices on orders that have none
are refused. Unknown query parameters too. Assumed: the real exchange may be milder.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import orjson

from ordergate.simulator.orders import PRICED, TRIGGERED, OrderRequest, OrderType, PositionSide, Side
from ordergate.simulator.refusal import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?").fullmatch
CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}").fullmatch
_INTEGER = re.compile(r"[0-9]{1,18}").fullmatch
_FIELDS = frozenset(
    {
        "symbol",
        "side",
        "type",
        "quantity",
        "price",
        "stopPrice",
        "positionSide",
        "reduceOnly",
        "clientOrderId",
    }
)
_SIDES = {side.value: side for side in Side}
_TYPES = {kind.value: kind for kind in OrderType}
_POSITION_SIDES = {side.value: side for side in PositionSide}


def read_object(body: bytes) -> dict[str, object] | Refusal:
    """A JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return invalid("Body is not JSON")
    return value if isinstance(value, dict) else invalid("Body is not an object")


def read_order(fields: Mapping[str, object]) -> OrderRequest | Refusal:
    """The body of POST /v2/orders."""
    if not _FIELDS.issuperset(fields):
        return invalid("Unknown field in order")
    symbol, client_order_id = fields.get("symbol"), fields.get("clientOrderId")
    side, kind = _choice(_SIDES, fields.get("side")), _choice(_TYPES, fields.get("type"))
    position_side = _choice(_POSITION_SIDES, fields.get("positionSide", "BOTH"))
    reduce_only = fields.get("reduceOnly", False)
    if not isinstance(symbol, str) or side is None or kind is None or position_side is None:
        return invalid("symbol, side, type or positionSide is missing or wrong")
    if not isinstance(reduce_only, bool):
        return invalid("reduceOnly is not a boolean")
    if client_order_id is not None and not (isinstance(client_order_id, str) and CLIENT_ORDER_ID(client_order_id)):
        return invalid("clientOrderId is malformed")
    quantity = _decimal(fields.get("quantity"))
    price, stop_price = _decimal(fields.get("price")), _decimal(fields.get("stopPrice"))
    if quantity is None:
        return invalid("quantity is not a positive decimal string")
    if (price is not None) != (kind in PRICED) or (price is None and fields.get("price") is not None):
        return invalid("price is missing, malformed or not for this type")
    if (stop_price is not None) != (kind in TRIGGERED) or (stop_price is None and fields.get("stopPrice") is not None):
        return invalid("stopPrice is missing, malformed or not for this type")
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price,
        stop_price=stop_price,
        position_side=position_side,
        reduce_only=reduce_only,
        client_order_id=client_order_id,
    )


def read_integer(parameters: Mapping[str, str], name: str, *, default: int, lowest: int, highest: int) -> int | None:
    """An integer parameter; None when it is malformed or out of its range."""
    text = parameters.get(name)
    if text is None:
        return default
    if not _INTEGER(text):
        return None
    number = int(text)
    return number if lowest <= number <= highest else None


def read_id(text: str) -> int:
    """An id of the venue's making; 0, which is nobody's, for anything else."""
    return int(text) if _INTEGER(text) else 0


def _decimal(value: object) -> Decimal | None:
    if not isinstance(value, str) or not _DECIMAL(value):
        return None
    number = Decimal(value)
    return number or None


def _choice(choices: Mapping[str, T], value: object) -> T | None:
    return choices.get(value) if isinstance(value, str) else None
