"""The `ordergate` command as an operator types it, against the running system.

Three times as the process that it is; otherwise by its entry, in this process: to start one takes longer than what it does.
"""

import io
import json
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ordergate.cli.app import run
from ordergate.trading.ids import ClientOrderId, trace_id
from tests.acceptance.system import System

COMMAND = Path(sys.executable).with_name("ordergate")


def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As the process that an operator starts."""
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def entered(*arguments: str) -> subprocess.CompletedProcess[str]:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = run(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def say(system: System, *arguments: str, code: int = 0, as_process: bool = False) -> dict[str, Any]:
    """Run the command for JSON and read its document."""
    done = (typed if as_process else entered)("--url", system.nats_url, "--json", *arguments)
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
        as_process=True,
    )
    assert placed
    return "cli-rests"


def test_a_resting_order_is_listed_and_explained_with_its_evidence(system: System, resting: str) -> None:
    listed = say(system, "orders")
    assert resting in json.dumps(listed)
    life = say(system, "explain", resting)
    assert life["traceId"] == f"{trace_id(ClientOrderId(resting)):032x}"
    states = [message["body"]["state"] for message in life["messages"]]
    assert states[:3] == ["approved", "submitting", "accepted"]
    assert any(request["body"]["path"] == "/v2/orders" for request in life["requests"])
    told = [step["text"] for step in life["steps"]]
    assert told[0].startswith("manual asked to place it")
    assert any("attempt 1 written ahead of its request" in text for text in told)


def test_the_venues_id_leads_to_the_same_life(system: System, resting: str) -> None:
    life = say(system, "explain", resting)
    by_the_venues_id = say(system, "explain", life["venueOrderId"])
    assert (by_the_venues_id["clientOrderId"], by_the_venues_id["foundBy"]) == (resting, "venueOrderId")


def test_a_name_that_nobody_bears_is_said_and_not_a_crash(system: System) -> None:
    assert say(system, "explain", "nobody-has-this-name", code=1) == {}


def test_status_names_the_sender_and_counts_what_is_live(system: System, resting: str) -> None:
    assert resting
    standing = say(system, "status")
    assert standing["senders"]
    assert standing["orders"]["live"] >= 1
    assert standing["problems"] == []


def test_without_a_bus_the_command_says_so_with_its_own_code() -> None:
    done = typed("--url", "nats://127.0.0.1:1", "orders")
    assert done.returncode == 3
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_canceled_order_leaves_the_list(system: System, resting: str) -> None:
    say(system, "cancel", resting)
    _wait_served(system)
    assert resting not in json.dumps(say(system, "orders"))


def _wait_served(system: System) -> None:
    """An empty list is one of an account that is served, which the command knows by status polling's first checkpoint."""
    deadline = time.monotonic() + 20
    while entered("--url", system.nats_url, "orders").returncode != 0:
        assert time.monotonic() < deadline, "no checkpoint is kept"


def test_a_kill_for_one_strategy_reports_evidence_and_only_its_own_resume_lifts_it(system: System) -> None:
    scope = ("--strategy", "stopped", "--symbol", "ETHUSDT")
    assert say(system, "place", "ETHUSDT", "BUY", "0.5", "--strategy", "stopped")["order"]["state"] == "filled"
    thrown = say(system, "kill", *scope, "--reason", "a test", "--flatten")
    assert thrown["acknowledged"]
    assert "2 reads of open orders at the venue were empty" in thrown["flat"][0]["evidence"]
    assert "SELL 0.5 ETHUSDT filled" in thrown["positions"][0]["evidence"]
    refused = say(system, "place", "ETHUSDT", "BUY", "0.5", "--strategy", "stopped", code=1)["order"]
    assert refused["reason"].startswith("killed: the kill switch is thrown for strategy stopped, symbol ETHUSDT")
    assert say(system, "place", "ETHUSDT", "BUY", "0.5", "--strategy", "others")["order"]["state"] == "filled"
    assert say(system, "resume", code=1)["stillKilled"][0]["strategy"] == "stopped"
    assert say(system, "resume", *scope)["stillKilled"] == []


def test_an_account_that_nobody_serves_is_no_empty_list(system: System) -> None:
    for listing in ("orders", "fills", "positions"):
        assert say(system, "--account", "nobody", listing, code=3) == {}


def test_an_error_id_leads_to_the_order_that_it_struck(system: System) -> None:
    refused = say(system, "place", "NOPE", "BUY", "1", code=1)["order"]
    life = say(system, "explain", refused["errorId"])
    assert (life["clientOrderId"], life["state"]) == (refused["clientOrderId"], "refused")


def test_a_replace_that_the_venue_cannot_carry_out_is_refused_and_leads_to_both_orders(
    system: System, resting: str
) -> None:
    wanted = ("BTCUSDT", "BUY", "0.010", "--price", "61000", "--client-order-id", "cli-new", "--replaces", resting)
    refused = say(system, "place", *wanted, code=1)["order"]
    assert refused["reason"].startswith("unsupported_by_venue: this venue has no replace")
    for name in (resting, "cli-new"):
        told = [step["text"] for step in say(system, "explain", name)["steps"]]
        assert any(f"manual asked to replace {resting} by cli-new" in text for text in told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("place", "BTCUSDT", "HOLD", "1"),
        ("place", "BTCUSDT", "BUY", "ten"),
        ("place", "BTCUSDT", "BUY", "1", "--valid-for", "soon"),
        ("cancel",),
        ("cancel", "x", "--all"),
        ("fills", "--since", "yesterday"),
        ("kill",),
        ("kill", "--venue", "zetarium", "--reason", "x"),
        ("watch", "--timeout", "-1"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_is_one_line_and_its_own_code(system: System, arguments: tuple[str, ...]) -> None:
    done = entered("--url", system.nats_url, *arguments)
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1


def test_wrong_usage_is_the_exit_code_of_the_process(system: System) -> None:
    done = typed("--url", system.nats_url, "kill")
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1
