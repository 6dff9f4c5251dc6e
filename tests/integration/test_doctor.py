"""`ordergate doctor` over a real bus and real files: each thing that is wrong is named, with what to do about it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ordergate.cli import doctor
from ordergate.cli.app import run
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import turn_restore
from ordergate.runtime.server import EmbeddedServer, free_port
from ordergate.trading.errors import BusUnavailable
from ordergate.wire import streams
from tests.integration.test_key_commands import installation

Findings = list[dict[str, Any]]


async def examined(capsys: pytest.CaptureFixture[str], config: Path, url: str) -> tuple[int, Findings]:
    code = await asyncio.to_thread(run, ["--json", "--url", url, "--timeout", "2", "doctor", "--config", str(config)])
    return code, json.loads(capsys.readouterr().out)


def of(found: Findings, about: str, level: str) -> str:
    return " ".join(each["text"] + each["advice"] for each in found if (each["about"], each["level"]) == (about, level))


async def test_without_a_bus_everything_else_is_still_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = await examined(capsys, installation(tmp_path), f"nats://127.0.0.1:{free_port()}")
    assert code == 3
    assert "no bus" in of(found, "bus", "PROBLEM")
    assert "zetarium/main/status_polling" in of(found, "keys", "ok")


async def test_streams_that_are_not_as_declared_are_a_problem(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await bus.jetstream.api("STREAM.DELETE.DEAD")
    code, found = await examined(capsys, installation(tmp_path), server.url)
    assert code == 1
    assert "stream DEAD" in of(found, "streams", "PROBLEM")
    assert "services.provision" in of(found, "streams", "PROBLEM")


async def test_the_version_of_the_bus_is_the_number_that_the_server_says(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that everything was measured with is nothing to warn of."""
    _, found = await examined(capsys, installation(tmp_path), server.url)
    [said] = [each for each in found if each["about"] == "bus"]
    assert said["text"].startswith("nats-server 2.15.")
    assert "was measured with" not in said["advice"]
    assert bus.client.server_version == said["text"].split()[1].rstrip(",")


async def test_a_bus_that_holds_nothing_yet_is_told_and_not_waited_for(
    server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asyncio.to_thread(
        run,
        ["--json", "--url", server.url, "--timeout", "0.3", "doctor", "--config", str(installation(tmp_path))],
    )
    found = json.loads(capsys.readouterr().out)
    assert code == 1
    assert "run python -m services.provision" in of(found, "streams", "PROBLEM")
    assert "cannot be read within 0.3 s" in of(found, "services", "PROBLEM")


class FullShelf:
    """A bucket on a full disk: the server is asked and does not answer."""

    def __init__(self, _bus: Bus, *, bucket: str) -> None:
        assert bucket == streams.CONTROL

    async def put(self, key: str, _value: bytes) -> int:
        raise BusUnavailable(f"no answer from the bus about {key}")


async def test_a_bus_that_answers_and_stores_nothing_is_a_problem(
    bus: Bus,
    server: EmbeddedServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bus.client.is_connected
    monkeypatch.setattr(doctor, "BusShelf", FullShelf)
    code, found = await examined(capsys, installation(tmp_path), server.url)
    assert code == 1
    assert "room on its disk" in of(found, "bus", "PROBLEM")


async def test_a_restore_that_goes_on_is_a_problem(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await turn_restore(bus, halted=True, reason="test", clock=SystemClock(), above=None)
    code, found = await examined(capsys, installation(tmp_path), server.url)
    assert code == 1
    assert "restore finish" in of(found, "services", "PROBLEM")


async def test_a_key_that_others_can_read_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = installation(tmp_path)
    (tmp_path / "poller").chmod(0o644)
    _, found = await examined(capsys, config, f"nats://127.0.0.1:{free_port()}")
    assert "poller" in of(found, "keys", "PROBLEM")


async def test_a_configuration_that_cannot_be_read_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = await examined(capsys, tmp_path / "none.toml", f"nats://127.0.0.1:{free_port()}")
    assert code == 1
    assert "cannot be read" in of(found, "configuration", "PROBLEM")


@pytest.mark.parametrize(("synchronised", "level"), [(True, "ok"), (False, "warning"), (None, "warning")])
def test_a_clock_that_nobody_keeps_is_said_with_what_to_run(synchronised: bool | None, level: str) -> None:  # noqa: FBT001
    found = doctor.judge_clock(synchronised)
    assert found.level == level
    assert ("chrony" in found.advice) is (level == "warning")
