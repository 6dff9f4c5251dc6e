"""The `ordergate` command as an operator types it, against the running system."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ordergate.trading.ids import ClientOrderId, trace_id
from tests.acceptance.system import System

COMMAND = Path(sys.executable).with_name("ordergate")


def say(system: System, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run the command for JSON and read its document."""
    done = subprocess.run(
        [COMMAND, "--url", system.nats_url, "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout)) if done.stdout.strip() else {}


@pytest.fixture(scope="module")
def resting(system: System) -> str:
    """The clientOrderId of an order that rests far from the market."""
    placed = say(
        system,
        "place",
        "BTCUSDT",
        "BUY",
        "0.010",
        "--type",
        "LIMIT",
        "--price",
        "60000",
        "--client-order-id",
        "cli-rests",
    )
    assert placed
    return "cli-rests"


def test_a_resting_order_is_listed_and_explained_with_its_evidence(system: System, resting: str) -> None:
    listed = say(system, "orders")
    assert resting in json.dumps(listed)
    life = say(system, "explain", resting)
    assert life["traceId"] == f"{trace_id(ClientOrderId(resting)):032x}"
    states = [step["body"]["state"] for step in life["steps"] if step["what"] == "order"]
    assert states[:3] == ["approved", "submitting", "accepted"]
    assert any(step["body"].get("path") == "/v2/orders" for step in life["steps"])


def test_the_venues_id_leads_to_the_same_life(system: System, resting: str) -> None:
    life = say(system, "explain", resting)
    venue_order_id = next(
        step["body"]["venueOrderId"] for step in life["steps"] if step["body"].get("venueOrderId") is not None
    )
    assert say(system, "explain", venue_order_id)["clientOrderId"] == resting


def test_a_name_that_nobody_bears_is_said_and_not_a_crash(system: System) -> None:
    assert say(system, "explain", "nobody-has-this-name", code=1) == {}


def test_status_names_the_sender_and_counts_what_is_live(system: System, resting: str) -> None:
    assert resting
    standing = say(system, "status")
    assert standing["senders"]
    assert standing["live"] >= 1
    assert standing["problems"] == []


def test_without_a_bus_the_command_says_so_with_its_own_code() -> None:
    done = subprocess.run(
        [COMMAND, "--url", "nats://127.0.0.1:1", "orders"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_canceled_order_leaves_the_list(system: System, resting: str) -> None:
    say(system, "cancel", resting)
    assert resting not in json.dumps(say(system, "orders"))
