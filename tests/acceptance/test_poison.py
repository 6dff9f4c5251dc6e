"""A thousand bad messages between a thousand good intents, and nonsense in every other stream: nobody stops, nobody is forgotten."""

import asyncio
import itertools
import json
from collections import Counter

import pytest

from bench.poison import KINDS
from services.supervisor import SERVICES
from tests.acceptance.desk import ACCOUNT, VENUE, Desk, Document, until
from tests.acceptance.system import System

GOOD = 1_000
AT_ONCE = 20
ORDERS = f"orders.{VENUE}.{ACCOUNT}.BTCUSDT"
NONSENSE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"\xff\x00{",
    "another document": b'{"schema":1}',
    "wrong kinds": b'{"schema":1,"venue":["x"],"account":{},"symbol":7,"clientOrderId":{"a":1},"state":["approved"]}',
}


@pytest.mark.timeout(240)
async def test_a_thousand_bad_intents_between_a_thousand_good_ones_stop_nobody(desk: Desk, system: System) -> None:
    pids = system.pids()
    kinds = itertools.cycle(KINDS.items())
    bad: dict[int, str] = {}
    spoilt_ids: set[str] = set()

    async def publish_both() -> None:
        name, spoil = next(kinds)
        body = desk.place_body(quantity="0.002")
        spoilt_ids.add(body["clientOrderId"])
        bad[await desk.publish(*spoil(body))] = name
        await desk.place(quantity="0.002")

    for _ in range(GOOD // AT_ONCE):
        await asyncio.gather(*(publish_both() for _ in range(AT_ONCE)))
    assert len(bad) == GOOD
    ended = await _ended(desk, desk.placed | spoilt_ids, after=set(desk.placed))
    assert Counter(ended[name] for name in desk.placed) == {"filled": GOOD}
    told = {**await _told(desk, set(bad)), **dict.fromkeys(await _refused(desk, bad), "refused in the ledger")}
    untold = Counter(bad[sequence] for sequence in bad.keys() - told.keys())
    assert not untold
    assert not any(ended.get(name, "refused") != "refused" for name in spoilt_ids), "a bad intent was carried out"
    assert system.pids() == pids
    assert len(KINDS) >= 20


@pytest.mark.timeout(120)
async def test_nonsense_in_the_other_streams_stops_no_service_now_or_at_its_next_start(
    desk: Desk, system: System
) -> None:
    """Whoever may write there may write anything; what cannot be read is passed over, put into DEAD, or written over."""
    resting = await _resting(desk)
    await desk.wait_order(await desk.place(), "filled")
    pids = system.pids()
    approved = [
        await desk.publish(f"{ORDERS}.nonsense-{number}.approved", data)
        for number, data in enumerate(NONSENSE.values())
    ]
    foreign = {**(await desk.order(resting) or {}), "account": "other", "state": "approved"}
    approved.append(await desk.publish(f"{ORDERS}.nonsense-foreign.approved", foreign))
    for number, data in enumerate(NONSENSE.values()):
        await desk.publish(f"fills.{VENUE}.{ACCOUNT}.BTCUSDT.{number}-1", data)
        for subject in _everywhere(resting):
            await desk.publish(subject, data)
    assert await _kept(desk, "ORDERS", approved) == set(approved)
    await desk.wait_order(await desk.place(), "filled")
    assert system.pids() == pids
    killed = {name: system.kill(name) for name in SERVICES}
    for name, pid in killed.items():
        await asyncio.to_thread(system.wait_restarted, name, pid)
    starts = system.starts()
    await desk.wait_order(await desk.place(), "filled")
    await desk.wait_answer(await desk.cancel(resting))
    assert (await desk.wait_order(resting))["state"] == "canceled"
    await until(lambda: _position_is_told(desk), what="the position is written over", limit_seconds=20)
    assert system.starts() == starts, "nobody had to be started again"


def _everywhere(order_id: str) -> tuple[str, ...]:
    return (
        f"{ORDERS}.{order_id}.accepted",
        f"positions.{VENUE}.{ACCOUNT}.BTCUSDT",
        f"positions.{VENUE}.{ACCOUNT}.DOGEUSDT",
        "$KV.CONTROL.mode.nonsense",
        f"$KV.CURSORS.trades.{VENUE}.{ACCOUNT}.BTCUSDT",
        f"$KV.CHECKPOINTS.risk.{VENUE}.{ACCOUNT}",
        f"$KV.CHECKPOINTS.status_polling.{VENUE}.{ACCOUNT}",
        f"$KV.CHECKPOINTS.fill_streaming.{VENUE}.{ACCOUNT}",
        f"$KV.CHECKPOINTS.position_tracking.{VENUE}.{ACCOUNT}",
        "$KV.INSTRUMENTS.price.nowhere.BTCUSDT",
    )


async def _resting(desk: Desk) -> str:
    order_id = await desk.place(price=f"{await desk.price() * 0.95:.1f}")
    await desk.wait_order(order_id, "accepted")
    return order_id


async def _ended(desk: Desk, names: set[str], *, after: set[str]) -> dict[str, str]:
    """The last state of each of these orders, once all in `after` have ended."""

    async def all_ended() -> dict[str, str] | None:
        last: dict[str, str] = {}
        for message in await desk.stored("ORDERS", f"orders.{VENUE}.{ACCOUNT}.>"):
            *_, name, state = message.subject.split(".")
            if name in names:
                last[name] = state
        finals = {"filled", "refused", "canceled", "expired", "rejected", "not_placed"}
        return last if all(last.get(name) in finals for name in after) else None

    return await until(all_ended, what="every good order has ended", limit_seconds=60)


async def _told(desk: Desk, sequences: set[int]) -> dict[int, str]:
    """What became of bad intents outside of the ledger: in DEAD, or answered."""
    told = dict.fromkeys(await _kept(desk, "INTENTS", sequences, wait=False), "in DEAD")
    for message in await desk.stored("AUDIT", "answers.>"):
        told.setdefault(message.body.get("intentSequence", 0), message.body["outcome"])
    return told


async def _refused(desk: Desk, bad: dict[int, str]) -> set[int]:
    """The bad intents whose order stands in the ledger as refused."""
    refused = {
        message.body["intentId"] for message in await desk.stored("ORDERS", f"orders.{VENUE}.{ACCOUNT}.*.*.refused")
    }
    intents = [message for message in await desk.stored("INTENTS") if message.sequence in bad]
    return {message.sequence for message in intents if (_document(message.data) or {}).get("intentId") in refused}


def _document(data: bytes) -> Document | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


async def _kept(desk: Desk, stream: str, sequences: set[int] | list[int], *, wait: bool = True) -> set[int]:
    """Which of these messages of the stream stand in DEAD."""
    wanted = set(sequences)

    async def found() -> set[int] | None:
        ids = [message.headers.get("Nats-Msg-Id", "").split(":") for message in await desk.stored("DEAD")]
        kept = {int(parts[1]) for parts in ids if parts[0] == stream} & wanted
        return kept if kept == wanted or not wait else None

    return await until(found, what=f"{len(wanted)} messages of {stream} are in DEAD", limit_seconds=30)


async def _position_is_told(desk: Desk) -> bool | None:
    messages = await desk.stored("POSITIONS", f"positions.{VENUE}.{ACCOUNT}.BTCUSDT")
    document = _document(messages[-1].data)
    return True if document is not None and document.get("symbol") == "BTCUSDT" and "quantity" in document else None
