"""The product as `python -m services` starts it, on a bus and a simulator of its own, with what the measurement needs raised."""

import asyncio
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ordergate.runtime.server import free_port
from services.development import Development, write_development
from services.supervisor import Ports, Supervisor

ROOT = Path(__file__).resolve().parent.parent
ACCOUNTS = ("bench-0", "bench-1", "bench-2", "bench-3")
VENUE = "zetarium"
PEER = "peer"
"""An account for ccxt and the floors; the product does not serve it."""
CALLS_A_MINUTE = 100_000_000
READY_SECONDS = 30.0
DEEP_MARKET: Mapping[str, Any] = {"intervalMs": 250, "levels": 10, "levelNotional": "500000"}


@dataclass(slots=True)
class Timestamps:
    """Milliseconds, never the same twice: the venue refuses a signature that it has seen, and the body is not signed."""

    last: int = field(default=0)

    def next(self) -> int:
        self.last = max(self.last + 1, time.time_ns() // 1_000_000)
        return self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the simulator, and the timestamps that were signed with it."""

    key: str
    secret: str
    timestamps: Timestamps = field(default_factory=Timestamps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An installation that takes intents."""

    supervisor: Supervisor
    peer: Key
    http: aiohttp.ClientSession

    @property
    def nats_url(self) -> str:
        return self.supervisor.nats_url

    @property
    def simulator_url(self) -> str:
        return self.supervisor.simulator_url

    @property
    def pids(self) -> dict[str, int]:
        return self.supervisor.pids()

    async def door(self, path: str) -> dict[str, Any]:
        """A GET of one of the simulator's doors."""
        async with self.http.get(f"{self.simulator_url}/simulator/{path}") as answer:
            answer.raise_for_status()
            document: dict[str, Any] = await answer.json()
            return document

    async def set_price(self, symbol: str, price: str) -> None:
        """Take a market there, with a fresh ladder of quotes around it."""
        body = {"symbol": symbol, "price": price}
        async with self.http.post(f"{self.simulator_url}/simulator/price", json=body) as answer:
            answer.raise_for_status()

    async def arrivals(self, *, after: int = 0) -> tuple[dict[str, int], int]:
        """The moment of the first byte (monotonic ns) of each POST /v2/orders by clientOrderId, and the last sequence."""
        document = await self.door(f"arrivals?afterSequence={after}")
        placed = {
            order_id: at_ns
            for _, at_ns, call, order_id, _ in document["arrivals"]
            if call == "POST /v2/orders" and order_id
        }
        return placed, document["lastSequence"]


@asynccontextmanager
async def running(
    *,
    durable: bool,
    environment: Mapping[str, str] | None = None,
    symbols: tuple[dict[str, Any], ...] = (),
    flow: Mapping[str, Any] = DEEP_MARKET,
    replicas: int = 1,
) -> AsyncGenerator[Running, None]:
    """Start everything in a new home, stop and remove it afterwards. symbols: rows of the simulator's document, default its own BTC and ETH.

    replicas: for so many there are keys; one of each service runs.
    """
    # Beside the sources, not in the temporary folder: that may be memory, where an fsync costs nothing.
    (ROOT / "build").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "build"))
    supervisor, peer = _supervisor(
        home, durable=durable, environment=environment or {}, symbols=symbols, flow=flow, replicas=replicas
    )
    try:
        await supervisor.start()
        await supervisor.ready(limit_seconds=READY_SECONDS)
        async with aiohttp.ClientSession() as http:
            yield Running(supervisor=supervisor, peer=peer, http=http)
    finally:
        await supervisor.stop()
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


def _supervisor(
    home: Path,
    *,
    durable: bool,
    environment: Mapping[str, str],
    symbols: tuple[dict[str, Any], ...],
    flow: Mapping[str, Any],
    replicas: int,
) -> tuple[Supervisor, Key]:
    ports = Ports(nats=0, simulator=free_port(), health=0)
    document: dict[str, Any] = {"flow": dict(flow), "maxOrderNotional": "1000000000"}
    if symbols:
        document["symbols"] = list(symbols)
    development = Development(
        accounts=ACCOUNTS,
        symbols=tuple(row["symbol"] for row in symbols) or ("BTCUSDT", "ETHUSDT"),
        limits=dict.fromkeys(("requests", "orders", "batch", "close"), CALLS_A_MINUTE),
        simulator=document,
        risk={"max_order_notional": 1_000_000_000},
        replicas=replicas,
    )
    written = write_development(home, development, simulator_port=ports.simulator)
    peer = _let_peer_in(written.simulator)
    supervisor = Supervisor(
        home=home,
        installation=written.installation,
        simulator_document=written.simulator,
        ports=ports,
        sync_always=durable,
        environment=environment,
    )
    return supervisor, peer


def _let_peer_in(simulator: Path) -> Key:
    """Give every account money enough, and add one for those who call the venue directly."""
    document = json.loads(simulator.read_text())
    peer = Key(key=f"zd_{secrets.token_hex(20)}", secret=secrets.token_hex(32))
    document["accounts"].append(
        {"account": PEER, "keys": [{"key": peer.key, "secret": peer.secret, "permissions": ["TRADE"]}]}
    )
    for account in document["accounts"]:
        account["balance"] = "1000000000000"
    simulator.write_text(json.dumps(document))
    return peer
