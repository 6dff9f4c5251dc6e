"""An OTLP/HTTP receiver of spans in a process of its own: reads what a collector reads, counts it, keeps nothing.

`python -m bench.receiver` prints its port, and at its end how many spans it was given.
"""

import asyncio
import gzip
import signal
import sys

import uvloop
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

BODY_BYTES_MAX = 64 * 1024 * 1024


async def receive() -> None:
    """Serve until SIGTERM."""
    spans = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal spans
        body = await request.read()  # aiohttp has decompressed it
        export = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        spans += sum(len(scope.spans) for resource in export.resource_spans for scope in resource.scope_spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post("/v1/traces", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _say(str(runner.addresses[0][1]))
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    _say(str(spans))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(receive())
