"""Every gate there is: the bytes it is tried with, and what it may make of them.

A trial returns one word for what became of the case ("refused", "approved"), which the figures count: a fuzzer whose cases are all
refused at the first letter has tried nothing. Whatever it raises is a find.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pydantic

from ordergate.access.keys.material import parse_credentials
from ordergate.access.response import MalformedAnswer, Response, ResponseReader
from ordergate.access.session import Answered, Call
from ordergate.cli import app as command_line
from ordergate.cli.exits import Exit
from ordergate.ports.checkpoint import DAMAGED, Mark
from ordergate.ports.venue import Priority
from ordergate.runtime.checkpoint import BusCheckpoint
from ordergate.runtime.control import BusKillSwitch
from ordergate.runtime.settings import Environment, Installation
from ordergate.simulator.http import Frame, Malformed, read_frame, write_frame
from ordergate.simulator.served import Request
from ordergate.trading.errors import Misconfigured, Unreadable
from ordergate.trading.ids import ErrorId, Symbol, TradeId
from ordergate.venues.zetarium import limits, parse
from ordergate.venues.zetarium.errors import Purpose, classify, classify_leg
from ordergate.wire import messages, subjects
from services.fill_streaming.handlers import _Kept as KeptByFills
from services.fill_streaming.handlers import _place_of
from services.risk.fold import _Kept as KeptByRisk
from tests.fuzz import futures, sound, spot, told, world
from tests.fuzz.damage import Choices, damaged_bytes, damaged_json, damaged_text
from tests.fuzz.facts import try_fill, try_order, try_position

Case = tuple[str, bytes]
"""A name (a subject, a key, a route) and the bytes that come under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """found: cases that once went wrong here; they are tried first, always."""

    draw: Callable[[Choices], Case]
    try_: Callable[[str, bytes], str]
    found: Sequence[Case] = ()


# Intents: read, decided, answered.


def _draw_intent(choices: Choices) -> Case:
    kind = choices.one_of(sound.INTENT_KINDS)
    documents = [each for each in sound.INTENTS if each["kind"] == kind]
    document = choices.one_of(documents)
    subject = f"intents.zetarium.main.alpha.{kind}.{document.get('symbol', '_')}"
    if choices.below(6) == 0:
        subject = damaged_text(
            choices, [subject, "intents.binance.main.alpha.place.BTCUSDT", "intents.zetarium.x.alpha.cancel._"]
        )
    return subject, damaged_json(choices, [document] if choices.below(8) else sound.INTENTS)


def _try_intent(subject: str, data: bytes) -> str:
    books = world.Books()
    delivery = world.Delivery(subject, data)
    try:
        address = subjects.parse_intent(subject)
    except Unreadable:
        address = None
    if address is not None and (address.venue, address.account) != (world.VENUE, world.ACCOUNT):
        world.finish(world.strangers_desk(books, data).hear(delivery))
    elif address is not None and address.kind in {"cancel", "cancel_all"}:
        world.finish(world.cancel_desk(books).hear(delivery))
    else:
        world.finish(world.risk_desk(books, world.market()).decide(delivery))
    return _judge_intent(delivery, books, readable=address is not None)


def _judge_intent(delivery: world.Delivery, books: world.Books, *, readable: bool) -> str:
    """An intent ends in the ledger, in an answer, or (where nobody can be told) in DEAD alone."""
    assert delivery.answer in {"acked", "buried"}, f"left {delivery.answer or 'open'}"
    told = len(books.answers) + len(books.entries)
    assert told == 1 if readable else told == 0, f"{told} answers"
    if delivery.answer == "buried":
        assert not books.entries
        return "refused at the gate"
    if books.entries:
        return str(books.entries[0].order.state)
    return f"answered {books.answers[0].outcome}"


# Small state in buckets.

_BUCKETS: dict[str, Callable[[bytes], object]] = {
    model.__name__: model.of for model in messages.FACTS if model.__name__.endswith(("Document", "Statement", "Message", "Acknowledgement", "Record", "Revocation", "Sighting"))
}  # fmt: skip


def _draw_bucket(choices: Choices) -> Case:
    name = choices.one_of(list(sound.BUCKETS))
    return name, damaged_json(choices, sound.BUCKETS[name])


def _try_bucket(name: str, data: bytes) -> str:
    match name:
        case "kill":
            return _try_kill(data)
        case "rules" | "price":
            return _try_market(name, data)
        case "cursor":
            place = _place_of(data)
            return "from the oldest" if place is None else "from a cursor"
        case "checkpoint risk" | "checkpoint fills":
            return _try_checkpoint(data, KeptByRisk.of if name.endswith("risk") else KeptByFills.of)
        case _:
            try:
                _BUCKETS[name](data)
            except Unreadable:
                return "refused"
            return "read"


def _try_kill(data: bytes) -> str:
    """Somebody said something about the switch: whatever it was, whoever sends must be stopped unless it can be read as a resume."""
    switch = BusKillSwitch(_Nothing(), clock=world.Books())  # type: ignore[arg-type]
    switch._apply("kill._._", data, 5)
    standing = switch.standing(world.VENUE, world.ACCOUNT)
    for kill in standing:
        str(kill.scope)
    try:
        document = messages.KillDocument.of(data)
    except Unreadable:
        assert standing
        return "thrown, for it is unreadable"
    return "thrown" if document.thrown else "resumed"


def _try_market(name: str, data: bytes) -> str:
    """Whatever the venue's rules became, an intent is decided upon them and answered."""
    board = world.market()
    board._take(f"{name}.zetarium.BTCUSDT", data)
    books, words = world.Books(), []
    for body in sound.PLACED:
        books.entries.clear()
        delivery = world.Delivery("intents.zetarium.main.alpha.place.BTCUSDT", body)
        world.finish(world.risk_desk(books, board).decide(delivery))
        assert (delivery.answer, len(books.entries)) == ("acked", 1)
        words.append(str(books.entries[0].order.state))
    return "approved" if "approved" in words else "refused"


def _try_checkpoint(data: bytes, read: Callable[[Mark], object]) -> str:
    shelf = _OneValue(data)
    checkpoint = BusCheckpoint(shelf, service="risk", venue=world.VENUE, account=world.ACCOUNT, clock=world.Books())  # type: ignore[arg-type]
    mark = world.finish(checkpoint.load())
    if mark is None:
        return "refused"
    for order in mark.live:
        subjects.token(order)
    try:
        read(mark)
    except DAMAGED:
        return "damaged state"
    return "read"


class _Nothing:
    jetstream = None


@dataclass(slots=True)
class _OneValue:
    value: bytes

    async def get(self, _key: str) -> bytes:
        return self.value


# What a venue answers: the frame, then what it says.


def _draw_http(choices: Choices) -> Case:
    head = choices.one_of(sound.HTTP_ANSWERS)
    data = damaged_bytes(choices, head) if choices.below(4) else head
    return str(1 + choices.below(max(1, len(data)))), data


def _try_http(pieces: str, data: bytes) -> str:
    """Fed in pieces of a drawn size, then the end of the connection."""
    reader, size = ResponseReader(), int(pieces)
    try:
        for start in range(0, len(data), size):
            response = reader.feed(data[start : start + size])
            if response is not None:
                break
        else:
            response = reader.end()
    except MalformedAnswer:
        return "malformed"
    if response is None:
        return "cut off"
    assert 200 <= response.status <= 999
    assert all(name == name.lower() for name in response.headers)
    call = Call(method="GET", path="/v2/x", purpose=Purpose.READ, priority=Priority.POLL, weights=limits.READ)
    limits.read_usage(call, response)
    return "read"


def _draw_spot(choices: Choices) -> Case:
    name = choices.one_of(list(spot.ANSWERS))
    status = choices.one_of(spot.STATUSES)
    return f"{status} {name}", damaged_json(choices, [*spot.ANSWERS[name], *spot.REFUSALS])


def _draw_futures(choices: Choices) -> Case:
    name = choices.one_of(list(futures.ANSWERS))
    status = choices.one_of(spot.STATUSES)
    return f"{status} {name}", damaged_json(choices, [*futures.ANSWERS[name], *futures.REFUSALS])


def _draw_told(choices: Choices, venue: str) -> Case:
    return venue, damaged_json(choices, told.EVENTS[venue])


def _draw_venue(choices: Choices) -> Case:
    name = choices.one_of(list(sound.VENUE_ANSWERS))
    status = choices.one_of((200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 503))
    return f"{status} {name}", damaged_json(choices, [*sound.VENUE_ANSWERS[name], *sound.VENUE_REFUSALS])


_PARSERS: dict[str, Callable[[Any], object]] = {
    "order": parse.order_answer,
    "orders": parse.orders_answer,
    "trades": lambda document: parse.trades_answer(document, symbol=Symbol("BTCUSDT"), from_id=TradeId("5")),
    "positions": parse.positions_answer,
    "balances": parse.balances_answer,
    "symbols": parse.instruments_answer,
    "tickers": parse.prices_answer,
}


def _try_venue(name: str, data: bytes) -> str:
    status, _, what = name.partition(" ")
    response = Response(status=int(status), headers={"retry-after": data[:12].decode("latin-1")}, body=data)
    verdict = None
    for purpose in Purpose:
        call = Call(method="GET", path="/v2/x", purpose=purpose, priority=Priority.POLL, weights=limits.READ)
        verdict = classify(call, response, lambda: ErrorId("ours"))
    if not isinstance(verdict, Answered):
        return type(verdict).__name__
    document = verdict.document
    for leg in (document, *document.values()) if isinstance(document, dict) else document:
        if isinstance(leg, dict):
            classify_leg(leg, ErrorId("ours"))
    try:
        _PARSERS[what](verdict.document)
    except Unreadable:
        return "unreadable"
    return "read"


# The simulator.


def _draw_frame(choices: Choices) -> Case:
    data = choices.one_of(sound.HTTP_REQUESTS)
    return "", damaged_bytes(choices, data) if choices.below(4) else data


def _try_frame(_: str, data: bytes) -> str:
    frame = read_frame(data, "127.0.0.1")
    if frame is None:
        return "incomplete"
    if isinstance(frame, Malformed):
        assert 400 <= frame.status < 500
        return "malformed"
    assert isinstance(frame, Frame)
    assert 0 < frame.length <= len(data)
    response = sound.simulator().answer(frame.request)
    write_frame(response, keep_alive=frame.keep_alive)
    return "read"


def _draw_route(choices: Choices) -> Case:
    method, path, bodies = choices.one_of(sound.ROUTES)
    path = damaged_text(choices, [path]) if choices.below(4) == 0 else path
    query = damaged_text(choices, sound.QUERIES)
    return f"{method} {path}?{query}", damaged_json(choices, bodies) if bodies else b""


def _try_route(name: str, body: bytes) -> str:
    method, _, rest = name.partition(" ")
    path, _, query = rest.partition("?")
    venue = sound.simulator()
    if path.startswith("/simulator/"):
        response = venue.answer(Request(method, path, query, {}, body, "127.0.0.1"))
    else:
        response = venue.answer(venue.signed(method, path, query, body))
    sound.check_envelope(response)
    return str(response.status)


# People and files.


def _draw_command(choices: Choices) -> Case:
    words = [damaged_text(choices, [word]) for word in choices.one_of(sound.COMMANDS)]
    return "\x1f".join(words), b""


def _try_command(name: str, _: bytes) -> str:
    """There is no bus at that address: what is well said ends in `unavailable`, what is not in wrong usage; never in a fault of ours."""
    arguments = [
        "--url",
        "nats://127.0.0.1:1",
        "--timeout",
        "0.001",
        *(word.replace("\0", "") for word in name.split("\x1f")),
    ]
    out, err = io.StringIO(), io.StringIO()
    with sound.no_bus(), redirect_stdout(out), redirect_stderr(err):
        code = command_line.run(arguments)
    assert "a fault of this command" not in err.getvalue(), err.getvalue()
    return Exit(code).name.lower()


def _draw_settings(choices: Choices) -> Case:
    if choices.below(4) == 0:
        return choices.one_of(sound.ENVIRONMENT_NAMES), damaged_text(choices, sound.ENVIRONMENT_VALUES).encode(
            "utf-8", "replace"
        )
    data = sound.installation_text(choices)
    return "", damaged_bytes(choices, data) if choices.below(2) else data


def _try_settings(name: str, data: bytes) -> str:
    if name:
        return _try_environment(name, data.decode("utf-8", "replace"))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "refused"  # as Environment.installation says, in the same words
    try:
        installation = Installation.of(text)
    except Misconfigured:
        return "refused"
    for account in installation.accounts:
        _ = account.risk_limits, account.venue_deviation
    return "read"


def _try_environment(name: str, value: str) -> str:
    try:
        Environment.model_validate({"config": "/nowhere/x.toml", name: value})
    except pydantic.ValidationError:
        return "refused"
    return "read"


def _draw_key(choices: Choices) -> Case:
    return "", damaged_bytes(choices, choices.one_of(sound.KEY_FILES)) if choices.below(5) else choices.one_of(
        sound.KEY_FILES
    )


def _try_key(_: str, data: bytes) -> str:
    try:
        found = parse_credentials(data)
    except Misconfigured as error:
        told, became = str(error), "refused"
    else:
        told, became = repr(found), type(found.material).__name__
    assert not any(secret in told for secret in sound.SECRETS), "the key is shown"
    return became


GATES: dict[str, Gate] = {
    "intents": Gate(
        draw=_draw_intent,
        try_=_try_intent,
        found=(
            ("intents.zetarium=20x.main.alpha.place.BTCUSDT", b"{}"),
            (f"intents.zetarium.main.{'a' * 65}.place.BTCUSDT", b"{}"),
            ("intents.zetarium.main.alpha.cancel.=00", b"{}"),
        ),
    ),
    "orders": Gate(draw=lambda c: ("", damaged_json(c, sound.orders())), try_=try_order),
    "fills": Gate(draw=lambda c: ("", damaged_json(c, sound.FILLS)), try_=try_fill),
    "positions": Gate(
        draw=lambda c: ("", damaged_json(c, sound.POSITIONS)),
        try_=try_position,
        found=(("", sound.HUGE_POSITION),),
    ),
    "buckets": Gate(
        draw=_draw_bucket,
        try_=_try_bucket,
        found=(("price", b'{"schema":1,"symbol":"BTCUSDT","price":"0","venueTimeMs":1790000000400}'),),
    ),
    "http": Gate(draw=_draw_http, try_=_try_http),
    "venue": Gate(
        draw=_draw_venue,
        try_=_try_venue,
        found=(
            ("200 order", b'{"ok":true,"leg":{"ok":false,"code":["FILTER_FAILURE"]}}'),
            ("401 order", b'{"ok":false,"error":"no","errorId":"z-1","code":["FILTER_FAILURE"]}'),
        ),
    ),
    "binance_spot": Gate(draw=_draw_spot, try_=spot.try_spot),
    "binance_futures": Gate(draw=_draw_futures, try_=futures.try_futures),
    "spot_stream": Gate(draw=lambda c: _draw_told(c, "binance-spot"), try_=told.try_stream),
    "futures_stream": Gate(draw=lambda c: _draw_told(c, "binance-futures"), try_=told.try_stream),
    "spot_frames": Gate(draw=lambda c: ("", damaged_json(c, told.FRAMES)), try_=told.try_frame),
    "simulator_frames": Gate(draw=_draw_frame, try_=_try_frame),
    "simulator_routes": Gate(draw=_draw_route, try_=_try_route),
    "commands": Gate(draw=_draw_command, try_=_try_command),
    "settings": Gate(draw=_draw_settings, try_=_try_settings),
    "keys": Gate(draw=_draw_key, try_=_try_key),
}
