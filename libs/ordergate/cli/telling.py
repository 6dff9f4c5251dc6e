"""An order's life as sentences: what happened, one step a line, oldest first. Pure: a life in, text out."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ordergate.cli import say, shown
from ordergate.cli.life import Document, Life, Stored
from ordergate.trading.order import Order, State
from ordergate.wire.facts import OrderRecord
from ordergate.wire.messages import EventKind
from ordergate.wire.subjects import IntentKind

_INTENT, _ORDER, _REQUEST, _FILL, _ANSWER, _STATEMENT = range(6)  # which goes first in the same millisecond
_SOURCES = {
    "submission": "the venue's answer to the order",
    "lookup": "a lookup at the venue",
    "open_orders": "the venue's list of open orders",
    "recovery": "what the venue shows of the time that the restored bus has forgotten",
    "cancel": "the venue's answer to the cancel",
    "stream": "the venue's private stream",
}
_PROOFS = {
    "never_sent": "by the word of the very call that would have sent it, nothing left",
    "throttled": "the venue throttled the attempt before, which proves that it did not execute",
    "clock_refused": "the venue refused the attempt's timestamp, which proves that it did not execute",
    "fenced": "the attempt before is behind the fence: it can never execute any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """at_ms: when it was stored, by the bus's clock."""

    at_ms: int
    rank: int
    text: str
    source: Stored

    def document(self, began_ms: int) -> Document:
        return {
            "atMs": self.at_ms,
            "sinceStartMs": self.at_ms - began_ms,
            "text": self.text,
            "stream": self.source.stream,
            "sequence": self.source.sequence,
        }


def steps(life: Life) -> list[Step]:
    found = [_step(intent, _INTENT, intent_sentence(intent.body)) for intent in life.intents]
    befores = [None, *(record.order for record in life.records)]
    for stored, record, before in zip(life.messages, life.records, befores, strict=False):
        found.append(_step(stored, _ORDER, _told(record, before)))
    found += [_step(request, _REQUEST, request_sentence(request.body)) for request in life.requests]
    found += [_step(fill, _FILL, fill_sentence(fill.body)) for fill in life.fills]
    found += [_step(answer, _ANSWER, answer_sentence(answer.body)) for answer in life.answers]
    found += [_step(statement, _STATEMENT, _statement_sentence(statement.body)) for statement in life.statements]
    return sorted(found, key=lambda step: (step.at_ms, step.rank, step.source.sequence))


def _told(record: OrderRecord, before: Order | None) -> str:
    """The snapshot was read; event and evidence of a message that we did not write may still be anything."""
    try:
        return message_sentence(record, before)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return f"{record.order.state.value.upper()}: its evidence cannot be read ({type(error).__name__})"


def _step(source: Stored, rank: int, text: str) -> Step:
    return Step(at_ms=source.stored_at_ms, rank=rank, text=text, source=source)


def text(life: Life) -> list[str]:
    """All of it, for people."""
    told = steps(life)
    began_ms = told[0].at_ms
    width = max(len(_since(step, began_ms)) for step in told)
    lines = [*_head(life), f"began {say.clock(began_ms)} UTC", ""]
    lines += [
        f"{_since(step, began_ms):>{width}}  {step.text}  [{step.source.stream} {step.source.sequence}]"
        for step in told
    ]
    return [*lines, "", *_tail(life)]


def document(life: Life) -> Document:
    """All of it, for programs: the steps as told, and each message whole."""
    order, told = life.order, steps(life)
    key = order.key
    return {
        "foundBy": life.found_by,
        "venue": key.venue,
        "account": key.account,
        "strategy": order.request.strategy,
        "symbol": key.symbol,
        "clientOrderId": key.client_order_id,
        "venueOrderId": order.venue_order_id,
        "intentId": order.request.intent_id,
        "traceId": life.trace,
        "state": order.state.value,
        "order": shown.order_document(order),
        "positionEffect": life.effect.document(),
        "steps": [step.document(told[0].at_ms) for step in told],
        "intents": [each.document() for each in life.intents],
        "messages": [each.document() for each in life.messages],
        "requests": [each.document() for each in life.requests],
        "fills": [each.document() for each in life.fills],
        "answers": [each.document() for each in life.answers],
        "drift": [each.document() for each in life.statements],
    }


def _since(step: Step, began_ms: int) -> str:
    return f"+{say.duration(step.at_ms - began_ms)}"


def _head(life: Life) -> list[str]:
    order, terms = life.order, life.order.terms
    at = "" if terms.price is None else f" at {say.amount(terms.price)}"
    amount = shown.quantity_text(terms)
    of = "" if terms.quantity is None else f" of {say.amount(terms.quantity)}"
    venue_id = "no venue order id" if order.venue_order_id is None else f"venue order {order.venue_order_id}"
    lines = [
        f"{order.key.client_order_id}  {terms.side.value} {amount} {order.key.symbol} {shown.type_text(terms)}{at}",
        f"{order.key.venue}/{order.key.account}, strategy {order.request.strategy}, intent {order.request.intent_id}, {venue_id}",
        f"now {order.state.value}: executed {say.amount(order.executed_quantity)}{of}",
    ]
    if order.reason is not None:
        error = "" if order.error_id is None else f" (errorId {order.error_id})"
        lines.append(f"because {order.reason}{error}")
    return lines


def _tail(life: Life) -> list[str]:
    effect, order = life.effect, life.order
    lines = []
    if not life.fills:
        lines.append("position: no fill, no effect")
    else:
        paid = "paid" if effect.cash_flow < 0 else "received"
        average = (
            "" if effect.average_price is None else f", on average {say.amount(say.to_places(effect.average_price, 8))}"
        )
        fees = ", ".join(f"{say.amount(fee)} {asset}" for asset, fee in effect.fees.items())
        lines.append(
            f"position: {order.key.symbol} {'+' if effect.quantity > 0 else ''}{say.amount(effect.quantity)}, "
            f"{paid} {say.amount(abs(effect.cash_flow))}{average}; fees {fees or 'none'}"
        )
    missing = order.executed_quantity - abs(effect.quantity)
    if missing:
        lines.append(f"NOT explained by fills yet: {say.amount(missing)} of the executed quantity")
    return [*lines, f"trace {life.trace}"]


# Sentences.


def intent_sentence(body: Document) -> str:
    who, kind = body.get("strategy", "?"), body.get("kind")
    match kind:
        case IntentKind.PLACE | IntentKind.CLOSE | IntentKind.REPLACE:
            valid_ms = body.get("validForMs")
            valid = f", to be sent within {say.duration(valid_ms)}" if isinstance(valid_ms, int) else ""
            verb = {IntentKind.PLACE: "place it", IntentKind.CLOSE: "close the position"}.get(
                kind, f"replace {body.get('replaces', '?')} by {body.get('clientOrderId', 'another order')}"
            )
            return f"{who} asked to {verb}{valid}"
        case IntentKind.CANCEL_ALL:
            return f"{who} asked to cancel everything of the {body.get('scope', 'strategy')}"
        case _:
            return f"{who} asked to {kind} it"


def message_sentence(record: OrderRecord, before: Order | None) -> str:
    """before: the snapshot of the message before it; None: this is the first."""
    order, event = record.order, record.event
    told = _event_sentence(record, before)
    if record.correction:
        told = f"CORRECTION, the ending before it was not the last word: {told}"
    error_id = event.get("errorId")
    if error_id is not None:
        told += f" (errorId {error_id})"
    if before is not None and before.state is order.state:
        return told
    return f"{order.state.value.upper()}: {told}"


def _event_sentence(record: OrderRecord, before: Order | None) -> str:
    order, event, evidence = record.order, record.event, record.evidence
    reason = event.get("reason", "")
    match record.event_kind:
        case EventKind.APPROVED | EventKind.REAPPROVED:
            again = " again, for one more attempt" if record.event_kind is EventKind.REAPPROVED else ""
            return f"risk let it pass{again}"
        case EventKind.REFUSED:
            return f"refused before anything was sent: {reason}"
        case EventKind.ADOPTED:
            return f"the venue showed an order that the ledger did not know; {_view_text(evidence.get('view'), None)}"
        case EventKind.SUBMISSION_BEGAN:
            attempt = order.attempt
            signed = (
                ""
                if attempt is None
                else f", to be signed with venue time {say.clock(attempt.timestamp_ms)} by key {attempt.key_id}"
            )
            proof = "" if evidence.get("proof") is None else f"; {_PROOFS.get(evidence['proof'], evidence['proof'])}"
            return f"attempt {evidence.get('attempt')} written ahead of its request{signed}{proof}"
        case EventKind.ENDED_UNSENT:
            return (
                f"ended without having been at the venue, {reason}: {_PROOFS.get(evidence.get('proof', ''), 'proven')}"
            )
        case EventKind.VENUE_REPORTED:
            source = _SOURCES.get(event.get("source", ""), "the venue")
            return f"{source} showed it {_view_text(evidence.get('view'), before)}"
        case EventKind.VENUE_REJECTED:
            return f"the venue refused attempt {evidence.get('attempt')}: {reason}"
        case EventKind.OUTCOME_LOST:
            return (
                f"no answer says what became of attempt {evidence.get('attempt')}: {reason}; to be found out by lookup"
            )
        case EventKind.PROVEN_NOT_PLACED | EventKind.PROVEN_ABSENT | EventKind.PROVEN_UNEXECUTED:
            return _proven_text(record.event_kind, evidence)
        case EventKind.CANCEL_REQUESTED:
            return f"its cancel was asked for: {reason}"
        case EventKind.RESTATED:
            return _restated_text(order, int(event["atMs"]))


def _proven_text(kind: EventKind, evidence: Mapping[str, Any]) -> str:
    if kind is EventKind.PROVEN_UNEXECUTED:
        why = "throttled it" if evidence.get("proof") == "throttled" else "refused its timestamp"
        return f"attempt {evidence.get('attempt')} never executes, the venue {why}; another may follow"
    asked = ", ".join(say.clock(at) for at in evidence.get("askedAtMs", ()))
    return (
        f"attempt {evidence.get('attempt')} can never execute: asked after the fence "
        f"({say.clock(evidence['fenceMs'])} venue time) at {asked}, never found"
    ) + ("; risk is asked about another" if kind is EventKind.PROVEN_ABSENT else "")


def _restated_text(order: Order, at_ms: int) -> str:
    if order.state is State.UNKNOWN and order.unknown_since_ms is not None:
        return f"still unknown, for {say.duration(at_ms - order.unknown_since_ms)}"
    return "said again, nothing new"


def _view_text(view: Any, before: Order | None) -> str:
    if not isinstance(view, dict):
        return "(without evidence)"
    executed, quantity = Decimal(view["executedQuantity"]), Decimal(view["quantity"])
    more = "" if before is None or executed <= before.executed_quantity else " more"
    status = str(view["status"]).replace("_", " ")
    text = f"{status} as {view['venueOrderId']}, {say.amount(executed)} of {say.amount(quantity)} executed"
    return text + (f" ({say.amount(executed - before.executed_quantity)}{more})" if more and before is not None else "")


def request_sentence(body: Document) -> str:
    waited_ms = body.get("waitedMs") or 0
    waited = f", after waiting {say.duration(waited_ms)} for budget" if waited_ms >= 1 else ""
    answer = f"HTTP {body['status']}" if body.get("status") else "no answer"
    if body.get("outcome") == "not_sent":
        answer = "not sent"
    error_id = "" if body.get("errorId") is None else f" (errorId {body['errorId']})"
    return (
        f"{body.get('service')} called {body.get('method')} {body.get('path')}: "
        f"{answer} in {body.get('latencyMs', 0)} ms{waited}{error_id}"
    )


def fill_sentence(body: Document) -> str:
    quantity = Decimal(body["quantity"])
    kind = "fill"
    if body.get("inferred"):
        kind = "inferred fill, which the venue hides," if quantity > 0 else "inferred fill taken back,"
    return (
        f"{kind} {body['tradeId']}: {say.amount(quantity)} at {say.amount(Decimal(body['price']))}, "
        f"fee {say.amount(Decimal(body['fee']))} {body['feeAsset']}, {body['liquidity']}"
    )


def answer_sentence(body: Document) -> str:
    message = f", {body['message']}" if body.get("message") else ""
    error_id = "" if body.get("errorId") is None else f" (errorId {body['errorId']})"
    kind = body.get("kind") or "intent"
    return f"answer to the {kind} {body.get('intentId', '')}: {body['outcome']}, {body['reason']}{message}{error_id}"


def _statement_sentence(body: Document) -> str:
    return f"drift of {body.get('what')}: {body.get('message')}; proposal: {body.get('proposal')}"
