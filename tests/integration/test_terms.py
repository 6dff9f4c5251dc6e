"""`ordergate terms` over real key files and the simulator: what the venue has, what the configuration wants, and setting it."""

import asyncio
import json
from pathlib import Path

import pytest

from ordergate.cli.app import run
from ordergate.cli.doctor import Level, _terms, read_installation
from tests.integration.test_key_commands import write_key
from tests.venue_cards.desk import open_exchange
from tests.venue_cards.kits import FUTURES, KITS

WANTED = 'position_mode = "hedge"\nmargin_type = "isolated"\n[accounts.leverage]\nBTCUSDT = 5\n'


def installation(folder: Path, url: str, *, venue: str = "binance-futures", wanted: str = "") -> Path:
    write_key(folder / "reader", "main_read")
    write_key(folder / "trader", "main_trade")
    config = folder / "ordergate.toml"
    config.write_text(
        f'[[accounts]]\nvenue = "{venue}"\naccount = "main"\nbase_url = "{url}"\nsymbols = ["BTCUSDT"]\n{wanted}'
        f"[accounts.keys]\nposition_tracking = {json.dumps(str(folder / 'reader'))}\n"
        f"order_submission = {json.dumps(str(folder / 'trader'))}\n"
    )
    return config


async def command(config: Path, *arguments: str) -> int:
    return await asyncio.to_thread(run, ["terms", "--config", str(config), *arguments])


async def test_what_differs_is_said_set_and_then_as_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_exchange(FUTURES) as exchange:
        config = installation(tmp_path, exchange.url, wanted=WANTED)
        assert await command(config) == 1
        said = capsys.readouterr().out
        assert "position mode is one_way and shall be hedge" in said
        assert "margin type of BTCUSDT is crossed and shall be isolated" in said
        assert "leverage of BTCUSDT is" in said
        findings = [each async for each in _terms(read_installation(config))]
        assert [(each.level, each.advice) for each in findings] == [(Level.PROBLEM, "`ordergate terms --apply`")] * 3
        assert await command(config, "--apply") == 0
        assert "position mode hedge; BTCUSDT leverage 5, isolated" in capsys.readouterr().out
        assert await command(config) == 0
        [finding] = [each async for each in _terms(read_installation(config))]
        assert finding.level is Level.GOOD


async def test_what_is_not_wanted_otherwise_is_shown_and_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_exchange(FUTURES) as exchange:
        config = installation(tmp_path, exchange.url)
        # Nothing is set, so no trading key is needed.
        config.write_text(config.read_text().rpartition("order_submission")[0])
        assert await command(config, "--apply") == 0
        assert "position mode one_way" in capsys.readouterr().out


async def test_a_venue_without_such_terms_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_exchange(KITS["zetarium"]) as exchange:
        assert await command(installation(tmp_path, exchange.url, venue="zetarium")) == 0
        assert "no such terms" in capsys.readouterr().out
