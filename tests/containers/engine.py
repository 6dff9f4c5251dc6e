"""Containers by their command line: the engine, compose in whichever form there is, and one project that goes as it came."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND_SECONDS = 600


class Failed(Exception):
    """A command ended with another code than 0; the message is the end of what it said."""


def run(*command: str, environment: Mapping[str, str] | None = None, limit_seconds: float = COMMAND_SECONDS) -> str:
    """Standard output. Raises Failed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=limit_seconds,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {(done.stderr or done.stdout)[-2_000:]}")
    return done.stdout


def missing() -> str | None:
    """What keeps containers from running here, None if nothing does."""
    if shutil.which("docker") is None:
        return "no engine"
    try:
        run("docker", "info", limit_seconds=10)
    except (Failed, subprocess.TimeoutExpired):
        return "no engine"
    return None if compose_command() else "no compose"


def composes() -> list[tuple[str, ...]]:
    """Every compose that is installed: `docker compose`, docker-compose."""
    found: list[tuple[str, ...]] = []
    with contextlib.suppress(Failed):
        run("docker", "compose", "version")
        found.append(("docker", "compose"))
    if shutil.which("docker-compose") is not None:
        found.append(("docker-compose",))
    return found


def compose_command() -> tuple[str, ...]:
    """The one that COMPOSE names ("docker compose", "docker-compose"), else the first that is installed, else nothing."""
    wanted = tuple(os.environ.get("COMPOSE", "").split())
    return wanted or next(iter(composes()), ())


@dataclass(slots=True)
class Project:
    """docker-compose.yml under a name of its own, with these variables."""

    name: str
    environment: Mapping[str, str]
    compose: Sequence[str] = field(default_factory=compose_command)

    def __call__(self, *arguments: str) -> str:
        """A compose command. Raises Failed."""
        return run(*self.compose, "-p", self.name, *arguments, environment=self.environment)

    def container(self, service: str) -> str:
        """Its id, by the labels that compose gives, for compose itself takes a second to say it. Raises Failed: there is none."""
        labels = (f"label=com.docker.compose.project={self.name}", f"label=com.docker.compose.service={service}")
        found = run("docker", "ps", "--all", "--quiet", "--filter", labels[0], "--filter", labels[1]).split()
        if not found:
            raise Failed(f"{service} has no container")
        return found[0]

    def state(self, service: str) -> dict[str, Any]:
        """As the engine tells it: Status, Pid, StartedAt, Health."""
        told: dict[str, Any] = json.loads(
            run("docker", "inspect", "--format", "{{json .State}}", self.container(service))
        )
        return told

    def is_well(self, service: str) -> bool:
        state = self.state(service)
        return bool(state["Status"] == "running" and state.get("Health", {}).get("Status", "healthy") == "healthy")

    def has_ended(self, service: str) -> bool:
        try:
            return bool(self.state(service)["Status"] == "exited")
        except Failed:
            return False

    def wait_well(self, service: str, *, limit_seconds: float) -> None:
        """Block until it is there and well. Raises Failed."""
        deadline = time.monotonic() + limit_seconds
        while True:
            with contextlib.suppress(Failed):
                if self.is_well(service):
                    return
            if time.monotonic() > deadline:
                raise Failed(f"{service} was not well in {limit_seconds} s")
            time.sleep(0.2)

    def kill(self, service: str, image: str) -> int:
        """kill -9 of its process from outside, as the machine would in need of memory: what comes back is the restart policy's work. The pid."""
        pid: int = self.state(service)["Pid"]
        kill = f"import os; os.kill({pid}, 9)"
        run("docker", "run", "--rm", "--pid=host", "--user=0", "--network=none", image, "python", "-c", kill)
        return pid

    def wait_restarted(self, service: str, killed: int, *, limit_seconds: float) -> float:
        """Block until it is well under another pid; seconds from the call on. Raises Failed."""
        began = time.monotonic()
        while self.state(service)["Pid"] in {0, killed} or not self.is_well(service):
            if time.monotonic() - began > limit_seconds:
                raise Failed(f"{service} was not back in {limit_seconds} s: {self('logs', '--tail', '20', service)}")
            time.sleep(0.2)
        return time.monotonic() - began

    def read(self, service: str, path: str, target: Path) -> Path:
        """A file out of a container, also of one that has ended."""
        run("docker", "cp", "--follow-link", f"{self.container(service)}:{path}", str(target))
        return target

    def down(self) -> None:
        self("down", "--volumes", "--remove-orphans", "--timeout", "15")


def image_bytes(image: str) -> int:
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))


def image_labels(image: str) -> dict[str, str]:
    labels: dict[str, str] = json.loads(run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image))
    return labels
