"""place and cancel: an intent goes out, and what became of it is said."""

import time
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from ordergate.cli import say, shown
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.exits import Exit, Indefinite, WrongUsage
from ordergate.client.gateway import Gateway, OrderUpdate, Ticket
from ordergate.trading.errors import BusUnavailable, StillWaiting
from ordergate.trading.ids import StrategyName
from ordergate.trading.order import AT_VENUE, Order, OrderType, PositionSide, Rounding, Side, State, TimeInForce
from ordergate.wire.messages import AnswerMessage, AnswerOutcome, CancelScope

LIMIT_SECONDS = 10.0
_SETTLED = frozenset({AnswerOutcome.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The order as the command line says it."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till: str | None = None
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    post_only: bool = False
    rounding: Rounding = Rounding.STRICT
    validate: bool = False
    client_order_id: str | None = None
    replaces: str | None = None
    intent_id: str | None = None
    valid_for_ms: int = 5_000

    def is_stated_by(self, order: Order) -> bool:
        """Whether that order can be this one: another body under the same id is not ours."""
        terms = order.terms
        if (order.key.symbol, terms.side, terms.type) != (self.symbol, self.side, self.type):
            return False
        if self.rounding is Rounding.ADJUST:
            return True
        amounts = (terms.quantity, terms.price, terms.stop_price, terms.quote_quantity)
        return amounts == (self.quantity, self.price, self.stop_price, self.quote_quantity)


async def place(caller: Caller, wanted: Wanted, *, until: frozenset[State], wait: bool) -> Exit:
    """Raises WrongUsage, InvalidIntent, BusUnavailable before anything was published, Indefinite after."""
    good_till_ms = None if wanted.good_till is None else say.read_moment(wanted.good_till, _now_ms())
    limit = caller.limit(LIMIT_SECONDS)
    async with open_line(caller, limit_seconds=limit) as line:
        ticket = await _submit(line.gateway, wanted, good_till_ms)
        if not wait:
            return _say_ticket(caller, ticket)
        said = await _outcome(line.gateway, ticket, wanted, until or until | AT_VENUE, limit)
        if isinstance(said, AnswerMessage):
            return _say_answer(caller, said, ticket)
        return _say_order(caller, said, until)


async def _submit(gateway: Gateway, wanted: Wanted, good_till_ms: int | None) -> Ticket:
    intent_id, replaces = wanted.intent_id, wanted.replaces
    ask = gateway.submit if replaces is None else partial(gateway.replace, replaces)
    try:
        return await ask(
            symbol=wanted.symbol,
            side=wanted.side,
            type=wanted.type,
            quantity=wanted.quantity,
            price=wanted.price,
            stop_price=wanted.stop_price,
            quote_quantity=wanted.quote_quantity,
            time_in_force=wanted.time_in_force,
            good_till_ms=good_till_ms,
            position_side=wanted.position_side,
            reduce_only=wanted.reduce_only,
            post_only=wanted.post_only,
            rounding=wanted.rounding,
            validate_only=wanted.validate,
            client_order_id=wanted.client_order_id,
            intent_id=intent_id,
            valid_for_ms=wanted.valid_for_ms,
        )
    except BusUnavailable as error:
        again = "" if intent_id is None else f"; repeat it with the same --intent-id {intent_id}"
        raise Indefinite(f"the bus did not say whether it took the order ({error}){again}") from error


async def _outcome(
    gateway: Gateway, ticket: Ticket, wanted: Wanted, until: frozenset[State], limit_seconds: float
) -> OrderUpdate | AnswerMessage:
    """Raises Indefinite at the limit."""
    deadline = time.monotonic() + limit_seconds
    try:
        said = await gateway.wait(ticket, until, timeout_seconds=limit_seconds)
        if isinstance(said, AnswerMessage) or wanted.is_stated_by(said.order):
            return said
        # Somebody's order of that id stands in the ledger already: what becomes of this intent is said in its answer.
        nothing = Ticket(
            kind=ticket.kind,
            intent_id=ticket.intent_id,
            client_order_id=None,
            sequence=ticket.sequence,
            duplicate=ticket.duplicate,
        )
        return await gateway.wait(nothing, timeout_seconds=max(0.1, deadline - time.monotonic()))
    except StillWaiting as error:
        raise Indefinite(await _where_it_stands(gateway, ticket, limit_seconds)) from error


async def _where_it_stands(gateway: Gateway, ticket: Ticket, limit_seconds: float) -> str:
    name = ticket.client_order_id
    order = None if name is None else await gateway.order(name)
    if order is None:
        return (
            f"nobody has decided intent {ticket.intent_id} after {limit_seconds:g} s; "
            "it is kept and may still be carried out while it is valid: see `ordergate status`"
        )
    return f"{name} is {order.state.value} after {limit_seconds:g} s; see `ordergate explain {name}`"


def _say_ticket(caller: Caller, ticket: Ticket) -> Exit:
    document = {
        "intentId": ticket.intent_id,
        "clientOrderId": ticket.client_order_id,
        "kind": ticket.kind.value,
        "sequence": ticket.sequence,
        "duplicate": ticket.duplicate,
    }
    if caller.as_json:
        say.document(document)
    else:
        about = f" for {ticket.client_order_id}" if ticket.client_order_id else ""
        say.line(f"taken: {ticket.kind.value}{about} (intent {ticket.intent_id}, sequence {ticket.sequence})")
    return Exit.DONE


def _say_order(caller: Caller, update: OrderUpdate, until: frozenset[State]) -> Exit:
    order = update.order
    if caller.as_json:
        say.document({"order": shown.order_document(order), "sequence": update.sequence})
    else:
        say.line(order_sentence(order))
    return order_exit(order, until)


def order_exit(order: Order, until: frozenset[State]) -> Exit:
    """Done: it is in a state that was waited for; else at the venue, or it has executed."""
    if until:
        return Exit.DONE if order.state in until else Exit.NOT_DONE
    if order.state in AT_VENUE or order.state is State.FILLED or order.executed_quantity > 0:
        return Exit.DONE
    return Exit.UNKNOWN if order.state is State.UNKNOWN else Exit.NOT_DONE


def order_sentence(order: Order) -> str:
    terms, executed = order.terms, say.amount(order.executed_quantity)
    at = "" if terms.price is None else f" at {say.amount(terms.price)}"
    what = f"{terms.side.value} {shown.quantity_text(terms)} {order.key.symbol} {shown.type_text(terms)}{at}"
    parts = [f"{order.key.client_order_id}: {order.state.value}  {what}, executed {executed}"]
    if order.venue_order_id is not None:
        parts.append(f"venue order {order.venue_order_id}")
    if order.reason is not None:
        parts.append(order.reason)
    if order.error_id is not None:
        parts.append(f"errorId {order.error_id}")
    return "; ".join(parts)


async def cancel(caller: Caller, name: str, *, wait: bool) -> Exit:
    """As the order's own strategy, unless the caller names one: the gate lets a strategy cancel only its own."""
    limit = caller.limit(LIMIT_SECONDS)
    async with open_line(caller, limit_seconds=limit) as line:
        order = await line.gateway.order(name)
        if order is None:
            say.error_line(
                f"the ledger has no order {name} of {caller.venue}/{caller.account}; see `ordergate orders --all`"
            )
            return Exit.NOT_DONE
        gateway = line.gateway if caller.chosen_strategy else _gateway_of(line, order.request.strategy)
        if order.state.is_terminal:
            return _say_ended(caller, order)
        ticket = await gateway.cancel(name, symbol=order.key.symbol)
        if not wait:
            return _say_ticket(caller, ticket)
        try:
            said = await gateway.wait(ticket, timeout_seconds=limit)
        except StillWaiting as error:
            raise Indefinite(f"the cancel: {await _where_it_stands(gateway, ticket, limit)}") from error
        if isinstance(said, AnswerMessage):
            return _say_answer(caller, said, ticket)
        return _say_ended(caller, said.order)


def _say_ended(caller: Caller, order: Order) -> Exit:
    if caller.as_json:
        say.document({"order": shown.order_document(order)})
    else:
        say.line(order_sentence(order))
    # Whoever asks to cancel wants that nothing more can execute: that is so, but what executed may be more than was hoped.
    return Exit.NOT_DONE if order.state is State.FILLED else Exit.DONE


def _gateway_of(line: Line, strategy: StrategyName) -> Gateway:
    gateway = line.gateway
    return Gateway(line.connection, venue=gateway.venue, account=gateway.account, strategy=strategy, now_ms=_now_ms)


async def cancel_all(caller: Caller, *, scope: str, symbol: str | None, wait: bool) -> Exit:
    if scope not in set(CancelScope):
        raise WrongUsage(f"--scope is one of {', '.join(CancelScope)}, not {scope!r}")
    limit = caller.limit(LIMIT_SECONDS)
    async with open_line(caller, limit_seconds=limit) as line:
        ticket = await line.gateway.cancel_all(symbol=symbol, scope=scope)
        if not wait:
            return _say_ticket(caller, ticket)
        try:
            said = await line.gateway.wait(ticket, timeout_seconds=limit)
        except StillWaiting as error:
            raise Indefinite(
                f"not everything is canceled after {limit:g} s; it goes on: see `ordergate orders`"
            ) from error
    return _say_answer(caller, said, ticket) if isinstance(said, AnswerMessage) else _say_ended(caller, said.order)


def _say_answer(caller: Caller, answer: AnswerMessage, ticket: Ticket) -> Exit:
    if caller.as_json:
        document: dict[str, Any] = answer.model_dump(by_alias=True, exclude_none=True, mode="json")
        say.document({"answer": document})
    else:
        about = ticket.client_order_id or ticket.kind.value
        error_id = "" if answer.error_id is None else f"; errorId {answer.error_id}"
        message = f": {answer.message}" if answer.message else ""
        say.line(f"{about}: {answer.outcome.value}, {answer.reason}{message}{error_id}")
    return answer_exit(answer)


def answer_exit(answer: AnswerMessage) -> Exit:
    if answer.outcome in _SETTLED or answer.reason == f"already_{State.CANCELED.value}":
        return Exit.DONE
    return Exit.UNKNOWN if answer.outcome is AnswerOutcome.UNKNOWN else Exit.NOT_DONE


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
