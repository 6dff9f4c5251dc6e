"""The whole life of one order, gathered from every stream that speaks of it."""

import json
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ordergate.cli import reading
from ordergate.cli.caller import Caller, Line
from ordergate.client.replay import Received, Start
from ordergate.trading.errors import InvalidToken, Unreadable
from ordergate.trading.fills import Fill
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    IntentId,
    StrategyName,
    VenueName,
    derive_client_order_id,
    trace_id,
)
from ordergate.trading.order import ZERO, Order
from ordergate.wire import facts, keys, streams, subjects
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import CancelScope, ErrorDocument
from ordergate.wire.subjects import IntentKind

BEFORE_MS = 60_000
"""How far before its creation an order's messages may be stored: a strategy's clock may be off by that much."""
AFTER_MS = 60_000
"""How long after an order's last message others may still speak of it: fills that the venue shows late, the audit of its ending."""

Document = dict[str, Any]
_PLACING = (IntentKind.PLACE, IntentKind.CLOSE, IntentKind.REPLACE)
_DRIFT_OF_ORDERS = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message of whatever stream, as it stands there."""

    stream: str
    subject: str
    sequence: int
    stored_at_ms: int
    body: Document

    def document(self) -> Document:
        return {
            "stream": self.stream,
            "subject": self.subject,
            "sequence": self.sequence,
            "storedAtMs": self.stored_at_ms,
            "body": self.body,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEffect:
    """What the order's fills did to the account, reversals taken off. cash_flow in quote units, fees apart."""

    quantity: Decimal
    cash_flow: Decimal
    average_price: Decimal | None
    fees: dict[str, Decimal]

    def document(self) -> Document:
        return {
            "quantity": facts.decimal_text(self.quantity),
            "cashFlow": facts.decimal_text(self.cash_flow),
            "averagePrice": None if self.average_price is None else facts.decimal_text(self.average_price),
            "fees": {asset: facts.decimal_text(paid) for asset, paid in self.fees.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Oldest first in each. messages is never empty: an order is its messages."""

    found_by: str
    messages: tuple[Stored, ...]
    records: tuple[OrderRecord, ...]
    intents: tuple[Stored, ...] = ()
    requests: tuple[Stored, ...] = ()
    answers: tuple[Stored, ...] = ()
    statements: tuple[Stored, ...] = ()
    fills: tuple[Stored, ...] = ()

    @property
    def order(self) -> Order:
        return self.records[-1].order

    @property
    def effect(self) -> PositionEffect:
        return effect_of([facts.fill_from(fill.body) for fill in self.fills])

    @property
    def trace(self) -> str:
        return f"{trace_id(self.order.key.client_order_id):032x}"


def effect_of(fills: Iterable[Fill]) -> PositionEffect:
    quantity = cash_flow = ZERO
    fees: dict[str, Decimal] = {}
    for fill in fills:
        quantity += fill.signed_quantity
        cash_flow -= fill.signed_quantity * fill.price
        fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
    average = None if quantity == 0 else abs(cash_flow / quantity)
    return PositionEffect(quantity=quantity, cash_flow=cash_flow, average_price=average, fees=fees)


# Which order is meant.


async def find(line: Line, caller: Caller, name: str) -> tuple[VenueName, AccountName, ClientOrderId, str] | None:
    """The order that a name belongs to, and what kind of name it is. The last resort, a venue's order id, reads the whole ledger."""
    venue, account = caller.venue, caller.account
    if await _is_known(line, caller, ClientOrderId(name)):
        return venue, account, ClientOrderId(name), "clientOrderId"
    noted = await _noted(line, ErrorId(name))
    if noted is not None:
        return (
            VenueName(noted.venue),
            AccountName(noted.account),
            ClientOrderId(noted.client_order_id),
            "errorId",
        )
    derived = derive_client_order_id(account, caller.strategy, IntentId(name))
    if await _is_known(line, caller, derived):
        return venue, account, derived, "intentId"
    return await _in_the_ledger(line, caller, name)


async def _is_known(line: Line, caller: Caller, order: ClientOrderId) -> bool:
    try:
        guard = subjects.order_guard(caller.venue, caller.account, order)
    except InvalidToken:
        return False
    return await line.connection.last(streams.ORDERS, guard) is not None


async def _noted(line: Line, name: ErrorId) -> ErrorDocument | None:
    try:
        data = await reading.bucket_value(line, streams.ERRORS, keys.error(name))
        return None if data is None else ErrorDocument.of(data)
    except (InvalidToken, Unreadable):
        return None


async def _in_the_ledger(
    line: Line, caller: Caller, name: str
) -> tuple[VenueName, AccountName, ClientOrderId, str] | None:
    filters = (subjects.orders_of(caller.venue, caller.account),)
    async with aclosing(reading.stored(line, streams.ORDERS, filters, Start(sequence=0))) as messages:
        async for message in messages:
            if name.encode() not in message.data:
                continue
            body = facts.parse(message.data)
            for kind in ("venueOrderId", "intentId", "errorId"):
                if body.get(kind) == name:
                    return caller.venue, caller.account, ClientOrderId(body["clientOrderId"]), kind
    return None


async def answers_naming(line: Line, caller: Caller, error_id: str) -> list[Stored]:
    """Answers and venue requests with that errorId: what struck no order of the ledger, e.g. a cancel or an unreadable intent."""
    found = []
    async with aclosing(reading.stored(line, streams.AUDIT, subjects.ALL_AUDIT, Start(sequence=0))) as messages:
        async for message in messages:
            if error_id.encode() in message.data:
                stored = _stored(streams.AUDIT, message)
                if stored is not None and stored.body.get("errorId") == error_id and _is_of(stored, caller):
                    found.append(stored)
    return found


def _is_of(stored: Stored, caller: Caller) -> bool:
    return (stored.body.get("venue"), stored.body.get("account")) == (caller.venue, caller.account)


# Its life.


async def gather(
    line: Line, venue: VenueName, account: AccountName, order_id: ClientOrderId, *, found_by: str
) -> Life | None:
    """None: the ledger has forgotten it. Raises BusUnavailable."""
    guard = (subjects.order_guard(venue, account, order_id),)
    messages: list[Stored] = []
    records: list[OrderRecord] = []
    async with aclosing(reading.stored(line, streams.ORDERS, guard, Start(sequence=0))) as stored:
        async for message in stored:
            records.append(reading.order_of(message))
            messages.append(_as_stored(streams.ORDERS, message, facts.parse(message.data)))
    if not records:
        return None
    order = records[-1].order
    window = _Window(
        start_ms=max(0, min(order.request.created_at_ms, messages[0].stored_at_ms) - BEFORE_MS),
        end_ms=messages[-1].stored_at_ms + AFTER_MS,
    )
    intents = await _intents(line, order, window)
    about = await _about(line, order, window, intents)
    return Life(
        found_by=found_by,
        messages=tuple(messages),
        records=tuple(records),
        intents=tuple(intents),
        requests=tuple(each for each in about if "path" in each.body),
        answers=tuple(each for each in about if "outcome" in each.body and "path" not in each.body),
        statements=tuple(each for each in about if "outcome" not in each.body and "path" not in each.body),
        fills=tuple(await _fills(line, order, window)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    start_ms: int
    end_ms: int


async def _intents(line: Line, order: Order, window: _Window) -> list[Stored]:
    """Those that name the order, and those that asked to cancel everything while it lived, whoever asked."""
    key, strategy = order.key, order.request.strategy
    filters = [
        *subjects.intents_of(key.venue, key.account, IntentKind.CANCEL, IntentKind.CANCEL_ALL),
        *(subjects.intent(key.venue, key.account, strategy, kind, key.symbol) for kind in _PLACING),
    ]
    return [stored for stored in await _within(line, streams.INTENTS, filters, window) if _asks_about(stored, order)]


def _asks_about(stored: Stored, order: Order) -> bool:
    body = stored.body
    if body.get("kind") == IntentKind.CANCEL_ALL:
        is_meant = body.get("symbol") in {None, order.key.symbol} and (
            body.get("scope") == CancelScope.ACCOUNT or body.get("strategy") == order.request.strategy
        )
        until_ms = order.cancel_requested_at_ms or order.revised_at_ms
        return is_meant and _stood_before(order, stored) and stored.stored_at_ms <= until_ms
    names = {body.get("clientOrderId"), body.get("replaces")}
    intents = {body.get("intentId"), body.get("orderIntentId")}
    return order.key.client_order_id in names or order.request.intent_id in intents


def _stood_before(order: Order, cancel: Stored) -> bool:
    sequence = order.request.intent_sequence
    return order.request.created_at_ms <= cancel.stored_at_ms if sequence is None else sequence < cancel.sequence


def _texts(intents: Iterable[Stored], field: str) -> list[str]:
    return [intent.body[field] for intent in intents if isinstance(intent.body.get(field), str)]


async def _about(line: Line, order: Order, window: _Window, intents: list[Stored]) -> list[Stored]:
    """Venue requests, answers and statements of drift that speak of the order."""
    key = order.key
    intent_ids = frozenset(_texts(intents, "intentId")) | {order.request.intent_id}
    strategies = {StrategyName(name) for name in _texts(intents, "strategy")} | {order.request.strategy}
    filters = (
        subjects.requests_of(key.venue, key.account),
        subjects.reconciliation(key.venue, key.account, _DRIFT_OF_ORDERS),
        *(subjects.answers_of(key.venue, key.account, strategy) for strategy in strategies),
    )
    return [
        stored
        for stored in await _within(line, streams.AUDIT, filters, window)
        if speaks_of(stored.body, order, intent_ids)
    ]


def speaks_of(body: Document, order: Order, intent_ids: frozenset[str]) -> bool:
    """By clientOrderId, by the venue's id (at the end of a request's path too), or as the answer to an intent about the order."""
    if body.get("clientOrderId") == order.key.client_order_id:
        return True
    if "outcome" in body and "path" not in body:
        return body.get("intentId") in intent_ids and body.get("clientOrderId") is None
    venue_id = order.venue_order_id
    if venue_id is None or body.get("clientOrderId") is not None:
        return False
    return body.get("venueOrderId") == venue_id or str(body.get("path", "")).rpartition("/")[2] == venue_id


async def _within(line: Line, stream: str, filters: Iterable[str], window: _Window) -> list[Stored]:
    """Everything readable of the window, in stream order.

    One reading a filter: of several filters with a start time, server 2.15.1 skips what comes before the first filter's first message.
    """
    found: dict[int, Stored] = {}
    start = Start(time_ms=window.start_ms)
    for subject in filters:
        async with aclosing(reading.stored(line, stream, (subject,), start, until_ms=window.end_ms)) as messages:
            async for message in messages:
                stored = _stored(stream, message)
                if stored is not None:
                    found[message.sequence] = stored
    return [found[sequence] for sequence in sorted(found)]


async def _fills(line: Line, order: Order, window: _Window) -> list[Stored]:
    """Read on beyond the window as long as less is stored than has executed."""
    key, missing = order.key, order.executed_quantity
    filters = (subjects.fills_of(key.venue, key.account, key.symbol),)
    found: list[Stored] = []
    start = Start(time_ms=window.start_ms)
    async with aclosing(reading.stored(line, streams.FILLS, filters, start)) as messages:
        async for message in messages:
            if message.stored_at_ms > window.end_ms and missing <= 0:
                break
            body = facts.parse(message.data)
            if body.get("clientOrderId") == key.client_order_id or (
                order.venue_order_id is not None and body.get("venueOrderId") == order.venue_order_id
            ):
                found.append(_as_stored(streams.FILLS, message, body))
                missing -= facts.fill_from(body).quantity
    return found


def _stored(stream: str, message: Received) -> Stored | None:
    """None: what cannot be read names no order."""
    try:
        body = json.loads(message.data)
    except (ValueError, RecursionError):
        return None
    return _as_stored(stream, message, body) if isinstance(body, dict) else None


def _as_stored(stream: str, message: Received, body: Document) -> Stored:
    return Stored(
        stream=stream,
        subject=message.subject,
        sequence=message.sequence,
        stored_at_ms=message.stored_at_ms,
        body=body,
    )
