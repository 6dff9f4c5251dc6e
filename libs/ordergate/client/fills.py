"""Fills, each once and in stream order, with the proof that none was missed.

Fill streaming states, each minute and on request, count and sums of FILLS up to a stream sequence. A reading sums what it received itself; if
both agree, it has missed nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from ordergate.client.connection import PAUSE_SECONDS, Connection
from ordergate.client.replay import Received, Replay, Start, last
from ordergate.trading.amounts import add
from ordergate.trading.errors import BusUnavailable, Misuse, StillWaiting
from ordergate.trading.fills import Fill
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.trading.order import ZERO
from ordergate.wire import facts, streams, subjects
from ordergate.wire.messages import FillsStatement

ASK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillUpdate:
    """A fill and its place in FILLS: start again after it with since_sequence=sequence + 1."""

    fill: Fill
    sequence: int
    stored_at_ms: int


@dataclass(slots=True)
class FillTally:
    """Count, signed quantity by symbol, and fees by symbol and asset, of the fills added so far."""

    count: int = 0
    quantity: dict[str, Decimal] = field(default_factory=dict)
    fees: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def add(self, fill: Fill) -> None:
        self.count += 1
        self.quantity[fill.symbol] = add(self.quantity.get(fill.symbol, ZERO), fill.signed_quantity)
        fee = (fill.symbol, fill.fee_asset)
        self.fees[fee] = add(self.fees.get(fee, ZERO), fill.fee)

    def copy(self) -> "FillTally":
        return FillTally(self.count, dict(self.quantity), dict(self.fees))

    def differences(self, statement: FillsStatement) -> tuple[str, ...]:
        """What is not as stated, in words; empty: everything agrees."""
        stated_quantity = {symbol: Decimal(stated.quantity) for symbol, stated in statement.symbols.items()}
        stated_fees = {
            (symbol, asset): Decimal(paid)
            for symbol, stated in statement.symbols.items()
            for asset, paid in stated.fees.items()
        }
        found = [] if self.count == statement.count else [f"count is {self.count}, stated {statement.count}"]
        found += [
            f"{symbol}: quantity is {own}, stated {stated}"
            for symbol, own, stated in _unequal(self.quantity, stated_quantity)
        ]
        found += [
            f"{symbol}: fees in {asset} are {own}, stated {stated}"
            for (symbol, asset), own, stated in _unequal(self.fees, stated_fees)
        ]
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillsVerdict:
    """Own sums against the statement up to a FILLS sequence. No differences: nothing was missed, nothing came twice."""

    up_to_sequence: int
    count: int
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


class Fills:
    """One reading of an account's fills. Iterate it; it sees each trade once, over restarts of the bus as well."""

    def __init__(
        self,
        connection: Connection,
        venue: VenueName,
        account: AccountName,
        *,
        start: Start,
        symbol: Symbol | None = None,
        follow: bool = True,
    ) -> None:
        self._connection = connection
        self._venue = venue
        self._account = account
        self._is_whole = symbol is None and start.sequence is not None and start.sequence <= 1
        self._tally = FillTally()
        self._recorded: list[FillUpdate] | None = None
        self._replay = Replay(
            connection,
            stream=streams.FILLS,
            filters=(subjects.fills_of(venue, account, symbol),),
            start=start,
            read=self._receive,
            follow=follow,
        )

    @property
    def replay(self) -> Replay[FillUpdate]:
        """The reading itself: received_sequence, restarts, unreadable."""
        return self._replay

    async def __aenter__(self) -> Self:
        await self._replay.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._replay.close()

    def __aiter__(self) -> AsyncIterator[FillUpdate]:
        return self

    async def __anext__(self) -> FillUpdate:
        return await self._replay.__anext__()

    async def close(self) -> None:
        await self._replay.close()

    async def verify(self, *, up_to: int | None = None, timeout_seconds: float = 10.0) -> FillsVerdict:
        """Compare the sums of what was received with a statement that reaches at least to `up_to` (None: to what was received so far).

        For a reading of all symbols from the beginning of FILLS. What is received meanwhile stays to be iterated.
        Raises Misuse for any other reading, StillWaiting when no such statement came, or the reading could not follow it, in time.
        """
        if not self._is_whole:
            raise Misuse("only a reading of every symbol from the beginning (since_sequence=0) can be compared")
        if self._recorded is not None:
            raise Misuse("one comparison at a time")
        await self._replay.open()
        before, least = self._tally.copy(), self._replay.received_sequence
        self._recorded = []
        try:
            async with asyncio.timeout(timeout_seconds):
                statement = await self._statement(max(least, up_to or 0))
                await self._receive_up_to(statement.up_to_sequence)
        except TimeoutError as error:
            raise StillWaiting(f"no comparison of the fills in {timeout_seconds} s") from error
        finally:
            recorded, self._recorded = self._recorded, None
        for update in recorded:
            if update.sequence <= statement.up_to_sequence:
                before.add(update.fill)
        return FillsVerdict(
            up_to_sequence=statement.up_to_sequence, count=before.count, differences=before.differences(statement)
        )

    def _receive(self, received: Received) -> FillUpdate:
        update = FillUpdate(
            fill=facts.fill_from(facts.parse(received.data)),
            sequence=received.sequence,
            stored_at_ms=received.stored_at_ms,
        )
        self._tally.add(update.fill)
        if self._recorded is not None:
            self._recorded.append(update)
        return update

    async def _statement(self, least: int) -> FillsStatement:
        while True:
            data = (
                await self._connection.ask(subjects.statement_request(self._venue, self._account), seconds=ASK_SECONDS)
                or await self._published()
            )
            statement = None if data is None else FillsStatement.of(data)
            if statement is not None and statement.up_to_sequence >= least:
                return statement
            await asyncio.sleep(PAUSE_SECONDS)

    async def _published(self) -> bytes | None:
        try:
            return await last(self._connection, streams.AUDIT, subjects.fills_statement(self._venue, self._account))
        except BusUnavailable:
            return None

    async def _receive_up_to(self, sequence: int) -> None:
        while self._replay.received_sequence < sequence:
            await self._replay.mend()
            try:
                if await self._replay.is_caught_up():
                    return
            except BusUnavailable:
                continue  # the limit is the caller's
            await asyncio.sleep(PAUSE_SECONDS)


def _unequal(own: Any, stated: Any) -> list[tuple[Any, Decimal, Decimal]]:
    return [
        (name, own.get(name, ZERO), stated.get(name, ZERO))
        for name in sorted(own.keys() | stated.keys())
        if own.get(name, ZERO) != stated.get(name, ZERO)
    ]
