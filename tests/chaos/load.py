"""The strategies of a chaos run: orders of every kind, cancels at every moment, the same intent twice, and messages nobody can read."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ordergate.client import Gateway, Ticket
from ordergate.simulator.oracle import OrderId
from ordergate.trading.errors import OrdergateError, Unavailable
from ordergate.wire.subjects import IntentKind

VALID_FOR_MS = 20_000
LAG_MAX_SECONDS = 1.0
"""What a slow bus kept it from asking is asked for afterwards, up to so much."""
RESTING_MAX = 12
RESUBMIT_SHARE = 0.2
"""Orders that may be sent again once it is proven that they did not execute."""

Terms = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    symbol: str
    price: Decimal
    tick: Decimal
    size: Decimal


MARKETS = (
    Market(symbol="BTCUSDT", price=Decimal(64250), tick=Decimal("0.1"), size=Decimal("0.010")),
    Market(symbol="ETHUSDT", price=Decimal(3200), tick=Decimal("0.01"), size=Decimal("0.200")),
)


@dataclass(slots=True)
class Load:
    """One account's strategy. placed: every `place` that the bus acknowledged; unacknowledged: it may have been taken or not."""

    gateway: Gateway
    drawn: random.Random
    pause_seconds: float
    placed: list[OrderId] = field(default_factory=list)
    cancels: int = 0
    repeated: int = 0
    poison: int = 0
    unacknowledged: int = 0
    is_over: bool = False
    _resting: list[Ticket] = field(default_factory=list)
    _number: int = 0

    async def run(self) -> None:
        """Until `is_over`: a cancellation can get lost inside nats-py."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self.is_over:
            due = max(due + self.drawn.expovariate(1 / self.pause_seconds), loop.time() - LAG_MAX_SECONDS)
            await asyncio.sleep(max(0.0, due - loop.time()))
            try:
                await self._step()
            except OrdergateError:
                self.unacknowledged += 1

    async def finish(self) -> None:
        """End what is left, however often it must be asked."""
        for _ in range(3):
            ticket = await self.gateway.cancel_all()
            try:
                await self.gateway.wait(ticket, timeout_seconds=20)
            except Unavailable:
                continue
            return

    async def _step(self) -> None:
        luck = self.drawn.random()
        if luck < 0.02:
            await self._say_nonsense()
        elif luck < 0.20 and self._resting:
            await self._cancel(self._resting.pop(self.drawn.randrange(len(self._resting))))
        elif luck < 0.21:
            await self.gateway.cancel_all()
            self.cancels += 1
        else:
            await self._place()

    async def _place(self) -> None:
        market = self.drawn.choice(MARKETS)
        side = self.drawn.choice(("BUY", "SELL"))
        make: Callable[[Market, str], Terms] = self.drawn.choices(_MAKERS, _WEIGHTS)[0]
        self._number += 1
        terms: Terms = {
            "symbol": market.symbol,
            "side": side,
            "quantity": market.size,
            "intent_id": f"{self.gateway.strategy}-{self._number:05d}-{make.__name__.strip('_')}",
            "valid_for_ms": VALID_FOR_MS,
            "resubmit": self.drawn.random() < RESUBMIT_SHARE,
            **make(market, side),
        }
        ticket = await self.gateway.submit(**terms)
        if ticket.client_order_id is not None:
            self.placed.append((self.gateway.account, ticket.client_order_id))
        if self.drawn.random() < 0.06:  # as a strategy does that died before it saw the acknowledgement
            self.repeated += 1
            await self.gateway.submit(**terms)
        if self.drawn.random() < 0.08:
            await self._cancel(ticket)
        elif terms["type"] == "LIMIT":
            self._resting.append(ticket)
        if len(self._resting) > RESTING_MAX:
            await self._cancel(self._resting.pop(0))

    async def _cancel(self, ticket: Ticket) -> None:
        self.cancels += 1
        await self.gateway.cancel(ticket)

    async def _say_nonsense(self) -> None:
        self.poison += 1
        kind = self.drawn.choice((IntentKind.PLACE, IntentKind.CANCEL))
        body = self.drawn.choice((b"", b"{", b'{"schema":1}', b"[1]", b'{"schema":1,"kind":"place","quantity":"NaN"}'))
        await self.gateway.publish(
            kind, body, intent_id=f"{self.gateway.strategy}-bad-{self.poison}", symbol=MARKETS[0].symbol
        )


def _away(market: Market, side: str, share: str) -> Decimal:
    sign = -1 if side == "BUY" else 1
    return (market.price * (1 + sign * Decimal(share))).quantize(market.tick)


def _market(_market: Market, _side: str) -> Terms:
    return {"type": "MARKET"}


def _rests(market: Market, side: str) -> Terms:
    return {"type": "LIMIT", "price": _away(market, side, "0.03")}


def _at_the_market(market: Market, side: str) -> Terms:
    """Near enough that other traders come and fill it, in parts."""
    return {"type": "LIMIT", "price": _away(market, side, "0.0002"), "quantity": market.size * 20}


def _crosses(market: Market, side: str) -> Terms:
    return {"type": "LIMIT", "price": _away(market, side, "-0.01")}


def _reduce(_market: Market, _side: str) -> Terms:
    """The venue refuses it where there is nothing on that side to reduce."""
    return {"type": "MARKET", "reduce_only": True}


def _too_big(market: Market, _side: str) -> Terms:
    """Refused by risk: more than one order may be worth."""
    return {"type": "MARKET", "quantity": market.size * 3000}


_MAKERS = (_market, _rests, _at_the_market, _crosses, _reduce, _too_big)
_WEIGHTS = (35, 20, 22, 10, 7, 6)
