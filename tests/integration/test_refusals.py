"""What an operator got wrong: the process ends with the code that no supervisor repeats, and one line that says what to do."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from ordergate.runtime.exits import EXIT_MISCONFIGURED
from ordergate.runtime.server import EmbeddedServer
from tests.house.source import ROOT
from tests.integration.test_key_commands import installation

GOOD = "good"
WRONG = {
    "not TOML": ("accounts = [", {}, "not TOML"),
    "a misspelt setting": ('[[accounts]]\nvenu = "zetarium"\n', {}, "accounts.0.venu"),
    "no file": (None, {}, "cannot be read"),
    "a shard that is not there": (GOOD, {"ORDERGATE_SHARD": "seven"}, "no such shard"),
    "a missing key": (GOOD, {}, "order_submission"),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_a_service_that_cannot_be_right_refuses_to_start_with_one_line(
    fault: str, server: EmbeddedServer, tmp_path: Path
) -> None:
    text, more, expected = WRONG[fault]
    config = installation(tmp_path)
    if text is None:
        config.unlink()
    elif text != GOOD:
        config.write_text(text)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'libs'}{os.pathsep}{ROOT}",
        "ORDERGATE_CONFIG": str(config),
        "ORDERGATE_NATS_URL": server.url,
        "ORDERGATE_HEALTH_PORT": "0",
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.order_submission",
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    assert process.returncode == EXIT_MISCONFIGURED, said.decode()
    errors = [line for line in said.decode().splitlines() if line.strip() and json.loads(line)["level"] == "error"]
    assert len(errors) == 1
    assert expected in errors[0]
