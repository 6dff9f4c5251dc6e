"""place-list: several orders in one request, and what became of each."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ordergate.cli import say, shown
from ordergate.cli.caller import Caller, open_line
from ordergate.cli.exits import Exit, Indefinite, WrongUsage
from ordergate.cli.placing import LIMIT_SECONDS, answer_exit, order_exit, order_sentence
from ordergate.client.gateway import Gateway, OrderUpdate, Ticket
from ordergate.client.intents import LegTerms
from ordergate.trading.errors import BusUnavailable, StillWaiting
from ordergate.trading.order import AT_VENUE, ListKind
from ordergate.wire.messages import AnswerMessage

_AMOUNTS = {"price": "price", "stop": "stop_price", "iceberg": "iceberg_quantity"}
_TEXTS = {"tif": "time_in_force", "id": "client_order_id"}
POST_ONLY = "post-only"
WORDS_MIN = 3
HOW = "SIDE TYPE QUANTITY [price=P] [stop=P] [trailing=N] [iceberg=Q] [tif=T] [id=NAME] [post-only]"


def read_leg(text: str) -> LegTerms:
    """One order as it is said on the command line. Raises WrongUsage."""
    words = text.split()
    if len(words) < WORDS_MIN:
        raise WrongUsage(f"{text!r} is no order: say {HOW}")
    side, kind, quantity, *more = words
    leg: Any = {"side": side.upper(), "type": kind.upper(), "quantity": say.read_amount(quantity, "quantity")}
    for word in more:
        leg |= _part(word)
    found: LegTerms = leg
    return found


def _part(word: str) -> dict[str, Any]:
    name, _, value = word.partition("=")
    if word == POST_ONLY:
        return {"post_only": True}
    if name in _AMOUNTS:
        return {_AMOUNTS[name]: say.read_amount(value, name)}
    if name == "trailing" and value.isdecimal():
        return {"trailing_delta": int(value)}
    if name in _TEXTS and value:
        return {_TEXTS[name]: value.upper() if name == "tif" else value}
    raise WrongUsage(f"{word!r} is no part of an order: say {HOW}")


async def place_list(
    caller: Caller,
    kind: ListKind,
    symbol: str,
    orders: Sequence[str],
    *,
    intent_id: str | None,
    valid_for_ms: int,
    validate: bool,
    wait: bool,
) -> Exit:
    """Raises WrongUsage, InvalidIntent, BusUnavailable before anything was published, Indefinite after."""
    if not orders:
        raise WrongUsage(f"say the orders, each as {HOW!r}")
    first, *others = [read_leg(text) for text in orders]
    terms: Any = {**first, "symbol": symbol, "intent_id": intent_id}
    limit = caller.limit(LIMIT_SECONDS)
    async with open_line(caller, limit_seconds=limit) as line:
        try:
            tickets = await line.gateway.submit_list(
                kind, *others, **terms, valid_for_ms=valid_for_ms, validate_only=validate
            )
        except BusUnavailable as error:
            again = "" if intent_id is None else f"; repeat it with the same --intent-id {intent_id}"
            raise Indefinite(f"the bus did not say whether it took the list ({error}){again}") from error
        if not wait:
            return _say_taken(caller, tickets)
        return await _tell(caller, line.gateway, tickets, limit)


def _say_taken(caller: Caller, tickets: Sequence[Ticket]) -> Exit:
    names = [str(ticket.client_order_id) for ticket in tickets]
    if caller.as_json:
        say.document({"intentId": tickets[0].intent_id, "clientOrderIds": names, "sequence": tickets[0].sequence})
    else:
        say.line(f"taken: {', '.join(names)} (intent {tickets[0].intent_id}, sequence {tickets[0].sequence})")
    return Exit.DONE


async def _tell(caller: Caller, gateway: Gateway, tickets: Sequence[Ticket], limit_seconds: float) -> Exit:
    """Each order once it is at the venue or has ended, or the one answer to the intent."""
    waits = [gateway.wait(ticket, AT_VENUE, timeout_seconds=limit_seconds) for ticket in tickets]
    try:
        said = await asyncio.gather(*waits)
    except StillWaiting as error:
        names = ", ".join(str(ticket.client_order_id) for ticket in tickets)
        raise Indefinite(f"not all of {names} are decided after {limit_seconds:g} s; see `ordergate orders`") from error
    answers = [each for each in said if isinstance(each, AnswerMessage)]
    if answers:
        return _say_answer(caller, answers[0])
    updates = [each for each in said if isinstance(each, OrderUpdate)]
    if caller.as_json:
        say.document({"orders": [shown.order_document(update.order) for update in updates]})
    else:
        for update in updates:
            say.line(order_sentence(update.order))
    return max(order_exit(update.order, frozenset()) for update in updates)


def _say_answer(caller: Caller, answer: AnswerMessage) -> Exit:
    if caller.as_json:
        say.document({"answer": answer.model_dump(by_alias=True, exclude_none=True, mode="json")})
    else:
        message = f": {answer.message}" if answer.message else ""
        say.line(f"list: {answer.outcome.value}, {answer.reason}{message}")
    return answer_exit(answer)
