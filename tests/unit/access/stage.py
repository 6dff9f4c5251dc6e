"""What the tests of this room play on: a clock that only moves when told, a server that says exactly the bytes it is told to."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ordergate.access.http import Origin


@dataclass(slots=True)
class ToldClock:
    """Sleeping moves it; `step` moves the wall alone."""

    wall_ms: int = 1_790_000_000_000
    seconds: float = 100.0
    slept: list[float] = field(default_factory=list)

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_seconds(seconds)
        await asyncio.sleep(0)

    def pass_seconds(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall_ms += round(seconds * 1_000)

    def step(self, milliseconds: int) -> None:
        self.wall_ms += milliseconds


@dataclass(slots=True)
class Peer:
    """The connections and requests that a scripted server has seen."""

    origin: Origin
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Certified:
    """A server that shows one certificate, and a client that trusts nothing else."""

    server: ssl.SSLContext
    client: ssl.SSLContext


Script = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What to do with the request of this number (1, 2, ...), which has been read."""


def answer(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


async def say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def certified(directory: Path, name: str, *, begins: timedelta = timedelta(hours=-1)) -> Certified:
    """A certificate that its own key has signed, good for two days from `begins`."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    since = datetime.now(UTC) + begins
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = directory / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return Certified(server, ssl.create_default_context(cadata=made.public_bytes(Encoding.PEM).decode()))


@contextlib.asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A server on loopback that reads whole requests, counts them, and leaves the answer to `script`. tls: it speaks only that."""
    tasks: set[asyncio.Task[None] | None] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        writers.append(writer)
        peer.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                peer.requests.append(await _read_request(reader))
                await script(len(peer.requests), reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host = "127.0.0.1" if tls is None else "localhost"
    peer = Peer(Origin(tls=tls is not None, host=host, port=server.sockets[0].getsockname()[1], prefix=""))
    try:
        yield peer
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.wait_for(asyncio.gather(*(task for task in tasks if task is not None)), 5)


async def until(fact: Callable[[], bool]) -> None:
    """Let the loop run until `fact` holds; at most five seconds."""
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - facts of the code under test have no event
            await asyncio.sleep(0)


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)
