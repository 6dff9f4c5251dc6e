"""kill and resume: the switch is turned in the bucket CONTROL, every sender that is alive says that it has heard, and "flat" is believed
only with the evidence that order submission publishes.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import scope_of, turn_switch
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.lean import parse_headers
from ordergate.runtime.ordered import OrderedRead
from ordergate.runtime.presence import present
from ordergate.runtime.shelf import bucket_subject
from ordergate.trading.errors import Misconfigured, Unreadable
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.trading.scope import Scope
from ordergate.wire import keys, streams, subjects
from ordergate.wire.messages import (
    MSG_ID,
    KillAcknowledgement,
    KillDocument,
    RiskMessage,
)

LIMIT_SECONDS = 30.0
RESUME_LIMIT_SECONDS = 10.0
ASK_AGAIN_SECONDS = 0.25
CONSUMERS_PAGE = 256
FLAT, FLATTENED, NOT_FLATTENED = "kill_flat", "kill_flattened", "kill_not_flattened"

Account = tuple[VenueName, AccountName]


def scope_of_caller(caller: Caller, symbol: str | None) -> Scope:
    """Only what is typed narrows it, not the environment: a kill that is too wide costs a resume, one that is too narrow costs money."""
    if "venue" in caller.typed and "account" not in caller.typed:
        raise WrongUsage("--venue needs --account; without both, every account is meant")
    if symbol is not None:
        subjects.token(symbol)
    has_account = "account" in caller.typed
    return Scope(
        venue=caller.venue if has_account else None,
        account=caller.account if has_account else None,
        strategy=caller.strategy if "strategy" in caller.typed else None,
        symbol=None if symbol is None else Symbol(symbol),
    )


@dataclass(slots=True)
class Acknowledged:
    """Which senders were asked, and what those said who have answered."""

    senders: frozenset[str] = frozenset()
    heard: dict[str, KillAcknowledgement] = field(default_factory=dict)
    milliseconds: float = 0.0

    @property
    def missing(self) -> frozenset[str]:
        return self.senders - self.heard.keys()

    @property
    def in_flight(self) -> int:
        return sum(heard.in_flight for heard in self.heard.values())

    @property
    def is_whole(self) -> bool:
        return bool(self.heard) and not self.missing


async def throw(caller: Caller, *, symbol: str | None, reason: str, wait: bool, flatten: bool) -> Exit:
    """Nothing new leaves in the scope once every sender has acknowledged; then follow until the venue shows nothing open, and with
    `flatten` until no position is left.
    """
    scope, limit = scope_of_caller(caller, symbol), caller.limit(LIMIT_SECONDS)
    deadline = time.monotonic() + limit
    async with open_bus(caller, limit_seconds=limit) as bus:
        audit_before, accounts = await asyncio.gather(_last_sequence(bus, streams.AUDIT), _accounts(bus, scope))
        began = time.monotonic()
        document = await turn_switch(bus, scope, thrown=True, reason=reason, flatten=flatten, clock=SystemClock())
        heard = await _acknowledged(bus, document, began=began, deadline=deadline)
        report = _report(scope, document, heard, reason)
        if not caller.as_json:
            _tell_thrown(scope, heard)
        said = Said()
        if wait and heard.heard:
            await _follow(bus, said, accounts, document, after=audit_before, deadline=deadline)
    report["flat"] = [_word_document("flat", each, said.flat.get(each), document.at_ms) for each in accounts]
    if flatten:
        report["positions"] = [
            _word_document("closed", each, said.closed.get(each), document.at_ms) for each in accounts
        ]
    if caller.as_json:
        say.document(report)
    elif wait and heard.heard:
        for text in told(accounts, said, document, limit):
            say.line(text)
    return kill_exit(heard, is_done=bool(accounts) and said.is_whole(accounts, flatten=flatten), wait=wait)


def kill_exit(heard: Acknowledged, *, is_done: bool, wait: bool) -> Exit:
    """See `ordergate kill --help`."""
    if not heard.senders and not heard.heard:
        return Exit.UNAVAILABLE
    if not heard.is_whole:
        return Exit.UNKNOWN
    return Exit.DONE if is_done or not wait else Exit.NOT_DONE


async def resume(caller: Caller, *, symbol: str | None, reason: str) -> Exit:
    """Senders take up work again. A switch of another scope that is thrown still holds, and is named."""
    scope, limit = scope_of_caller(caller, symbol), caller.limit(RESUME_LIMIT_SECONDS)
    async with open_bus(caller, limit_seconds=limit) as bus:
        before = await standing_kills(bus)
        if not any(keys.kill(scope) == kill.key for kill in before):
            _say_not_thrown(caller, scope, before)
            return Exit.DONE if not before else Exit.NOT_DONE
        began = time.monotonic()
        document = await turn_switch(bus, scope, thrown=False, reason=reason, clock=SystemClock())
        heard = await _acknowledged(bus, document, began=began, deadline=began + limit)
        still = [kill for kill in before if kill.key != keys.kill(scope)]
    report = _report(scope, document, heard, reason) | {"stillKilled": [kill.to_json() for kill in still]}
    if caller.as_json:
        say.document(report)
    else:
        say.line(f"resumed: {scope}; {_heard_text(heard)}")
        for kill in still:
            say.line(f"still killed: {kill.describe()}")
    if not heard.senders and not heard.heard:
        return Exit.UNAVAILABLE
    return Exit.DONE if heard.is_whole else Exit.UNKNOWN


def _say_not_thrown(caller: Caller, scope: Scope, before: Iterable["StandingKill"]) -> None:
    if caller.as_json:
        say.document({"scope": str(scope), "thrown": False, "stillKilled": [kill.to_json() for kill in before]})
        return
    say.line(f"not thrown: {scope}; nothing to resume")
    for kill in before:
        say.line(f"still killed: {kill.describe()}")


# The switch itself.


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingKill:
    """A key of CONTROL that holds a throw. document None: it cannot be read, which senders take for a throw of everything."""

    key: str
    document: KillDocument | None

    def describe(self) -> str:
        if self.document is None:
            return f"everything, because {self.key} cannot be read"
        return f"{scope_of(self.document)}, since {say.clock(self.document.at_ms)}: {self.document.reason}"

    def to_json(self) -> dict[str, Any]:
        if self.document is None:
            return {"key": self.key, "readable": False}
        return {"key": self.key, **self.document.model_dump(by_alias=True, exclude_none=True, mode="json")}


async def standing_kills(bus: Bus) -> list[StandingKill]:
    prefix = bucket_subject(streams.CONTROL, "")
    found: dict[str, StandingKill | None] = {}
    reading = OrderedRead(bus, stream=f"KV_{streams.CONTROL}", filters=(prefix + keys.ALL_KILLS,), after=None)
    async with aclosing(reading.messages()) as messages:
        async for message in messages:
            if message is None:
                break
            key = message.subject.removeprefix(prefix)
            if key == keys.RESTORE:
                continue
            found[key] = _standing(key, message.data)
    return [kill for kill in found.values() if kill is not None]


def _standing(key: str, data: bytes) -> StandingKill | None:
    if not data:
        return None
    try:
        document = KillDocument.of(data)
    except Unreadable:
        return StandingKill(key=key, document=None)
    return StandingKill(key=key, document=document) if document.thrown else None


# Those who must hear it.


async def _acknowledged(bus: Bus, document: KillDocument, *, began: float, deadline: float) -> Acknowledged:
    """Ask until every sender that is alive has answered. Who vanishes meanwhile sends nothing either, and is waited for no more."""
    result = Acknowledged()
    changed = asyncio.Event()

    def take(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
        if not data:
            return  # nobody listens
        heard = KillAcknowledgement.of(data)
        if heard.epoch == document.epoch and heard.service == streams.ORDER_SUBMISSION:
            result.heard[subjects.token(heard.instance)] = heard
            result.milliseconds = (time.monotonic() - began) * 1000
            changed.set()

    inbox = f"{bus.inbox}.{secrets.token_hex(8)}"
    number = await bus.client.listen(inbox, take)
    try:
        payload = document.to_bytes()
        while True:
            bus.client.post(subjects.KILL_REQUEST, payload, reply=inbox)
            result.senders = await present(bus, service=streams.ORDER_SUBMISSION)
            again = min(time.monotonic() + ASK_AGAIN_SECONDS, deadline)
            while result.missing and time.monotonic() < again:
                changed.clear()
                await _wait(changed, again - time.monotonic())
            if not result.missing or time.monotonic() >= deadline:
                return result
    finally:
        await bus.client.silence(number)


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await changed.wait()
    except TimeoutError:
        return


async def _accounts(bus: Bus, scope: Scope) -> list[Account]:
    """The accounts that have an order submission: its durable consumers name them."""
    found: set[Account] = set()
    offset = 0
    while True:
        answer = await bus.jetstream.api(f"CONSUMER.LIST.{streams.ORDERS}", {"offset": offset})
        if isinstance(answer, Refusal):
            raise Misconfigured(f"no stream {streams.ORDERS} on this bus: {answer.description}")
        consumers = answer.get("consumers") or []
        found |= {account for consumer in consumers if (account := _account_of(consumer["config"])) is not None}
        offset += CONSUMERS_PAGE
        if offset >= answer["total"]:
            return sorted(account for account in found if scope.touches(*account))


def _account_of(config: dict[str, Any]) -> Account | None:
    durable = config.get("durable_name")
    filters = config.get("filter_subjects") or [config.get("filter_subject", "")]
    try:
        _, venue, account, *_ = str(filters[0]).split(".")
        named = VenueName(subjects.untoken(venue)), AccountName(subjects.untoken(account))
    except (ValueError, Unreadable):
        return None
    return named if durable == streams.durable_name(streams.ORDER_SUBMISSION, *named) else None


async def _last_sequence(bus: Bus, stream: str) -> int:
    answer = await bus.jetstream.api(f"STREAM.INFO.{stream}")
    if isinstance(answer, Refusal):
        raise Misconfigured(f"no stream {stream} on this bus: {answer.description}")
    return int(answer["state"]["last_seq"])


# What follows.


@dataclass(slots=True)
class Said:
    """What order submission has said of this very throw, by account."""

    flat: dict[Account, RiskMessage] = field(default_factory=dict)
    closed: dict[Account, RiskMessage] = field(default_factory=dict)

    def is_heard(self, accounts: Iterable[Account], *, flatten: bool) -> bool:
        """Whether nothing more is to come."""
        last = self.closed if flatten else self.flat
        return all(account in last for account in accounts)

    def is_whole(self, accounts: Iterable[Account], *, flatten: bool) -> bool:
        return self.is_heard(accounts, flatten=flatten) and all(
            each.what != NOT_FLATTENED for each in self.closed.values()
        )


async def _follow(
    bus: Bus, said: Said, accounts: list[Account], document: KillDocument, *, after: int, deadline: float
) -> None:
    """Until every account has said that it is done, or the deadline."""
    words = {FLAT: said.flat, FLATTENED: said.closed, NOT_FLATTENED: said.closed}
    filters = tuple(subjects.risk(venue, account, word) for venue, account in accounts for word in words)
    if not filters:
        return
    reading = OrderedRead(bus, stream=streams.AUDIT, filters=filters, after=after)
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, deadline - time.monotonic())):
            async with aclosing(reading.messages()) as messages:
                async for message in messages:
                    if message is None:
                        continue
                    statement = RiskMessage.of(message.data)
                    if _speaks_of(document, statement, parse_headers(message.headers)):
                        words[statement.what][VenueName(statement.venue), AccountName(statement.account)] = statement
                    if said.is_heard(accounts, flatten=document.flatten):
                        return
    except TimeoutError:
        return


def _speaks_of(document: KillDocument, statement: RiskMessage, headers: dict[str, str]) -> bool:
    """Another throw's "flat" says nothing about this one."""
    begins = keys.kill_statement(statement.what, scope_of(document), statement.account, document.epoch)
    return headers.get(MSG_ID, "").startswith(begins)


def _report(scope: Scope, document: KillDocument, heard: Acknowledged, reason: str) -> dict[str, Any]:
    return {
        "scope": str(scope),
        "epoch": document.epoch,
        "thrown": document.thrown,
        "reason": reason,
        "atMs": document.at_ms,
        "acknowledged": heard.is_whole,
        "acknowledgedMs": round(heard.milliseconds, 1) if heard.heard else None,
        "senders": [
            {"service": one.service, "instance": one.instance, "inFlight": one.in_flight}
            for one in heard.heard.values()
        ],
        "missing": sorted(heard.missing),
        "inFlight": heard.in_flight,
    }


def _word_document(word: str, account: Account, statement: RiskMessage | None, thrown_at_ms: int) -> dict[str, Any]:
    venue, name = account
    if statement is None:
        return {"venue": venue, "account": name, word: False}
    return {
        "venue": venue,
        "account": name,
        word: statement.what != NOT_FLATTENED,
        "afterMs": statement.at_ms - thrown_at_ms,
        "evidence": statement.message,
    }


def _heard_text(heard: Acknowledged) -> str:
    if not heard.senders and not heard.heard:
        return "no sender is alive; the switch is stored and holds for whoever starts"
    if heard.missing:
        return f"NOT confirmed by {', '.join(sorted(heard.missing))}"
    return f"acknowledged by {len(heard.heard)} sender(s) after {heard.milliseconds:.1f} ms"


def _tell_thrown(scope: Scope, heard: Acknowledged) -> None:
    on_the_wire = f"; {heard.in_flight} request(s) in hand at the throw" if heard.in_flight else ""
    say.line(f"thrown: {scope}; {_heard_text(heard)}{on_the_wire}")


def told(accounts: Iterable[Account], said: Said, document: KillDocument, limit_seconds: float) -> list[str]:
    """A line an account and word, for people."""
    lines = []
    for account in accounts:
        lines.append(_word_line("flat", account, said.flat.get(account), document, limit_seconds))
        if document.flatten:
            lines.append(_word_line("positions closed", account, said.closed.get(account), document, limit_seconds))
    return lines


def _word_line(
    word: str, account: Account, statement: RiskMessage | None, document: KillDocument, limit_seconds: float
) -> str:
    name = "/".join(account)
    if statement is None:
        return (
            f"NOT {word} after {limit_seconds:g} s: {name}; it goes on: see `ordergate orders` and `ordergate status`"
        )
    negation = "NOT " if statement.what == NOT_FLATTENED else ""
    return f"{negation}{word}: {name} after {say.duration(statement.at_ms - document.at_ms)}; {statement.message}"
