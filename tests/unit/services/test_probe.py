"""The health check of a container says well only when the service does."""

import asyncio
import sys

import pytest

from ordergate.runtime.health import HealthServer, Problems
from ordergate.runtime.server import free_port


async def _probe(port: int, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.probe",
        *arguments,
        env={"ORDERGATE_HEALTH_PORT": str(port)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    return process.returncode or 0, told.decode()


async def _asked(problems: Problems, *arguments: str) -> tuple[int, str]:
    server = HealthServer(
        live=dict, ready=problems, metrics=lambda: b"", metrics_type="text/plain", host="127.0.0.1", port=0
    )
    await server.start()
    try:
        return await _probe(server.port, *(word.format(port=server.port) for word in arguments))
    finally:
        await server.stop()


@pytest.mark.parametrize(("problems", "code"), [({}, 0), ({"risk": "is behind"}, 1)])
async def test_a_service_is_well_when_it_says_that_it_is_ready(problems: dict[str, str], code: int) -> None:
    verdict, told = await _asked(lambda: problems)
    assert verdict == code
    assert ("is behind" in told) is bool(problems)


async def test_whoever_only_listens_is_asked_for_no_more() -> None:
    assert await _asked(lambda: {"risk": "is behind"}, "{port}") == (0, "")


async def test_where_nobody_listens_nothing_is_well() -> None:
    code, told = await _probe(free_port())
    assert code == 1
    assert "refused" in told
