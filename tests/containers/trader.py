"""A strategy that knows NATS and nothing of ours: it publishes one intent and hears the fill."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import nkeys
from nats.aio.client import Client
from nats.errors import Error as NatsError

STRATEGY = "example"
VENUE, ACCOUNT = "zetarium", "main"
VALID_MS = 60_000
PAUSE_SECONDS = 0.1
QUIET_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """Where it is, whom it trusts, and who one is to it."""

    url: str
    authority: Path
    options: dict[str, Any]

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


def inbox_of(seed: Path) -> str:
    """The prefix of answers that the bus grants to the bearer of this seed (docs/identities.md)."""
    return f"_INBOX_{nkeys.from_seed(bytearray(seed.read_bytes().strip())).public_key.decode()}"


@asynccontextmanager
async def connected(bus: Bus, *, limit_seconds: float) -> AsyncIterator[Client]:
    """Waits for the bus to be there. Raises TimeoutError."""
    async with asyncio.timeout(limit_seconds):
        client = await _connect(bus)
    try:
        yield client
    finally:
        await client.close()


async def is_let_in_without_identity(bus: Bus) -> bool:
    """Whether the bus takes a client that trusts its certificate and shows no key."""
    try:
        client = await nats.connect(bus.url, tls=bus.tls(), error_cb=_silent, allow_reconnect=False)
    except NatsError:
        return False
    await client.close()
    return True


async def _connect(bus: Bus) -> Client:
    while True:
        try:
            return await nats.connect(
                bus.url,
                tls=bus.tls(),
                error_cb=_silent,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                **bus.options,
            )
        except (NatsError, OSError):
            await asyncio.sleep(PAUSE_SECONDS)


async def _silent(_error: Exception) -> None:
    """A bus that is not there yet is what we wait for."""


async def place(client: Client, *, limit_seconds: float) -> str:
    """A market order, published until the bus has acknowledged it; its clientOrderId. Raises TimeoutError."""
    order = f"bare-{secrets.token_hex(6)}"
    intent = {
        "schema": 1,
        "kind": "place",
        "intentId": order,
        "venue": VENUE,
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.010",
        "clientOrderId": order,
        "validForMs": VALID_MS,
        "createdAtMs": time.time_ns() // 1_000_000,
    }
    subject = f"intents.{VENUE}.{ACCOUNT}.{STRATEGY}.place.BTCUSDT"
    async with asyncio.timeout(limit_seconds):
        while True:
            try:
                await client.jetstream().publish(subject, json.dumps(intent).encode(), timeout=1)
            except (NatsError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return order


async def fill_of(client: Client, order: str, *, limit_seconds: float) -> dict[str, Any]:
    """The first fill of the order, read from the stream. Raises TimeoutError."""
    async with asyncio.timeout(limit_seconds):
        while True:
            try:
                async with aclosing(_fills(client)) as fills:
                    async for fill in fills:
                        if fill["clientOrderId"] == order:
                            return fill
            except (NatsError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)


async def _fills(client: Client) -> AsyncGenerator[dict[str, Any], None]:
    """All of the account from the beginning, until for a while there is no more. The filter stands in the request's subject, where permissions see it."""
    inbox, name, subject = client.new_inbox(), secrets.token_hex(8), f"fills.{VENUE}.{ACCOUNT}.*.*"
    delivered = await client.subscribe(inbox)
    try:
        asked = {
            "stream_name": "FILLS",
            "config": {
                "name": name,
                "filter_subject": subject,
                "deliver_subject": inbox,
                "deliver_policy": "all",
                "ack_policy": "none",
                "replay_policy": "instant",
                "mem_storage": True,
                "num_replicas": 1,
                "inactive_threshold": 10_000_000_000,
            },
        }
        call = f"$JS.API.CONSUMER.CREATE.FILLS.{name}.{subject}"
        await client.request(call, json.dumps(asked).encode(), timeout=1)
        while True:
            yield json.loads((await delivered.next_msg(timeout=QUIET_SECONDS)).data)
    finally:
        await delivered.unsubscribe()
