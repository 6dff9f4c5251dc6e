"""Intents as a strategy says them, turned into the messages that the gate takes. Nothing is sent from here."""

import hashlib
import secrets
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Required, TypedDict, TypeVar

from pydantic import BaseModel, ValidationError

from ordergate.trading.errors import InvalidIntent
from ordergate.trading.order import ListKind, OrderType, PositionSide, Rounding, SelfTradePrevention, Side, TimeInForce
from ordergate.wire import messages, subjects
from ordergate.wire.facts import decimal_text

VALID_FOR_MS = 5_000

_M = TypeVar("_M", bound=BaseModel)


class PlacedTerms(TypedDict, total=False):
    """What an order is. Quantity in base units, or quote_quantity in quote units for a MARKET order; prices in quote units.

    intent_id and created_at_ms: to repeat an intent whose acknowledgement was lost in a crash, give the same ones again.
    valid_for_ms: how long after created_at_ms it may still be sent; at most 24 h. resubmit: a request that is proven never to have
    executed may be sent again by ordergate itself. iceberg_quantity: so much is shown at a time. trailing_delta: a stop that follows the
    price, in hundredths of a per cent. What a venue lacks is refused with a typed reason.
    """

    symbol: Required[str]
    side: Required[Side | str]
    type: Required[OrderType | str]
    quantity: Decimal | None
    quote_quantity: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce | str
    good_till_ms: int | None
    position_side: PositionSide | str
    reduce_only: bool
    post_only: bool
    iceberg_quantity: Decimal | None
    trailing_delta: int | None
    self_trade_prevention: SelfTradePrevention | str | None
    rounding: Rounding | str
    resubmit: bool
    validate_only: bool
    client_order_id: str | None
    intent_id: str | None
    created_at_ms: int | None
    valid_for_ms: int


class LegTerms(TypedDict, total=False):
    """An order of a list beside the first. What is not here it has of the first: symbol, life, rounding, self-trade prevention."""

    side: Required[Side | str]
    type: Required[OrderType | str]
    quantity: Required[Decimal]
    price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce | str
    post_only: bool
    iceberg_quantity: Decimal | None
    trailing_delta: int | None
    client_order_id: str | None


_ENUMS = {
    "side": Side,
    "type": OrderType,
    "time_in_force": TimeInForce,
    "position_side": PositionSide,
    "rounding": Rounding,
    "self_trade_prevention": SelfTradePrevention,
}
_AMOUNTS = frozenset({"quantity", "quote_quantity", "price", "stop_price", "iceberg_quantity"})


def new_intent_id(now_ms: int) -> str:
    """Unique, and sorted by time for the eye."""
    return f"{now_ms:011x}-{secrets.token_hex(6)}"


def build(model: type[_M], fields: dict[str, Any]) -> _M:
    """The message. Raises InvalidIntent naming the field."""
    try:
        plain = {name: _plain(name, value) for name, value in fields.items() if value is not None}
        return model.model_validate(plain, by_name=True, by_alias=False)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidIntent(f"{'.'.join(map(str, fault['loc']))}: {fault['msg'][:200]}") from None


def build_list(kind: ListKind | str, others: Sequence[LegTerms]) -> messages.ListTerms:
    """What makes an intent's order the first of a list. Raises InvalidIntent naming the field."""
    if kind not in set(ListKind):
        raise InvalidIntent(f"kind: {str(kind)[:40]!r} is none of {', '.join(ListKind)}")
    legs = tuple(build(messages.LegTerms, dict(leg)) for leg in others)
    return build(messages.ListTerms, {"kind": ListKind(kind), "others": legs})


def message_id(subject: str, intent_id: str, body: bytes) -> str:
    """Whose and which intent, and a hash of the body: the same intent is stored once, another body under its id is seen and refused."""
    return f"{subject}.{subjects.token(intent_id)}.{hashlib.sha256(body).hexdigest()[:32]}"


def _plain(name: str, value: Any) -> Any:
    if name in _AMOUNTS:
        return _amount(name, value)
    enum = _ENUMS.get(name)
    if enum is None:
        return value
    try:
        return enum(value)
    except ValueError:
        raise InvalidIntent(f"{name}: {str(value)[:40]!r} is none of {', '.join(enum)}") from None


def _amount(name: str, value: Any) -> str:
    if not isinstance(value, Decimal):
        raise InvalidIntent(f"{name}: must be a Decimal, not {type(value).__name__}")
    try:
        return decimal_text(value)
    except ValueError as error:
        raise InvalidIntent(f"{name}: {error}") from None
