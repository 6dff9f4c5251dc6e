"""What both dialects tell everybody: time, symbols, books, executions, prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from ordergate.simulator.binance.exchange_info import futures_info, spot_info
from ordergate.simulator.binance.failures import SYMBOL_UNKNOWN, illegal, missing
from ordergate.simulator.binance.operations import Call, Cost, Engine, Failure, Operation, Parameters
from ordergate.simulator.binance.tape import Print, Tape, summarize

if TYPE_CHECKING:
    from ordergate.simulator.binance.limits import Limit
    from ordergate.simulator.config import SimulatorConfig, SymbolConfig
    from ordergate.simulator.market import Market

Row = dict[str, object]
DAY_MS = 86_400_000
AVERAGE_MINUTES = 5
DEPTH_MAX = 5_000
PRINTS_MAX = 1_000
NUMBER = "^[0-9]{1,20}$"
BAD_INTERVAL = Failure(code=-1120, msg="Invalid interval.")
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS, "M": 30 * DAY_MS}


def public_operations(config: SimulatorConfig, limits: tuple[Limit, ...], tape: Tape) -> tuple[Operation[Engine], ...]:
    """The table of one dialect."""
    market = _Public(config, limits, tape)
    return (*market.common(), *(market.of_spot() if market.is_spot else market.of_futures()))


@dataclass(frozen=True, slots=True)
class _Call:
    """A public call by its name, with what both dialects differ in."""

    path: str
    ws: str | None
    answer: Callable[[Engine, Call], object | Failure]
    spot: Cost
    futures: Cost
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class _Public:
    def __init__(self, config: SimulatorConfig, limits: tuple[Limit, ...], tape: Tape) -> None:
        self.is_spot = config.dialect == "binance-spot"
        self._rows: dict[str, SymbolConfig] = {row.symbol: row for row in config.symbols}
        self._limits = limits
        self._tape = tape

    def common(self) -> Iterable[Operation[Engine]]:
        which, page = ("symbol", "symbols", "type", "symbolStatus"), ("limit",)
        times = ("startTime", "endTime", "fromId", "limit")
        listed = _by_symbol(2, 4)
        return self._table(
            _Call("ping", "ping", lambda engine, call: {}, 1, 1),  # noqa: ARG005
            _Call("time", "time", lambda engine, call: {"serverTime": call.now_ms}, 1, 1),  # noqa: ARG005
            _Call(
                "exchangeInfo",
                "exchangeInfo",
                self._info,
                20,
                1,
                optional=("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"),
            ),
            _Call("depth", "depth", self._depth, _depth_weight, 5, ("symbol",), (*page, "symbolStatus")),
            _Call("trades", "trades.recent", self._trades, 25, 5, ("symbol",), page),
            _Call("historicalTrades", "trades.historical", self._trades, 25, 20, ("symbol",), (*page, "fromId")),
            _Call("aggTrades", "trades.aggregate", self._aggregates, 4, 20, ("symbol",), times),
            _Call("klines", "klines", self._klines, 2, 5, ("symbol", "interval"), (*times, "timeZone")),
            _Call("ticker/24hr", "ticker.24hr", self._each(self._day), _by_symbol(2, 80), _by_symbol(1, 40), (), which),
            _Call("ticker/price", "ticker.price", self._each(self._price), listed, _by_symbol(1, 2), (), which),
            _Call("ticker/bookTicker", "ticker.book", self._each(self._best), listed, _by_symbol(2, 5), (), which),
        )

    def of_spot(self) -> Iterable[Operation[Engine]]:
        return self._table(_Call("avgPrice", "avgPrice", self._average, 2, 2, ("symbol",)))

    def of_futures(self) -> Iterable[Operation[Engine]]:
        return self._table(
            _Call("premiumIndex", None, self._each(self._premium), 1, _by_symbol(1, 10), (), ("symbol",)),
            _Call("fundingInfo", None, lambda engine, call: [], 1, 1),  # noqa: ARG005
        )

    def _table(self, *calls: _Call) -> Iterable[Operation[Engine]]:
        prefix = "/api/v3/" if self.is_spot else "/fapi/v1/"
        for call in calls:
            yield Operation(
                name=call.path,
                method="GET",
                path=f"{prefix}{call.path}",
                ws=call.ws,
                answer=call.answer,
                weight=call.spot if self.is_spot else call.futures,
                required=call.required,
                optional=call.optional,
            )

    # --- answers

    def _info(self, engine: Engine, call: Call) -> object | Failure:
        wanted = _wanted(engine, call.parameters)
        if isinstance(wanted, Failure):
            return wanted
        rows = [(self._rows[name], engine.markets[name].halted) for name in wanted or engine.markets]
        return (spot_info if self.is_spot else futures_info)(rows, self._limits, call.now_ms)

    def _depth(self, engine: Engine, call: Call) -> object | Failure:
        market, limit = engine.markets.get(call.parameters["symbol"]), _limit(call.parameters, 100, DEPTH_MAX)
        if market is None or limit is None:
            return SYMBOL_UNKNOWN if market is None else illegal("limit", NUMBER)
        times: Row = {} if self.is_spot else {"E": call.now_ms, "T": call.now_ms}
        return {"lastUpdateId": call.now_ms, **times, **book_rows(market, limit)}

    def _trades(self, engine: Engine, call: Call) -> object | Failure:
        prints = self._page(engine, call, 500)
        return prints if isinstance(prints, Failure) else [self._trade(row) for row in prints]

    def _trade(self, row: Print) -> Row:
        answer: Row = {
            "id": row.id,
            "price": f"{row.price:f}",
            "qty": f"{row.quantity:f}",
            "quoteQty": f"{row.price * row.quantity:f}",
            "time": row.time_ms,
            "isBuyerMaker": row.buyer_rested,
        }
        return {**answer, "isBestMatch": True} if self.is_spot else answer

    def _aggregates(self, engine: Engine, call: Call) -> object | Failure:
        prints = self._page(engine, call, 500)
        if isinstance(prints, Failure):
            return prints
        return [{**aggregate(row), **({"M": True} if self.is_spot else {})} for row in prints]

    def _page(self, engine: Engine, call: Call, usual: int) -> list[Print] | Failure:
        symbol, limit = call.parameters["symbol"], _limit(call.parameters, usual, PRINTS_MAX)
        if symbol not in engine.markets:
            return SYMBOL_UNKNOWN
        if limit is None:
            return illegal("limit", NUMBER)
        if "fromId" not in call.parameters:
            return self._tape.last(symbol, limit)
        first = _number(call.parameters["fromId"])
        if first is None:
            return illegal("fromId", NUMBER)
        return [row for row in self._tape.since(symbol, 0) if row.id >= first][:limit]

    def _klines(self, engine: Engine, call: Call) -> object | Failure:
        interval = call.parameters["interval"]
        length = _UNITS.get(interval[-1:], 0) * (_number(interval[:-1]) or 0)
        limit = _limit(call.parameters, 500, PRINTS_MAX)
        if call.parameters["symbol"] not in engine.markets:
            return SYMBOL_UNKNOWN
        if not length or limit is None:
            return BAD_INTERVAL
        candles: dict[int, list[Print]] = {}
        for row in self._tape.since(call.parameters["symbol"], 0):
            candles.setdefault(row.time_ms - row.time_ms % length, []).append(row)
        return [_candle(opened, length, rows) for opened, rows in list(candles.items())[-limit:]]

    def _average(self, engine: Engine, call: Call) -> object | Failure:
        market = engine.markets.get(call.parameters["symbol"])
        if market is None:
            return SYMBOL_UNKNOWN
        recent = summarize(self._tape.since(market.symbol.name, call.now_ms - AVERAGE_MINUTES * 60_000))
        price = f"{recent.turnover / recent.volume:.8f}" if recent else market.symbol.price_text(market.last)
        return {"mins": AVERAGE_MINUTES, "price": price, "closeTime": recent.last.time_ms if recent else call.now_ms}

    def _each(self, row: Callable[[Market[Any, Any], Call], Row]) -> Callable[[Engine, Call], object | Failure]:
        """One row for `symbol`, a list of rows for `symbols` or for none."""

        def answer(engine: Engine, call: Call) -> object | Failure:
            wanted = _wanted(engine, call.parameters)
            if isinstance(wanted, Failure):
                return wanted
            rows = [row(engine.markets[name], call) for name in wanted or engine.markets]
            return rows[0] if "symbol" in call.parameters else rows

        return answer

    def _price(self, market: Market[Any, Any], call: Call) -> Row:
        row: Row = {"symbol": market.symbol.name, "price": market.symbol.price_text(market.last)}
        return row if self.is_spot else {**row, "time": call.now_ms}

    def _best(self, market: Market[Any, Any], call: Call) -> Row:
        row: Row = {"symbol": market.symbol.name, **best_row(market)}
        return row if self.is_spot else {**row, "time": call.now_ms, "lastUpdateId": call.now_ms}

    def _premium(self, market: Market[Any, Any], call: Call) -> Row:
        mark = market.symbol.price_text(market.mark)
        return {
            "symbol": market.symbol.name,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": "0.00000000",
            "interestRate": "0.00010000",
            "nextFundingTime": call.now_ms - call.now_ms % (DAY_MS // 3) + DAY_MS // 3,
            "time": call.now_ms,
        }

    def _day(self, market: Market[Any, Any], call: Call) -> Row:
        row = day_row(market, self._tape, call.now_ms)
        return {**row, **best_row(market), "prevClosePrice": row["openPrice"]} if self.is_spot else row


def book_rows(market: Market[Any, Any], limit: int) -> Row:
    """The best levels of both sides, summed up by price."""
    symbol = market.symbol
    return {
        name: [
            [symbol.price_text(price), symbol.quantity_text(sum(order.remaining for order in orders))]
            for (price, orders), _ in zip(side.levels(), range(limit), strict=False)
        ]
        for name, side in (("bids", market.book.bids), ("asks", market.book.asks))
    }


def best_row(market: Market[Any, Any]) -> Row:
    """The first level of both sides; an empty side is all zero."""
    rows = book_rows(market, 1)
    bid, ask = (side[0] if isinstance(side, list) and side else ["0.00000000"] * 2 for side in rows.values())
    return {"bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0], "askQty": ask[1]}


def day_row(market: Market[Any, Any], tape: Tape, now_ms: int) -> Row:
    """Statistics of the last 24 hours; a market without executions stands where it is."""
    symbol = market.symbol
    day = summarize(tape.since(symbol.name, now_ms - DAY_MS))
    last = symbol.price_text(market.last)
    opened = day.first.price if day else Decimal(last)
    change = Decimal(last) - opened
    return {
        "symbol": symbol.name,
        "priceChange": f"{change:f}",
        "priceChangePercent": f"{change * 100 / opened:.3f}",
        "weightedAvgPrice": f"{day.turnover / day.volume:.8f}" if day else last,
        "lastPrice": last,
        "lastQty": f"{day.last.quantity:f}" if day else "0",
        "openPrice": f"{opened:f}",
        "highPrice": f"{day.high:f}" if day else last,
        "lowPrice": f"{day.low:f}" if day else last,
        "volume": f"{day.volume:f}" if day else "0",
        "quoteVolume": f"{day.turnover:f}" if day else "0",
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": day.first.id if day else -1,
        "lastId": day.last.id if day else -1,
        "count": day.count if day else 0,
    }


def aggregate(row: Print) -> Row:
    """An execution as an aggregate of one."""
    return {
        "a": row.id,
        "p": f"{row.price:f}",
        "q": f"{row.quantity:f}",
        "f": row.id,
        "l": row.id,
        "T": row.time_ms,
        "m": row.buyer_rested,
    }


def _candle(opened_ms: int, length_ms: int, rows: list[Print]) -> list[object]:
    total = summarize(rows)
    if total is None:
        return []
    return [
        opened_ms,
        f"{total.first.price:f}",
        f"{total.high:f}",
        f"{total.low:f}",
        f"{total.last.price:f}",
        f"{total.volume:f}",
        opened_ms + length_ms - 1,
        f"{total.turnover:f}",
        total.count,
        f"{total.bought:f}",
        f"{total.bought_turnover:f}",
        "0",
    ]


def _wanted(engine: Engine, parameters: Parameters) -> list[str] | Failure:
    """The symbols asked for; empty: all."""
    if "symbols" in parameters:
        try:
            names = orjson.loads(parameters["symbols"])
        except orjson.JSONDecodeError:
            return illegal("symbols", r"^\[(\"[\w\-._&&[^a-z]]{1,50}\"(,\"[\w\-._&&[^a-z]]{1,50}\"){0,}){0,1}\]$")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            return missing("symbols")
    else:
        names = [parameters["symbol"]] if "symbol" in parameters else []
    return SYMBOL_UNKNOWN if any(name not in engine.markets for name in names) else names


def _limit(parameters: Parameters, usual: int, most: int) -> int | None:
    number = _number(parameters.get("limit", str(usual)))
    return min(most, number) if number else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None  # noqa: PLR2004


def _depth_weight(parameters: Parameters) -> int:
    limit = _limit(parameters, 100, DEPTH_MAX) or 100
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)


def _by_symbol(one: int, every: int) -> Cost:
    return lambda parameters: one if "symbol" in parameters else every
