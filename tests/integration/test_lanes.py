"""Lanes on a real nats-server: order kept, nothing lost, one bad message stops nobody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import count

import pytest
import pytest_asyncio

from ordergate.ports.bus import Delivery, Handler
from ordergate.runtime.connection import Bus
from ordergate.runtime.delivery import LaneDelivery
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.jetstream import Ack, Refusal
from ordergate.runtime.lane import Concurrent, Lane, Mode, Sequential
from ordergate.runtime.lean import parse_headers
from ordergate.runtime.provision import provision, resources
from ordergate.trading.errors import BusUnavailable, Unreadable
from ordergate.trading.ids import StrategyName, Symbol
from ordergate.wire import streams, subjects
from ordergate.wire.messages import DeadHeaders
from ordergate.wire.streams import ConsumerSpec
from ordergate.wire.subjects import IntentKind
from tests.integration.orders_at_hand import ACCOUNT, VENUE, eventually

SPEC = replace(streams.risk_consumer(VENUE, ACCOUNT), ack_wait_seconds=0.6, durable="lane-in-test")
BESIDE = Concurrent(key=lambda subject: subject, in_flight_max=16)
ONE_BY_ONE = Sequential()

StartLane = Callable[..., Awaitable[Lane]]


@pytest_asyncio.fixture
async def start(bus: Bus) -> AsyncIterator[StartLane]:
    """Starts lanes on a consumer of their own; they are stopped in the end."""
    lanes: list[Lane] = []
    await provision(bus.jetstream, resources(consumers=(SPEC,)))

    async def one(handler: Handler, mode: Mode, *, spec: ConsumerSpec = SPEC, over: Bus = bus) -> Lane:
        lane = Lane(over, spec, handler, mode=mode, graveyard=Graveyard(over, service="test"))
        lanes.append(lane)
        await lane.start()
        return lane

    yield one
    for lane in lanes:
        await lane.stop(limit_seconds=1)


async def say(bus: Bus, text: str, *, symbol: str = "BTCUSDT") -> None:
    subject = subjects.intent(VENUE, ACCOUNT, StrategyName("alpha"), IntentKind.PLACE, Symbol(symbol))
    assert isinstance(await bus.jetstream.publish(subject, text.encode()), Ack)


async def pending(bus: Bus, spec: ConsumerSpec = SPEC) -> tuple[int, int]:
    """(delivered and not acknowledged, not delivered)"""
    state = await bus.jetstream.api(f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
    assert not isinstance(state, Refusal)
    return state["num_ack_pending"], state["num_pending"]


async def settled(bus: Bus, spec: ConsumerSpec = SPEC) -> bool:
    """Everything delivered and acknowledged, at once or nearly so: the server counts acks a moment after it reads them, but long before the
    ack wait could have helped.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SPEC.ack_wait_seconds / 3
    while await pending(bus, spec) != (0, 0):
        if loop.time() > deadline:
            return False
    return True


async def dead(bus: Bus) -> tuple[bytes, dict[str, str]] | None:
    message = await bus.jetstream.last(streams.DEAD, subjects.dead("test", streams.INTENTS))
    return None if message is None else (message.data, parse_headers(message.headers))


@pytest.mark.parametrize("mode", [BESIDE, ONE_BY_ONE])
async def test_everything_arrives_once_and_is_acknowledged(bus: Bus, start: StartLane, mode: Mode) -> None:
    seen: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.data)
        await delivery.ack()

    await start(handle, mode)
    await asyncio.gather(*(say(bus, str(number)) for number in range(500)))
    await eventually(lambda: len(seen) == 500)
    assert sorted(map(int, seen)) == list(range(500))
    assert await settled(bus)


async def test_a_sequential_lane_keeps_the_order_through_failures(bus: Bus, start: StartLane) -> None:
    done: list[str] = []
    counts: dict[str, list[int]] = {}
    at_once = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        try:
            text = delivery.data.decode()
            counts.setdefault(text, []).append(delivery.delivery_count)
            await asyncio.sleep(0)
            if text == "3" and len(counts[text]) < 4:
                raise BusUnavailable
            if text == "5" and len(counts[text]) < 2:
                await delivery.retry(after_seconds=0.02)
                return
            done.append(text)
            await delivery.ack()
        finally:
            at_once -= 1

    lane = await start(handle, ONE_BY_ONE)
    for number in range(9):
        await say(bus, str(number))
    await eventually(lambda: len(done) == 9)
    assert done == [str(number) for number in range(9)]
    assert counts["3"] == [1, 2, 3, 4]
    assert lane.counts.retried == 4
    assert lane.counts.buried == 0


async def test_cancels_that_wait_for_their_orders_keep_no_other_cancel_out(bus: Bus, start: StartLane) -> None:
    """Two hundred come again and again, as while risk is away or the venue does not answer; the next one is heard all the same."""
    spec = streams.cancels_consumer(VENUE, ACCOUNT)
    await provision(bus.jetstream, resources(consumers=(spec,)))
    heard = asyncio.Event()
    waiting: set[bytes] = set()

    async def handle(delivery: Delivery) -> None:
        if delivery.data == b"last":
            heard.set()
            await delivery.ack()
            return
        waiting.add(delivery.data)
        await delivery.retry(after_seconds=0.5)

    numbers = count()
    await start(handle, Concurrent(key=lambda _subject: str(next(numbers)), in_flight_max=32), spec=spec)
    subject = subjects.intent(VENUE, ACCOUNT, StrategyName("alpha"), IntentKind.CANCEL, Symbol("BTCUSDT"))
    for text in (*map(str, range(200)), "last"):
        assert isinstance(await bus.jetstream.publish(subject, text.encode()), Ack)
    await asyncio.wait_for(heard.wait(), 5)
    assert len(waiting) == 200


async def test_a_retry_of_a_concurrent_lane_frees_its_place(bus: Bus, start: StartLane) -> None:
    done: list[str] = []
    tries: list[int] = []

    async def handle(delivery: Delivery) -> None:
        if delivery.data == b"slow" and delivery.delivery_count < 3:
            tries.append(delivery.delivery_count)
            await delivery.retry(after_seconds=0.1)
            return
        done.append(delivery.data.decode())
        await delivery.ack()

    await start(handle, Concurrent(key=lambda subject: subject, in_flight_max=1))
    await say(bus, "slow")
    await say(bus, "quick", symbol="ETHUSDT")
    await eventually(lambda: len(done) == 2)
    assert done == ["quick", "slow"]
    assert tries == [1, 2]


async def test_one_key_is_never_handled_twice_at_once(bus: Bus, start: StartLane) -> None:
    """Nobody ends before three are in hand at once, so that there are is no luck; and never are there more."""
    busy: set[str] = set()
    most = 0
    three_at_once = asyncio.Event()
    order: dict[str, list[int]] = {}

    async def handle(delivery: Delivery) -> None:
        nonlocal most
        assert delivery.subject not in busy
        busy.add(delivery.subject)
        most = max(most, len(busy))
        if len(busy) == 3:
            three_at_once.set()
        async with asyncio.timeout(5):
            await three_at_once.wait()
        await asyncio.sleep(0)
        order.setdefault(delivery.subject, []).append(int(delivery.data))
        busy.discard(delivery.subject)
        await delivery.ack()

    await start(handle, Concurrent(key=lambda subject: subject, in_flight_max=3))
    for number in range(60):
        await say(bus, str(number), symbol=f"S{number % 6}")
    await eventually(lambda: sum(map(len, order.values())) == 60)
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert most == 3


@pytest.mark.parametrize("mode", [BESIDE, ONE_BY_ONE])
@pytest.mark.parametrize("error", [Unreadable("broken"), ValueError("broken")])
async def test_what_cannot_be_read_is_kept_in_dead_with_the_reason(
    bus: Bus, start: StartLane, mode: Mode, error: Exception
) -> None:
    async def handle(delivery: Delivery) -> None:
        if delivery.data == b"poison":
            raise error
        await delivery.ack()

    lane = await start(handle, mode)
    await say(bus, "poison")
    await eventually(lambda: lane.counts.buried == 1 and lane.held == 0)
    kept = await dead(bus)
    assert kept is not None
    body, headers = kept
    assert body == b"poison"
    assert "broken" in headers[DeadHeaders.REASON]
    assert headers[DeadHeaders.ERROR_ID].startswith("oge-")
    assert headers["Nats-Msg-Id"] == "INTENTS:1:lane-in-test"
    assert await settled(bus)


async def test_a_handler_that_keeps_failing_gives_up_on_the_message_not_on_the_others(
    bus: Bus, start: StartLane
) -> None:
    tries: list[int] = []
    done: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        if delivery.data == b"poison":
            tries.append(delivery.delivery_count)
            raise RuntimeError("a bug")
        done.append(delivery.data)
        await delivery.ack()

    lane = await start(handle, BESIDE)
    await say(bus, "poison")
    for number in range(20):
        await say(bus, str(number), symbol=f"S{number}")
    await eventually(lambda: len(done) == 20, seconds=1)
    await eventually(lambda: lane.counts.buried == 1)
    assert tries == [1, 2, 3, 4, 5]
    kept = await dead(bus)
    assert kept is not None
    assert "RuntimeError: a bug" in kept[1][DeadHeaders.REASON]


async def test_a_thousand_poison_messages_do_not_delay_their_neighbours(bus: Bus, start: StartLane) -> None:
    loop = asyncio.get_running_loop()
    late: list[float] = []
    said: dict[bytes, float] = {}

    async def handle(delivery: Delivery) -> None:
        if delivery.data.startswith(b"poison"):
            raise Unreadable("poison")
        late.append(loop.time() - said[delivery.data])
        await delivery.ack()

    lane = await start(handle, BESIDE)
    for number in range(200):
        said[str(number).encode()] = loop.time()
        await asyncio.gather(
            say(bus, str(number), symbol=f"S{number}"), *(say(bus, "poison", symbol=f"P{n}") for n in range(5))
        )
    await eventually(lambda: lane.counts.buried == 1_000 and len(late) == 200, seconds=20)
    assert sorted(late)[int(len(late) * 0.99)] < 0.1


async def test_a_long_handling_is_not_delivered_again(bus: Bus, start: StartLane) -> None:
    seen: list[int] = []
    finish = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.delivery_count)
        await finish.wait()
        await delivery.ack()

    lane = await start(handle, ONE_BY_ONE)
    await say(bus, "long")
    await say(bus, "behind it")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await eventually(lambda: loop.time() - began > 3 * SPEC.ack_wait_seconds)
    assert (seen, lane.held, lane.counts.again_while_held) == ([1], 2, 0)
    finish.set()
    await eventually(lambda: lane.held == 0)
    assert seen == [1, 1]


async def test_what_a_dead_process_held_comes_to_another(
    bus: Bus, start: StartLane, connected: Callable[..., Awaitable[Bus]]
) -> None:
    taken: list[int] = []
    seen: list[int] = []

    async def hang(delivery: Delivery) -> None:
        taken.append(delivery.sequence)
        await asyncio.Event().wait()

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.delivery_count)
        await delivery.ack()

    dying = await connected("dying")
    lane = await start(hang, ONE_BY_ONE, over=dying)
    await say(bus, "held")
    await eventually(lambda: bool(taken))
    await dying.close()  # no stop: the process is gone
    await start(handle, ONE_BY_ONE)
    took = await eventually(lambda: bool(seen))
    assert seen == [2]
    assert took < SPEC.ack_wait_seconds + 1
    assert lane.held == 1


@pytest.mark.parametrize("mode", [BESIDE, ONE_BY_ONE])
async def test_a_graceful_stop_leaves_nothing_unacknowledged(bus: Bus, start: StartLane, mode: Mode) -> None:
    done: list[bytes] = []
    taken = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        taken.set()
        await asyncio.sleep(0)
        done.append(delivery.data)
        await delivery.ack()

    await start(handle, mode)
    await asyncio.gather(*(say(bus, str(number), symbol=f"S{number}") for number in range(200)))
    await taken.wait()
    lane = await start(handle, mode)  # a second one, so that both have some
    await lane.stop(limit_seconds=2)
    assert lane.held == 0
    await eventually(lambda: len(done) == 200, seconds=10)
    assert len(set(done)) == 200
    assert await settled(bus)


@pytest.mark.parametrize("mode", [BESIDE, ONE_BY_ONE])
async def test_a_stop_with_nobody_else_there_finishes_what_was_taken(bus: Bus, start: StartLane, mode: Mode) -> None:
    done: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        await asyncio.sleep(0)
        done.append(delivery.data)
        await delivery.ack()

    await asyncio.gather(*(say(bus, str(number)) for number in range(500)))
    lane = await start(handle, mode)
    await eventually(lambda: bool(done))
    await lane.stop(limit_seconds=2)
    left = 500 - len(done)
    assert left > 0, "it was stopped in the middle"
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SPEC.ack_wait_seconds / 3
    while await pending(bus) != (0, left):
        assert loop.time() < deadline


async def test_a_stop_hands_back_what_it_never_began(bus: Bus, start: StartLane) -> None:
    began = asyncio.Event()

    async def hang(_delivery: Delivery) -> None:
        began.set()
        await asyncio.Event().wait()

    lane = await start(hang, ONE_BY_ONE)
    for number in range(5):
        await say(bus, str(number))
    await began.wait()
    await eventually(lambda: lane.held == 5)
    await lane.stop(limit_seconds=0.05)
    counts: list[int] = []

    async def handle(delivery: Delivery) -> None:
        counts.append(delivery.delivery_count)
        await delivery.ack()

    await start(handle, ONE_BY_ONE)
    took = await eventually(lambda: len(counts) == 5)
    assert took < SPEC.ack_wait_seconds, "handed back, not timed out"


async def test_a_message_left_unanswered_comes_again(bus: Bus, start: StartLane) -> None:
    counts: list[int] = []

    async def handle(delivery: Delivery) -> None:
        counts.append(delivery.delivery_count)
        if len(counts) > 1:
            await delivery.ack()

    lane = await start(handle, BESIDE)
    await say(bus, "x")
    await eventually(lambda: counts == [1, 2])
    assert lane.counts.unanswered == 1


async def test_a_second_answer_is_an_error(bus: Bus, start: StartLane) -> None:
    errors: list[str] = []

    async def handle(delivery: Delivery) -> None:
        await delivery.ack()
        try:
            await delivery.retry(after_seconds=0)
        except RuntimeError as error:
            errors.append(str(error))

    await start(handle, BESIDE)
    await say(bus, "x")
    await eventually(lambda: bool(errors))
    assert errors == ["a message was answered twice: ACKED, then RETRIED"]


async def test_a_message_whose_answer_cannot_be_given_is_let_go_and_comes_again(
    bus: Bus, start: StartLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by chaos: kept in hand, it was said to be in progress for ever."""
    handled: list[int] = []
    hand_back = LaneDelivery.hand_back
    failures = iter([RuntimeError("the handler is closed")])

    async def broken_once(delivery: LaneDelivery, *, after_seconds: float = 0.0) -> None:
        for failure in failures:
            raise failure
        await hand_back(delivery, after_seconds=after_seconds)

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.delivery_count)
        if len(handled) == 1:
            raise RuntimeError("a bug")
        await delivery.ack()

    monkeypatch.setattr(LaneDelivery, "hand_back", broken_once)
    lane = await start(handle, BESIDE)
    await say(bus, "x")
    await eventually(lambda: len(handled) == 2)
    assert handled == [1, 2]
    assert await settled(bus)
    assert lane.held == 0


async def test_a_deleted_consumer_is_told_by_the_lane(bus: Bus, start: StartLane) -> None:
    async def handle(delivery: Delivery) -> None:
        await delivery.ack()

    lane = await start(handle, BESIDE)
    assert not isinstance(await lane.state(), Refusal)
    await bus.jetstream.api(f"CONSUMER.DELETE.{SPEC.stream}.{SPEC.durable}")
    assert isinstance(await lane.state(), Refusal)


async def test_strangers_are_read_by_subject_alone(bus: Bus, start: StartLane) -> None:
    seen: list[tuple[str, bytes]] = []
    spec = streams.strangers_consumer()

    async def handle(delivery: Delivery) -> None:
        seen.append((delivery.subject, delivery.data))
        await delivery.ack()

    await start(handle, ONE_BY_ONE, spec=spec)
    for number in range(50):
        await say(bus, "a body", symbol=f"S{number}")
    await eventually(lambda: len(seen) == 50)
    assert {data for _, data in seen} == {b""}
    assert await settled(bus, spec)
    assert subjects.parse_intent(seen[0][0]).symbol == "S0"
