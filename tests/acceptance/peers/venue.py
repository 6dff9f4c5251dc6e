"""The simulator in a dialect of Binance, served from a thread of its own: public clients block, reconnect and start loops as they like."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ordergate.simulator.app import running_simulator

ACCOUNT, KEY, SECRET = "peer", "peer-key", "peer-secret"
SYMBOL = "BTCUSDT"
SPOT, FUTURES = "binance-spot", "binance-futures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a client is to call instead of Binance: `url` for REST, `sockets` for WebSocket, without a path."""

    dialect: str
    url: str

    @property
    def sockets(self) -> str:
        return self.url.replace("http", "ws", 1)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310 - this machine
            return json.load(answer)

    def tell(self, door: str, body: Mapping[str, object]) -> None:
        """One of the simulator's own doors."""
        data = json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/simulator/{door}", data=data, timeout=5):  # noqa: S310 - this machine
            return

    def price(self) -> float:
        base = "/api/v3" if self.dialect == SPOT else "/fapi/v1"
        return float(self.get(f"{base}/ticker/price?symbol={SYMBOL}")["price"])

    def orders(self) -> dict[str, str]:
        """What the exchange's own books say: status by order id."""
        rows = self.get(f"/simulator/ledger?account={ACCOUNT}")["orders"]
        return {str(row["id"]): row["status"] for row in rows}


@contextmanager
def served(dialect: str, **changes: object) -> Iterator[Served]:
    config = {
        "dialect": dialect,
        "accounts": [{"account": ACCOUNT, "keys": [{"key": KEY, "secret": SECRET}]}],
        **changes,
    }
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    running = running_simulator(config)
    simulator = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(10)
    try:
        yield Served(dialect=dialect, url=simulator.url)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
