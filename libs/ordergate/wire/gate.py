"""Where a stranger's intent becomes a request of ours, or a refusal that says why.

Nothing here raises for bad input: a bad intent is an expected outcome. A refusal carries as much as could be read, so that whoever
hears it can decide where to answer. The subject is what the bus's permissions checked, so the body must agree with it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    StrategyName,
    Symbol,
    VenueName,
    derive_client_order_id,
    derive_leg_id,
)
from ordergate.trading.lists import incoherent_list
from ordergate.trading.order import (
    OrderKey,
    OrderListMembership,
    OrderRequest,
    OrderType,
    PositionSide,
    Rounding,
    Terms,
    TimeInForce,
)
from ordergate.wire import subjects
from ordergate.wire.messages import (
    CancelAllIntent,
    CancelIntent,
    CancelScope,
    CloseIntent,
    Intent,
    LegTerms,
    ListTerms,
    PlaceIntent,
    ReplaceIntent,
)
from ordergate.wire.subjects import IntentAddress, IntentKind


class Reason(StrEnum):
    """Why an intent was refused before anybody weighed it. Stable: strategies may act on these."""

    UNREADABLE_SUBJECT = "unreadable_subject"
    NOT_JSON = "not_json"
    WRONG_SCHEMA = "wrong_schema"
    WRONG_KIND = "wrong_kind"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    INVALID_NUMBER = "invalid_number"
    VALID_FOR_TOO_LONG = "valid_for_too_long"
    ADDRESS_MISMATCH = "address_mismatch"
    INVALID_TERMS = "invalid_terms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An intent that cannot be understood. address None: not even the subject could be read, nobody can be answered.

    client_order_id is the one the intent names, or the one its intentId gives where it names none.
    """

    reason: Reason
    message: str
    address: IntentAddress | None
    intent_id: IntentId | None = None
    client_order_id: ClientOrderId | None = None

    @property
    def strategy(self) -> StrategyName | None:
        return None if self.address is None else self.address.strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Cancel one order. client_order_id None: the order is the one that order_intent_id of the same strategy placed."""

    venue: VenueName
    account: AccountName
    strategy: StrategyName
    intent_id: IntentId
    symbol: Symbol | None
    client_order_id: ClientOrderId | None
    order_intent_id: IntentId | None
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAllRequest:
    """Cancel what is open: the strategy's or the account's orders, of one symbol or of all (None)."""

    venue: VenueName
    account: AccountName
    strategy: StrategyName
    intent_id: IntentId
    symbol: Symbol | None
    scope: CancelScope
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Orders that go to the venue in one request or not at all, in leg order; each knows the others (OrderRequest.order_list)."""

    legs: tuple[OrderRequest, ...]

    @property
    def first(self) -> OrderRequest:
        return self.legs[0]

    @property
    def intent_id(self) -> IntentId:
        return self.first.intent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """Close the position (quantity None: all of it, in base units) by a reduce-only market order under `key`."""

    key: OrderKey
    strategy: StrategyName
    intent_id: IntentId
    request_hash: str
    position_side: PositionSide
    quantity: Decimal | None
    created_at_ms: int
    valid_for_ms: int


Request = OrderRequest | ListRequest | CancelRequest | CancelAllRequest | CloseRequest
_I = TypeVar("_I", PlaceIntent, CancelIntent, CancelAllIntent, ReplaceIntent, CloseIntent)
_Placed = PlaceIntent | ReplaceIntent


def read_intent(subject: str, data: bytes) -> Request | Refusal:
    """An intent of whatever kind its subject says."""
    try:
        kind = subjects.parse_intent(subject).kind
    except Unreadable as error:
        return Refusal(reason=Reason.UNREADABLE_SUBJECT, message=str(error), address=None)
    return _READERS[kind](subject, data)


def intent_id_of(subject: str, data: bytes) -> IntentId | None:
    """The id of an intent that may be unreadable otherwise, so that it can be answered; None where there is none to read."""
    found = read_intent(subject, data)
    return found.intent_id


def read_place(subject: str, data: bytes) -> OrderRequest | ListRequest | Refusal:
    intent = _parse(PlaceIntent, IntentKind.PLACE, subject, data)
    if isinstance(intent, Refusal):
        return intent
    if intent.order_list is not None:
        return _read_list(intent, intent.order_list)
    fault = _terms_fault(intent)
    return _order_request(intent) if fault is None else _refuse_terms(intent, fault)


def read_replace(subject: str, data: bytes) -> OrderRequest | Refusal:
    intent = _parse(ReplaceIntent, IntentKind.REPLACE, subject, data)
    if isinstance(intent, Refusal):
        return intent
    fault = _terms_fault(intent)
    if fault is not None:
        return _refuse_terms(intent, fault)
    order = _order_request(intent)
    if order.key.client_order_id == intent.replaces:
        return _refuse_terms(intent, "an order cannot replace itself: clientOrderId must be new")
    return order


def read_cancel(subject: str, data: bytes) -> CancelRequest | Refusal:
    intent = _parse(CancelIntent, IntentKind.CANCEL, subject, data)
    if isinstance(intent, Refusal):
        return intent
    if (intent.client_order_id is None) == (intent.order_intent_id is None):
        return _refuse_terms(intent, "exactly one of clientOrderId and orderIntentId must name the order")
    return CancelRequest(
        venue=VenueName(intent.venue),
        account=AccountName(intent.account),
        strategy=StrategyName(intent.strategy),
        intent_id=IntentId(intent.intent_id),
        symbol=None if intent.symbol is None else Symbol(intent.symbol),
        client_order_id=None if intent.client_order_id is None else ClientOrderId(intent.client_order_id),
        order_intent_id=None if intent.order_intent_id is None else IntentId(intent.order_intent_id),
        expires_at_ms=_expiry(intent),
    )


def read_cancel_all(subject: str, data: bytes) -> CancelAllRequest | Refusal:
    intent = _parse(CancelAllIntent, IntentKind.CANCEL_ALL, subject, data)
    if isinstance(intent, Refusal):
        return intent
    return CancelAllRequest(
        venue=VenueName(intent.venue),
        account=AccountName(intent.account),
        strategy=StrategyName(intent.strategy),
        intent_id=IntentId(intent.intent_id),
        symbol=None if intent.symbol is None else Symbol(intent.symbol),
        scope=intent.scope,
        expires_at_ms=_expiry(intent),
    )


def read_close(subject: str, data: bytes) -> CloseRequest | Refusal:
    intent = _parse(CloseIntent, IntentKind.CLOSE, subject, data)
    if isinstance(intent, Refusal):
        return intent
    quantity = None if intent.quantity is None else Decimal(intent.quantity)
    if quantity is not None and not quantity:
        return _refuse_terms(intent, "quantity must be above zero")
    order_id = _client_order_id(intent)
    optional = {} if intent.quantity is None else {"quantity": _plain(intent.quantity)}
    return CloseRequest(
        key=_key(intent, order_id),
        strategy=StrategyName(intent.strategy),
        intent_id=IntentId(intent.intent_id),
        request_hash=_request_hash(intent, order_id, {"positionSide": intent.position_side} | optional),
        position_side=intent.position_side,
        quantity=quantity,
        created_at_ms=intent.created_at_ms,
        valid_for_ms=intent.valid_for_ms,
    )


_READERS: Mapping[IntentKind, Callable[[str, bytes], Request | Refusal]] = {
    IntentKind.PLACE: read_place,
    IntentKind.CANCEL: read_cancel,
    IntentKind.CANCEL_ALL: read_cancel_all,
    IntentKind.REPLACE: read_replace,
    IntentKind.CLOSE: read_close,
}


def _parse(model: type[_I], kind: IntentKind, subject: str, data: bytes) -> _I | Refusal:
    try:
        address = subjects.parse_intent(subject)
    except Unreadable as error:
        return Refusal(reason=Reason.UNREADABLE_SUBJECT, message=str(error), address=None)
    try:
        intent = model.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        return _refuse_body(error, address, data)
    named = (intent.venue, intent.account, intent.strategy, intent.symbol, kind)
    if named != (address.venue, address.account, address.strategy, address.symbol, address.kind):
        return Refusal(
            reason=Reason.ADDRESS_MISMATCH,
            message=f"the body is about {'/'.join(str(name) for name in named)}, the subject is {subject[:200]}",
            address=address,
            intent_id=IntentId(intent.intent_id),
            client_order_id=_named_order(intent),
        )
    return intent


# Terms: what the schema cannot say.

_AMOUNTS = ("quantity", "quote_quantity", "price", "stop_price", "iceberg_quantity")
_PRICED = frozenset(kind for kind in OrderType if kind.has_price)
_STOPPED = frozenset(kind for kind in OrderType if kind.has_stop_price)


def _terms_fault(intent: _Placed) -> str | None:
    kind = intent.type
    by_quote = intent.quote_quantity is not None
    if (intent.quantity is None) != by_quote:
        return "exactly one of quantity and quoteQuantity must be given"
    if by_quote and kind is not OrderType.MARKET:
        return f"quoteQuantity is for MARKET orders, not {kind}"
    if (kind in _PRICED) != (intent.price is not None):
        return f"{kind} needs a price" if kind in _PRICED else f"{kind} takes no price"
    if kind not in _STOPPED and (intent.stop_price is not None or intent.trailing_delta is not None):
        return f"{kind} takes no stopPrice and no trailingDelta"
    if kind in _STOPPED and intent.stop_price is None and intent.trailing_delta is None:
        return f"{kind} needs a stopPrice or a trailingDelta"
    if intent.iceberg_quantity is not None and (kind not in _PRICED or intent.time_in_force is not TimeInForce.GTC):
        return "icebergQuantity is for orders with a price that rest until canceled"
    if (intent.time_in_force is TimeInForce.GTD) != (intent.good_till_ms is not None):
        return "goodTillMs belongs to GTD, and GTD needs it"
    if intent.post_only and (kind is not OrderType.LIMIT or intent.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}):
        return "postOnly is for LIMIT orders that may rest"
    return next((f"{name} must be above zero" for name in _AMOUNTS if _is_zero(getattr(intent, name))), None)


def _is_zero(text: str | None) -> bool:
    return text is not None and not text.strip("0.")


def _refuse_terms(intent: Intent, fault: str) -> Refusal:
    return Refusal(
        reason=Reason.INVALID_TERMS,
        message=fault,
        address=IntentAddress(
            venue=VenueName(intent.venue),
            account=AccountName(intent.account),
            strategy=StrategyName(intent.strategy),
            kind=intent.kind,
            symbol=None if intent.symbol is None else Symbol(intent.symbol),
        ),
        intent_id=IntentId(intent.intent_id),
        client_order_id=_named_order(intent),
    )


# Requests.


def _order_request(intent: _Placed) -> OrderRequest:
    order_id = _client_order_id(intent)
    return OrderRequest(
        key=_key(intent, order_id),
        strategy=StrategyName(intent.strategy),
        intent_id=IntentId(intent.intent_id),
        request_hash=_request_hash(intent, order_id, _distinguishing(intent)),
        terms=Terms(
            side=intent.side,
            type=intent.type,
            quantity=None if intent.quantity is None else Decimal(intent.quantity),
            price=None if intent.price is None else Decimal(intent.price),
            stop_price=None if intent.stop_price is None else Decimal(intent.stop_price),
            quote_quantity=None if intent.quote_quantity is None else Decimal(intent.quote_quantity),
            time_in_force=intent.time_in_force,
            good_till_ms=intent.good_till_ms,
            position_side=intent.position_side,
            reduce_only=intent.reduce_only,
            post_only=intent.post_only,
            iceberg_quantity=None if intent.iceberg_quantity is None else Decimal(intent.iceberg_quantity),
            trailing_delta=intent.trailing_delta,
            self_trade_prevention=intent.self_trade_prevention,
        ),
        created_at_ms=intent.created_at_ms,
        valid_for_ms=intent.valid_for_ms,
        rounding=intent.rounding,
        resubmit=intent.resubmit,
        validate_only=intent.validate_only,
        replaces=ClientOrderId(intent.replaces) if isinstance(intent, ReplaceIntent) else None,
    )


def _read_list(intent: PlaceIntent, wanted: ListTerms) -> ListRequest | Refusal:
    """Each leg as if it had been asked for by itself, and what makes them one."""
    who = AccountName(intent.account), StrategyName(intent.strategy), IntentId(intent.intent_id)
    single = intent.model_copy(update={"order_list": None})
    intents = [
        single,
        *(
            single.model_copy(update=_of_leg(leg, derive_leg_id(*who, place)))
            for place, leg in enumerate(wanted.others, 2)
        ),
    ]
    for place, each in enumerate(intents, 1):
        if (fault := _terms_fault(each)) is not None:
            return _refuse_terms(intent, f"order {place} of the list: {fault}")
    orders = [_order_request(each) for each in intents]
    names = tuple(order.key.client_order_id for order in orders)
    fault = incoherent_list(wanted.kind, [order.terms for order in orders])
    if fault is None and len(set(names)) < len(names):
        fault = "the orders of a list have different clientOrderIds"
    if fault is None and intent.resubmit:
        fault = "resubmit is for single orders: what became of a list's orders is read one by one"
    if fault is not None:
        return _refuse_terms(intent, fault)
    whole = "".join(order.request_hash for order in orders)
    return ListRequest(
        legs=tuple(
            replace(
                order,
                request_hash=hashlib.sha256(f"{wanted.kind}:{place}:{whole}".encode()).hexdigest()[:32],
                order_list=OrderListMembership(
                    list_client_order_id=derive_leg_id(*who, 0), kind=wanted.kind, leg=place, legs=names
                ),
            )
            for place, order in enumerate(orders, 1)
        )
    )


def _of_leg(leg: LegTerms, derived: ClientOrderId) -> dict[str, object]:
    own = {name: getattr(leg, name) for name in LegTerms.model_fields}
    return own | {
        "client_order_id": leg.client_order_id or derived,
        "quote_quantity": None,
        "good_till_ms": None,
    }


def _client_order_id(intent: PlaceIntent | ReplaceIntent | CloseIntent) -> ClientOrderId:
    if intent.client_order_id is not None:
        return ClientOrderId(intent.client_order_id)
    return derive_client_order_id(
        AccountName(intent.account), StrategyName(intent.strategy), IntentId(intent.intent_id)
    )


def _named_order(intent: Intent) -> ClientOrderId | None:
    match intent:
        case CancelIntent():
            return None if intent.client_order_id is None else ClientOrderId(intent.client_order_id)
        case CancelAllIntent():
            return None
        case _:
            return _client_order_id(intent)


def _key(intent: PlaceIntent | ReplaceIntent | CloseIntent, order_id: ClientOrderId) -> OrderKey:
    return OrderKey(
        venue=VenueName(intent.venue),
        account=AccountName(intent.account),
        symbol=Symbol(intent.symbol),
        client_order_id=order_id,
    )


def _expiry(intent: CancelIntent | CancelAllIntent) -> int | None:
    if intent.created_at_ms is None or intent.valid_for_ms is None:
        return None
    return intent.created_at_ms + intent.valid_for_ms


def _distinguishing(intent: _Placed) -> dict[str, str]:
    """What tells one order from another, without what has its default value: a field that a later version adds changes no hash."""
    fields = {"side": intent.side.value, "type": intent.type.value}
    for name in _AMOUNTS:
        amount = getattr(intent, name)
        if amount is not None:
            fields[name] = _plain(amount)
    if intent.time_in_force is not TimeInForce.GTC:
        fields["timeInForce"] = intent.time_in_force.value
    if intent.good_till_ms is not None:
        fields["goodTillMs"] = str(intent.good_till_ms)
    if intent.position_side is not PositionSide.BOTH:
        fields["positionSide"] = intent.position_side.value
    if intent.trailing_delta is not None:
        fields["trailingDelta"] = str(intent.trailing_delta)
    if intent.self_trade_prevention is not None:
        fields["selfTradePrevention"] = intent.self_trade_prevention.value
    if intent.rounding is not Rounding.STRICT:
        fields["rounding"] = intent.rounding.value
    for name, flag in (
        ("reduceOnly", intent.reduce_only),
        ("postOnly", intent.post_only),
        ("resubmit", intent.resubmit),
        ("validate", intent.validate_only),
    ):
        if flag:
            fields[name] = "true"
    if isinstance(intent, ReplaceIntent):
        fields["replaces"] = intent.replaces
    return fields


def _request_hash(
    intent: PlaceIntent | ReplaceIntent | CloseIntent, order_id: ClientOrderId, fields: Mapping[str, str]
) -> str:
    """128 bits in hex of everything but createdAtMs and validForMs: a strategy may repeat an intent after a crash."""
    who = (intent.kind.value, intent.venue, intent.account, intent.strategy, intent.intent_id, intent.symbol, order_id)
    parts = [*who, *(f"{name}={value}" for name, value in fields.items())]
    text = "".join(f"{len(part)}:{part}" for part in parts)  # length-prefixed: no two lists of parts give one text
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(amount: str) -> str:
    """1.50 and 1.5 are the same amount, and the same body."""
    plain = amount.lstrip("0")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return plain


# Refusals: the slow path.

_SCAVENGED_ID = re.compile(rb'"intentId"\s*:\s*"([!#-\[\]-~]{1,64})"')
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_NAME = re.compile(r"[^\x00-\x20\x7f]{1,64}")
_PLACING = frozenset({IntentKind.PLACE, IntentKind.REPLACE, IntentKind.CLOSE})
_NUMBERS = frozenset(
    {
        "quantity",
        "quoteQuantity",
        "price",
        "stopPrice",
        "icebergQuantity",
        "trailingDelta",
        "createdAtMs",
        "validForMs",
        "goodTillMs",
    }
)
_REASONS = {"json_invalid": Reason.NOT_JSON, "model_type": Reason.NOT_JSON, "model_attributes_type": Reason.NOT_JSON}
_FIELD_REASONS = {"missing": Reason.MISSING_FIELD, "extra_forbidden": Reason.UNKNOWN_FIELD}


def _refuse_body(error: ValidationError, address: IntentAddress, data: bytes) -> Refusal:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    # A message of another schema or kind has other fields too: that is the cause to name.
    fault = min(faults, key=lambda fault: {"schema": 0, "kind": 1}.get(_field(fault), 2))
    intent_id, client_order_id = _scavenge(address, data)
    return Refusal(
        reason=_reason(fault),
        message=f"{_field(fault)[:80]}: {fault['msg'][:160]}".removeprefix(": "),
        address=address,
        intent_id=intent_id,
        client_order_id=client_order_id,
    )


def _field(fault: ErrorDetails) -> str:
    return str(fault["loc"][0]) if fault["loc"] else ""


def _reason(fault: ErrorDetails) -> Reason:
    kind, field = fault["type"], _field(fault)
    if kind in _REASONS:
        return _REASONS[kind]
    if kind in _FIELD_REASONS:
        return _FIELD_REASONS[kind]
    if field == "schema":
        return Reason.WRONG_SCHEMA
    if field == "kind":
        return Reason.WRONG_KIND
    if field == "validForMs" and kind == "less_than_equal":
        return Reason.VALID_FOR_TOO_LONG
    return Reason.INVALID_NUMBER if field in _NUMBERS else Reason.INVALID_FIELD


def _scavenge(address: IntentAddress, data: bytes) -> tuple[IntentId | None, ClientOrderId | None]:
    """The ids that can still be read. The clientOrderId is derived only where the intent would have had a derived one."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        found = _SCAVENGED_ID.search(data)
        return (None if found is None else IntentId(found[1].decode())), None
    if not isinstance(body, dict):
        return None, None
    intent_id = _scavenged(body.get("intentId"), _NAME)
    given = body.get("clientOrderId")
    client_order_id = _scavenged(given, _CLIENT_ORDER_ID)
    if given is None and intent_id is not None and address.kind in _PLACING:
        derived = derive_client_order_id(address.account, address.strategy, IntentId(intent_id))
        return IntentId(intent_id), derived
    return (
        None if intent_id is None else IntentId(intent_id),
        None if client_order_id is None else ClientOrderId(client_order_id),
    )


def _scavenged(value: object, pattern: re.Pattern[str]) -> str | None:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate can neither be hashed nor stand in a subject
        return None
    return value
