"""Our facts as JSON documents and back: one mapping for the services' fast codec and for the client.

Absent fields are left out. Reading is strict about numbers and enums and ignores fields it does not know.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from ordergate.trading.amounts import is_bounded
from ordergate.trading.errors import OtherSchema, Unreadable
from ordergate.trading.events import (
    Adopted,
    Approved,
    CancelRequested,
    EndedUnsent,
    Event,
    OutcomeLost,
    ProvenAbsent,
    ProvenNotPlaced,
    ProvenUnexecuted,
    Reapproved,
    Refused,
    Restated,
    SubmissionBegan,
    VenueRejected,
    VenueReported,
)
from ordergate.trading.fills import Fill, Liquidity, VenueTrade
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    IntentId,
    KeyId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.order import (
    Absence,
    Attempt,
    ListKind,
    NonExecution,
    Order,
    OrderKey,
    OrderListMembership,
    OrderRequest,
    OrderType,
    PositionSide,
    Rounding,
    SelfTradePrevention,
    Side,
    State,
    Terms,
    TimeInForce,
    Unexecuted,
    VenueView,
)
from ordergate.trading.position import Leg, Position, unrealised
from ordergate.wire.messages import SCHEMA, EventKind

Document = dict[str, Any]
_Id = TypeVar("_Id")

_DECIMAL = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
# Calling an enum costs several times a look-up, and these stand in every message.
_SIDES: dict[str, Side] = {member.value: member for member in Side}
_TYPES: dict[str, OrderType] = {member.value: member for member in OrderType}
_TIMES_IN_FORCE: dict[str, TimeInForce] = {member.value: member for member in TimeInForce}
_POSITION_SIDES: dict[str, PositionSide] = {member.value: member for member in PositionSide}
_ROUNDINGS: dict[str, Rounding] = {member.value: member for member in Rounding}
_PREVENTIONS: dict[str, SelfTradePrevention] = {member.value: member for member in SelfTradePrevention}
_STATES: dict[str, State] = {member.value: member for member in State}
_LIQUIDITIES: dict[str, Liquidity] = {member.value: member for member in Liquidity}
_EVENT_KINDS: dict[str, EventKind] = {member.value: member for member in EventKind}

EVENT_KINDS: dict[type[Event], EventKind] = {
    Approved: EventKind.APPROVED,
    Refused: EventKind.REFUSED,
    Adopted: EventKind.ADOPTED,
    SubmissionBegan: EventKind.SUBMISSION_BEGAN,
    EndedUnsent: EventKind.ENDED_UNSENT,
    VenueReported: EventKind.VENUE_REPORTED,
    VenueRejected: EventKind.VENUE_REJECTED,
    OutcomeLost: EventKind.OUTCOME_LOST,
    ProvenNotPlaced: EventKind.PROVEN_NOT_PLACED,
    ProvenAbsent: EventKind.PROVEN_ABSENT,
    ProvenUnexecuted: EventKind.PROVEN_UNEXECUTED,
    Reapproved: EventKind.REAPPROVED,
    CancelRequested: EventKind.CANCEL_REQUESTED,
    Restated: EventKind.RESTATED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One message of an order's life, as read. `event` and `evidence` are what the message says of its cause, in wire form.

    correction: the step left a terminal state, on venue evidence; who acted on the ending must know.
    """

    order: Order
    sequence: int
    stored_at_ms: int
    append_id: str
    event_kind: EventKind
    event: Mapping[str, Any]
    evidence: Mapping[str, Any]
    correction: bool


def parse(data: bytes) -> Document:
    """The JSON object in a message, with the standard library. Raises Unreadable."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {str(error)[:80]}") from error
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    return document


# Writing.


def decimal_text(value: Decimal) -> str:
    """The decimal without exponent. Raises ValueError for NaN and Infinity, which are no amounts."""
    if not value.is_finite():
        raise ValueError("an amount must be a finite number")
    return format(value, "f")


def order_document(order: Order, event: Event, *, append_id: str, correction: bool = False) -> Document:
    request, terms = order.request, order.request.terms
    key = request.key
    document: Document = {
        "schema": SCHEMA,
        "appendId": append_id,
        "venue": key.venue,
        "account": key.account,
        "strategy": request.strategy,
        "symbol": key.symbol,
        "clientOrderId": key.client_order_id,
        "intentId": request.intent_id,
        "requestHash": request.request_hash,
        "state": order.state.value,
        "revisedAtMs": order.revised_at_ms,
        "side": terms.side.value,
        "type": terms.type.value,
        "timeInForce": terms.time_in_force.value,
        "positionSide": terms.position_side.value,
        "reduceOnly": terms.reduce_only,
        "postOnly": terms.post_only,
        "rounding": request.rounding.value,
        "resubmit": request.resubmit,
        "validate": request.validate_only,
        "createdAtMs": request.created_at_ms,
        "validForMs": request.valid_for_ms,
        "executedQuantity": decimal_text(order.executed_quantity),
    }
    _add_amounts(document, terms)
    if order.settled_quantity is not None:
        document["settledQuantity"] = decimal_text(order.settled_quantity)
    if order.attempt is not None:
        document["attempt"] = {
            "number": order.attempt.number,
            "timestampMs": order.attempt.timestamp_ms,
            "keyId": order.attempt.key_id,
            **({} if order.attempt.began_at_ms is None else {"beganAtMs": order.attempt.began_at_ms}),
        }
    if request.order_list is not None:
        document["list"] = _list_document(request.order_list)
    if order.absence is not None:
        document["absence"] = _absence_document(order.absence)
    if order.unexecuted is not None:
        document["unexecuted"] = _unexecuted_document(order.unexecuted)
    _add_present(
        document,
        intentSequence=request.intent_sequence,
        replaces=request.replaces,
        firstAttemptMs=order.first_attempt_ms,
        venueOrderId=order.venue_order_id,
        venueUpdatedAtMs=order.venue_updated_at_ms,
        unknownSinceMs=order.unknown_since_ms,
        cancelRequestedAtMs=order.cancel_requested_at_ms,
        reason=order.reason,
        errorId=order.error_id,
    )
    if correction:
        document["correction"] = True
    document["event"] = _event_document(event)
    document["evidence"] = _evidence_document(event)
    return document


def fill_document(fill: Fill) -> Document:
    document: Document = {
        "schema": SCHEMA,
        "venue": fill.venue,
        "account": fill.account,
        "symbol": fill.symbol,
        "tradeId": fill.trade_id,
        "venueOrderId": fill.venue_order_id,
        "side": fill.side.value,
        "positionSide": fill.position_side.value,
        "price": decimal_text(fill.price),
        "quantity": decimal_text(fill.quantity),
        "fee": decimal_text(fill.fee),
        "feeAsset": fill.fee_asset,
        "liquidity": fill.liquidity.value,
        "inferred": fill.inferred,
        "venueTimeMs": fill.venue_time_ms,
        "receivedTimeMs": fill.received_time_ms,
    }
    _add_present(document, clientOrderId=fill.client_order_id, strategy=fill.strategy)
    return document


def position_document(position: Position, *, mark_price: Decimal | None = None) -> Document:
    """mark_price: the venue's, if it is known; with it goes what closing at that price would bring."""
    document: Document = {
        "schema": SCHEMA,
        "venue": position.venue,
        "account": position.account,
        "symbol": position.symbol,
        "quantity": decimal_text(position.quantity),
        "realisedPnl": decimal_text(position.realised_pnl),
        "legs": _legs_document(position.legs, mark_price),
        "byStrategy": {strategy: _legs_document(legs, mark_price) for strategy, legs in position.by_strategy.items()},
        "fees": {asset: decimal_text(paid) for asset, paid in position.fees.items()},
        "fillCount": position.fill_count,
        "tradedVolume": decimal_text(position.traded_volume),
        "upToSequence": position.up_to_sequence,
    }
    if mark_price is not None:
        document["markPrice"] = decimal_text(mark_price)
        document["unrealisedPnl"] = decimal_text(unrealised(position, mark_price))
    return document


def _legs_document(legs: Mapping[PositionSide, Leg], mark_price: Decimal | None) -> Document:
    return {side.value: _leg_document(leg, mark_price) for side, leg in legs.items()}


def _leg_document(leg: Leg, mark_price: Decimal | None) -> Document:
    document: Document = {
        "quantity": decimal_text(leg.quantity),
        "realisedPnl": decimal_text(leg.realised_pnl),
        "cashFlow": decimal_text(leg.cash_flow),
        "entryPrice": decimal_text(leg.entry_price),
    }
    if mark_price is not None:
        document["unrealisedPnl"] = decimal_text(leg.unrealised(mark_price))
    return document


def _add_present(document: Document, **fields: str | int | None) -> None:
    for name, value in fields.items():
        if value is not None:
            document[name] = value


def _add_amounts(document: Document, terms: Terms) -> None:
    if terms.quantity is not None:
        document["quantity"] = decimal_text(terms.quantity)
    if terms.price is not None:
        document["price"] = decimal_text(terms.price)
    if terms.stop_price is not None:
        document["stopPrice"] = decimal_text(terms.stop_price)
    if terms.quote_quantity is not None:
        document["quoteQuantity"] = decimal_text(terms.quote_quantity)
    if terms.good_till_ms is not None:
        document["goodTillMs"] = terms.good_till_ms
    if terms.iceberg_quantity is not None:
        document["icebergQuantity"] = decimal_text(terms.iceberg_quantity)
    if terms.trailing_delta is not None:
        document["trailingDelta"] = terms.trailing_delta
    if terms.self_trade_prevention is not None:
        document["selfTradePrevention"] = terms.self_trade_prevention.value


def _event_document(event: Event) -> Document:
    document: Document = {"kind": EVENT_KINDS[type(event)].value, "atMs": event.at_ms}
    match event:
        case VenueReported():
            document["source"] = event.source.value
        case Refused() | EndedUnsent() | VenueRejected() | OutcomeLost():
            document["reason"] = event.reason
            if event.error_id is not None:
                document["errorId"] = event.error_id
        case CancelRequested():
            document["reason"] = event.reason
        case ProvenUnexecuted():
            document["errorId"] = event.error_id
        case ProvenNotPlaced():
            document["reason"] = event.reason
            if event.error_id is not None:
                document["errorId"] = event.error_id
        case _:
            pass  # kind and time say it all
    return document


def _evidence_document(event: Event) -> Document:
    match event:
        case Adopted() | VenueReported(trades=()):
            return {"view": _view_document(event.view)}
        case VenueReported():
            return {"view": _view_document(event.view), "trades": [_trade_document(each) for each in event.trades]}
        case SubmissionBegan():
            evidence: Document = {"attempt": event.attempt.number}
            if event.proof is not None:
                evidence["proof"] = event.proof.value
            if event.fence is not None:
                evidence["fence"] = _fence_document(event.fence)
            return evidence
        case EndedUnsent():
            return {"proof": event.proof.value, "attempt": event.attempt}
        case VenueRejected() | OutcomeLost():
            return {"attempt": event.attempt}
        case ProvenNotPlaced() | ProvenAbsent():
            return _absence_document(event)
        case ProvenUnexecuted():
            return _unexecuted_document(event)
        case _:
            return {}


def _list_document(listed: OrderListMembership) -> Document:
    return {
        "listClientOrderId": listed.list_client_order_id,
        "kind": listed.kind.value,
        "leg": listed.leg,
        "legs": list(listed.legs),
    }


def _absence_document(absence: Absence | ProvenNotPlaced | ProvenAbsent) -> Document:
    return {"attempt": absence.attempt, "fenceMs": absence.fence_ms, "askedAtMs": list(absence.asked_at_ms)}


def _unexecuted_document(unexecuted: Unexecuted | ProvenUnexecuted) -> Document:
    document: Document = {"attempt": unexecuted.attempt, "proof": unexecuted.proof.value}
    _add_present(document, retryAtMs=unexecuted.retry_at_ms)
    return document


def _fence_document(fence: ProvenNotPlaced) -> Document:
    """What proved that the attempt before this one cannot execute: an event of its own, had the order ended there."""
    document: Document = {
        "attempt": fence.attempt,
        "fenceMs": fence.fence_ms,
        "askedAtMs": list(fence.asked_at_ms),
        "atMs": fence.at_ms,
    }
    _add_present(document, errorId=fence.error_id)
    return document


def _trade_document(trade: VenueTrade) -> Document:
    """What the view beside it does not say already."""
    return {
        "tradeId": trade.trade_id,
        "price": decimal_text(trade.price),
        "quantity": decimal_text(trade.quantity),
        "fee": decimal_text(trade.fee),
        "feeAsset": trade.fee_asset,
        "liquidity": trade.liquidity.value,
        "venueTimeMs": trade.venue_time_ms,
    }


def _view_document(view: VenueView) -> Document:
    document: Document = {
        "venueOrderId": view.venue_order_id,
        "symbol": view.symbol,
        "side": view.side.value,
        "type": view.type.value,
        "quantity": decimal_text(view.quantity),
        "positionSide": view.position_side.value,
        "reduceOnly": view.reduce_only,
        "status": view.status.value,
        "executedQuantity": decimal_text(view.executed_quantity),
        "createdAtMs": view.created_at_ms,
        "updatedAtMs": view.updated_at_ms,
    }
    if view.price is not None:
        document["price"] = decimal_text(view.price)
    if view.stop_price is not None:
        document["stopPrice"] = decimal_text(view.stop_price)
    _add_present(document, clientOrderId=view.client_order_id, errorId=view.error_id)
    return document


# Reading.

# Whoever can publish can publish nonsense, and what is read here becomes keys of dicts and tokens of subjects: so every field is checked.
_TEXT_LENGTH_MAX = 20_000
_INTEGER_MAX = 2**53


def order_record(document: Document, *, sequence: int, stored_at_ms: int) -> OrderRecord:
    """Raises Unreadable, OtherSchema."""
    try:
        _check_schema(document)
        return OrderRecord(
            order=_order(document),
            sequence=sequence,
            stored_at_ms=stored_at_ms,
            append_id=_text(document["appendId"]),
            event_kind=_EVENT_KINDS[document["event"]["kind"]],
            event=_object(document["event"]),
            evidence=_object(document.get("evidence") or {}),
            correction=document.get("correction") is True,
        )
    except OtherSchema:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not an order's message: {_brief(error)}") from error


def fill_from(document: Document) -> Fill:
    """Raises Unreadable, OtherSchema."""
    try:
        _check_schema(document)
        return Fill(
            venue=VenueName(_name(document["venue"])),
            account=AccountName(_name(document["account"])),
            symbol=Symbol(_name(document["symbol"])),
            trade_id=TradeId(_name(document["tradeId"])),
            venue_order_id=VenueOrderId(_name(document["venueOrderId"])),
            client_order_id=_optional_id(ClientOrderId, document.get("clientOrderId")),
            strategy=_optional_id(StrategyName, document.get("strategy")),
            side=_SIDES[document["side"]],
            position_side=_POSITION_SIDES[document.get("positionSide") or "BOTH"],
            price=_amount(document["price"]),
            quantity=_amount(document["quantity"]),
            fee=_amount(document["fee"]),
            fee_asset=_text(document["feeAsset"]),
            liquidity=_LIQUIDITIES[document["liquidity"]],
            venue_time_ms=_integer(document["venueTimeMs"]),
            received_time_ms=_integer(document["receivedTimeMs"]),
            inferred=document.get("inferred") is True,
        )
    except OtherSchema:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not a fill: {_brief(error)}") from error


def position_from(document: Document) -> Position:
    """Raises Unreadable, OtherSchema."""
    try:
        _check_schema(document)
        return Position(
            venue=VenueName(_name(document["venue"])),
            account=AccountName(_name(document["account"])),
            symbol=Symbol(_name(document["symbol"])),
            legs=_legs(document["legs"]),
            by_strategy={StrategyName(_name(name)): _legs(legs) for name, legs in document["byStrategy"].items()},
            fees={_text(asset): _decimal(paid) for asset, paid in document["fees"].items()},
            fill_count=_integer(document["fillCount"]),
            traded_volume=_decimal(document["tradedVolume"]),
            up_to_sequence=_integer(document["upToSequence"]),
        )
    except OtherSchema:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not a position: {_brief(error)}") from error


def view_from(document: Document) -> VenueView:
    """The venue's view in a message's evidence. Raises Unreadable."""
    get = document.get
    try:
        return VenueView(
            venue_order_id=VenueOrderId(_name(document["venueOrderId"])),
            client_order_id=_optional_id(ClientOrderId, get("clientOrderId")),
            symbol=Symbol(_name(document["symbol"])),
            side=_SIDES[document["side"]],
            type=_TYPES[document["type"]],
            quantity=_decimal(document["quantity"]),
            price=_optional_decimal(get("price")),
            stop_price=_optional_decimal(get("stopPrice")),
            position_side=_POSITION_SIDES[document["positionSide"]],
            reduce_only=document["reduceOnly"] is True,
            status=_STATES[document["status"]],
            executed_quantity=_decimal(document["executedQuantity"]),
            created_at_ms=_integer(document["createdAtMs"]),
            updated_at_ms=_integer(document["updatedAtMs"]),
            error_id=_error_id(get("errorId")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not a venue's view: {_brief(error)}") from error


def trades_from(evidence: Mapping[str, Any]) -> tuple[VenueTrade, ...]:
    """The trades that an answer told beside its view of their order. Raises Unreadable."""
    told = evidence.get("trades")
    if not told:
        return ()
    try:
        view = view_from(evidence["view"])
        return tuple(
            VenueTrade(
                trade_id=TradeId(_name(each["tradeId"])),
                venue_order_id=view.venue_order_id,
                client_order_id=view.client_order_id,
                symbol=view.symbol,
                side=view.side,
                position_side=view.position_side,
                price=_amount(each["price"]),
                quantity=_amount(each["quantity"]),
                fee=_amount(each["fee"]),
                fee_asset=_text(each["feeAsset"]),
                liquidity=_LIQUIDITIES[each["liquidity"]],
                venue_time_ms=_integer(each["venueTimeMs"]),
            )
            for each in told
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"not an answer's trades: {_brief(error)}") from error


def _legs(document: Document) -> dict[PositionSide, Leg]:
    return {
        _POSITION_SIDES[side]: Leg(
            quantity=_decimal(leg["quantity"]),
            realised_pnl=_decimal(leg["realisedPnl"]),
            cash_flow=_decimal(leg["cashFlow"]),
        )
        for side, leg in document.items()
    }


def _order(document: Document) -> Order:
    get = document.get
    attempt, absence, unexecuted = get("attempt"), get("absence"), get("unexecuted")
    return Order(
        request=_request(document),
        state=_STATES[document["state"]],
        revised_at_ms=_integer(document["revisedAtMs"]),
        attempt=None if attempt is None else _attempt(attempt),
        first_attempt_ms=_optional_integer(get("firstAttemptMs")),
        venue_order_id=_optional_id(VenueOrderId, get("venueOrderId")),
        executed_quantity=_decimal(document["executedQuantity"]),
        venue_updated_at_ms=_optional_integer(get("venueUpdatedAtMs")),
        unknown_since_ms=_optional_integer(get("unknownSinceMs")),
        cancel_requested_at_ms=_optional_integer(get("cancelRequestedAtMs")),
        reason=_optional_text(get("reason")),
        error_id=_error_id(get("errorId")),
        settled_quantity=_optional_decimal(get("settledQuantity")),
        absence=None if absence is None else _absence(absence),
        unexecuted=None if unexecuted is None else _unexecuted(unexecuted),
    )


def _request(document: Document) -> OrderRequest:
    get = document.get
    return OrderRequest(
        key=OrderKey(
            venue=VenueName(_name(document["venue"])),
            account=AccountName(_name(document["account"])),
            symbol=Symbol(_name(document["symbol"])),
            client_order_id=ClientOrderId(_name(document["clientOrderId"])),
        ),
        strategy=StrategyName(_name(document["strategy"])),
        intent_id=IntentId(_name(document["intentId"])),
        request_hash=_text(document["requestHash"]),
        terms=Terms(
            side=_SIDES[document["side"]],
            type=_TYPES[document["type"]],
            quantity=_optional_decimal(get("quantity")),
            price=_optional_decimal(get("price")),
            stop_price=_optional_decimal(get("stopPrice")),
            quote_quantity=_optional_decimal(get("quoteQuantity")),
            time_in_force=_TIMES_IN_FORCE[document["timeInForce"]],
            good_till_ms=_optional_integer(get("goodTillMs")),
            position_side=_POSITION_SIDES[document["positionSide"]],
            reduce_only=get("reduceOnly") is True,
            post_only=get("postOnly") is True,
            iceberg_quantity=_optional_decimal(get("icebergQuantity")),
            trailing_delta=_optional_integer(get("trailingDelta")),
            self_trade_prevention=_optional_prevention(get("selfTradePrevention")),
        ),
        created_at_ms=_integer(document["createdAtMs"]),
        valid_for_ms=_integer(document["validForMs"]),
        rounding=_ROUNDINGS[get("rounding") or "strict"],
        resubmit=get("resubmit") is True,
        validate_only=get("validate") is True,
        intent_sequence=_optional_integer(get("intentSequence")),
        replaces=None if get("replaces") is None else ClientOrderId(_name(document["replaces"])),
        order_list=None if get("list") is None else _membership(document["list"]),
    )


def _membership(document: Document) -> OrderListMembership:
    legs = tuple(ClientOrderId(_name(leg)) for leg in document["legs"])
    leg = _integer(document["leg"])
    if not 1 <= leg <= len(legs):
        raise ValueError("no leg of its list")
    return OrderListMembership(
        list_client_order_id=ClientOrderId(_name(document["listClientOrderId"])),
        kind=ListKind(document["kind"]),
        leg=leg,
        legs=legs,
    )


def _optional_prevention(value: Any) -> SelfTradePrevention | None:
    return None if value is None else _PREVENTIONS[value]


def _attempt(document: Document) -> Attempt:
    return Attempt(
        number=_integer(document["number"]),
        timestamp_ms=_integer(document["timestampMs"]),
        key_id=KeyId(_text(document["keyId"])),
        began_at_ms=_optional_integer(document.get("beganAtMs")),
    )


def _absence(document: Document) -> Absence:
    return Absence(
        attempt=_integer(document["attempt"]),
        fence_ms=_integer(document["fenceMs"]),
        asked_at_ms=tuple(_integer(asked) for asked in document["askedAtMs"]),
    )


def _unexecuted(document: Document) -> Unexecuted:
    return Unexecuted(
        attempt=_integer(document["attempt"]),
        proof=NonExecution(document["proof"]),
        retry_at_ms=_optional_integer(document.get("retryAtMs")),
    )


def _check_schema(document: Document) -> None:
    """Raises OtherSchema for a number that is none of ours; nonsense is a TypeError, as in every field."""
    if _integer(document["schema"]) != SCHEMA:
        raise OtherSchema(
            f"schema {document['schema']}, and this version reads {SCHEMA}: run the version that wrote it, or finish the upgrade"
        )


def _decimal(text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError("not a decimal")
    return Decimal(text)


def _amount(text: str) -> Decimal:
    """What is added up by everybody who reads it, so nothing longer than sums stay exact with."""
    found = _decimal(text)
    if not is_bounded(found):
        raise ValueError("not an amount of a sane size")
    return found


def _optional_decimal(text: str | None) -> Decimal | None:
    return None if text is None else _decimal(text)


def _integer(value: int) -> int:
    if type(value) is not int or not 0 <= value <= _INTEGER_MAX:
        raise TypeError("not an integer that we write")
    return value


def _optional_integer(value: int | None) -> int | None:
    return None if value is None else _integer(value)


def _text(value: str) -> str:
    if type(value) is not str or len(value) > _TEXT_LENGTH_MAX or not (value.isascii() or _is_unicode(value)):
        raise TypeError("not a text")
    return value


def _is_unicode(value: str) -> bool:
    """A lone surrogate, which the standard library reads and nobody can write again, is none."""
    return not any("\ud800" <= sign <= "\udfff" for sign in value)


def _name(value: str) -> str:
    """What stands in a subject somewhere, so never empty."""
    if not value:
        raise ValueError("an empty name")
    return _text(value)


def _optional_text(value: str | None) -> str | None:
    return None if value is None else _text(value)


def _optional_id(kind: Callable[[str], _Id], value: str | None) -> _Id | None:
    return None if value is None else kind(_name(value))


def _error_id(value: str | None) -> ErrorId | None:
    return None if value is None else ErrorId(_text(value))


def _object(value: Document) -> Document:
    if type(value) is not dict:
        raise TypeError("not an object")
    return value


def _brief(error: Exception) -> str:
    return f"{type(error).__name__} {str(error)[:80]}"
