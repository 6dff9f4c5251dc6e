"""What an operator got wrong: the process ends with the code that no supervisor repeats, and one line that says what to do."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

from ordergate.runtime.connection import Bus
from ordergate.runtime.exits import EXIT_FAILED, EXIT_MISCONFIGURED
from ordergate.runtime.feed import BusFeed
from ordergate.runtime.graveyard import Graveyard
from ordergate.runtime.identities import Identities
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lane import Lane, Sequential
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.server import EmbeddedServer
from ordergate.runtime.service import Service
from ordergate.runtime.settings import Environment
from ordergate.trading.errors import OtherSchema
from ordergate.trading.ids import AccountName, ClientOrderId, VenueName
from ordergate.wire import codec, streams
from ordergate.wire.identities import Identity, Kind
from services.order_submission import app as order_submission
from services.risk import app as risk
from tests.house.source import ROOT
from tests.integration.orders_at_hand import ACCOUNT, VENUE, approved, eventually, fill
from tests.integration.test_key_commands import installation

SERVED = ((VenueName("zetarium"), AccountName("main")),)
ANNA = Identity(name="anna", kind=Kind.OPERATOR)


@dataclass(frozen=True, slots=True)
class Site:
    """What a process is about to be given. environment: fields of settings.Environment."""

    folder: Path
    config: Path
    environment: dict[str, Any]

    def seed(self) -> Path:
        return Identities(self.folder / "identities").add(ANNA, served=SERVED)


Spoil = Callable[[Site], dict[str, Any] | None]
"""Makes one thing wrong; more of the environment where that is how."""


def _written(text: str) -> Spoil:
    def spoil(site: Site) -> None:
        site.config.write_text(text)

    return spoil


def _with_shard(accounts: str) -> Spoil:
    def spoil(site: Site) -> None:
        site.config.write_text(f"{site.config.read_text()}\n[shards]\none = {accounts}\n")

    return spoil


def _open_seed(site: Site) -> dict[str, Any]:
    seed = site.seed()
    seed.chmod(0o444)
    return {"nats_seed_file": seed}


def _no_seed(site: Site) -> dict[str, Any]:
    return {"nats_seed_file": site.folder / "gone.nk"}


def _no_certificates(site: Site) -> dict[str, Any]:
    (site.folder / "ca.pem").write_text("not one")
    return {"nats_ca_file": site.folder / "ca.pem"}


def _no_file(site: Site) -> None:
    site.config.unlink()


def _more(**fields: str) -> Spoil:
    return lambda _site: fields


WRONG: dict[str, tuple[Spoil, str]] = {
    "not TOML": (_written("accounts = ["), "not TOML"),
    "a misspelt setting": (_written('[[accounts]]\nvenu = "zetarium"\n'), "accounts.0.venu"),
    "no file": (_no_file, "cannot be read"),
    "a shard that is not there": (_more(shard="seven"), "no such shard"),
    "a shard of an account that is not there": (_with_shard('["zetarium/main", "zetarium/other"]'), "no account zetar"),
    "an account in no shard": (_with_shard("[]"), "no shard serves zetarium/main"),
    "a missing key": (_written(""), "order_submission"),
    "an address that is none": (_more(nats_url="nats://[bus"), "ORDERGATE_NATS_URL is not the address of a bus"),
    "no seed": (_no_seed, "gone.nk cannot be read"),
    "a seed that others can read": (_open_seed, "set its mode to 0400"),
    "no certificates": (_no_certificates, "holds no certificates"),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_a_service_that_cannot_be_right_refuses_to_start_with_one_line(
    fault: str, bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, expected = WRONG[fault]
    site = Site(tmp_path, installation(tmp_path), {"nats_url": server.url})
    if fault != "a missing key":
        site.environment.update(spoil(site) or {})
    assert bus.client.is_connected
    assert expected in await _refusal_of(site, capsys)


async def test_a_key_that_the_bus_does_not_know_is_a_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong is also who brings none where one is needed."""
    config = installation(tmp_path)
    known = Identities(tmp_path / "known")
    known.add(ANNA, served=SERVED)
    with _running(EmbeddedServer(tmp_path / "bus", sync_always=False, authorization=known.authorization)) as server:
        site = Site(tmp_path, config, {"nats_url": server.url})
        for seed in (None, site.seed()):
            site.environment["nats_seed_file"] = seed
            said = await _refusal_of(site, capsys)
            assert "the bus does not know this identity: is ORDERGATE_NATS_SEED_FILE right" in said


async def test_a_bus_that_is_not_as_declared_is_a_refusal(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path, installation(tmp_path), {"nats_url": server.url})
    info = await bus.jetstream.api("STREAM.INFO.DEAD")
    assert isinstance(info, dict)
    await bus.jetstream.api("STREAM.UPDATE.DEAD", {**info["config"], "max_age": 3_600_000_000_000})
    assert "stream DEAD: max_age is 3600000000000, declared" in await _refusal_of(site, capsys)
    await bus.jetstream.api("STREAM.DELETE.DEAD")
    assert "not on the bus: stream DEAD; run python -m services.provision" in await _refusal_of(site, capsys)


async def test_a_port_that_is_taken_is_a_refusal(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bus.client.is_connected
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        site = Site(tmp_path, installation(tmp_path), {"nats_url": server.url, "health_port": port})
        assert "ORDERGATE_HEALTH_PORT" in await _refusal_of(site, capsys, compose=risk.compose)


async def test_a_secret_store_that_is_away_ends_it_with_one_line_for_a_supervisor_to_try_again(
    bus: Bus, server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bus.client.is_connected
    config = installation(tmp_path)
    token = tmp_path / "token"
    token.write_text("t")
    token.chmod(0o400)
    store = f'[vault]\nurl = "http://127.0.0.1:9"\ntoken_file = {json.dumps(str(token))}\n'
    config.write_text(f'{store}{config.read_text()}[accounts.secrets]\norder_submission = "desk/trade"\n')
    site = Site(tmp_path, config, {"nats_url": server.url})
    assert "vault cannot be reached" in await _refusal_of(site, capsys, code=EXIT_FAILED)


async def _refusal_of(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    *,
    compose: Any = order_submission.compose,
    code: int = EXIT_MISCONFIGURED,
) -> str:
    """The one line of error that the service ends with."""
    capsys.readouterr()
    name = compose.__module__.split(".")[1]
    service = Service(name, compose, environment=Environment(config=site.config, **site.environment))
    async with asyncio.timeout(20):
        ended = await service.run()
    return _only_error(capsys.readouterr().out, ended, code)


def _only_error(said: str, code: int, expected: int = EXIT_MISCONFIGURED) -> str:
    assert code == expected, said
    errors = [line for line in said.splitlines() if line.strip() and json.loads(line)["level"] == "error"]
    assert len(errors) == 1, said
    line = json.loads(errors[0])
    assert "exception" not in line
    return str(line["reason"])


class _running:  # noqa: N801 - reads as the phrase that it is
    """A server for the length of a block."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    def __enter__(self) -> EmbeddedServer:
        self._server.start()
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.stop()


async def _process(module: str, **environment: str) -> tuple[int, str]:
    """A process of ours, to its end."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ORDERGATE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={**kept, "PYTHONPATH": f"{ROOT / 'libs'}{os.pathsep}{ROOT}", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_variable_that_is_missing_or_wrong_is_named_and_nothing_else_is_said() -> None:
    code, said = await _process("services.risk", ORDERGATE_HEALTH_PORT="many")
    reason = _only_error(said, code)
    assert "ORDERGATE_CONFIG: Field required" in reason
    assert "ORDERGATE_HEALTH_PORT" in reason
    assert "many" not in reason


def _of_schema(data: bytes, schema: int) -> bytes:
    document = json.loads(data)
    return json.dumps({**document, "schema": schema}).encode()


async def _store(bus: Bus, schema: int) -> None:
    """An order and a fill of the account, as another version would write them."""
    order, event = approved(1)
    stored = fill(1)
    subject = f"orders.{VENUE}.{ACCOUNT}.BTCUSDT.{order.key.client_order_id}.approved"
    data = _of_schema(codec.encode_order(order, event, "append"), schema)
    assert isinstance(await bus.jetstream.publish(subject, data), Ack)
    subject = f"fills.{VENUE}.{ACCOUNT}.{stored.symbol}.{stored.trade_id}-{stored.venue_order_id}"
    assert isinstance(await bus.jetstream.publish(subject, _of_schema(codec.encode_fill(stored), schema)), Ack)


@pytest.mark.parametrize("schema", [0, 2], ids=["older", "newer"])
async def test_a_message_of_another_schema_is_never_passed_over(bus: Bus, schema: int) -> None:
    """Without it every sum is a guess, and what another version knows of an order is not to be written over."""
    await _store(bus, schema)
    feed, expected = BusFeed(bus), rf"schema {schema}, and this version reads 1: run the version that wrote it"
    with pytest.raises(OtherSchema, match=expected):
        await anext(feed.orders(VENUE, ACCOUNT, after=0))
    with pytest.raises(OtherSchema, match=expected):
        await anext(feed.fills(VENUE, ACCOUNT, after=0))
    ledger = StreamLedger(bus.jetstream, clock=_NoClock())
    with pytest.raises(OtherSchema, match=expected):
        await ledger.last(VENUE, ACCOUNT, ClientOrderId("alpha-000001"))


class _NoClock:
    """Nothing that is asked here needs the time."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


async def test_work_of_another_schema_is_kept_for_the_version_that_reads_it(bus: Bus) -> None:
    """Not put away as unreadable: in a rolling upgrade it is an order that its new submission is to send."""
    await _store(bus, 2)
    spec = streams.submission_consumer(VENUE, ACCOUNT)

    async def handle(delivery: Any) -> None:
        codec.decode_order(delivery.data, sequence=delivery.sequence, stored_at_ms=delivery.stored_at_ms)

    lane = Lane(bus, spec, handle, mode=Sequential(window=8), graveyard=Graveyard(bus, service="order_submission"))
    async with _working(lane):
        await eventually(lambda: lane.refusal is not None)
        assert "schema 2, and this version reads 1" in str(lane.refusal)
    state = await lane.state()
    assert isinstance(state, dict)
    assert state["num_ack_pending"] + state["num_pending"] == 1
    dead = await bus.jetstream.api("STREAM.INFO.DEAD")
    assert isinstance(dead, dict)
    assert dead["state"]["messages"] == 0


@asynccontextmanager
async def _working(lane: Lane) -> AsyncIterator[None]:
    await lane.start()
    try:
        yield
    finally:
        await lane.stop(limit_seconds=1)


async def test_a_service_that_finds_a_newer_schema_stops_with_one_line(
    bus: Bus, server: EmbeddedServer, tmp_path: Path
) -> None:
    await _store(bus, 2)
    config = str(installation(tmp_path))
    code, said = await _process("services.risk", ORDERGATE_CONFIG=config, ORDERGATE_NATS_URL=server.url)
    assert "schema 2, and this version reads 1: run the version that wrote it" in _only_error(said, code)
