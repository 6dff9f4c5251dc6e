"""The wire as documents: JSON Schemas and an AsyncAPI 3.0 description, generated from the code and checked for drift.

    python -m ordergate.wire.documents docs

writes docs/schemas/*.json and docs/asyncapi.json. The output depends on the code alone.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    IntentId,
    KeyId,
    StrategyName,
    Symbol,
    VenueName,
)
from ordergate.trading.order import OrderKey, State
from ordergate.trading.scope import Scope
from ordergate.wire import authorization, keys, messages, streams, subjects
from ordergate.wire.messages import FACTS, INTENTS, DeadHeaders

Document = dict[str, Any]

STRATEGY = "strategy"
ANYONE = "anyone"
CLI = "cli"
RISK = "risk"
SUBMISSION = "order_submission"
POLLING = "status_polling"
FILLS = "fill_streaming"
POSITIONS = "position_tracking"
SERVICES = (RISK, SUBMISSION, POLLING, FILLS, POSITIONS)
CALLERS = (SUBMISSION, POLLING, FILLS, POSITIONS)
"""Those that speak to the venue."""
MESSAGE_ID = {messages.MSG_ID: "the same message is stored once in the stream's duplicate window"}
TRACE = {
    messages.TRACEPARENT: "W3C trace context, for the parent only: the trace id is the first 16 bytes of SHA-256(clientOrderId)"
}
COMPARE_AND_SET = {
    messages.EXPECTED_LAST_SUBJECT_SEQUENCE: "the stream sequence of the last message under the guard, 0 if there is none",
    messages.EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT: "the guard",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One kind of subject: what goes over it, who writes it and who reads it. stream None: core NATS, kept nowhere."""

    name: str
    address: str
    says: str
    messages: tuple[str, ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    stream: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One kind of key in a bucket."""

    bucket: str
    key: str
    message: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]


# Every address is what the builder makes of the names of its parts.
_VENUE, _ACCOUNT, _STRATEGY = VenueName("-venue-"), AccountName("-account-"), StrategyName("-strategy-")
_SYMBOL = Symbol("-symbol-")
_KEY = OrderKey(venue=_VENUE, account=_ACCOUNT, symbol=_SYMBOL, client_order_id=ClientOrderId("-clientOrderId-"))
_PART = re.compile(r"-([A-Za-z]+)-")

INTENT_ID = {
    messages.MSG_ID: "optional: strategy, intentId and a hash of the body, so that a repeated publish is stored once"
}

CHANNELS = (
    *(
        Channel(
            name=kind.value,
            address=subjects.intent(_VENUE, _ACCOUNT, _STRATEGY, kind, _SYMBOL),
            says=(INTENTS[kind].__doc__ or "").split("\n")[0],
            messages=(INTENTS[kind].__name__,),
            writers=(STRATEGY, CLI),
            readers=(RISK if kind.value in {"place", "close"} else SUBMISSION,),
            stream=streams.INTENTS,
            headers=INTENT_ID | TRACE,
        )
        for kind in INTENTS
    ),
    Channel(
        name="orders",
        address=subjects.order(_KEY, State.APPROVED).removesuffix(State.APPROVED) + "-state-",
        says="An order's life: each message is the full snapshot, its cause and the evidence; the last token is the state",
        messages=("OrderMessage",),
        writers=(RISK, SUBMISSION, POLLING, FILLS),
        readers=(RISK, SUBMISSION, POLLING, FILLS, ANYONE),
        stream=streams.ORDERS,
        headers=COMPARE_AND_SET | TRACE,
    ),
    Channel(
        name="fills",
        address=subjects.fills_of(_VENUE, _ACCOUNT, _SYMBOL).removesuffix("*") + "-tradeId---venueOrderId-",
        says="Every venue trade of ours, once",
        messages=("FillMessage",),
        writers=(FILLS,),
        readers=(RISK, POSITIONS, ANYONE),
        stream=streams.FILLS,
        headers=TRACE,
    ),
    Channel(
        name="positions",
        address=subjects.position(_KEY),
        says="The last word on each position",
        messages=("PositionMessage",),
        writers=(POSITIONS,),
        readers=(RISK, ANYONE),
        stream=streams.POSITIONS,
        headers={messages.EXPECTED_LAST_SUBJECT_SEQUENCE: "the sequence of the position's last message"},
    ),
    Channel(
        name="answers",
        address=subjects.answer(_VENUE, _ACCOUNT, _STRATEGY, IntentId("-intentId-")),
        says="The answer to an intent that the ledger cannot answer",
        messages=("AnswerMessage",),
        writers=(RISK, SUBMISSION),
        readers=(STRATEGY, CLI),
        stream=streams.AUDIT,
        headers=MESSAGE_ID,
    ),
    Channel(
        name="requests",
        address=subjects.requests(_VENUE, _ACCOUNT, "-service-"),
        says="Every call to a venue",
        messages=("RequestRecord",),
        writers=(SUBMISSION, POLLING, FILLS, POSITIONS),
        readers=(SUBMISSION, CLI),
        stream=streams.AUDIT,
        headers={},
    ),
    Channel(
        name="risk",
        address=subjects.risk(_VENUE, _ACCOUNT, "-what-"),
        says="What concerns an account's risk as a whole: the kill switch thrown, the account flat, a key that alarms",
        messages=("RiskMessage",),
        writers=CALLERS,
        readers=(ANYONE,),
        stream=streams.AUDIT,
        headers=MESSAGE_ID,
    ),
    Channel(
        name="reconciliation",
        address=subjects.reconciliation(_VENUE, _ACCOUNT, "-what-"),
        says="A difference between our books and the venue's, with a proposal",
        messages=("DriftMessage",),
        writers=(POLLING, POSITIONS),
        readers=(ANYONE,),
        stream=streams.AUDIT,
        headers=MESSAGE_ID,
    ),
    Channel(
        name="recovery",
        address=subjects.recovery(_VENUE, _ACCOUNT),
        says="How far an account has been adopted from the venue after a restore of the bus",
        messages=("RecoveryStatement",),
        writers=(POLLING,),
        readers=(CLI,),
        stream=streams.AUDIT,
        headers=MESSAGE_ID,
    ),
    Channel(
        name="fillsStatement",
        address=subjects.fills_statement(_VENUE, _ACCOUNT),
        says="Count and sums of FILLS up to a sequence: whoever has the same has missed nothing",
        messages=("FillsStatement",),
        writers=(FILLS,),
        readers=(ANYONE,),
        stream=streams.AUDIT,
        headers=MESSAGE_ID,
    ),
    Channel(
        name="dead",
        address=subjects.dead("-service-", "-stream-"),
        says="Messages that could not be read, as they came, with the reason in the headers",
        messages=("DeadMessage",),
        writers=SERVICES,
        readers=(CLI,),
        stream=streams.DEAD,
        headers={
            messages.MSG_ID: "stream:sequence:consumer",
            DeadHeaders.REASON: "why it could not be read",
            DeadHeaders.ERROR_ID: "the errorId of the answer, if somebody could be answered",
            DeadHeaders.SUBJECT: "its subject",
            DeadHeaders.SEQUENCE: "its stream sequence",
            DeadHeaders.CONSUMER: "who could not read it",
        },
    ),
    Channel(
        name="killRequest",
        address=subjects.KILL_REQUEST,
        says="A new kill epoch; every live sender answers with KillAcknowledgement",
        messages=("KillDocument",),
        writers=(CLI,),
        readers=(SUBMISSION,),
        stream=None,
        headers={},
    ),
    Channel(
        name="keyRevocation",
        address=subjects.key_revocation(_VENUE, _ACCOUNT),
        says="A key leaked; every process that signs for the account answers with KeyRevocationAcknowledgement",
        messages=("KeyRevocation",),
        writers=(CLI,),
        readers=CALLERS,
        stream=None,
        headers={},
    ),
    Channel(
        name="statementRequest",
        address=subjects.statement_request(_VENUE, _ACCOUNT),
        says="Asks for a fresh FillsStatement, which is the answer and is published too",
        messages=("StatementRequest",),
        writers=(STRATEGY, CLI),
        readers=(FILLS,),
        stream=None,
        headers={},
    ),
    *(
        channel
        for name, address, of in (
            ("accountBudget", subjects.account_budget(_VENUE, _ACCOUNT), "account's request budget"),
            ("addressBudget", subjects.address_budget(_VENUE, "-address-"), "request budget of an address"),
        )
        for channel in (
            Channel(
                name=name,
                address=address,
                says=f"Asks the owner of the {of} for leases; answered with BudgetAnswer",
                messages=("BudgetRequest",),
                writers=CALLERS,
                readers=(SUBMISSION,),
                stream=None,
                headers={},
            ),
            Channel(
                name=f"{name}Owner",
                address=subjects.budget_owner(address),
                says=f"There is a fresh owner of the {of}",
                messages=("BudgetOwner",),
                writers=(SUBMISSION,),
                readers=CALLERS,
                stream=None,
                headers={},
            ),
            Channel(
                name=f"{name}Freeze",
                address=subjects.budget_freeze(address),
                says="The venue told one process to stop, so all stop",
                messages=("BudgetFreeze",),
                writers=CALLERS,
                readers=CALLERS,
                stream=None,
                headers={},
            ),
        )
    ),
)

SHELVES = (
    Shelf(
        bucket=streams.CONTROL,
        key=keys.kill(Scope(venue=_VENUE, account=_ACCOUNT)),
        message="KillDocument",
        writers=(CLI,),
        readers=(RISK, SUBMISSION),
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.kill(Scope(venue=_VENUE, account=_ACCOUNT, strategy=_STRATEGY, symbol=_SYMBOL)),
        message="KillDocument",
        writers=(CLI,),
        readers=(RISK, SUBMISSION),
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.KILL_EVERYTHING,
        message="KillDocument",
        writers=(CLI,),
        readers=(RISK, SUBMISSION),
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.RESTORE,
        message="RestoreDocument",
        writers=(CLI,),
        readers=(RISK, SUBMISSION, POLLING),
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.RAIN,
        message="RainDocument",
        writers=(CLI,),
        readers=CALLERS,
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.key_revoked(KeyId("-keyId-")),
        message="KeyRevocation",
        writers=(CLI,),
        readers=CALLERS,
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.halted_by(_VENUE, _ACCOUNT, "-service-"),
        message="HaltDocument",
        writers=(POLLING, FILLS),
        readers=(SUBMISSION,),
    ),
    Shelf(
        bucket=streams.CONTROL,
        key=keys.key_sighted(KeyId("-keyId-")),
        message="KeySighting",
        writers=CALLERS,
        readers=CALLERS,
    ),
    Shelf(
        bucket=streams.LEASES,
        key=keys.signing_keys(_VENUE, _ACCOUNT, "-service-", "-instance-"),
        message="KeyStatement",
        writers=CALLERS,
        readers=(CLI,),
    ),
    Shelf(
        bucket=streams.CURSORS,
        key=keys.cursor(_VENUE, _ACCOUNT, _SYMBOL),
        message="CursorDocument",
        writers=(FILLS, POLLING),
        readers=(FILLS, POLLING),
    ),
    Shelf(
        bucket=streams.LEASES,
        key=keys.presence("-service-", "-instance-"),
        message="PresenceDocument",
        writers=SERVICES,
        readers=(CLI,),
    ),
    *(
        shelf
        for budget in (subjects.account_budget(_VENUE, _ACCOUNT), subjects.address_budget(_VENUE, "-address-"))
        for shelf in (
            Shelf(
                bucket=streams.LEASES,
                key=keys.budget_owner(budget),
                message="LeaseDocument",
                writers=(SUBMISSION,),
                readers=(SUBMISSION,),
            ),
            Shelf(
                bucket=streams.LEASES,
                key=keys.budget_freeze(budget),
                message="BudgetFreeze",
                writers=CALLERS,
                readers=CALLERS,
            ),
            Shelf(
                bucket=streams.LEASES,
                key=keys.budget_alone(budget, "-service-", "-instance-"),
                message="BudgetAlone",
                writers=CALLERS,
                readers=CALLERS,
            ),
            Shelf(
                bucket=streams.CONTROL,
                key=keys.budget_limits(budget),
                message="LimitsDocument",
                writers=CALLERS,
                readers=CALLERS,
            ),
        )
    ),
    Shelf(
        bucket=streams.CHECKPOINTS,
        key=keys.checkpoint("-service-", _VENUE, _ACCOUNT),
        message="CheckpointDocument",
        writers=SERVICES,
        readers=SERVICES,
    ),
    Shelf(
        bucket=streams.INSTRUMENTS,
        key=keys.instrument(_VENUE, _SYMBOL),
        message="InstrumentDocument",
        writers=(POLLING,),
        readers=(RISK,),
    ),
    Shelf(
        bucket=streams.INSTRUMENTS,
        key=keys.price(_VENUE, _SYMBOL),
        message="PriceDocument",
        writers=(POLLING,),
        readers=(RISK,),
    ),
    Shelf(
        bucket=streams.INSTRUMENTS,
        key=keys.wallet(_VENUE, _ACCOUNT),
        message="WalletDocument",
        writers=(POLLING,),
        readers=(RISK,),
    ),
    Shelf(
        bucket=streams.ERRORS,
        key=keys.error(ErrorId("-errorId-")),
        message="ErrorDocument",
        writers=SERVICES,
        readers=(CLI,),
    ),
)


def schemas() -> dict[str, Document]:
    """The JSON Schema of every message, by name."""
    models = (*INTENTS.values(), *FACTS)
    return {model.__name__: {"$schema": DIALECT} | model.model_json_schema(by_alias=True) for model in models}


DIALECT = "https://json-schema.org/draft/2020-12/schema"


def asyncapi() -> Document:
    """The AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ordergate",
            "version": str(messages.SCHEMA),
            "description": (
                "Intents go in, orders and fills come out, over NATS JetStream. A subject token is [A-Za-z0-9_-]+; every other byte "
                "of the UTF-8 text is =HH, and `_` stands for an absent name. Messages are JSON, camelCase, decimals as strings, times "
                "in integer milliseconds UTC (...Ms). Intents refuse unknown fields, our own messages may gain some."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:4222", "protocol": "nats", "description": "`make up` on one machine"}},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(sorted(_operation(channel, who, does) for channel, who, does in _uses())),
        "components": {"messages": _messages()},
        "x-streams": {spec.name: asdict(spec) for spec in streams.streams()},
        "x-consumers": [asdict(spec) for spec in streams.consumers(VenueName("venue"), AccountName("account"))],
        "x-buckets": {spec.name: asdict(spec) | {"keys": _keys(spec.name)} for spec in streams.buckets()},
    }


def _uses() -> list[tuple[Channel, str, str]]:
    return [
        (channel, who, does)
        for channel in CHANNELS
        for does, people in (("send", channel.writers), ("receive", channel.readers))
        for who in people
    ]


def _channel(channel: Channel) -> Document:
    address = _shape(channel.address)
    names = [part.split("}")[0] for part in address.split("{")[1:]]
    return {
        "address": address,
        "description": channel.says,
        "parameters": {name: {"description": PARTS[name]} for name in names},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "x-stream": channel.stream,
        "x-headers": dict(channel.headers),
        "x-writers": list(channel.writers),
        "x-readers": list(channel.readers),
    }


def _shape(address: str) -> str:
    return _PART.sub(r"{\1}", address)


PARTS = {
    "venue": "name of the venue, as a token",
    "account": "name of the account, as a token",
    "strategy": "name of the strategy, as a token",
    "symbol": "the venue's symbol, as a token; `_` in an intent about no symbol",
    "clientOrderId": "[A-Za-z0-9_-]{1,36}, made once per intent",
    "state": "where the order stands: " + ", ".join(state.value for state in State),
    "tradeId": "the venue's id of the trade, or ours if it was inferred",
    "venueOrderId": "the venue's id of the order",
    "intentId": "the strategy's id of the intent; `_` where it could not be read",
    "service": "name of the service",
    "stream": "name of the stream the message came from",
    "what": "what it is about",
    "instance": "name of the process",
    "address": "name of the address that calls leave from, as a token",
    "errorId": "the venue's errorId, or ours",
}


def _operation(channel: Channel, who: str, does: str) -> tuple[str, Document]:
    return f"{who}.{does}.{channel.name}", {
        "action": does,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in channel.messages],
        "tags": [{"name": who}],
    }


def _messages() -> Document:
    headers = {name: channel.headers for channel in CHANNELS for name in channel.messages}
    described: Document = {
        name: {
            "name": name,
            "summary": schema.get("description", name).split("\n")[0],
            "headers": _headers(headers.get(name, {})),
            "payload": {"$ref": f"schemas/{name}.json"},
        }
        for name, schema in schemas().items()
    }
    described["DeadMessage"] = {
        "name": "DeadMessage",
        "summary": "An unreadable message, byte for byte",
        "contentType": "application/octet-stream",
        "headers": _headers(headers["DeadMessage"]),
    }
    described["StatementRequest"] = {"name": "StatementRequest", "summary": "An empty message"}
    return described


def _headers(headers: Mapping[str, str]) -> Document:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": says} for name, says in headers.items()},
    }


def _keys(bucket: str) -> list[Document]:
    return [
        {
            "key": _shape(shelf.key),
            "value": {"$ref": f"schemas/{shelf.message}.json"},
            "writers": list(shelf.writers),
            "readers": list(shelf.readers),
        }
        for shelf in SHELVES
        if shelf.bucket == bucket
    ]


def files() -> dict[str, str]:
    """Every generated file: path below the documents' folder, and text."""
    pages = {f"schemas/{name}.json": schema for name, schema in schemas().items()} | {"asyncapi.json": asyncapi()}
    texts = {path: json.dumps(page, indent=2, ensure_ascii=False) + "\n" for path, page in sorted(pages.items())}
    return texts | {"identities.md": authorization.page()}


def write(folder: Path) -> None:
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    texts = files()
    for old in (folder / "schemas").glob("*.json"):
        if f"schemas/{old.name}" not in texts:
            old.unlink()
    for path, text in texts.items():
        (folder / path).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
