"""explain: the whole life of one order, each step with its evidence, from what stands in the streams."""

from typing import Any

import orjson

from ordergate.cli import reading, say
from ordergate.cli.caller import Caller, Line, open_line
from ordergate.cli.exits import Exit
from ordergate.client.replay import Received, Start
from ordergate.trading.errors import InvalidToken, Unreadable
from ordergate.trading.ids import ClientOrderId, ErrorId, trace_id
from ordergate.wire import keys, streams, subjects
from ordergate.wire.messages import ErrorDocument

LIMIT_SECONDS = 15.0
_NAMES = ("clientOrderId", "venueOrderId", "intentId", "errorId")

Step = dict[str, Any]


async def explain(caller: Caller, name: str) -> Exit:
    """1 when no order of the account bears that name."""
    async with open_line(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as line:
        order_id = await _order_named(line, caller, name)
        steps = [] if order_id is None else await _steps(line, caller, order_id)
    if order_id is None or not steps:
        say.error_line(
            f"no order of {caller.venue}/{caller.account} bears the name {name}; see `ordergate orders --all`"
        )
        return Exit.NOT_DONE
    trace = f"{trace_id(order_id):032x}"
    if caller.as_json:
        say.document({"clientOrderId": order_id, "traceId": trace, "steps": steps})
        return Exit.DONE
    say.line(f"{order_id} of {caller.venue}/{caller.account}, trace {trace}")
    began_ms = steps[0]["atMs"]
    for step in steps:
        say.line(f"{say.clock(step['atMs'])}  +{say.duration(step['atMs'] - began_ms):>10}  {_sentence(step)}")
    return Exit.DONE


async def _order_named(line: Line, caller: Caller, name: str) -> ClientOrderId | None:
    """By clientOrderId at once, by errorId from its bucket, else by looking through the account's ledger."""
    try:
        guard = subjects.order_guard(caller.venue, caller.account, ClientOrderId(name))
        noted = await reading.bucket_value(line, streams.ERRORS, keys.error(ErrorId(name)))
    except InvalidToken:
        return None
    if await line.connection.last(streams.ORDERS, guard) is not None:
        return ClientOrderId(name)
    if noted is not None:
        return ClientOrderId(ErrorDocument.of(noted).client_order_id)
    filters = (subjects.orders_of(caller.venue, caller.account),)
    async for message in reading.stored(line, streams.ORDERS, filters, Start(sequence=0)):
        body = orjson.loads(message.data)
        if name in {body.get(field) for field in _NAMES}:
            return ClientOrderId(body["clientOrderId"])
    return None


async def _steps(line: Line, caller: Caller, order_id: ClientOrderId) -> list[Step]:
    """Everything that names the order, in the order it was stored."""
    found: list[tuple[int, Step]] = []
    orders = (subjects.order_guard(caller.venue, caller.account, order_id),)
    began_ms = None
    async for message in reading.stored(line, streams.ORDERS, orders, Start(sequence=0)):
        began_ms = message.stored_at_ms if began_ms is None else began_ms
        found.append((message.stored_at_ms, _step("order", message)))
    if began_ms is None:
        return []
    others = (
        (streams.INTENTS, "intent", subjects.intents_of(caller.venue, caller.account)),
        (streams.AUDIT, "audit", subjects.ALL_AUDIT),
        (streams.FILLS, "fill", (subjects.fills_of(caller.venue, caller.account),)),
    )
    intent_id = found[0][1]["body"].get("intentId")
    for stream, kind, filters in others:
        since = Start(time_ms=max(0, began_ms - 60_000))
        found += [
            (message.stored_at_ms, _step(kind, message))
            async for message in reading.stored(line, stream, filters, since)
            if _names(message, order_id, intent_id)
        ]
    return [step for _, step in sorted(found, key=lambda pair: pair[0])]


def _names(message: Received, order_id: ClientOrderId, intent_id: str | None) -> bool:
    try:
        body = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(body, dict):
        return False
    return body.get("clientOrderId") == order_id or (intent_id is not None and body.get("intentId") == intent_id)


def _step(kind: str, message: Received) -> Step:
    try:
        body = orjson.loads(message.data)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the message {message.sequence} cannot be read") from error
    return {
        "what": kind,
        "atMs": message.stored_at_ms,
        "sequence": message.sequence,
        "subject": message.subject,
        "body": body,
    }


def _sentence(step: Step) -> str:
    body = step["body"]
    match step["what"]:
        case "intent":
            amount = body.get("quantity") or body.get("quoteQuantity") or ""
            return f"the strategy {body.get('strategy')} asked to {body.get('kind')} {body.get('side', '')} {amount}"
        case "fill":
            inferred = ", inferred" if body.get("inferred") else ""
            return f"fill {body['tradeId']}: {body['quantity']} at {body['price']}, fee {body['fee']} {body['feeAsset']}{inferred}"
        case "order":
            event = body.get("event", {})
            told = [f"{body['state']}: {event.get('kind')}"]
            told += [f"by {event['source']}"] if event.get("source") else []
            told += [f"attempt {body['attempt']['number']}"] if body.get("attempt") else []
            told += [f"executed {body['executedQuantity']}"] if body.get("executedQuantity", "0") != "0" else []
            told += [body["reason"]] if body.get("reason") else []
            told += [f"error {body['errorId']}"] if body.get("errorId") else []
            return ", ".join(told)
        case _ if "path" in body:
            answer = body["status"] or "no answer"
            return (
                f"{body['service']} asked the venue {body['method']} {body['path']}: {answer} in {body['latencyMs']} ms"
            )
        case _:
            return f"{step['subject']}: {body.get('outcome', body.get('what', ''))} {body.get('reason', '')}"
