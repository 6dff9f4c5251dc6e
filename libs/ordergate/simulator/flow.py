"""The background flow: other traders, seeded, so that resting orders really fill and market orders find somebody.

Every interval a fair price takes one step of a random walk that leans back to its centre, a ladder of quotes is laid anew around it, and sometimes a
taker buys or sells. Quotes and takers are ordinary orders in the ordinary book: whatever they cross, trades. Only their orders have no account, and
nothing of theirs is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ordergate.simulator.market import Waiting

if TYPE_CHECKING:
    from decimal import Decimal
    from random import Random

    from ordergate.simulator.config import FlowConfig
    from ordergate.simulator.market import Market

# After a long silence only the last steps are made: a stopped clock must not cost minutes of catching up.
CATCH_UP_STEPS_MAX = 50
PULL_TO_CENTRE = 0.01
BASIS_POINT = 0.0001
SWEEP_LOTS = 10**15


class Quote(Waiting, Protocol):
    """An order of the crowd."""

    price: int | None
    sign: int

    @property
    def remaining(self) -> int:
        """Lots still to trade."""


SomeQuote = TypeVar("SomeQuote", bound=Quote)
SomeQuote_co = TypeVar("SomeQuote_co", bound=Quote, covariant=True)


class QuoteMaker(Protocol[SomeQuote_co]):
    """Makes an order of nobody's, of the kind that the exchange which runs the flow knows."""

    def __call__(
        self,
        market: Market[Any, Any],
        order_id: int,
        *,
        sign: int,
        lots: int,
        price: int | None,
        rests: bool,
        now_ms: int,
    ) -> SomeQuote_co:
        """Lots and ticks. Ids of the flow run downwards from zero: they never meet an account's in the books. rests: it is a quote, else it takes and goes."""


class _Crowd(Generic[SomeQuote]):
    """The flow of one market."""

    __slots__ = ("centre", "fair", "quotes")

    def __init__(self, price: int) -> None:
        self.centre = price
        self.fair = float(price)
        self.quotes: list[SomeQuote] = []


class Flow(Generic[SomeQuote]):
    """All markets' crowds, moved step by step."""

    def __init__(
        self,
        config: FlowConfig,
        markets: Mapping[str, Market[SomeQuote, Any]],
        random: Random,
        *,
        make: QuoteMaker[SomeQuote],
        submit: Callable[[Market[SomeQuote, Any], SomeQuote, int], None],
    ) -> None:
        """`submit` is the exchange's own entrance for one order of the crowd, `make` makes one."""
        self.enabled = config.enabled
        self._config = config
        self._markets = markets
        self._random = random
        self._make = make
        self._submit = submit
        self._crowds: dict[str, _Crowd[SomeQuote]] = {name: _Crowd(market.mark) for name, market in markets.items()}
        self._next_ms: int | None = None
        self._order_id = 0

    def due(self, now_ms: int) -> range:
        """The moments of the steps to make up to now."""
        if not self.enabled:
            return range(0)
        interval = self._config.interval_ms
        first = self._next_ms
        # A clock that jumped, forward or back, starts the rhythm anew instead of racing or freezing.
        if first is None or now_ms - first > interval * CATCH_UP_STEPS_MAX or first - now_ms > interval:
            first = now_ms
        moments = range(first, now_ms + 1, interval)
        self._next_ms = first + interval * len(moments)
        return moments

    def step(self, now_ms: int) -> None:
        """One step of every market that trades."""
        for name, market in self._markets.items():
            if not market.halted:
                self._step(market, self._crowds[name], now_ms)

    def recenter(self, market: Market[SomeQuote, Any], price: int, now_ms: int) -> None:
        """Take the market to a price: everything resting at it or beyond trades, then the ladder is laid around it."""
        crowd = self._crowds[market.symbol.name]
        self._withdraw(market, crowd)
        crowd.centre = price
        crowd.fair = float(price)
        for sign in (1, -1):
            self._submit(market, self._order(market, sign, SWEEP_LOTS, price, now_ms, rests=False), now_ms)
        market.mark = price
        market.last = price
        if self.enabled and not market.halted:
            self._quote(market, crowd, now_ms)

    def _step(self, market: Market[SomeQuote, Any], crowd: _Crowd[SomeQuote], now_ms: int) -> None:
        walk = self._random.gauss(0.0, self._config.volatility_bps) * BASIS_POINT * crowd.centre
        crowd.fair = max(1.0, crowd.fair + walk + PULL_TO_CENTRE * (crowd.centre - crowd.fair))
        market.mark = max(1, round(crowd.fair))
        self._quote(market, crowd, now_ms)
        if self._random.random() < self._config.taker_rate:
            self._take(market, now_ms)

    def _quote(self, market: Market[SomeQuote, Any], crowd: _Crowd[SomeQuote], now_ms: int) -> None:
        self._withdraw(market, crowd)
        spread = self._config.spread_bps * BASIS_POINT * crowd.fair
        gap = self._config.level_gap_bps * BASIS_POINT * crowd.fair
        for level in range(self._config.levels):
            distance = max(1, round(spread + gap * level))
            for sign in (1, -1):
                price = round(crowd.fair) - sign * distance
                if price > 0:
                    quote = self._order(market, sign, self._level_lots(market, price), price, now_ms, rests=True)
                    crowd.quotes.append(quote)
                    self._submit(market, quote, now_ms)

    def _withdraw(self, market: Market[SomeQuote, Any], crowd: _Crowd[SomeQuote]) -> None:
        for quote in crowd.quotes:
            if quote.remaining and quote.price is not None:
                market.book.own_side(quote.sign).remove(quote, quote.price)
        crowd.quotes = []

    def _take(self, market: Market[SomeQuote, Any], now_ms: int) -> None:
        low, high = float(self._config.taker_notional_min), float(self._config.taker_notional_max)
        # Log-uniform: most takers are small, so that resting orders are filled in parts too.
        notional = low * (high / low) ** self._random.random()
        sign = 1 if self._random.random() < 0.5 else -1  # noqa: PLR2004
        lots = max(1, round(notional / float(market.symbol.notional(market.mark, 1))))
        self._submit(market, self._order(market, sign, lots, None, now_ms, rests=False), now_ms)

    def _level_lots(self, market: Market[SomeQuote, Any], price: int) -> int:
        notional: Decimal = self._config.level_notional
        one_lot = market.symbol.notional(price, 1)
        return max(1, round(float(notional / one_lot) * self._random.uniform(0.2, 1.8)))

    def _order(
        self, market: Market[SomeQuote, Any], sign: int, lots: int, price: int | None, now_ms: int, *, rests: bool
    ) -> SomeQuote:
        self._order_id -= 1
        return self._make(market, self._order_id, sign=sign, lots=lots, price=price, rests=rests, now_ms=now_ms)
