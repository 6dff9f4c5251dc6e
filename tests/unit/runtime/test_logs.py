"""No secret leaves by a log line, whoever writes it and wherever it hides."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from ordergate.access import redaction
from ordergate.runtime.logs import configure_logs, redact_event, redact_text

CANARY = "canary-b7f1e0c2-secret"
SEED = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF-123"
KEY = "zd_" + "0123456789abcdef" * 2 + "01234567"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log so far, parsed; logging is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    output = io.StringIO()
    configure_logs(service="test", instance="one", output=output)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", [SEED, JWT, KEY, "a1" * 32])
def test_a_secret_is_known_by_its_form(secret: str) -> None:
    assert secret not in redact_text(f"before {secret} after")
    assert redact_text(f"before {secret} after").startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "https://venue.test/order?symbol=BTCUSDT&signature=deadbeef0123&timestamp=1",
        "X-API-KEY: deadbeef0123",
        "{'apiKey': 'deadbeef0123'}",
        "Authorization: Bearer deadbeef0123",
    ],
)
def test_a_secret_is_known_by_its_name(text: str) -> None:
    assert "deadbeef0123" not in redact_text(text)


def fail() -> None:
    raise RuntimeError(CANARY)


def test_a_registered_value_is_masked_in_every_corner(lines: Callable[[], list[dict[str, Any]]]) -> None:
    redaction.register(CANARY)
    log = structlog.get_logger("x")
    event = f"event {CANARY}"
    log.info(event, text=CANARY, nested={"a": [CANARY, {CANARY: (CANARY,)}]}, thing=ValueError(CANARY))
    logging.getLogger("library").warning("said %s", CANARY, extra={"more": CANARY})
    try:
        fail()
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    said = lines()
    assert len(said) == 4
    assert CANARY not in json.dumps(said)
    assert all(line["service"] == "test" and line["instance"] == "one" for line in said)
    assert "RuntimeError" in said[2]["exception"]
    assert "RuntimeError" in said[3]["exception"]


@pytest.mark.parametrize("name", ["X-API-KEY", "signature", "apiKey", "api_key", "Authorization"])
def test_a_field_with_a_secret_name_is_masked_whatever_it_holds(name: str) -> None:
    assert redact_event(None, "info", {"event": "x", "headers": {name: "plain"}})["headers"] == {name: "[redacted]"}


def test_a_password_in_an_address_is_masked() -> None:
    assert redact_text("nats://desk:hidden@bus:4222 does not answer") == "nats://[redacted]@bus:4222 does not answer"
    assert redact_text("nats://bus:4222 at desk@bus") == "nats://bus:4222 at desk@bus"


def test_what_is_no_secret_stays_as_it_is() -> None:
    event = {"event": "order sent", "client_order_id": "alpha-000017", "attempt": 1, "price": "64250.5", "ok": True}
    assert redact_event(None, "info", dict(event)) == event


def test_libraries_that_log_whole_addresses_are_quiet(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://venue.test/order?signature=x")
    assert lines() == []


def test_a_warning_at_each_end_of_a_connection_that_says_nothing_is_left_out(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    asyncio_log = logging.getLogger("asyncio")
    asyncio_log.warning("returning true from eof_received() has no effect when using ssl")
    asyncio_log.warning("socket.send() raised exception")
    assert [line["event"] for line in lines()] == ["socket.send() raised exception"]
