"""An example strategy: places orders of every kind on several symbols, cancels some, and asks for some that must be refused.

It knows nothing of services or venues: it publishes intents and reads what comes back. The sequence of orders is drawn from a seed.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ordergate.client import Gateway, Ticket

PAUSE_SECONDS = 0.2
"""Between orders: 300 a minute and account is what the venue takes, and cancels need room too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the strategy must know of a symbol: about where it trades, its tick, and a sensible size."""

    symbol: str
    price: Decimal
    tick: Decimal
    size: Decimal


MARKETS = (
    Market(symbol="BTCUSDT", price=Decimal(64250), tick=Decimal("0.1"), size=Decimal("0.050")),
    Market(symbol="ETHUSDT", price=Decimal(3200), tick=Decimal("0.01"), size=Decimal("0.800")),
    Market(symbol="SOLUSDT", price=Decimal(150), tick=Decimal("0.01"), size=Decimal("12.00")),
)


@dataclass(slots=True)
class Strategy:
    """One account's run. placed: every acknowledged `place`; canceled: those it asked to end."""

    gateway: Gateway
    seed: int
    orders: int
    pause_seconds: float = PAUSE_SECONDS
    placed: list[Ticket] = field(default_factory=list)
    cancels: int = 0

    async def run(self) -> None:
        """Place `orders` orders, a cancel now and then; return when the last is acknowledged by the bus."""
        drawn = random.Random(self.seed)
        resting: list[Ticket] = []
        for terms in _kinds(drawn, self.orders):
            ticket = await self.gateway.submit(**terms)
            self.placed.append(ticket)
            if terms["type"] == "LIMIT" and "rests" in terms["intent_id"]:
                resting.append(ticket)
            if len(resting) > 4:  # noqa: PLR2004 - let some rest, so that others may trade against them
                await self.gateway.cancel(resting.pop(drawn.randrange(len(resting))))
                self.cancels += 1
            await asyncio.sleep(self.pause_seconds)

    async def finish(self) -> None:
        """Cancel what is left."""
        ticket = await self.gateway.cancel_all()
        await self.gateway.wait(ticket, timeout_seconds=30)


def _kinds(drawn: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Terms of `count` orders: each kind in turn, on each symbol in turn. The intentId says what is meant by it."""
    makers = (_market, _rests, _at_the_market, _crosses, _stop, _take_profit, _rests, _reduce, _bad_tick, _too_big)
    run = f"{drawn.getrandbits(32):08x}"
    for number in range(count):
        market = MARKETS[number % len(MARKETS)]
        make = makers[(number // len(MARKETS)) % len(makers)]
        side = drawn.choice(("BUY", "SELL"))
        terms = make(market, side)
        yield {
            "symbol": market.symbol,
            "side": side,
            "quantity": market.size,
            "intent_id": f"{run}-{number:04d}-{make.__name__.strip('_')}",
            "valid_for_ms": 20_000,
            **terms,
        }


def _away(market: Market, side: str, share: str) -> Decimal:
    """A price that share of the market's away from it, on the passive side (a negative share crosses)."""
    sign = -1 if side == "BUY" else 1
    price = market.price * (1 + sign * Decimal(share))
    return price.quantize(market.tick)


def _market(_market: Market, _side: str) -> dict[str, Any]:
    return {"type": "MARKET"}


def _rests(market: Market, side: str) -> dict[str, Any]:
    return {"type": "LIMIT", "price": _away(market, side, "0.03")}


def _at_the_market(market: Market, side: str) -> dict[str, Any]:
    """Near enough that other traders come and fill it, in parts."""
    return {"type": "LIMIT", "price": _away(market, side, "0.0002"), "quantity": market.size * 4}


def _crosses(market: Market, side: str) -> dict[str, Any]:
    return {"type": "LIMIT", "price": _away(market, side, "-0.01")}


def _stop(market: Market, side: str) -> dict[str, Any]:
    return {"type": "STOP_MARKET", "stop_price": _away(market, side, "-0.02")}


def _take_profit(market: Market, side: str) -> dict[str, Any]:
    stop = _away(market, side, "0.02")
    return {"type": "TAKE_PROFIT", "stop_price": stop, "price": stop}


def _reduce(_market: Market, _side: str) -> dict[str, Any]:
    """The venue refuses it where there is nothing on that side to reduce."""
    return {"type": "MARKET", "reduce_only": True}


def _bad_tick(market: Market, side: str) -> dict[str, Any]:
    """Refused by our own check of the venue's filters."""
    return {"type": "LIMIT", "price": _away(market, side, "0.03") + market.tick / 2}


def _too_big(market: Market, _side: str) -> dict[str, Any]:
    """Refused by risk: more than one order may be worth."""
    return {"type": "MARKET", "quantity": market.size * 300}
