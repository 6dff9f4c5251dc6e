"""One symbol's resting orders in price-time priority."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Queued(Protocol):
    """What a book needs to know of an order."""

    id: int


SomeOrder = TypeVar("SomeOrder", bound=Queued)


class BookSide(Generic[SomeOrder]):
    """Bids (sign +1) or asks (sign -1). Levels are keyed by price x sign, so the best key is the greatest on both sides."""

    __slots__ = ("_keys", "_levels", "sign")

    def __init__(self, sign: int) -> None:
        """An empty side."""
        self.sign = sign
        self._keys: list[int] = []
        # OrderedDict, not dict: taking the first of a dict again and again walks over everything deleted before it.
        self._levels: dict[int, OrderedDict[int, SomeOrder]] = {}

    def best(self) -> SomeOrder | None:
        """The oldest order at the best price."""
        if not self._keys:
            return None
        return next(iter(self._levels[self._keys[-1]].values()))

    def best_price(self) -> int | None:
        """The best price in ticks."""
        return self._keys[-1] * self.sign if self._keys else None

    def levels(self) -> Iterator[tuple[int, list[SomeOrder]]]:
        """Price in ticks and the orders resting there, in the order in which they would trade."""
        for key in reversed(self._keys):
            yield key * self.sign, list(self._levels[key].values())

    def add(self, order: SomeOrder, price: int) -> None:
        """Queue the order behind all others of its price."""
        key = price * self.sign
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = OrderedDict()
            insort(self._keys, key)
        level[order.id] = order

    def remove(self, order: SomeOrder, price: int) -> None:
        """Take a resting order out; one that does not rest here is left alone."""
        key = price * self.sign
        level = self._levels.get(key)
        if level is None or level.pop(order.id, None) is None:
            return
        if not level:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]


class Book(Generic[SomeOrder]):
    """Both sides."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        """An empty book."""
        self.bids: BookSide[SomeOrder] = BookSide(1)
        self.asks: BookSide[SomeOrder] = BookSide(-1)

    def own_side(self, sign: int) -> BookSide[SomeOrder]:
        """Where an order of this sign rests."""
        return self.bids if sign > 0 else self.asks

    def other_side(self, sign: int) -> BookSide[SomeOrder]:
        """What an order of this sign trades against."""
        return self.asks if sign > 0 else self.bids
