"""Market streams that are made of books and executions: which names there are, how often each speaks, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ordergate.simulator.binance.public import best_row, book_rows, day_row
from ordergate.simulator.binance.tape import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.simulator.binance.tape import Tape
    from ordergate.simulator.market import Market

DEPTH_LEVELS_MAX = 1_000
Payload = dict[str, object] | list[dict[str, object]]
_DEPTH = re.compile(r"depth(5|10|20)?(@(100|250|500|1000)ms)?").fullmatch
_MARK = re.compile(r"markPrice(@1s)?").fullmatch
_KLINE = re.compile(r"kline_([0-9]{1,2})([smhdwM])").fullmatch
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "M": 2_592_000_000}


@dataclass(frozen=True, slots=True)
class Channel:
    """What one name says: at most every interval_ms, and only what is new."""

    interval_ms: int
    render: Callable[[int], Payload | None]


class Channels:
    """Names into channels."""

    __slots__ = ("_by_name", "_is_futures", "_markets", "_tape")

    def __init__(self, markets: Mapping[str, Market[Any, Any]], tape: Tape, *, is_futures: bool) -> None:
        """Symbols in stream names are lower case."""
        self._markets = markets
        self._by_name = {name.lower(): name for name in markets}
        self._tape = tape
        self._is_futures = is_futures

    def find(self, stream: str) -> Channel | None:
        """None: nothing of this name is made here (`@trade` and `@aggTrade` are told by executions, the rest does not exist)."""
        if stream.startswith("!"):
            return self._of_all(stream[1:])
        symbol, _, topic = stream.partition("@")
        market = self._markets.get(self._by_name.get(symbol, ""))
        return None if market is None else self._of_one(market, topic)

    def _of_all(self, topic: str) -> Channel | None:
        markets = list(self._markets.values())
        if topic == "bookTicker":
            return Channel(0, lambda now_ms: [self._best(market, now_ms) for market in markets])
        if topic == "miniTicker@arr":
            return Channel(1_000, lambda now_ms: [self._mini(market, now_ms) for market in markets])
        if topic == "ticker@arr":
            return Channel(1_000, lambda now_ms: [self._ticker(market, now_ms) for market in markets])
        if topic.startswith("markPrice@arr"):
            return Channel(1_000, lambda now_ms: [_mark(market, now_ms) for market in markets])
        return None

    def _of_one(self, market: Market[Any, Any], topic: str) -> Channel | None:
        simple: dict[str, tuple[int, Callable[[Market[Any, Any], int], Payload]]] = {
            "bookTicker": (0, self._best),
            "miniTicker": (1_000, self._mini),
            "ticker": (1_000, self._ticker),
        }
        if topic in simple:
            interval, render = simple[topic]
            return Channel(interval, lambda now_ms: render(market, now_ms))
        depth, mark, kline = _DEPTH(topic), _MARK(topic), _KLINE(topic)
        if depth:
            interval = int(depth[3] or (250 if self._is_futures else 1_000))
            if depth[1] is None:
                return Channel(interval, _Differences(market, is_futures=self._is_futures).render)
            levels = int(depth[1])
            return Channel(interval, lambda now_ms: self._partial(market, levels, now_ms))
        if mark and self._is_futures:
            return Channel(1_000 if mark[1] else 3_000, lambda now_ms: _mark(market, now_ms))
        if kline:
            name, length = kline[1] + kline[2], int(kline[1]) * _UNITS[kline[2]]
            return Channel(1_000, lambda now_ms: self._kline(market, name, length, now_ms))
        return None

    def _best(self, market: Market[Any, Any], now_ms: int) -> dict[str, object]:
        row = best_row(market)
        times = {"e": "bookTicker", "E": now_ms, "T": now_ms} if self._is_futures else {}
        best = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
        return {**times, "u": now_ms, "s": market.symbol.name, **best}

    def _mini(self, market: Market[Any, Any], now_ms: int) -> dict[str, object]:
        day = day_row(market, self._tape, now_ms)
        return {
            "e": "24hrMiniTicker",
            "E": now_ms,
            "s": market.symbol.name,
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
        }

    def _ticker(self, market: Market[Any, Any], now_ms: int) -> dict[str, object]:
        day, best = day_row(market, self._tape, now_ms), self._best(market, now_ms)
        both = {} if self._is_futures else {"x": day["openPrice"], **{name: best[name] for name in "bBaA"}}
        return {
            **self._mini(market, now_ms),
            "e": "24hrTicker",
            "p": day["priceChange"],
            "P": day["priceChangePercent"],
            "w": day["weightedAvgPrice"],
            "Q": day["lastQty"],
            **both,
            "O": day["openTime"],
            "C": day["closeTime"],
            "F": day["firstId"],
            "L": day["lastId"],
            "n": day["count"],
        }

    def _partial(self, market: Market[Any, Any], levels: int, now_ms: int) -> Payload:
        rows = book_rows(market, levels)
        if not self._is_futures:
            return {"lastUpdateId": now_ms, **rows}
        head = {"e": "depthUpdate", "E": now_ms, "T": now_ms, "s": market.symbol.name}
        return {**head, "U": now_ms, "u": now_ms, "pu": now_ms, "b": rows["bids"], "a": rows["asks"]}

    def _kline(self, market: Market[Any, Any], name: str, length_ms: int, now_ms: int) -> Payload | None:
        opened = now_ms - now_ms % length_ms
        total = summarize(self._tape.since(market.symbol.name, opened))
        if total is None:
            return None
        candle = {
            "t": opened,
            "T": opened + length_ms - 1,
            "s": market.symbol.name,
            "i": name,
            "f": total.first.id,
            "L": total.last.id,
            "o": f"{total.first.price:f}",
            "c": f"{total.last.price:f}",
            "h": f"{total.high:f}",
            "l": f"{total.low:f}",
            "v": f"{total.volume:f}",
            "n": total.count,
            "x": False,
            "q": f"{total.turnover:f}",
            "V": f"{total.bought:f}",
            "Q": f"{total.bought_turnover:f}",
            "B": "0",
        }
        return {"e": "kline", "E": now_ms, "s": market.symbol.name, "k": candle}


class _Differences:
    """What changed in a book from one telling to the next. Update ids are times, so a snapshot of REST falls between two tellings as it should."""

    def __init__(self, market: Market[Any, Any], *, is_futures: bool) -> None:
        self._market = market
        self._is_futures = is_futures
        self._told: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        self._last = 0

    def render(self, now_ms: int) -> Payload | None:
        rows = book_rows(self._market, DEPTH_LEVELS_MAX)
        now = {side: dict(levels) for side, levels in rows.items() if isinstance(levels, list)}
        changes = {side: _changes(self._told[side], levels) for side, levels in now.items()}
        if not any(changes.values()):
            return None
        times = {"T": now_ms, "pu": self._last} if self._is_futures else {}
        head = {"e": "depthUpdate", "E": now_ms, "s": self._market.symbol.name, "U": self._last + 1, "u": now_ms}
        self._told, self._last = now, now_ms
        return {**head, **times, "b": changes["bids"], "a": changes["asks"]}


def _changes(told: dict[str, str], now: dict[str, str]) -> list[list[str]]:
    changed = [[price, quantity] for price, quantity in now.items() if told.get(price) != quantity]
    return changed + [[price, "0.00000000"] for price in told if price not in now]


def _mark(market: Market[Any, Any], now_ms: int) -> dict[str, object]:
    mark = market.symbol.price_text(market.mark)
    third = 28_800_000
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": market.symbol.name,
        "p": mark,
        "i": mark,
        "P": mark,
        "r": "0.00000000",
        "T": now_ms - now_ms % third + third,
    }
