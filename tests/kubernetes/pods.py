"""Rendered pods of ours as processes of this machine: their command, their environment, and the files of their volumes where they are mounted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ordergate.runtime.server import free_port
from tests.kubernetes.manifests import Manifest, Rendered, containers, environment, labels, pod
from tests.kubernetes.nodes import replaced

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.05
MOUNTS = "/etc/ordergate"
"""Below it are all volumes of our services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a cluster would give. secrets: a folder for each Secret; changed: addresses of the cluster, and what they are on this machine."""

    rendered: Rendered
    home: Path
    secrets: Path
    changed: Mapping[str, str]

    def start(self, name: str, workload: Manifest) -> Pod:
        """Its one container."""
        root = self.home / "pods" / name
        (container,) = containers(workload)
        volumes = {each["name"]: each for each in pod(workload).get("volumes", ())}
        for mount in container["volumeMounts"]:
            self._mount(root, mount["mountPath"], volumes[mount["name"]])
        port = free_port()
        environ = {**self._environment(root, name, workload, container), "ORDERGATE_HEALTH_PORT": str(port)}
        log = root / "log"
        interpreter, *arguments = container["command"]
        assert interpreter == "python"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments], env={**os.environ, **environ}, stdout=output, stderr=output
            )
        return Pod(name=name, port=port, log=log, process=process)

    def _mount(self, root: Path, path: str, volume: Manifest) -> None:
        folder = root / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for key, content in self._files(volume).items():
            file = folder / key
            file.write_bytes(content if "secret" in volume else self._here(root, content.decode()).encode())
            file.chmod(volume.get("secret", {}).get("defaultMode", 0o444))

    def _files(self, volume: Manifest) -> dict[str, bytes]:
        if "configMap" in volume:
            data = self.rendered.one("ConfigMap", volume["configMap"]["name"])["data"]
            return {key: text.encode() for key, text in data.items()}
        if "secret" in volume:
            there = {file.name: file for file in (self.secrets / volume["secret"]["secretName"]).iterdir()}
            items = volume["secret"].get("items") or [{"key": key, "path": key} for key in there]
            return {item["path"]: there[item["key"]].read_bytes() for item in items}
        assert "emptyDir" in volume
        return {}

    def _environment(self, root: Path, name: str, workload: Manifest, container: Manifest) -> dict[str, str]:
        told = {key: self._value(each, name, workload) for key, each in environment(container).items()}
        return {key: self._here(root, value) for key, value in told.items() if value is not None}

    def _value(self, variable: Manifest, name: str, workload: Manifest) -> str | None:
        if "value" in variable:
            return str(variable["value"])
        (source,) = variable["valueFrom"].items()
        match source:
            case ("configMapKeyRef", reference):
                data = self.rendered.one("ConfigMap", reference["name"])["data"]
                return str(data[reference["key"]])
            case ("fieldRef", {"fieldPath": "metadata.name"}):
                return name
            case ("fieldRef", {"fieldPath": path}):
                return labels(workload)[path.removeprefix("metadata.labels['").removesuffix("']")]
            case _:
                raise AssertionError(variable)

    def _here(self, root: Path, text: str) -> str:
        return replaced(text, {MOUNTS: f"{root}{MOUNTS}", **self.changed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One process."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    async def ready(self) -> None:
        """Returns when it passes its readiness probe."""
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
            while await self._status(session) != 200:
                assert self.process.poll() is None, self.said
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.process.wait, READY_SECONDS)

    def stop(self) -> int:
        """As Kubernetes does it; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    async def _status(self, session: aiohttp.ClientSession) -> int:
        try:
            async with session.get(f"http://127.0.0.1:{self.port}/ready") as answer:
                return answer.status
        except OSError:
            return 0
