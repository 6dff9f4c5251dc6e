"""The canary: a marked key and secret go through everything that can go wrong, and are looked for in all that comes out."""

import asyncio
import contextlib
import io
import json
import logging
import random
import re
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from ordergate.access.keys import read_key
from ordergate.access.opening import Opening
from ordergate.access.redaction import MASK
from ordergate.access.session import Patience, RequestRecord
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.logs import configure_logs
from ordergate.trading.errors import OrdergateError
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, KeyId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, OrderRequest, OrderType, Side, Terms
from ordergate.venues.zetarium.client import ZetariumReading, open_reading, open_trading
from tests.unit.access.stage import answer, say, serving

BTC = Symbol("BTCUSDT")
PUBLIC = "zd_" + "ca7a51e5" * 5
SECRET = "5ec2e7ca" * 8
SIGNATURE = re.compile(rb"signature=([0-9a-f]{64})")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    output = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(service="canary", instance="1", level=logging.DEBUG, output=output)
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def pages() -> list[bytes]:
    """What a hostile or broken venue says, some of it quoting us."""
    return [
        answer(f'{{"ok":false,"error":"bad key {PUBLIC}","code":"INVALID_API_KEY"}}'.encode(), status="401 No"),
        answer(f'{{"ok":false,"error":"secret={SECRET}","code":"VALIDATION_ERROR"}}'.encode(), status="400 No"),
        answer(f"<html>{PUBLIC}</html>".encode(), status="403 No"),
        answer(b"", status="500 No", headers=f"X-Echo: {PUBLIC}\r\n"),
        b"",
    ]


async def test_no_key_secret_or_signature_leaves_in_a_log_record_error_or_repr(
    tmp_path: Path, log: io.StringIO
) -> None:
    path = tmp_path / "key"
    path.write_text(json.dumps({"key": PUBLIC, "secret": SECRET}))
    path.chmod(0o400)
    records: list[RequestRecord] = []
    said: list[str] = []
    at = 0

    async def venue(_: int, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at
        if b"/v2/platform/status" in peer.requests[-1]:
            await say(writer, answer(b'{"ok":true,"serverTime":%d}' % (time.time_ns() // 1_000_000)))
            return
        page = pages()[at % len(pages())]
        at += 1
        await say(writer, page)
        if not page:
            writer.close()

    async def write_ahead(_: int, __: KeyId) -> bool:
        return True

    async with serving(venue) as peer:
        opening = Opening(
            url=f"http://127.0.0.1:{peer.origin.port}",
            clock=SystemClock(),
            record=records.append,
            draw=random.Random(1).random,  # noqa: S311 - seeded on purpose
            key=read_key(path),
            patience=Patience(first_pause_seconds=0.001, read_attempts_max=2),
            rest_ms=0,
        )
        trading, reading = open_trading(opening), open_reading(opening)
        async with trading, reading:
            for number in range(10):
                outcome = await trading.place(order(f"k{number}"), write_ahead=write_ahead, deadline_seconds=1)
                said.append(repr(outcome))
                structlog.get_logger().info("placed", outcome=repr(outcome), session=repr(trading), opening=opening)
            for number in range(5):
                with contextlib.suppress(OrdergateError):
                    await provoke(reading, number, said)
            signatures = {found.decode() for request in peer.requests for found in SIGNATURE.findall(request)}
            logging.getLogger("some.library").warning("GET /x?signature=%s %s", next(iter(signatures)), PUBLIC)
            said += [
                repr(opening),
                repr(trading),
                repr(opening.key),
                str(records),
                json.dumps([asdict(replace(each, weights={})) for each in records]),
            ]

    written = log.getvalue()
    assert MASK in written, "the library's line was masked, not lost"
    assert len(signatures) >= 15
    assert_clean("the log", written, signatures)
    assert_clean("what we say", "\n".join(said), signatures)
    assert any(MASK in text for text in said), "what the venue quoted is masked"


def order(name: str) -> OrderRequest:
    return OrderRequest(
        key=OrderKey(
            venue=VenueName("zetarium"),
            account=AccountName("main"),
            symbol=BTC,
            client_order_id=ClientOrderId(name),
        ),
        strategy=StrategyName("canary"),
        intent_id=IntentId(name),
        request_hash="",
        terms=Terms(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(1), price=Decimal(1)),
        created_at_ms=0,
        valid_for_ms=1_000,
    )


async def provoke(reading: ZetariumReading, number: int, said: list[str]) -> None:
    try:
        await reading.lookup(BTC, ClientOrderId(f"k{number}"))
    except OrdergateError as error:
        structlog.get_logger().exception("lookup failed")
        said.append("".join(traceback.format_exception(error)))
        raise


def assert_clean(where: str, text: str, signatures: set[str]) -> None:
    for name, secret in (("key", PUBLIC), ("secret", SECRET)):
        assert secret not in text, f"{where} holds the {name}"
    assert not any(signature in text for signature in signatures), f"{where} holds a signature"
