"""Who serves whom, as the processes say it of themselves."""

from pathlib import Path

import pytest

from ordergate.cli import sharding
from ordergate.cli.app import run
from ordergate.cli.exits import Exit
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.presence import Presence, everybody
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.settings import Installation

ACCOUNT = """
[[accounts]]
venue = "zetarium"
account = "{name}"
base_url = "http://127.0.0.1:1"
symbols = ["BTCUSDT"]
"""
SPLIT = '[shards]\na = ["zetarium/main"]\nb = ["zetarium/hedge"]\n' + "".join(
    ACCOUNT.format(name=name) for name in ("main", "hedge")
)
MAIN, HEDGE = "zetarium/main", "zetarium/hedge"


async def announce(bus: Bus, shard: str, *accounts: str, services: tuple[str, ...] = sharding.SERVICES) -> None:
    for service in services:
        presence = Presence(
            bus,
            service=service,
            instance=f"{service}-{shard}",
            clock=SystemClock(),
            version="2",
            shard=shard,
            accounts=accounts,
        )
        await presence.announce()


async def test_each_account_is_shown_with_the_processes_that_serve_it(bus: Bus) -> None:
    await announce(bus, "a", MAIN)
    await announce(bus, "b", HEDGE, services=("risk", "order_submission"))
    main, hedge = await sharding.read(bus, Installation.of(SPLIT))
    assert (main.shard, main.waiting, main.unacknowledged, main.problems) == ("a", 0, 0, [])
    assert [(each.service, each.instance, each.version) for each in main.processes] == [
        (service, f"{service}-a", "2") for service in sorted(sharding.SERVICES)
    ]
    assert hedge.problems == [
        "zetarium/hedge: no status_polling serves it",
        "zetarium/hedge: no fill_streaming serves it",
        "zetarium/hedge: no position_tracking serves it",
        "zetarium/hedge: a consumer is missing: run `python -m services.provision`",
    ]


async def test_an_account_that_moves_is_shown_at_both_until_the_old_shard_has_let_go(bus: Bus) -> None:
    await announce(bus, "a", MAIN)
    await announce(bus, "b", MAIN)
    moved = Installation.of('[shards]\na = []\nb = ["zetarium/main"]\n' + ACCOUNT.format(name="main"))
    (main,) = await sharding.read(bus, moved)
    assert main.problems == ["zetarium/main belongs to shard b, and shard a still serves it"]
    await announce(bus, "a")
    (main,) = await sharding.read(bus, moved)
    assert main.problems == []
    assert {each.shard for each in main.processes} == {"b"}


async def test_a_process_of_too_many_accounts_to_name_serves_those_of_its_shard(bus: Bus) -> None:
    names = [f"account-{number:04d}" for number in range(400)]
    places = [f"zetarium/{name}" for name in names]
    many = f"[shards]\na = {places}\n" + "".join(ACCOUNT.format(name=name) for name in names)
    await announce(bus, "a", *places, services=("risk",))
    installation = Installation.of(many)
    (process,) = [sharding._process(service, told, installation) for service, told in await everybody(bus)]
    assert process.accounts == set(places)
    moved = Installation.of(
        f"[shards]\na = {places[1:]}\nb = [{places[0]!r}]\n" + many.partition("\n")[2].partition("\n")[2]
    )
    (process,) = [sharding._process(service, told, moved) for service, told in await everybody(bus)]
    owned = sharding.Owned(account=places[1], shard="a", processes=(process,), waiting=0, unacknowledged=0)
    assert sharding.of_another_file([owned]) == [
        "risk risk-a serves 400 accounts and the file gives shard a 399: it was started with another one"
    ]


def test_a_configuration_that_is_wrong_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "ordergate.toml"
    config.write_text('[shards]\na = ["zetarium/x"]\n' + ACCOUNT.format(name="main"))
    assert run(["shards", "--config", str(config)]) == Exit.UNAVAILABLE
    assert capsys.readouterr().err == (
        "ordergate: the configuration is wrong: shards: there is no account zetarium/x; there are zetarium/main\n"
    )


def test_a_bus_that_was_not_provisioned_is_told_in_one_line(
    server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "ordergate.toml"
    config.write_text(SPLIT)
    assert run(["--url", server.url, "shards", "--config", str(config)]) == Exit.UNAVAILABLE
    assert capsys.readouterr().err == ("ordergate: not on the bus: bucket LEASES; run python -m services.provision\n")
