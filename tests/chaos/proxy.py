"""A TCP proxy that can stand between any two parts and misbehave as it is told, while it runs.

It hears one port and forwards to another. Every trouble is a plain attribute of `Trouble`; setting a new one takes effect at the next
chunk of every connection, old ones included. Nothing is lost that TCP would not lose: what a black hole swallows stays swallowed.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

CHUNK_BYTES = 65_536
CONNECT_SECONDS = 2.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends RST
_OUTGOING, _INCOMING = "outgoing", "incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is done to the traffic.

    latency_seconds: added to each chunk, in both directions. black_hole: what is read goes nowhere, connections stay open (`outgoing`:
    only from the client to the server, `incoming`: only answers). refuse: new connections are reset at once. cut_after_bytes: each
    connection is reset once it has carried that many bytes towards the client.
    """

    latency_seconds: float = 0.0
    black_hole: frozenset[str] = frozenset()
    refuse: bool = False
    cut_after_bytes: int | None = None


NONE = Trouble()
BLACK_HOLE = Trouble(black_hole=frozenset({_OUTGOING, _INCOMING}))
DEAF = Trouble(black_hole=frozenset({_OUTGOING}))
MUTE = Trouble(black_hole=frozenset({_INCOMING}))


@dataclass(slots=True)
class Proxy:
    """Between its own port and `target` on this machine. Start, set `trouble` at any time, stop."""

    target: int
    port: int = 0
    trouble: Trouble = NONE
    carried_bytes: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset_all(self) -> None:
        """RST on every connection, both ends."""
        for writer in list(self._writers):
            _reset(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.trouble.refuse:
            _reset(writer)
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, TimeoutError):
            _reset(writer)
            return
        self.connections += 1
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer, _OUTGOING))
                pumps.create_task(self._pump(far_reader, writer, _INCOMING))
        except* OSError:
            pass  # a reset, from either side: both are closed below
        finally:
            for end in (writer, far_writer):
                self._writers.discard(end)
                _reset(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        carried = 0
        while chunk := await reader.read(CHUNK_BYTES):
            trouble = self.trouble
            if trouble.latency_seconds:
                await asyncio.sleep(trouble.latency_seconds)
            if way in trouble.black_hole:
                continue
            if way == _INCOMING and trouble.cut_after_bytes is not None:
                chunk = chunk[: max(0, trouble.cut_after_bytes - carried)]
            writer.write(chunk)
            await writer.drain()
            carried += len(chunk)
            self.carried_bytes += len(chunk)
            if way == _INCOMING and trouble.cut_after_bytes is not None and carried >= trouble.cut_after_bytes:
                raise ConnectionResetError
        if writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
