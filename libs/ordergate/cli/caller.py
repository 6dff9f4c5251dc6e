"""Who calls, where the bus is, and how the answer is wanted: the options that every command shares."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ordergate.trading.errors import BusUnavailable
from ordergate.trading.ids import AccountName, StrategyName, VenueName

if TYPE_CHECKING:
    from ordergate.client.connection import Connection
    from ordergate.client.gateway import Gateway
    from ordergate.runtime.connection import Bus

CONNECT_SECONDS_MAX = 3.0
NAME = "ordergate-cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`given`: which of venue, account and strategy were named by the caller rather than left to their defaults; `typed`: of these, which
    on the command line rather than in the environment.
    """

    url: str
    venue: VenueName
    account: AccountName
    strategy: StrategyName
    as_json: bool
    timeout_seconds: float | None
    seed_file: Path | None = None
    authority_file: Path | None = None
    given: frozenset[str] = frozenset()
    typed: frozenset[str] = frozenset()

    def limit(self, default_seconds: float) -> float:
        return default_seconds if self.timeout_seconds is None else self.timeout_seconds

    @property
    def chosen_strategy(self) -> StrategyName | None:
        """The strategy to show; None: all, because none was named."""
        return self.strategy if "strategy" in self.given else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An open connection as the client library has it, and a gateway for the caller's names over it."""

    connection: "Connection"
    gateway: "Gateway"


@asynccontextmanager
async def open_line(caller: Caller, *, limit_seconds: float) -> AsyncGenerator[Line, None]:
    """Raises BusUnavailable when there is no bus."""
    import time  # noqa: PLC0415 - see the law of this room

    from nats.aio.client import Client  # noqa: PLC0415

    from ordergate.client.connection import Connection  # noqa: PLC0415
    from ordergate.client.gateway import Gateway  # noqa: PLC0415

    _be_quiet()
    connection = Connection(Client(), total_seconds=min(CONNECT_SECONDS_MAX, limit_seconds))
    await connection.open(
        caller.url,
        name=NAME,
        options={},
        nkey_seed_file=caller.seed_file,
        authority_file=caller.authority_file,
    )
    connection.total_seconds = limit_seconds
    gateway = Gateway(
        connection,
        venue=caller.venue,
        account=caller.account,
        strategy=caller.strategy,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    try:
        yield Line(connection=connection, gateway=gateway)
    finally:
        await connection.close()


@asynccontextmanager
async def open_bus(caller: Caller, *, limit_seconds: float) -> AsyncGenerator["Bus", None]:
    """The bus as the services see it, for what only they and operators do. Raises BusUnavailable."""
    from ordergate.runtime.connection import Access, connect  # noqa: PLC0415 - see the law of this room
    from ordergate.runtime.jetstream import Limits  # noqa: PLC0415

    _be_quiet()
    connect_seconds = min(CONNECT_SECONDS_MAX, limit_seconds)
    try:
        async with asyncio.timeout(connect_seconds):
            bus = await connect(
                caller.url,
                service=NAME,
                access=Access(seed_file=caller.seed_file, authority_file=caller.authority_file),
                limits=Limits(try_seconds=min(2.0, limit_seconds), total_seconds=limit_seconds),
            )
    except (TimeoutError, OSError) as error:
        raise BusUnavailable(f"no bus at {caller.url} within {connect_seconds:g} s") from error
    try:
        yield bus
    finally:
        await bus.close()


def _be_quiet() -> None:
    """The libraries' log lines are for services; here an error is one line on stderr, said once, at the end."""
    import structlog  # noqa: PLC0415 - see the law of this room

    logging.getLogger("ordergate").addHandler(logging.NullHandler())
    logging.getLogger("ordergate").propagate = False
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
