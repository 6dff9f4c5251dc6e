"""The crash points: a complete list, armed only in a development home, each striking once and at its passage."""

import subprocess
import sys
from pathlib import Path

import pytest

from ordergate.runtime.crash_points import Phase, crash_points
from ordergate.runtime.crashing import Crashes, crashes_of
from ordergate.runtime.settings import Environment, Installation
from ordergate.trading.errors import Misconfigured
from services.development import Development, write_development
from services.supervisor import SERVICES

POINT = "risk.append.approved.after"
STRIKES = """
import asyncio, sys
from pathlib import Path
from ordergate.runtime.crashing import Crashes

async def main():
    crashes = Crashes("risk", {"risk.append.approved.after": (3, "kill")}, diary=Path(sys.argv[1]))
    for passage in range(1, 5):
        print(passage, flush=True)
        await crashes.around("append.approved", asyncio.sleep(0))

asyncio.run(main())
"""


def home(tmp_path: Path) -> tuple[Environment, Installation]:
    written = write_development(tmp_path, Development(), simulator_port=1)
    environment = Environment(config=written.installation)
    return environment, environment.installation()


def test_every_service_has_points_before_and_after_each_of_its_steps() -> None:
    points = crash_points()
    names = {point.name for point in points}
    assert len(points) == len(names) >= 25
    assert {point.service for point in points} == set(SERVICES)
    assert all(point.row for point in points)
    for name in names:
        step = name.rpartition(".")[0]
        assert {f"{step}.{Phase.BEFORE}", f"{step}.{Phase.AFTER}"} <= names


def test_a_point_kills_its_process_at_the_passage_it_was_told_and_writes_it_down(tmp_path: Path) -> None:
    diary = tmp_path / "crashes.txt"
    done = subprocess.run(
        [sys.executable, "-c", STRIKES, str(diary)], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == -9
    assert done.stdout.split() == ["1", "2", "3"]
    assert diary.read_text().startswith(f"{POINT}:3=kill ")


def test_what_has_struck_does_not_strike_the_next_process(tmp_path: Path) -> None:
    environment, installation = home(tmp_path)
    wanted = {"ORDERGATE_CRASH": f"{POINT}:3,risk.bury.before:1=stop"}
    (tmp_path / "crashes.txt").write_text(f"{POINT}:3=kill 4711 1790000000000\n")
    crashes = crashes_of(wanted, environment, installation, service="risk")
    assert isinstance(crashes, Crashes)
    assert crashes._armed == {"risk.bury.before": (1, "stop")}


def test_nothing_is_armed_unless_asked_for(tmp_path: Path) -> None:
    assert crashes_of({}, *home(tmp_path), service="risk") is None


@pytest.mark.parametrize("text", ["risk.append.approved", "risk.nonsense.after:1", f"{POINT}:x", f"{POINT}:1=burn"])
def test_what_names_no_point_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured, match="names no crash point"):
        crashes_of({"ORDERGATE_CRASH": text}, *home(tmp_path), service="risk")


def test_outside_a_development_home_it_is_refused(tmp_path: Path) -> None:
    environment, installation = home(tmp_path)
    armed = {"ORDERGATE_CRASH": f"{POINT}:1"}
    real = installation.model_copy(
        update={
            "accounts": tuple(
                each.model_copy(update={"base_url": "https://venue.example"}) for each in installation.accounts
            )
        }
    )
    with pytest.raises(Misconfigured, match="development home"):
        crashes_of(armed, environment, real, service="risk")
    (tmp_path / "simulator.json").unlink()
    with pytest.raises(Misconfigured, match="development home"):
        crashes_of(armed, environment, installation, service="risk")
