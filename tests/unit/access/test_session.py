"""The call, against a server that does exactly what it is told."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import pytest

from ordergate.access.budget import Limit, Scope, Usage, divided
from ordergate.access.clock import Timestamps, VenueClock
from ordergate.access.http import Engine
from ordergate.access.keys import make_key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.limiter import Limiter
from ordergate.access.response import Response
from ordergate.access.session import (
    Answered,
    Call,
    Patience,
    RequestRecord,
    Session,
    VenueManners,
    decode,
    decode_answer,
)
from ordergate.access.signing import hmac_sha256_hex, sign_sorted_query
from ordergate.ports.venue import ClockRefused, NotExecuted, NotSent, Priority, Throttled, Unknown
from ordergate.trading.errors import BusUnavailable, ClockUnknown, VenueUnavailable
from ordergate.trading.ids import ErrorId, KeyId
from tests.unit.access.stage import Peer, Script, answer, say, serving

KEY = make_key(public="zd_" + "7d" * 20, secret="c4" * 32)
OTHER = make_key(public="zd_" + "8e" * 20, secret="d5" * 32)
OK = answer(b'{"ok":true}')
ORDER = Call(
    method="POST",
    path="/v2/orders",
    purpose="place",
    priority=Priority.PLACE,
    weights={Scope.ORDERS: 1, Scope.REQUESTS: 1},
    body=b'{"symbol":"BTCUSDT"}',
    client_order_id="alpha-1",
)
READ = Call(
    method="GET",
    path="/v2/positions",
    purpose="read",
    priority=Priority.RECONCILE,
    weights={Scope.REQUESTS: 1},
    parameters=(("status", "OPEN"),),
)


class LoopClock:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@dataclass(slots=True)
class Stage:
    session: Session
    peer: Peer
    clock: LoopClock
    records: list[RequestRecord]
    wrote: list[tuple[int, KeyId]] = field(default_factory=list)

    async def write_ahead(self, timestamp_ms: int, key_id: KeyId) -> bool:
        self.wrote.append((timestamp_ms, key_id))
        return True

    async def order(self, *, deadline_seconds: float = 1.0) -> object:
        return await self.session.change(ORDER, deadline_seconds=deadline_seconds, write_ahead=self.write_ahead)


@contextlib.asynccontextmanager
async def staged(script: Script, *, orders: int = 100, clock_known: bool = True) -> AsyncIterator[Stage]:
    async with serving(script) as peer:
        clock = LoopClock()
        venue_clock = VenueClock(clock)
        if clock_known:
            await measure(venue_clock, clock)
        limits = (
            Limit(scope=Scope.REQUESTS, limit=1_000, window_ms=3_600_000, contested=True),
            Limit(scope=Scope.ORDERS, limit=orders, window_ms=3_600_000),
        )
        records: list[RequestRecord] = []
        session = Session(
            engine=Engine(peer.origin),
            manners=VenueManners(
                key_header="X-API-KEY",
                sign=sign_sorted_query,
                classify=lambda _, response, own: classify(response, own()),
                read_usage=lambda *_: (),
                window_ms=5_000,
                send_margin_ms=1_000,
            ),
            limiter=Limiter(divided(limits, shares={}), clock=clock, now_ms=clock.now_ms),
            clock=clock,
            venue_clock=venue_clock,
            timestamps=Timestamps(clock, venue_clock),
            keychain=Keychain(KEY),
            record=records.append,
            upkeep=None,
            draw=lambda: 0.5,
            patience=Patience(request_seconds=0.2),
        )
        yield Stage(session, peer, clock, records)
        await session.engine.close()


async def measure(venue_clock: VenueClock, clock: LoopClock) -> None:
    async def ask() -> int:
        return clock.now_ms()

    await venue_clock.measure(ask, samples=1)


def classify(response: Response, error_id: str) -> Answered | NotExecuted | Throttled | ClockRefused | Unknown:
    own = ErrorId(error_id)
    match response.status:
        case 200:
            return Answered(document=decode(response.body) or {})
        case 429:
            return Throttled(retry_after_ms=2_000, error_id=own)
        case 401:
            return ClockRefused(error_id=own)
        case 400:
            return NotExecuted(reason="bad", message="", error_id=own)
        case 404:
            return NotExecuted(reason="none", message="", error_id=own, not_found=True)
        case _:
            return Unknown(reason=str(response.status), error_id=own)


def says(*answers: bytes) -> Script:
    """These answers in turn, the last one for ever; an empty one closes the connection."""

    async def script(at: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = answers[min(at, len(answers)) - 1]
        await say(writer, data)
        if not data:
            writer.close()

    return script


async def test_the_signature_carries_exactly_the_timestamp_that_was_written_ahead() -> None:
    async with staged(says(OK)) as stage:
        assert isinstance(await stage.order(), Answered)
        head = stage.peer.requests[0].split(b"\r\n")[0].decode()
        query = urlsplit(head.split(" ")[1]).query
        sent = parse_qs(query)
        [(timestamp, key_id)] = stage.wrote
        assert sent["timestamp"] == [str(timestamp)]
        assert sent["signature"] == [hmac_sha256_hex(KEY.secret, query.rpartition("&signature=")[0])]
        assert key_id == KEY.id


async def test_the_body_and_headers_arrive_as_they_were_given() -> None:
    async with staged(says(OK)) as stage:
        await stage.order()
        head, _, body = stage.peer.requests[0].partition(b"\r\n\r\n")
        assert body == ORDER.body
        assert b"X-API-KEY: " + KEY.public.encode() in head
        assert b"Content-Type: application/json" in head
        assert f"Host: 127.0.0.1:{stage.peer.origin.port}".encode() in head


async def test_without_the_yes_of_the_write_ahead_nothing_leaves() -> None:
    async def no(_: int, __: KeyId) -> bool:
        return False

    async with staged(says(OK)) as stage:
        result = await stage.session.change(ORDER, deadline_seconds=1, write_ahead=no)
        assert result == NotSent(reason="write_ahead_refused", retriable=False)
        assert stage.peer.requests == []


async def test_a_write_ahead_that_fails_sends_nothing_and_says_so() -> None:
    async def fail(_: int, __: KeyId) -> bool:
        raise BusUnavailable

    async with staged(says(OK)) as stage:
        with pytest.raises(BusUnavailable):
            await stage.session.change(ORDER, deadline_seconds=1, write_ahead=fail)
        assert stage.peer.requests == []
        assert isinstance(await stage.order(), Answered), "its connection is free again"


async def test_the_write_ahead_comes_after_budget_and_connection() -> None:
    async with staged(says(OK), orders=1) as stage:
        await stage.order()
        result = await stage.order(deadline_seconds=0.02)
        assert result == NotSent(reason="budget_deadline", retriable=True)
        assert len(stage.wrote) == 1

    engine = Engine(stage.peer.origin)  # nobody listens there any more
    stage.session = replace(stage.session, engine=engine)
    async with asyncio.timeout(5):
        result = await replace(stage.session, limiter=fresh_limiter(stage.clock)).change(
            ORDER, deadline_seconds=1, write_ahead=stage.write_ahead
        )
    assert result == NotSent(reason="connection_refused", retriable=True)
    assert len(stage.wrote) == 1


def fresh_limiter(clock: LoopClock) -> Limiter:
    limits = tuple(Limit(scope=scope, limit=100, window_ms=3_600_000) for scope in Scope)
    return Limiter(divided(limits, shares={}), clock=clock, now_ms=clock.now_ms)


async def test_a_write_ahead_slower_than_the_window_sends_nothing() -> None:
    async with staged(says(OK)) as stage:

        async def slow(_: int, __: KeyId) -> bool:
            await stage.clock.sleep(4.5)
            return True

        result = await stage.session.change(ORDER, deadline_seconds=1, write_ahead=slow)
        assert result == NotSent(reason="window_passed", retriable=True)
        assert stage.peer.requests == []


async def test_a_clock_that_is_lost_during_the_write_ahead_sends_nothing() -> None:
    async with staged(says(OK)) as stage:

        async def distrusting(_: int, __: KeyId) -> bool:
            stage.session.venue_clock.distrust()
            return True

        result = await stage.session.change(ORDER, deadline_seconds=1, write_ahead=distrusting)
        assert result == NotSent(reason="clock_unknown", retriable=True)
        assert stage.peer.requests == []


async def test_a_connection_that_dies_during_the_write_ahead_is_replaced_or_nothing_is_sent() -> None:
    async with staged(says(OK)) as stage:
        await stage.session.engine.warm(1)

        async def cutting(_: int, __: KeyId) -> bool:
            assert isinstance(stage.session.engine, Engine)
            for connection in stage.session.engine._in_use:
                connection.abort()
            return True

        result = await stage.session.change(ORDER, deadline_seconds=1, write_ahead=cutting)
        assert result == NotSent(reason="connection_closed", retriable=True)
        await stage.session.engine.warm(2)
        assert isinstance(await stage.session.change(ORDER, deadline_seconds=1, write_ahead=cutting), Answered)
        assert len(stage.peer.requests) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "timeout"),
        (b"nonsense\r\n\r\n", "malformed_answer"),
        (answer(status="502 Bad Gateway"), "502"),
    ],
)
async def test_an_order_whose_answer_is_lost_is_unknown_and_was_sent_once(data: bytes, reason: str) -> None:
    async with staged(says(data)) as stage:
        result = await stage.order()
        assert isinstance(result, Unknown)
        assert result.reason == reason
        assert result.error_id.startswith("oge-")
        assert len(stage.peer.requests) == 1
        assert stage.clock.slept == []


async def test_a_read_is_repeated_with_growing_pauses_and_a_new_signature_each_time() -> None:
    async with staged(says(b"", answer(status="503 Service Unavailable"), OK)) as stage:
        assert await stage.session.read(READ) == {"ok": True}
        assert stage.clock.slept == [0.125, 0.25]
        assert len({request.split(b"\r\n")[0] for request in stage.peer.requests}) == 3


async def test_a_read_gives_up_after_six_attempts() -> None:
    async with staged(says(answer(status="500 Oops"))) as stage:
        with pytest.raises(VenueUnavailable):
            await stage.session.read(READ)
        assert len(stage.peer.requests) == 6
        assert sum(stage.clock.slept) <= 15


async def test_a_refused_read_is_not_repeated() -> None:
    async with staged(says(answer(status="400 Bad Request"))) as stage:
        with pytest.raises(VenueUnavailable, match="bad") as caught:
            await stage.session.read(READ)
        assert caught.value.error_id is not None
        assert len(stage.peer.requests) == 1


async def test_what_is_not_there_is_none_for_find_and_an_error_for_read() -> None:
    async with staged(says(answer(status="404 Not Found"))) as stage:
        assert await stage.session.find(READ) is None
        with pytest.raises(VenueUnavailable):
            await stage.session.read(READ)


async def test_after_a_throttling_nobody_calls_until_it_is_over() -> None:
    async with staged(says(answer(status="429 Too Many Requests"), OK)) as stage:
        assert isinstance(await stage.order(), Throttled)
        assert await stage.order(deadline_seconds=0.02) == NotSent(reason="budget_deadline", retriable=True)
        assert len(stage.peer.requests) == 1


async def test_a_refused_timestamp_makes_the_clock_unknown() -> None:
    async with staged(says(answer(status="401 Unauthorized"))) as stage:
        assert isinstance(await stage.order(), ClockRefused)
        assert await stage.order() == NotSent(reason="clock_unknown", retriable=True)
        with pytest.raises(ClockUnknown):
            await stage.session.read(READ)
        assert len(stage.peer.requests) == 1


async def test_every_call_leaves_one_record_without_a_secret() -> None:
    async with staged(says(OK, answer(status="400 Bad Request"), b"")) as stage:
        for _ in range(3):
            await stage.order()
        assert [(record.outcome, record.status) for record in stage.records] == [
            ("answered", 200),
            ("not_executed", 400),
            ("unknown", None),
        ]
        first = stage.records[0]
        assert (first.method, first.path, first.client_order_id) == ("POST", "/v2/orders", "alpha-1")
        assert first.weights == {Scope.ORDERS: 1, Scope.REQUESTS: 1}
        assert first.latency_ms is not None
        shown = repr(stage.records)
        assert KEY.secret not in shown
        assert KEY.public not in shown
        assert "signature" not in shown


async def test_a_canceled_call_is_recorded_as_unknown() -> None:
    reached = asyncio.Event()

    async def hold(_: int, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()

    async with staged(hold) as stage:
        task = asyncio.create_task(stage.order())
        await reached.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [record.outcome for record in stage.records] == ["unknown"]


async def test_an_attempt_signs_with_the_key_that_it_wrote_ahead_whatever_takes_over_meanwhile() -> None:
    async with staged(says(OK)) as stage:
        keychain = stage.session.keychain
        assert keychain is not None
        wrote: list[KeyId] = []

        async def meanwhile(_: int, key_id: KeyId) -> bool:
            wrote.append(key_id)
            keychain.put_first(OTHER)
            return True

        for _ in range(2):
            assert isinstance(await stage.session.change(ORDER, deadline_seconds=1, write_ahead=meanwhile), Answered)
        assert wrote == [KEY.id, OTHER.id] == [record.key_id for record in stage.records]
        for request, key in zip(stage.peer.requests, (KEY, OTHER), strict=True):
            query = urlsplit(request.split(b" ")[1].decode()).query
            assert b"X-API-KEY: " + key.public.encode() in request
            assert query.endswith(hmac_sha256_hex(key.secret, query.rpartition("&signature=")[0]))


async def test_a_key_that_is_stopped_during_the_write_ahead_sends_nothing() -> None:
    async with staged(says(OK)) as stage:
        keychain = stage.session.keychain
        assert keychain is not None
        in_flight: list[int] = []

        async def leaked(_: int, key_id: KeyId) -> bool:
            in_flight.append(keychain.stop(key_id))
            return True

        result = await stage.session.change(ORDER, deadline_seconds=1, write_ahead=leaked)
        assert result == NotSent(reason="key_revoked", retriable=True)
        assert (in_flight, keychain.in_flight(KEY.id), stage.peer.requests) == ([1], 0, [])


async def test_what_cannot_be_signed_waits_for_a_key_and_uses_no_budget() -> None:
    async with staged(says(OK)) as stage:
        keychain = stage.session.keychain
        assert keychain is not None
        keychain.stop(KEY.id)
        result = await stage.session.change(ORDER, deadline_seconds=0.01, write_ahead=stage.write_ahead)
        assert result == NotSent(reason="no_key", retriable=True)
        assert stage.session.limiter.used(Scope.ORDERS)[0] == 0
        asyncio.get_running_loop().call_soon(keychain.put_first, OTHER)
        assert isinstance(await stage.order(), Answered)
        assert [key_id for _, key_id in stage.wrote] == [OTHER.id]


async def test_an_array_is_an_answer_too() -> None:
    async with staged(says(answer(b'[{"id":1},{"id":2}]'))) as stage:
        manners = replace(
            stage.session.manners,
            classify=lambda _, response, __: Answered(document=decode_answer(response.body) or {}),
        )
        session = replace(stage.session, manners=manners)
        assert await session.read(READ) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("text", [b"7", b'"text"', b"null", b"[1", b""])
def test_what_is_neither_object_nor_array_is_no_answer(text: bytes) -> None:
    assert decode_answer(text) is None


async def test_a_call_that_only_shows_its_key_bears_neither_time_nor_signature() -> None:
    listen = Call(
        method="POST",
        path="/v1/listenKey",
        purpose="listen",
        priority=Priority.RESOLVE,
        weights={Scope.REQUESTS: 1},
        signed=False,
        keyed=True,
    )
    async with staged(says(OK), clock_known=False) as stage:
        assert isinstance(await stage.session.change(listen, deadline_seconds=1), Answered)
        [request] = stage.peer.requests
        assert request.startswith(b"POST /v1/listenKey HTTP/1.1\r\n")
        assert b"X-API-KEY: " + KEY.public.encode() in request
        assert stage.records[-1].key_id == KEY.id


async def test_every_bucket_that_the_headers_speak_of_is_corrected() -> None:
    async with staged(says(OK)) as stage:
        said = (Usage(scope=Scope.REQUESTS, limit=1_000, used=70), Usage(scope=Scope.ORDERS, limit=100, used=7))
        session = replace(stage.session, manners=replace(stage.session.manners, read_usage=lambda *_: said))
        await session.change(ORDER, deadline_seconds=1)
        assert session.limiter.used(Scope.REQUESTS)[0] == 70
        assert session.limiter.used(Scope.ORDERS)[0] == 7
