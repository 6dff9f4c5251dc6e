"""explain: the whole life of one order, told from what stands in the streams."""

from ordergate.cli import life, say, telling
from ordergate.cli.caller import Caller, open_line
from ordergate.cli.exits import Exit

LIMIT_SECONDS = 15.0


async def explain(caller: Caller, name: str) -> Exit:
    """1 when nothing of the account bears that name."""
    async with open_line(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as line:
        found = await life.find(line, caller, name)
        if found is not None:
            venue, account, order_id, found_by = found
            told = await life.gather(line, venue, account, order_id, found_by=found_by)
            if told is not None:
                return _tell(caller, told)
        others = await life.answers_naming(line, caller, name)
    if others:
        return _tell_others(caller, name, others)
    say.error_line(
        f"nothing of {caller.venue}/{caller.account} bears the name {name}; "
        "see `ordergate orders --all`, and name the account if it is another's"
    )
    return Exit.NOT_DONE


def _tell(caller: Caller, told: life.Life) -> Exit:
    if caller.as_json:
        say.document(telling.document(told))
    else:
        for text in telling.text(told):
            say.line(text)
    return Exit.DONE


def _tell_others(caller: Caller, name: str, found: list[life.Stored]) -> Exit:
    """An errorId that struck no order of the ledger."""
    if caller.as_json:
        say.document({"foundBy": "errorId", "errorId": name, "messages": [each.document() for each in found]})
        return Exit.DONE
    say.line(f"errorId {name} struck no order; it stands in:")
    for each in found:
        sentence = telling.request_sentence if "path" in each.body else _other_sentence
        say.line(f"{say.clock(each.stored_at_ms)}  {sentence(each.body)}  [{each.stream} {each.sequence}]")
    return Exit.DONE


def _other_sentence(body: life.Document) -> str:
    if "outcome" in body:
        return telling.answer_sentence(body)
    return f"{body.get('what', 'statement')}: {body.get('message', '')}"
