"""`ordergate keys` over real files and the simulator."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ordergate.access.keys import make_key, read_key
from ordergate.access.keys.place import KeyPlace
from ordergate.access.keys.rotation import KeyState
from ordergate.cli.app import run
from ordergate.trading.errors import UnsafeKeyFile, WrongKey
from tests.venue_cards.desk import KEYS, Exchange, open_exchange
from tests.venue_cards.kits import KITS

DAY_SECONDS = 86_400


def write_key(path: Path, name: str, mode: int = 0o400) -> None:
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(dict(zip(("key", "secret"), KEYS[name], strict=True))))
    path.chmod(mode)


def installation(folder: Path, url: str = "http://127.0.0.1:9") -> Path:
    """One account whose poller has a key file."""
    write_key(folder / "poller", "main_read")
    config = folder / "ordergate.toml"
    config.write_text(
        f'[[accounts]]\nvenue = "zetarium"\naccount = "main"\nbase_url = "{url}"\nsymbols = ["BTCUSDT"]\n'
        f"[accounts.keys]\nstatus_polling = {json.dumps(str(folder / 'poller'))}\n"
    )
    return config


async def command(config: Path, *arguments: str) -> int:
    return await asyncio.to_thread(run, ["--json", "--url", NO_BUS, "keys", *arguments, "--config", str(config)])


NO_BUS = "nats://127.0.0.1:9"
"""Nothing runs: the files are all there is."""


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    said = json.loads(capsys.readouterr().out)
    rows: list[dict[str, Any]] = said["files"] if isinstance(said, dict) else said
    return rows


def key_id(name: str) -> str:
    return make_key(public=KEYS[name][0], secret=KEYS[name][1]).id


@pytest.mark.parametrize(("days", "code", "said"), [(5, 0, None), (85, 0, "warning"), (95, 1, "alarm")])
async def test_keys_are_listed_with_their_age(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, code: int, said: str | None
) -> None:
    config = installation(tmp_path)
    then = (tmp_path / "poller").stat().st_mtime - days * DAY_SECONDS
    os.utime(tmp_path / "poller", (then, then))
    assert await command(config) == code
    [row] = told(capsys)
    assert (row["key"], row["id"], row["state"]) == ("zetarium/main/status_polling", key_id("main_read"), "active")
    assert row["ageDays"] == days
    assert [finding.partition(":")[0] for finding in row["findings"]] == ([] if said is None else [said])


async def test_a_key_that_others_can_read_is_listed_as_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = installation(tmp_path)
    (tmp_path / "poller").chmod(0o644)
    assert await command(config) == 1
    [row] = told(capsys)
    assert row["state"] == "unreadable"
    assert "0400" in row["findings"][0]


async def test_a_new_key_is_verified_and_takes_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_exchange(KITS["zetarium"]) as exchange:
        config = installation(tmp_path, exchange.url)
        write_key(tmp_path / "poller.next", "main_trade")
        assert await command(config, "verify") == 0
        assert {row["id"] for row in told(capsys) if row["verifiedAtMs"]} == {key_id("main_read"), key_id("main_trade")}
        assert await command(config, "rotate", "--signer", "status_polling") == 0
    assert {row["id"]: row["state"] for row in told(capsys)} == {
        key_id("main_read"): "draining",
        key_id("main_trade"): "active",
    }
    assert read_key(tmp_path / "poller").id == key_id("main_trade")
    assert read_key(tmp_path / "poller.old").id == key_id("main_read")
    assert not (tmp_path / "poller.next").exists()
    assert not any(secret in (tmp_path / "poller.state").read_text() for pair in KEYS.values() for secret in pair)


async def test_another_rotation_waits_until_the_old_key_is_gone(tmp_path: Path) -> None:
    async with open_exchange(KITS["zetarium"]) as exchange:
        config = installation(tmp_path, exchange.url)
        for name, code in (("main_trade", 0), ("other_read", 1)):
            write_key(tmp_path / "poller.next", name)
            assert await command(config, "rotate", "--signer", "status_polling") == code
        assert read_key(tmp_path / "poller").id == key_id("main_trade")
        (tmp_path / "poller.old").unlink()
        assert await command(config, "rotate", "--signer", "status_polling") == 0


async def refused(exchange: Exchange, folder: Path, name: str) -> None:
    config = installation(folder, exchange.url)
    write_key(folder / "poller.next", name)
    assert await command(config, "rotate", "--signer", "status_polling") != 0
    assert read_key(folder / "poller").id == key_id("main_read")
    assert not (folder / "poller.old").exists()


async def test_a_key_that_the_venue_refuses_does_not_take_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_exchange(KITS["zetarium"]) as exchange:
        for name in ("expired", "elsewhere"):
            await refused(exchange, tmp_path, name)
    assert not any(secret in capsys.readouterr().err for pair in KEYS.values() for secret in pair)


async def test_a_leaked_key_is_taken_away_and_does_not_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = installation(tmp_path)
    assert await command(config, "revoke-now", "--signer", "status_polling") == 4, "nobody could be told"
    said = json.loads(capsys.readouterr().out)
    assert (said["id"], said["fileTaken"], said["heard"]) == (key_id("main_read"), True, None)
    assert await command(config) == 0
    assert [(row["id"], row["state"]) for row in told(capsys)] == [(key_id("main_read"), "revoked")]
    with pytest.raises(UnsafeKeyFile):
        read_key(tmp_path / "poller")
    assert await command(config, "revoke-now", "--signer", "status_polling") == 1
    write_key(tmp_path / "poller", "main_read")
    with pytest.raises(WrongKey, match="does not come back"):
        KeyPlace(tmp_path / "poller").ring()


async def test_a_rotation_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    async with open_exchange(KITS["zetarium"]) as exchange:
        config = installation(tmp_path, exchange.url)
        write_key(tmp_path / "poller.next", "main_trade")
        os.link(tmp_path / "poller", tmp_path / "poller.old")
        states = {key.id: key.state for key in KeyPlace(tmp_path / "poller").ring().keys}
        assert states == {key_id("main_trade"): KeyState.NEW, key_id("main_read"): KeyState.ACTIVE}
        assert await command(config, "rotate", "--signer", "status_polling") == 0
    assert read_key(tmp_path / "poller.old").id == key_id("main_read")


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    config = installation(tmp_path)
    assert await command(config, "rotate", "--signer", "status_polling") == 1  # no .next
    assert await command(config, "rotate", "--signer", "nobody") == 2
    assert await command(config, "rotate", "--signer", "order_submission") == 2  # no such key file
    assert await command(tmp_path / "nothing.toml") == 2
    (tmp_path / "poller.state").write_text("{")
    assert await command(config, "verify") == 1


async def test_a_config_that_a_command_would_not_see_is_refused(tmp_path: Path) -> None:
    config = installation(tmp_path)
    assert await asyncio.to_thread(run, ["keys", "--config", str(config), "verify"]) == 2
