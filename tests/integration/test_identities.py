"""The matrix on a real server: what each identity must not do is denied and said so, what it must is not."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import structlog
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from ordergate.cli.app import run
from ordergate.client import connect as connect_client
from ordergate.runtime.connection import Access, Bus, connect
from ordergate.runtime.identities import Identities
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.provision import provision, resources
from ordergate.runtime.server import EmbeddedServer
from ordergate.trading.errors import Denied, Misconfigured, Misuse, UnsafeKeyFile
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import State
from ordergate.wire import identities, streams
from ordergate.wire.denials import denial_of
from ordergate.wire.identities import SERVICES, STATES, Identity, Kind, permissions
from services.prepare.certificates import Server, write_certificates
from tests.integration.orders_at_hand import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator


MAIN = (VenueName("zetarium"), AccountName("main"))
SECOND = (VenueName("zetarium"), AccountName("second"))
SERVED = (MAIN, SECOND)
ALPHA = Identity(name="alpha", kind=Kind.STRATEGY, accounts=(MAIN,), strategy=StrategyName("alpha"))
BETA = Identity(name="beta", kind=Kind.STRATEGY, accounts=(SECOND,), strategy=StrategyName("beta"))
BOOKS = Identity(name="books", kind=Kind.CONSUMER, accounts=(MAIN,))
ANNA = Identity(name="anna", kind=Kind.OPERATOR)
OTHERS = (ALPHA, BETA, BOOKS, ANNA)
LIMIT_SECONDS = 5.0
RELOADED = "Reloaded server configuration"
DURABLES = [(stream, name, owner) for stream, name, owner in identities.durables(SERVED)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    made = Identities(tmp_path_factory.mktemp("identities"))
    made.add_services(served=SERVED)
    for identity in OTHERS:
        made.add(identity, served=SERVED)
    return made


@pytest.fixture(scope="module")
def server(folder: Identities, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    running = EmbeddedServer(tmp_path_factory.mktemp("bus"), sync_always=False, authorization=folder.authorization)
    running.start()
    asyncio.run(_provision(running, folder))
    yield running
    running.stop()


async def _provision(server: EmbeddedServer, folder: Identities) -> None:
    bus = await connect(server.url, service="provision", access=Access(seed_file=folder.seed_file("provision")))
    consumers = [spec for place in SERVED for spec in streams.consumers(*place)]
    wanted = resources(
        streams=streams.streams(), buckets=streams.buckets(), consumers=(*consumers, streams.strangers_consumer())
    )
    await provision(bus.jetstream, wanted)
    await bus.close()


class Bearer:
    """A bare client with one identity, and what the server denied it."""

    def __init__(self, client: Client, inbox: str) -> None:
        self.client = client
        self.inbox = inbox
        self.denials: list[tuple[str, str]] = []

    async def note(self, error: Exception) -> None:
        denial = denial_of(str(error))
        assert denial is not None, error
        self.denials.append((denial.action, denial.subject))

    async def denied_publications(self, subjects: Iterable[str]) -> set[str]:
        """Of these subjects those that the server denies; a message of each has been sent."""
        self.denials.clear()
        wanted = list(subjects)
        for subject in wanted:
            await self.client.publish(subject, b"{}")
        await self._settle()
        told = {subject for action, subject in self.denials if action == "publish"}
        return {subject for subject in wanted if subject.lower() in told}

    async def denied_subscriptions(self, subjects: Iterable[str]) -> set[str]:
        self.denials.clear()
        wanted = list(subjects)
        made = [await self.client.subscribe(subject) for subject in wanted]
        await self._settle()
        told = {subject for action, subject in self.denials if action == "subscription"}
        for subscription in made:
            await subscription.unsubscribe()
        return {subject for subject in wanted if subject.lower() in told}

    async def _settle(self) -> None:
        await self.client._flush_pending(force_flush=True)  # else the ping overtakes what waits to be written
        await self.client.flush()

    async def api(self, call: str, body: Any = None) -> dict[str, Any]:
        reply = await self.client.request(
            f"$JS.API.{call}", b"" if body is None else json.dumps(body).encode(), timeout=2
        )
        answer: dict[str, Any] = json.loads(reply.data)
        return answer


class House:
    """Bearers by their names, connected when first asked for."""

    def __init__(self, server: EmbeddedServer, folder: Identities) -> None:
        self._server = server
        self.folder = folder
        self._keys = {identity.name: key for identity, key in folder.bearers()}
        self._open = AsyncExitStack()

    async def bearer(self, name: str) -> Bearer:
        bearer = Bearer(Client(), identities.inbox(self._keys[name]))
        await bearer.client.connect(
            self._server.url,
            nkeys_seed=str(self.folder.seed_file(name)),
            inbox_prefix=bearer.inbox,
            error_cb=bearer.note,
            allow_reconnect=False,
        )
        self._open.push_async_callback(bearer.client.close)
        return bearer

    async def bus(self, name: str) -> Bus:
        bus = await connect(self._server.url, service=name, access=Access(seed_file=self.folder.seed_file(name)))
        self._open.push_async_callback(bus.close)
        return bus

    async def close(self) -> None:
        await self._open.aclose()


@pytest_asyncio.fixture
async def house(server: EmbeddedServer, folder: Identities) -> AsyncIterator[House]:
    made = House(server, folder)
    yield made
    await made.close()


def _orders(states: Iterable[State], account: str = "main") -> set[str]:
    return {f"orders.zetarium.{account}.BTCUSDT.x-1.{state}" for state in states}


def _forbidden(identity: Identity) -> set[str]:
    """Everything that nobody of this kind may publish, of everything that matters."""
    kind = identity.kind
    inner = set(_orders(set(State) - set(STATES.get(kind, ()))))
    if kind is not Kind.FILL_STREAMING:
        inner |= {"fills.zetarium.main.BTCUSDT.1-1", "reconciliation.zetarium.main.fills"}
    if kind is not Kind.POSITION_TRACKING:
        inner |= {"positions.zetarium.main.BTCUSDT", "reconciliation.zetarium.main.positions"}
    if kind not in {Kind.RISK, Kind.ORDER_SUBMISSION}:
        inner.add("answers.zetarium.main.alpha.i-1")
    if kind is not Kind.OPERATOR:
        inner |= {
            f"intents.zetarium.{account}.{who}.place.BTCUSDT"
            for account in ("main", "second")
            for who in ("alpha", "beta")
        }
        inner -= {f"intents.{v}.{a}.{identity.strategy}.place.BTCUSDT" for v, a in identity.accounts}
        inner |= {"$KV.CONTROL.rain", "$KV.CONTROL.key.k.revoked", "control.kill.request", "control.keys.zetarium.main"}
    if kind not in {Kind.OPERATOR, Kind.ORDER_SUBMISSION}:
        inner |= {"$KV.CONTROL.kill.all", "$KV.CONTROL.kill.zetarium.main"}
    if kind is not Kind.STATUS_POLLING:
        inner |= {"$KV.INSTRUMENTS.price.zetarium.BTCUSDT", "reconciliation.zetarium.main.orders"}
    if kind is not Kind.ORDER_SUBMISSION:
        inner |= {"budget.zetarium.main.owner", "$KV.LEASES.owner.budget.zetarium.main", "risk.zetarium.main.halted"}
    for service in set(SERVICES) - {kind}:
        inner |= {
            f"$KV.CHECKPOINTS.{service}.zetarium.main",
            f"$KV.LEASES.presence.{service}.i",
            f"$KV.LEASES.signing.zetarium.main.{service}.i",
            f"requests.zetarium.main.{service}",
            f"dead.{service}.ORDERS",
        }
    return inner | _forbidden_api(kind)


def _forbidden_api(kind: Kind) -> set[str]:
    names = [spec.name for spec in streams.streams()] + [f"KV_{spec.name}" for spec in streams.buckets()]
    calls = {
        f"STREAM.{verb}.{name}"
        for verb in ("DELETE", "UPDATE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE")
        for name in names
    }
    if kind is Kind.OPERATOR:
        calls -= {"STREAM.PURGE.DEAD", "STREAM.MSG.DELETE.DEAD"}
    calls |= {f"CONSUMER.DELETE.{stream}.{name}" for stream, name, _ in DURABLES}
    calls |= {f"CONSUMER.MSG.NEXT.{stream}.{name}" for stream, name, owner in DURABLES if owner is not kind}
    calls |= {
        "STREAM.CREATE.OURS",
        "CONSUMER.CREATE.ORDERS",
        "CONSUMER.DURABLE.CREATE.ORDERS.mine",
        "ACCOUNT.PURGE.G",
        "META.LEADER.STEPDOWN",
    }
    if kind is not Kind.PROVISION:
        calls |= {f"STREAM.CREATE.{name}" for name in names}
        calls |= {f"CONSUMER.CREATE.{stream}.{name}" for stream, name, _ in DURABLES}
        calls |= {f"CONSUMER.CREATE.{stream}.{name}.orders.zetarium.main.>" for stream, name, _ in DURABLES}
    if kind in {Kind.STRATEGY, Kind.CONSUMER}:
        calls |= {f"STREAM.MSG.GET.{name}" for name in names} | {f"DIRECT.GET.{name}" for name in names}
        calls |= {f"CONSUMER.CREATE.{name}.mine" for name in names} | {f"STREAM.INFO.{name}" for name in names}
        calls |= {"CONSUMER.LIST.ORDERS", "CONSUMER.NAMES.ORDERS", "STREAM.LIST", "STREAM.NAMES"}
        calls |= {
            "CONSUMER.CREATE.INTENTS.mine.intents.zetarium.main.>",
            "CONSUMER.CREATE.ORDERS.mine.>",
            "CONSUMER.CREATE.ORDERS.mine.orders.>",
        }
    acks = {f"$JS.ACK.{stream}.{name}.1.1.1.1.1" for stream, name, owner in DURABLES if owner is not kind}
    return {f"$JS.API.{call}" for call in calls} | acks


EVERYBODY = [Identity(name=str(kind), kind=kind) for kind in identities.SINGLE] + list(OTHERS)


@pytest.mark.parametrize("identity", EVERYBODY, ids=lambda identity: identity.name)
async def test_whatever_is_not_in_the_matrix_is_denied(house: House, identity: Identity) -> None:
    bearer = await house.bearer(identity.name)
    forbidden = _forbidden(identity)
    assert len(forbidden) > 100
    assert forbidden - await bearer.denied_publications(forbidden) == set()
    allowed = {
        Kind.ORDER_SUBMISSION: {"control.kill.request", "budget.*.*"},
        Kind.FILL_STREAMING: {"control.statement.*.*"},
    }.get(identity.kind, set())
    everything = {
        ">",
        "*",
        "orders.>",
        "intents.>",
        "fills.>",
        "$KV.>",
        "$JS.>",
        "$SYS.>",
        "_INBOX.>",
        "*.>",
        "control.kill.request",
    }
    others = {
        f"{other}.>" for other in (identities.inbox(key) for _, key in house.folder.bearers()) if other != bearer.inbox
    }
    wanted = (everything | others | {"control.statement.*.*", "budget.*.*", "$JS.ACK.>", "$JS.EVENT.>"}) - allowed
    assert wanted - await bearer.denied_subscriptions(wanted) == set()


async def test_each_strategy_publishes_under_its_own_name_only(house: House) -> None:
    own = {
        f"intents.zetarium.main.alpha.{kind}.BTCUSDT" for kind in ("place", "cancel", "cancel_all", "close", "replace")
    }
    others = {"intents.zetarium.main.beta.place.BTCUSDT", "intents.zetarium.second.alpha.place.BTCUSDT"}
    bearer = await house.bearer("alpha")
    assert await bearer.denied_publications(own | others) == others


async def test_a_strategy_reads_no_other_account(house: House) -> None:
    """The filter that the permissions see is the one that the server uses."""
    for name, (own, other) in {
        "alpha": ("main", "second"),
        "books": ("main", "second"),
        "beta": ("second", "main"),
    }.items():
        bearer = await house.bearer(name)

        def create(consumer: str, shown: str, **config: Any) -> tuple[str, dict[str, Any]]:
            settings = {"name": consumer, "ack_policy": "none", "mem_storage": True, "num_replicas": 1, **config}
            return f"CONSUMER.CREATE.ORDERS.{consumer}.{shown}", {"stream_name": "ORDERS", "config": settings}

        mine, theirs = f"orders.zetarium.{own}.>", f"orders.zetarium.{other}.>"
        answer = await bearer.api(*create("mine", mine, filter_subject=mine))
        assert "error" not in answer
        for config in (
            {"filter_subject": theirs},
            {"filter_subjects": [theirs]},
            {"filter_subjects": [mine, theirs]},
            {},
        ):
            assert "error" in await bearer.api(*create("theirs", mine, **config))
        denied = {
            f"$JS.API.CONSUMER.CREATE.{stream}.x.{kind}.zetarium.{other}.>"
            for stream, kind in (
                ("ORDERS", "orders"),
                ("FILLS", "fills"),
                ("POSITIONS", "positions"),
                ("AUDIT", "reconciliation"),
                ("AUDIT", "answers"),
            )
        }
        assert denied == await bearer.denied_publications(denied)


async def test_a_bare_client_reads_by_a_consumer_that_has_a_name_and_one_filter(house: House) -> None:
    """As docs/identities.md shows it: then the filter stands in the subject of the request, where permissions see it."""
    service, bearer = await house.bus("status_polling"), await house.bearer("alpha")
    await service.jetstream.publish("orders.zetarium.main.BTCUSDT.bare.accepted", b"{}")
    stream = bearer.client.jetstream()
    config = ConsumerConfig(
        name="alpha-1", filter_subject="orders.zetarium.main.>", ack_policy=AckPolicy.NONE, inactive_threshold=60
    )
    await stream.add_consumer("ORDERS", config)
    reading = await stream.pull_subscribe_bind("alpha-1", stream="ORDERS")
    subjects: list[str] = []
    while "orders.zetarium.main.BTCUSDT.bare.accepted" not in subjects:
        subjects += [message.subject for message in await reading.fetch(10, timeout=LIMIT_SECONDS)]
    assert all(subject.startswith("orders.zetarium.main.") for subject in subjects)


async def test_a_consumer_of_a_strategy_pushes_into_no_stream(house: House) -> None:
    """A consumer may be told where to push, and permissions do not see it: what the server sends itself is stored nowhere."""
    service, alpha, anna = await house.bus("status_polling"), await house.bearer("alpha"), await house.bearer("anna")
    await service.jetstream.publish("orders.zetarium.main.BTCUSDT.pushed.accepted", b"{}")
    for number, target in enumerate(
        ("$KV.CONTROL.kill.all", "intents.zetarium.main.beta.place.BTCUSDT", "fills.zetarium.main.BTCUSDT.9-9")
    ):
        config = {
            "name": f"push{number}",
            "ack_policy": "none",
            "deliver_subject": target,
            "filter_subject": "orders.zetarium.main.>",
        }
        await alpha.api(
            f"CONSUMER.CREATE.ORDERS.push{number}.orders.zetarium.main.>", {"stream_name": "ORDERS", "config": config}
        )
    # A push that were made would be made before the server answers what comes later on another stream.
    heard = await _drained(alpha)
    assert heard > 0
    for stream, subject in (
        ("KV_CONTROL", "$KV.CONTROL.kill.all"),
        ("INTENTS", "intents.zetarium.main.beta.>"),
        ("FILLS", "fills.zetarium.main.BTCUSDT.9-9"),
    ):
        assert (await anna.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}))["error"]["err_code"] == 10037


async def _drained(bearer: Bearer) -> int:
    subject = "orders.zetarium.main.>"
    config = {"name": "drain", "ack_policy": "none", "filter_subject": subject, "mem_storage": True, "num_replicas": 1}
    await bearer.api(f"CONSUMER.CREATE.ORDERS.drain.{subject}", {"stream_name": "ORDERS", "config": config})
    inbox = bearer.client.new_inbox()
    heard = await bearer.client.subscribe(inbox)
    await bearer.client.publish(
        "$JS.API.CONSUMER.MSG.NEXT.ORDERS.drain", b'{"batch":1,"expires":2000000000}', reply=inbox
    )
    await heard.next_msg(timeout=LIMIT_SECONDS)
    return 1


async def test_what_the_matrix_grants_is_not_denied(house: House) -> None:
    """Every literal subject that follows from a grant, a name in the place of each wildcard."""
    for identity, key in house.folder.bearers():
        granted = permissions(identity, public_key=key, served=SERVED)
        bearer = await house.bearer(identity.name)
        literal = {
            subject.replace("*", "zz1").replace(">", "zz1.zz2")
            for subject in granted.publish
            if not subject.startswith(
                ("$JS.API.STREAM.CREATE", "$JS.API.STREAM.PURGE", "$JS.API.STREAM.MSG.DELETE", "$KV.CONTROL")
            )
        }
        assert await bearer.denied_publications(literal) == set()
        assert await bearer.denied_subscriptions(granted.subscribe) == set()


async def test_a_denial_is_an_error_of_its_own_and_names_its_subject(house: House) -> None:
    """Not a time-out: the call ends when the server has spoken, and the log says what was denied."""
    bus = await house.bus("risk")
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(1):
            with pytest.raises(Denied, match=r"to publish to orders\.zetarium\.main\.BTCUSDT\.X-1\.filled") as raised:
                await bus.jetstream.publish("orders.zetarium.main.BTCUSDT.X-1.filled", b"{}")
            with pytest.raises(Denied):
                await bus.jetstream.api("STREAM.DELETE.ORDERS")
    assert (raised.value.action, raised.value.subject) == ("publish", "orders.zetarium.main.BTCUSDT.X-1.filled")
    denied = [line for line in lines if line["event"] == "the bus denied it"]
    assert [line["subject"] for line in denied] == [
        "orders.zetarium.main.btcusdt.x-1.filled",
        "$js.api.stream.delete.orders",
    ]
    assert bus.counts.denials == 2


async def test_the_client_library_is_denied_at_once_too(server: EmbeddedServer, folder: Identities) -> None:
    seed = folder.seed_file("alpha")
    async with connect_client(
        server.url, venue="zetarium", account="main", strategy="beta", nkey_seed_file=seed
    ) as wrong:
        async with asyncio.timeout(1):
            with pytest.raises(Denied, match=r"intents\.zetarium\.main\.beta\.cancel_all"):
                await wrong.cancel_all()
    async with connect_client(
        server.url, venue="zetarium", account="second", strategy="alpha", nkey_seed_file=seed
    ) as wrong:
        async with asyncio.timeout(1):
            with pytest.raises(Denied, match=r"orders\.zetarium\.second"):
                await wrong.order("x")
    async with connect_client(
        server.url, venue="zetarium", account="main", strategy="alpha", nkey_seed_file=seed
    ) as own:
        assert (await own.cancel_all()).sequence > 0
        assert await own.order("absent") is None
        async with own.orders() as updates:
            assert await updates.is_caught_up()


async def test_who_has_no_identity_is_not_let_in(server: EmbeddedServer, tmp_path: Path) -> None:
    stranger = Identities(tmp_path / "else")
    seed = stranger.add(BOOKS, served=SERVED)
    for access in (Access(), Access(seed_file=seed)):
        with pytest.raises(Misconfigured, match="does not know this identity"):
            await connect(server.url, service="risk", access=access)
    for seed_file in (None, seed):
        with pytest.raises(Misconfigured, match="does not know this identity"):
            async with connect_client(server.url, venue="z", account="m", strategy="s", nkey_seed_file=seed_file):
                pass


async def test_a_seed_that_others_can_read_is_refused(server: EmbeddedServer, tmp_path: Path) -> None:
    seed = Identities(tmp_path / "else").add(BOOKS, served=SERVED)
    assert seed.stat().st_mode & 0o777 == 0o400
    seed.chmod(0o444)
    with pytest.raises(UnsafeKeyFile):
        await connect(server.url, service="risk", access=Access(seed_file=seed))


async def test_who_is_removed_is_shut_out_and_who_is_added_let_in_without_a_restart(
    server: EmbeddedServer, folder: Identities, tmp_path: Path
) -> None:
    identity = Identity(name="gamma", kind=Kind.CONSUMER, accounts=(MAIN,))
    seed = folder.add(identity, served=SERVED)
    await _reloaded(server)
    closed = asyncio.Event()

    async def note() -> None:
        closed.set()

    bus = await connect(server.url, service="gamma", access=Access(seed_file=seed), when_closed=note)
    kept = tmp_path / "kept.nk"
    kept.write_bytes(seed.read_bytes())
    kept.chmod(0o400)
    folder.remove("gamma", served=SERVED)
    assert not seed.exists()
    await _reloaded(server)
    await asyncio.wait_for(closed.wait(), LIMIT_SECONDS)
    await bus.close()
    with pytest.raises(Misconfigured, match="does not know this identity"):
        await connect(server.url, service="gamma", access=Access(seed_file=kept))


async def test_a_key_is_exchanged_without_a_gap(server: EmbeddedServer, folder: Identities, tmp_path: Path) -> None:
    """Both are let in until the old one is taken away; nobody who has changed over notices."""
    gamma = Identity(name="gamma", kind=Kind.STRATEGY, accounts=(MAIN,), strategy=StrategyName("gamma"))
    old = folder.add(gamma, served=SERVED)
    await _reloaded(server)
    kept = tmp_path / "kept.nk"
    kept.write_bytes(old.read_bytes())
    kept.chmod(0o400)
    shut_out = asyncio.Event()

    async def note() -> None:
        shut_out.set()

    before = Client()
    await before.connect(
        server.url, nkeys_seed=str(old), inbox_prefix=_inbox(folder, "gamma"), allow_reconnect=False, closed_cb=note
    )
    new = folder.rotate("gamma", served=SERVED)
    assert new != old
    assert folder.seed_file("gamma") == new
    with pytest.raises(Misuse, match="two keys already"):
        folder.rotate("gamma", served=SERVED)
    await _reloaded(server)
    after = await connect(server.url, service="gamma", access=Access(seed_file=new))
    subject = "intents.zetarium.main.gamma.cancel_all._"
    for _ in range(2):
        assert isinstance(await after.jetstream.publish(subject, b"{}"), Ack)
        assert (await before.jetstream().publish(subject, b"{}")).seq > 0
    assert folder.finish("gamma", served=SERVED) == new
    assert not old.exists()
    await _reloaded(server)
    await asyncio.wait_for(shut_out.wait(), LIMIT_SECONDS)
    assert isinstance(await after.jetstream.publish(subject, b"{}"), Ack)
    with pytest.raises(Misuse, match="one key"):
        folder.finish("gamma", served=SERVED)
    with pytest.raises(Misconfigured, match="does not know this identity"):
        await connect(server.url, service="gamma", access=Access(seed_file=kept))
    await after.close()
    folder.remove("gamma", served=SERVED)
    assert not new.exists()


def _inbox(folder: Identities, name: str) -> str:
    return next(identities.inbox(key) for identity, key in folder.bearers() if identity.name == name)


async def _reloaded(server: EmbeddedServer) -> None:
    """By the server's own word. Whoever connected meanwhile could be let in and then closed, or reset before he hears why he is not."""
    log = server.directory / "nats-server.log"
    before = log.read_text().count(RELOADED)
    server.reload()
    await eventually(lambda: log.read_text().count(RELOADED) > before)


async def test_the_bus_is_believed_by_its_certificate_only(folder: Identities, tmp_path: Path) -> None:
    """The whole configuration of a bus in a container: keys and TLS. Without the authority's certificate nobody connects, and it is said why."""
    authority = tmp_path / "authority.pem"
    write_certificates(authority, [Server(folder=tmp_path, hosts=("localhost",))], now=datetime.now(UTC))
    tls = f'tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key" }}\n'
    block = tmp_path / "secure.conf"
    block.write_text(tls + folder.authorization.read_text())
    server = EmbeddedServer(tmp_path / "bus", sync_always=False, authorization=block)
    server.start()
    seed, url = folder.seed_file("alpha"), f"tls://127.0.0.1:{server.port}"
    try:
        bus = await connect(url, service="alpha", access=Access(seed_file=seed, authority_file=authority))
        await bus.close()
        with pytest.raises(Misconfigured, match="certificate verify failed"):
            await connect(url, service="alpha", access=Access(seed_file=seed))
        known = partial(connect_client, url, venue="zetarium", account="main", strategy="alpha", nkey_seed_file=seed)
        async with known(authority_file=authority):
            pass
        with pytest.raises(Misconfigured, match="certificate"):
            async with known():
                pass
    finally:
        server.stop()


def test_the_command_adds_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation = tmp_path / "ordergate.toml"
    installation.write_text(
        '[[accounts]]\nvenue = "zetarium"\naccount = "main"\nbase_url = "http://127.0.0.1:1"\nsymbols = ["BTCUSDT"]\n'
    )
    folder = tmp_path / "identities"
    where = ("--folder", str(folder), "--config", str(installation))

    def call(*arguments: str) -> tuple[int, str]:
        code = run(("identity", *arguments))
        told = capsys.readouterr()
        return code, told.out + told.err

    assert call("add", "services", *where)[0] == 0
    code, said = call("add", "strategy", "alpha", "--at", "zetarium/main", *where)
    assert code == 0
    assert "SIGHUP" in said or "HUP" in said
    assert (folder / "alpha.nk").stat().st_mode & 0o777 == 0o400
    assert '"intents.zetarium.main.alpha.place.*"' in (folder / "authorization.conf").read_text()
    seed = (folder / "alpha.nk").read_text().strip()
    assert seed not in said + (folder / "authorization.conf").read_text() + (folder / "identities.json").read_text()
    listed = json.loads(call("list", "--folder", str(folder), "--json")[1])
    assert {row["name"] for row in listed} == {*identities.SINGLE, "alpha"}
    assert call("add", "strategy", "alpha", *where)[0] == 2  # there is one
    assert call("add", "strategy", "risk", *where)[0] == 2  # a service's name
    assert call("add", "consumer", "books", "--at", "zetarium/other", *where)[0] == 2  # no such account
    assert call("add", "operator", "../anna", *where)[0] == 2  # no name for a file
    code, said = call("rotate", "alpha", *where)
    assert (code, "alpha-2.nk" in said, "--finish" in said) == (0, True, True)
    keys = [
        row["key"] for row in json.loads(call("list", "--folder", str(folder), "--json")[1]) if row["name"] == "alpha"
    ]
    assert len(set(keys)) == 2
    assert call("rotate", "alpha", "--finish", *where)[0] == 0
    assert {path.name for path in folder.glob("alpha*.nk")} == {"alpha-2.nk"}
    assert call("rotate", "nobody", *where)[0] == 2
    assert call("remove", "alpha", *where)[0] == 0
    assert not list(folder.glob("alpha*.nk"))
    assert "alpha" not in (folder / "authorization.conf").read_text()
    assert call("remove", "alpha", *where)[0] == 2
