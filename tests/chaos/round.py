"""One round: the whole product as real processes, a load, something that goes wrong, quiet, and the judgement."""

import asyncio
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ordergate.client import Gateway, connect
from ordergate.ports.venue import OrderEntry
from ordergate.runtime.server import free_port
from ordergate.trading.errors import OrdergateError
from services.development import VENUE, Development, Written, write_development
from services.supervisor import SERVICES, Ports, Supervisor
from tests.chaos.disturbances import CALLS, KINDS, VENUE_LINK, Ground, armed_points, freezing_point, venue_faults
from tests.chaos.evidence import Evidence, post_json, read_json, settle
from tests.chaos.explaining import unexplained
from tests.chaos.leaks import leaks
from tests.chaos.load import MARKETS, Load
from tests.chaos.proxy import Proxy
from tests.chaos.quiet import unquiet
from tests.chaos.watching import Watch, diary_lines

ACCOUNTS = ("main", "hedge")
AMPLE = 60_000
"""Calls a window of every limit: most of what is to be seen here is not about throttling."""
LIMITS = {VENUE: ("requests", "orders", "batch", "close")}
BINANCE_LIMITS = ("requests", "orders", "orders_long")
READY_SECONDS = 30.0
SETTLE_SECONDS = 60.0
LOAD_SECONDS = 11.0
GATEWAY_SECONDS = 20.0
PAUSE_SECONDS = {"streams": 0.076}  # four of five ask for an order: 20 a second on two accounts
PAUSE_SECONDS_ELSE = 0.12
"""Between two intents of one account, on average."""
AUDIT_BYTES_MAX = 8 * 1024 * 1024
TMPFS_BYTES = 48 * 1024 * 1024


class Skipped(Exception):
    """This machine cannot do it; the reason."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a round came to. problems: every reason to call it failed."""

    kind: str
    seed: int
    home: Path
    venue: str = VENUE
    entry: OrderEntry = OrderEntry.REST
    load_seconds: float = 0.0
    seconds: float = 0.0
    loads: Sequence[Load] = ()
    evidence: Evidence | None = None
    watch: Watch | None = None
    hits: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    """Orders and cancels at the venue, by what it calls them."""
    struck: Counter[str] = field(default_factory=Counter)
    """Calls and events that a fault of the venue befell, by its kind."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def orders(self) -> int:
        return 0 if self.evidence is None else len(self.evidence.story.histories)


async def run_round(
    kind: str,
    *,
    seed: int,
    home: Path,
    hits: Counter[str],
    venue: str = VENUE,
    entry: OrderEntry = OrderEntry.REST,
    load_seconds: float = LOAD_SECONDS,
    armed: Mapping[str, str] | None = None,
) -> Result:
    """Everything that it started has ended when it returns. Raises Skipped where the machine cannot.

    hits: of crash points in the rounds before; armed: those of each service, in place of such that were hit least.
    """
    result = Result(kind=kind, seed=seed, home=home, venue=venue, entry=entry, load_seconds=load_seconds)
    began = time.monotonic()
    try:
        async with _system(result, load_seconds, armed or _armed(kind, seed, hits)) as ground:
            result.watch = ground.watch
            try:
                await _live(ground, result)
            except (OrdergateError, OSError) as error:
                result.problems.append(f"the round could not go on: {error!r}")
        ground.watch.read_diary(ground.diary)
        result.hits.update(place.split(":")[0] for place, _, _ in diary_lines(ground.diary))
        result.notes += ground.notes
        result.problems += await asyncio.to_thread(leaks, home)
    except OrdergateError as error:
        result.problems.append(f"the system did not start: {error}")
    result.seconds = time.monotonic() - began
    return result


@asynccontextmanager
async def _system(result: Result, load_seconds: float, armed: Mapping[str, str]) -> AsyncIterator[Ground]:
    kind, seed, home = result.kind, result.seed, result.home
    diary = home / "crashes.txt"
    async with AsyncExitStack() as stack:
        if kind == "full_disk":
            stack.callback(unmount, mount_small(home / "bus"), home / "logs")
        nats, simulator = free_port(), free_port()
        links = await _links(stack, nats, simulator) if kind == "proxied" else {}
        venue_port = links[VENUE_LINK].port if links else simulator
        written = write_development(home, _development(result), simulator_port=venue_port)
        _be_small(written)
        supervisor = Supervisor(
            home=home,
            installation=written.installation,
            simulator_document=written.simulator,
            ports=Ports(nats=nats, simulator=simulator, health=0),
            # Byte code is kept as on anybody's machine: starting again would take half as long again without.
            environment={"ORDERGATE_CRASH_DIARY": str(diary), "PYTHONDONTWRITEBYTECODE": ""},
            overrides=_overrides(armed, links),
        )
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        await supervisor.ready(limit_seconds=READY_SECONDS)
        ground = Ground(
            home=home, supervisor=supervisor, watch=Watch(supervisor), drawn=random.Random(f"{seed}:disturbance"), seconds=load_seconds,
            diary=diary, replicas=written.replicas, links=links,
        )  # fmt: skip
        for service in {"frozen": ("order_submission",), "replicas": SERVICES}.get(kind, ()):
            await supervisor.add_replica(service, written.replicas[0])
        await supervisor.ready(limit_seconds=READY_SECONDS)
        ground.watch.start()
        stack.push_async_callback(ground.watch.stop)
        yield ground


def _development(result: Result) -> Development:
    """Every other Zetarium forgets a client id once its order has ended, as Binance always does: there a blind resend does double."""
    is_declared = result.venue != VENUE
    reuses_ids = is_declared or result.seed % 2 == 1
    return Development(
        venue=result.venue,
        accounts=ACCOUNTS,
        symbols=[market.symbol for market in MARKETS],
        limits=dict.fromkeys(LIMITS.get(result.venue, BINANCE_LIMITS), AMPLE),
        risk={"max_order_notional": 200_000, "max_open_orders": 500, "self_trade": True},
        simulator={"seed": result.seed, "clientIds": "open_only" if reuses_ids else "forever"},
        deviation={"id_scope": "open_only"} if reuses_ids and not is_declared else {},
        order_entry=result.entry if is_declared else None,
        replicas=2 if result.kind in {"frozen", "replicas"} else 1,
    )


def _be_small(written: Written) -> None:
    """AUDIT may not claim more of the disk than there is."""
    for installation in (written.installation, *written.replicas):
        installation.write_text(f"[bus]\naudit_bytes_max = {AUDIT_BYTES_MAX}\n{installation.read_text()}")


async def _links(stack: AsyncExitStack, nats: int, simulator: int) -> dict[str, Proxy]:
    links = {VENUE_LINK: Proxy(target=simulator), "strategy": Proxy(target=nats)}
    links |= {service: Proxy(target=nats) for service in SERVICES}
    for link in links.values():
        await link.start()
        stack.push_async_callback(link.stop)
    return links


def _armed(kind: str, seed: int, hits: Counter[str]) -> dict[str, str]:
    drawn = random.Random(f"{seed}:points")
    if kind == "points":
        return armed_points(drawn, hits)
    return {"order_submission": freezing_point(drawn)} if kind == "frozen" else {}


def _overrides(armed: Mapping[str, str], links: Mapping[str, Proxy]) -> dict[str, dict[str, str]]:
    made = {service: {"ORDERGATE_CRASH": points} for service, points in armed.items()}
    for service in SERVICES:
        if service in links:
            made.setdefault(service, {})["ORDERGATE_NATS_URL"] = f"nats://127.0.0.1:{links[service].port}"
    return made


async def _live(ground: Ground, result: Result) -> None:
    supervisor = ground.supervisor
    link = ground.links.get("strategy")
    url = supervisor.nats_url if link is None else f"nats://127.0.0.1:{link.port}"
    async with AsyncExitStack() as stack:
        gateways = [
            await stack.enter_async_context(
                connect(
                    url,
                    venue=result.venue,
                    account=account,
                    strategy=f"chaos{result.seed}",
                    limit_seconds=GATEWAY_SECONDS,
                )
            )
            for account in ACCOUNTS
        ]
        result.loads = [
            Load(
                gateway=gateway,
                drawn=random.Random(f"{result.seed}:{gateway.account}"),
                pause_seconds=PAUSE_SECONDS.get(result.kind, PAUSE_SECONDS_ELSE),
            )
            for gateway in gateways
        ]
        await _faults(ground, {"seed": result.seed, "rules": venue_faults(result.venue, result.entry)})
        work = [asyncio.create_task(load.run()) for load in result.loads]
        await KINDS[result.kind](ground)
        for load in result.loads:
            load.is_over = True
        await asyncio.wait(work, timeout=GATEWAY_SECONDS + 5)
        result.struck = await asyncio.to_thread(struck, ground.supervisor.simulator_url)
        await _faults(ground, {"rules": []})
        await _judge(ground, result, gateways)


async def _faults(ground: Ground, plan: dict[str, object]) -> None:
    await asyncio.to_thread(post_json, f"{ground.supervisor.simulator_url}/simulator/faults", plan)


def arrived(url: str) -> Counter[str]:
    known = {call for ways in CALLS.values() for calls in ways.values() for call in calls}
    return Counter(row[2] for row in read_json(f"{url}/simulator/arrivals")["arrivals"] if row[2] in known)


def struck(url: str) -> Counter[str]:
    """By the plan that is in force."""
    found = Counter[str]()
    for rule in read_json(f"{url}/simulator/faults")["rules"]:
        found[rule["kind"]] += rule["hits"]
    return +found


async def _judge(ground: Ground, result: Result, gateways: Sequence[Gateway]) -> None:
    """Faults have stopped: everything must come to rest, agree, and be explained."""
    await ground.supervisor.ready(limit_seconds=READY_SECONDS)
    await asyncio.gather(*(load.finish() for load in result.loads))
    placed = [order for load in result.loads for order in load.placed]
    evidence = await settle(
        gateways, placed, ground.supervisor.simulator_url, limit_seconds=SETTLE_SECONDS + ground.seconds / 5
    )
    result.evidence = evidence
    result.arrived = await asyncio.to_thread(arrived, ground.supervisor.simulator_url)
    for each in evidence.differences:
        result.problems.append(f"[{each.promise}] {each.account} {each.client_order_id}: {each.what}")
    result.problems += await unquiet(ground.supervisor)
    result.problems += await unexplained(ground.supervisor.nats_url, evidence, venue=result.venue)


def mount_small(folder: Path) -> Path:
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "none", str(folder)], check=False, capture_output=True
    )
    if not done or done.returncode != 0:
        raise Skipped("full_disk needs the right to mount a tmpfs")
    return folder


def unmount(folder: Path, logs: Path) -> None:
    """What it held is gone then, but its log is kept with the others."""
    if (folder / "nats-server.log").exists():
        shutil.copy(folder / "nats-server.log", logs)
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
