"""The health endpoint of a process: /live, /ready and /metrics over the smallest HTTP that probes and Prometheus need."""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus

import orjson

from ordergate.trading.errors import Misconfigured

Problems = Callable[[], dict[str, str]]
"""What is wrong now, by name; empty where all is well."""

_REQUEST_SECONDS = 5.0
_REQUEST_BYTES_MAX = 16_384


class HealthServer:
    """Serves on `host` and `port`; 0 picks a port, `port` says which after start."""

    def __init__(
        self, *, live: Problems, ready: Problems, metrics: Callable[[], bytes], metrics_type: str, host: str, port: int
    ) -> None:
        self._live = live
        self._ready = ready
        self._metrics = metrics
        self._metrics_type = metrics_type
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Raises Misconfigured where the port cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self.port, limit=_REQUEST_BYTES_MAX)
        except OSError as error:
            raise Misconfigured(
                f"ORDERGATE_HEALTH_HOST and ORDERGATE_HEALTH_PORT, {self._host}:{self.port}, cannot be served: {error.strerror or error}"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # a probe that does not speak HTTP gets no answer
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
        match path:
            case b"/live":
                return _verdict(self._live())
            case b"/ready":
                return _verdict(self._live() | self._ready())
            case b"/metrics":
                return _response(HTTPStatus.OK, self._metrics_type, self._metrics())
            case _:
                return _response(HTTPStatus.NOT_FOUND, "text/plain", b"")


def _verdict(problems: dict[str, str]) -> bytes:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return _response(status, "application/json", orjson.dumps({"ok": not problems, "problems": problems}))


def _response(status: HTTPStatus, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
