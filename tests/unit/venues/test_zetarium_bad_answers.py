"""Whatever a venue, a wall before it or somebody on the line answers, over real TLS: one typed outcome, one request, no secret in it, and the next call works."""

import asyncio
import contextlib
import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ordergate.access import redaction
from ordergate.access.budget import Scope
from ordergate.access.http import Engine, EngineLimits
from ordergate.access.keys import make_key
from ordergate.access.opening import Opening
from ordergate.access.response import BODY_BYTES_MAX, HEAD_BYTES_MAX
from ordergate.access.retry_after import RETRY_AFTER_MS_DEFAULT, RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN
from ordergate.access.session import Patience, RequestRecord
from ordergate.access.upkeep import Rhythm
from ordergate.ports.venue import Executed, NotExecuted, NotSent, Outcome, Throttled, Unknown
from ordergate.trading.errors import ClockUnknown, VenueUnavailable
from ordergate.trading.ids import KeyId
from ordergate.venues.zetarium.client import ZetariumReading, ZetariumTrading, open_reading, open_trading
from tests.unit.access.stage import Peer, answer, certified, say, serving
from tests.unit.venues.test_zetarium_parse import ORDER, request

PUBLIC, SECRET = "zd_" + "3c" * 20, "5a" * 32
PLACED = json.dumps(
    {"ok": True, "order": {**ORDER, "status": "NEW", "executedQuantity": "0", "avgPrice": None}}
).encode()
MEBIBYTE = 1024 * 1024


@dataclass(slots=True)
class SteppedClock:
    """The real time, with a wall that somebody sets."""

    stepped_ms: int = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.stepped_ms

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass(slots=True)
class Desk:
    """A client beside the venue that it calls; `says` is what the next order is answered, and every one after it."""

    trading: ZetariumTrading
    reading: ZetariumReading
    peer: Peer
    clock: SteppedClock
    says: list[bytes]
    records: list[RequestRecord] = field(default_factory=list)

    async def place(self) -> Outcome:
        async def yes(_timestamp_ms: int, _key: KeyId) -> bool:
            return True

        return await self.trading.place(request(), write_ahead=yes, deadline_seconds=0.02)

    @property
    def orders(self) -> list[bytes]:
        return [each for each in self.peer.requests if each.startswith(b"POST ")]


@contextlib.asynccontextmanager
async def desk(folder: Path, *, venue_ahead_ms: int = 0, time_answer: bytes | None = None) -> AsyncIterator[Desk]:
    tls, says, clock, records = certified(folder, "localhost"), [answer(PLACED)], SteppedClock(), list[RequestRecord]()

    async def script(number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/v2/platform/status" in peer.requests[number - 1]:
            now_ms = time.time_ns() // 1_000_000 + venue_ahead_ms
            await say(writer, body({"ok": True, "serverTime": now_ms}) if time_answer is None else time_answer)
            return
        await say(writer, says[0])
        writer.close()

    async with serving(script, tls=tls.server) as peer:
        opening = Opening(
            url=f"https://localhost:{peer.origin.port}",
            clock=clock,
            record=records.append,
            draw=lambda: 0.5,
            key=make_key(public=PUBLIC, secret=SECRET),
            patience=Patience(request_seconds=1.0, connection_seconds=1.0, clock_seconds=0.05),
            rhythm=Rhythm(warm_count=1, clock_samples=1),
            ssl_context=tls.client,
            rest_ms=0,
        )
        trading, reading = open_trading(opening), open_reading(opening)
        for client in (trading, reading):
            await client.start(timeout_seconds=5.0 if time_answer is None else 0.05)
        yield Desk(trading, reading, peer, clock, says, records)
        for client in (trading, reading):
            await client.close()


def page(text: str, status: str) -> bytes:
    return answer(text.encode(), status=status, headers="Content-Type: text/html\r\n")


def body(document: object, status: str = "200 OK", headers: str = "") -> bytes:
    return answer(json.dumps(document).encode(), status=status, headers=headers)


def chunked(chunks: bytes, headers: str = "Transfer-Encoding: chunked\r\n") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + chunks


def zipped(content: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return answer(gzip.compress(content), status=status, headers=f"Content-Encoding: gzip\r\n{headers}")


HTML = "<html><body>Attention required</body></html>"
UNREADABLE: dict[str, bytes] = {
    "html 200": page(HTML, "200 OK"),
    "html 403": page(HTML, "403 Forbidden"),
    "html 401": page(HTML, "401 Unauthorized"),
    "html 502": page(HTML, "502 Bad Gateway"),
    "html 503": page(HTML, "503 Service Unavailable"),
    "nothing at all": b"",
    "empty body": answer(b""),
    "json, but a list": body([1]),
    "json, but a number": body(1),
    "json that ends too soon": answer(PLACED[:-5]),
    "json nested too deeply": answer(b"[" * 100_000),
    "an error inside 200": body({"ok": False, "error": "no", "errorId": "e-1"}),
    "an error inside 200, in another dress": body({"code": -1121, "msg": "Invalid symbol."}),
    "ok, and no order": body({"ok": True}),
    "ok, and another order": body({"ok": True, "order": {**ORDER, "clientOrderId": "somebody-else"}}),
    "ok as a text": body({"ok": "true", "order": ORDER}),
    "not a number where one is due": answer(PLACED.replace(b'"0.010"', b"NaN")),
    "a redirect": answer(b"", status="302 Found", headers="Location: https://elsewhere.example/v2/orders\r\n"),
    "gzip although identity was asked": zipped(PLACED),
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "bytes": bytes(range(256)) * 8,
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a head too large": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n",
    "a head of many lines": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: x\r\n" * 4_000 + b"\r\n",
    "a body too large": f"HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n\r\n".encode(),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "length and chunks": chunked(b"2\r\n{}\r\n0\r\n\r\n", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
    "chunks inside gzip": chunked(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked\r\n"),
    "a chunk without a size": chunked(b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk of negative size": chunked(b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with a prefix": chunked(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": chunked(b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk larger than all we take": chunked(b"fffffff0\r\n{}\r\n"),
    "a chunk with an endless extension": chunked(b"2;" + b"x" * 5_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "endless trailers": chunked(b"2\r\n{}\r\n0\r\n" + b"X-Filler: x\r\n" * 10_000),
    "chunks that are cut off": chunked(b"2\r\n{}\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_order_whose_answer_cannot_be_read_is_unknown_and_was_sent_once(tmp_path: Path, name: str) -> None:
    async with desk(tmp_path) as at:
        at.says[0] = UNREADABLE[name]
        outcome = await at.place()
        assert isinstance(outcome, Unknown), outcome
        assert outcome.reason
        assert outcome.error_id
        assert len(at.orders) == 1
        said = repr((outcome, at.records))
        assert PUBLIC not in said
        assert SECRET not in said
        assert redaction.redact(said) == said
        at.says[0] = answer(PLACED)
        assert isinstance(await at.place(), Executed), "the next call works"


@pytest.mark.parametrize(
    "name", ["html 200", "nothing at all", "a redirect", "gzip although identity was asked", "bytes"]
)
async def test_a_read_that_cannot_be_read_ends_with_an_error_after_six_tries(tmp_path: Path, name: str) -> None:
    async with desk(tmp_path) as at:
        at.says[0] = UNREADABLE[name]
        before = len(at.peer.requests)
        with pytest.raises(VenueUnavailable, match="GET /v2/positions") as caught:
            await at.reading.positions()
        assert len(at.peer.requests) - before == 6
        assert SECRET not in repr(caught.value)


async def test_a_bomb_is_not_unfolded(tmp_path: Path) -> None:
    bomb = zipped(b"\0" * 200 * MEBIBYTE)
    async with desk(tmp_path) as at:
        at.says[0] = bomb
        tracemalloc.start()
        try:
            assert isinstance(await at.place(), Unknown)
            assert tracemalloc.get_traced_memory()[1] < 10 * MEBIBYTE
        finally:
            tracemalloc.stop()
        assert b"\r\nAccept-Encoding: identity\r\n" in at.orders[0]


@pytest.mark.parametrize(
    ("said", "wait_ms"),
    [
        ("Retry-After: 7", 7_000),
        ("Retry-After: 31536000", RETRY_AFTER_MS_MAX),
        ("Retry-After: " + "9" * 300, RETRY_AFTER_MS_MAX),
        ("Retry-After: 0", RETRY_AFTER_MS_MIN),
        ("Retry-After: -5", RETRY_AFTER_MS_DEFAULT),
        ("Retry-After: NaN", RETRY_AFTER_MS_DEFAULT),
        ("Retry-After: inf", RETRY_AFTER_MS_DEFAULT),
        ("Retry-After: tomorrow", RETRY_AFTER_MS_DEFAULT),
        ("Retry-After: 5\r\nRetry-After: 9", RETRY_AFTER_MS_DEFAULT),
        ("X-Other: 1", RETRY_AFTER_MS_DEFAULT),
        ("Retry-After: Sat, 21 Nov 2026 12:00:09 GMT\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT", 9_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["429 Too Many Requests", "418 I'm a teapot"])
async def test_who_is_told_to_stop_stops_for_a_time_that_can_be_waited(
    tmp_path: Path, said: str, wait_ms: int, status: str
) -> None:
    async with desk(tmp_path) as at:
        at.says[0] = answer(HTML.encode(), status=status, headers=f"{said}\r\n")
        outcome = await at.place()
        assert isinstance(outcome, Throttled)
        assert outcome.retry_after_ms == wait_ms
        at.says[0] = answer(PLACED)
        assert await at.place() == NotSent(reason="budget_deadline", retriable=True)
        assert len(at.orders) == 1, "not one more call"


async def test_a_word_to_stop_counts_also_where_its_body_is_compressed(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.says[0] = zipped(b"{}", status="429 Too Many Requests", headers="Retry-After: 7\r\n")
        outcome = await at.place()
        assert isinstance(outcome, Throttled)
        assert outcome.retry_after_ms == 7_000


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"},
        {"x-ratelimit-limit": "-300", "x-ratelimit-remaining": "1"},
        {"x-ratelimit-limit": "NaN", "x-ratelimit-remaining": "NaN"},
        {"x-ratelimit-limit": "9" * 40, "x-ratelimit-remaining": "1"},
        {"x-ratelimit-limit": "300"},
        {"x-ratelimit-remaining": "0"},
        {"x-ratelimit-limit": "\u0663\u0660\u0660", "x-ratelimit-remaining": "1"},
        {"x-ratelimit-limit": "", "x-ratelimit-remaining": ""},
        {},
    ],
)  # fmt: skip
async def test_headers_that_are_missing_or_nonsense_change_no_count_and_no_limit(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with desk(tmp_path) as at:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        at.says[0] = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PLACED)}\r\n{lines}\r\n".encode() + PLACED
        assert isinstance(await at.place(), Executed)
        assert at.trading.session.limiter.used(Scope.ORDERS) == (1, 300)


async def test_a_limit_that_the_venue_lowers_in_mid_window_holds_from_the_next_call_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.says[0] = answer(PLACED, headers="x-ratelimit-limit: 3\r\nx-ratelimit-remaining: 2\r\n")
        outcomes = [await at.place() for _ in range(4)]
        assert [type(outcome) for outcome in outcomes] == [Executed, Executed, NotSent, NotSent]
        assert len(at.orders) == 2


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -10_000, 10_000, 3_600_000, 86_400_000 * 365])
async def test_a_clock_that_is_far_off_signs_by_the_venues(tmp_path: Path, ahead_ms: int) -> None:
    async with desk(tmp_path, venue_ahead_ms=ahead_ms) as at:
        for stepped_ms in (0, 10_000, -10_000):
            at.clock.stepped_ms = stepped_ms
            assert isinstance(await at.place(), Executed)
            signed_ms = int(at.orders[-1].partition(b"timestamp=")[2].partition(b"&")[0])
            assert abs(signed_ms - (time.time_ns() // 1_000_000 + ahead_ms)) < 1_000


@pytest.mark.parametrize(
    "said",
    [
        body({"ok": True}),
        body({"ok": True, "serverTime": 0}),
        body({"ok": True, "serverTime": -1}),
        body({"ok": True, "serverTime": "soon"}),
        body({"ok": True, "serverTime": 10**30}),
        page(HTML, "200 OK"),
        zipped(b"{}"),
    ],
    ids=["missing", "zero", "negative", "a text", "beyond all time", "html", "compressed"],
)
async def test_without_a_time_from_the_venue_nothing_is_signed(tmp_path: Path, said: bytes) -> None:
    async with desk(tmp_path, time_answer=said) as at:
        assert await at.place() == NotSent(reason="clock_unknown", retriable=True)
        with pytest.raises(ClockUnknown, match="has not been read"):
            await at.reading.positions()
        assert {each.split(b" ", 2)[1] for each in at.peer.requests} == {b"/v2/platform/status"}
        assert len(at.peer.requests) < 20, "and it is not asked in a loop"


async def test_a_read_whose_timestamp_is_refused_is_signed_again_once_by_a_clock_that_was_read_again(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        refusal = {"ok": False, "error": "Invalid or expired timestamp", "errorId": "e-1"}
        at.says[0] = body(refusal, status="401 Unauthorized")
        with pytest.raises(VenueUnavailable, match="clock_refused"):
            await at.reading.positions()
        asked = [each.split(b" ", 2)[1].partition(b"?")[0] for each in at.peer.requests[2:]]
        assert asked[:3] == [b"/v2/positions", b"/v2/platform/status", b"/v2/positions"]
        assert asked.count(b"/v2/positions") == 2


@pytest.mark.parametrize("code", ["INVALID_API_KEY", "INVALID_SIGNATURE", "API_KEY_EXPIRED"])
async def test_a_key_that_the_venue_refuses_is_said_so_and_not_tried_again(tmp_path: Path, code: str) -> None:
    async with desk(tmp_path) as at:
        said = f"key {PUBLIC} with signature {SECRET} is wrong"
        at.says[0] = body({"ok": False, "error": said, "code": code, "errorId": "e-1"}, status="401 Unauthorized")
        outcome = await at.place()
        assert isinstance(outcome, NotExecuted)
        assert outcome.credentials
        assert SECRET not in repr(outcome)
        assert PUBLIC not in repr(outcome)
        assert len(at.orders) == 1


@pytest.mark.parametrize(
    ("name", "begins", "trusts"),
    [
        ("localhost", timedelta(hours=-1), False),
        ("other.example", timedelta(hours=-1), True),
        ("localhost", timedelta(days=-9), True),
        ("localhost", timedelta(days=9), True),
    ],
    ids=["signed by itself", "for another host", "expired", "not yet valid"],
)
async def test_a_venue_that_cannot_prove_who_it_is_is_sent_nothing(
    tmp_path: Path, name: str, begins: timedelta, *, trusts: bool
) -> None:
    shown = certified(tmp_path, name, begins=begins)
    own = tmp_path / "own"
    own.mkdir()
    client = shown.client if trusts else certified(own, "localhost").client

    async def never(*_: object) -> None:
        raise AssertionError("a request came through")

    async with serving(never, tls=shown.server) as peer:
        opening = Opening(
            url=f"https://localhost:{peer.origin.port}",
            clock=SteppedClock(),
            record=lambda _: None,
            draw=lambda: 0.5,
            key=make_key(public=PUBLIC, secret=SECRET),
            ssl_context=client,
        )
        trading = open_trading(opening)
        assert not await trading.start(timeout_seconds=0.2)
        assert trading.session.engine.counts.failures > 0
        assert peer.requests == []
        await trading.close()


async def test_plain_text_where_tls_is_due_is_sent_nothing(tmp_path: Path) -> None:
    async with serving(lambda *_: asyncio.sleep(0)) as peer:
        tls = certified(tmp_path, "localhost")
        origin, limits = replace(peer.origin, tls=True, host="localhost"), EngineLimits(connect_seconds_max=0.2)
        engine = Engine(origin, limits=limits, ssl_context=tls.client)
        assert await engine.warm(1) == 0
        assert engine.counts.failures == 1
        assert peer.requests == []
        await engine.close()
