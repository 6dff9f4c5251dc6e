"""Reading parameters: text becomes the engine's own types, or the failure that the venue answers with.

What an operation cannot do without is checked by the front; what depends on the order's type, and everything inside `batchOrders`, is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import orjson

from ordergate.simulator.binance.futures.orders import (
    AlgoType,
    NewAlgoOrder,
    NewOrder,
    PriceMatch,
    SelfTrade,
    TimeInForce,
    WorkingType,
)
from ordergate.simulator.binance.futures.refusals import (
    ALGO_ENDPOINT,
    BAD_COMBINATION,
    CLIENT_ID_INVALID,
    INVALID_BATCH_SIZE,
    INVALID_GOOD_TILL,
    INVALID_ORDER_TYPE,
    INVALID_POSITION_SIDE,
    INVALID_PRICE_MATCH,
    INVALID_RESPONSE_TYPE,
    INVALID_SELF_TRADE,
    INVALID_SIDE,
    INVALID_SYMBOL,
    INVALID_TIME_IN_FORCE,
    POSITION_SIDE_MISMATCH,
    QUANTITY_WITH_CLOSE,
    malformed,
    missing,
    neither,
    not_required,
)
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.orders import OrderType, PositionSide, Side

if TYPE_CHECKING:
    from enum import StrEnum

    from ordergate.simulator.market import Market
    from ordergate.simulator.orders import Order
    from ordergate.simulator.symbols import Symbol

    Choice = TypeVar("Choice", bound=StrEnum)

Fields = Mapping[str, str]
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}").fullmatch
GOOD_TILL_LEAST_MS = 600_000
GOOD_TILL_MAX_MS = 253_402_300_799_000
BATCH_PLACE_MAX = 5
BATCH_CANCEL_MAX = 10
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
_INTEGER = re.compile(r"[0-9]{1,18}").fullmatch
_BOOLEANS = {"true": True, "false": False}
_CALLBACK_RATES = (Decimal("0.1"), Decimal(10))


class Refused(Exception):
    """What is read stops here; the reading function turns it into its failure."""

    def __init__(self, failure: Failure) -> None:
        """The answer to give."""
        super().__init__(failure.msg)
        self.failure = failure


class Reader:
    """One order's parameters."""

    def __init__(self, fields: Fields) -> None:
        """Names as the venue spells them; an empty text counts as not sent."""
        self._fields = {name: text for name, text in fields.items() if text}

    def sent(self, name: str) -> bool:
        """Whether it is there."""
        return name in self._fields

    def text(self, name: str) -> str:
        """A mandatory text."""
        text = self._fields.get(name)
        if text is None:
            raise Refused(missing(name))
        return text

    def choice(self, name: str, kind: type[Choice], default: Choice | None, failure: Failure) -> Choice:
        """One of an enumeration; mandatory without a default."""
        if default is not None and name not in self._fields:
            return default
        try:
            return kind(self.text(name))
        except ValueError:
            raise Refused(failure) from None

    def decimal(self, name: str) -> Decimal | None:
        """A number, if it is there."""
        text = self._fields.get(name)
        if text is None:
            return None
        if not _DECIMAL(text):
            raise Refused(malformed(name))
        return Decimal(text)

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number."""
        text = self._fields.get(name)
        if text is None:
            return default
        if not _INTEGER(text):
            raise Refused(malformed(name))
        return int(text)

    def boolean(self, name: str) -> bool:
        """True or false, in any case of letters; false when it is not there."""
        found = _BOOLEANS.get(self._fields.get(name, "false").lower())
        if found is None:
            raise Refused(malformed(name))
        return found

    def client_id(self, name: str) -> str | None:
        """A client's own id, if it is there."""
        text = self._fields.get(name)
        if text is not None and not CLIENT_ID(text):
            raise Refused(CLIENT_ID_INVALID)
        return text


def read_order(
    fields: Fields, markets: Mapping[str, Market[Order, Symbol]], *, hedged: bool, now_ms: int
) -> NewOrder | Failure:
    """POST /fapi/v1/order, or one item of batchOrders."""
    reader = Reader(fields)
    try:
        return _order(reader, markets, hedged=hedged, now_ms=now_ms)
    except Refused as refused:
        return refused.failure


def _order(reader: Reader, markets: Mapping[str, Market[Order, Symbol]], *, hedged: bool, now_ms: int) -> NewOrder:
    symbol = _symbol(reader, markets)
    side = reader.choice("side", Side, None, INVALID_SIDE)
    kind = _order_type(reader)
    position_side, reduce_only = _position_side(reader, hedged=hedged)
    price_match = reader.choice("priceMatch", PriceMatch, PriceMatch.NONE, INVALID_PRICE_MATCH)
    price = reader.decimal("price")
    time_in_force = TimeInForce.GTC
    if kind is OrderType.LIMIT:
        time_in_force = reader.choice("timeInForce", TimeInForce, None, INVALID_TIME_IN_FORCE)
        _check_priced(price, price_match)
    elif price is not None:
        raise Refused(not_required("price"))
    elif reader.sent("timeInForce"):
        raise Refused(not_required("timeInForce"))
    quantity = reader.decimal("quantity")
    if quantity is None:
        raise Refused(missing("quantity"))
    return NewOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price,
        time_in_force=time_in_force,
        position_side=position_side,
        reduce_only=reduce_only,
        client_order_id=reader.client_id("newClientOrderId"),
        self_trade=reader.choice("selfTradePreventionMode", SelfTrade, SelfTrade.EXPIRE_MAKER, INVALID_SELF_TRADE),
        price_match=price_match,
        good_till_ms=_good_till(reader, time_in_force, now_ms),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Amending:
    """A well-formed PUT /fapi/v1/order. modify_id: the client's own mark, given back with the answer and in the event."""

    quantity: Decimal
    price: Decimal | None
    price_match: PriceMatch
    reduce_only: bool
    modify_id: int | None


def read_amending(fields: Fields, side: Side) -> Amending | Failure:
    """The body of a modification of an order on this side."""
    reader = Reader(fields)
    try:
        if reader.text("side") != side:
            return INVALID_SIDE
        price = reader.decimal("price")
        match = reader.choice("priceMatch", PriceMatch, PriceMatch.NONE, INVALID_PRICE_MATCH)
        _check_priced(price, match)
        quantity = reader.decimal("quantity")
        if quantity is None:
            return missing("quantity")
        return Amending(
            quantity=quantity,
            price=price,
            price_match=match,
            reduce_only=reader.boolean("reduceOnly"),
            modify_id=reader.integer("modifyId") if reader.sent("modifyId") else None,
        )
    except Refused as refused:
        return refused.failure


def wants_result(fields: Fields) -> bool | Failure:
    """newOrderRespType: whether the answer is to be the order as it then stands (RESULT) or as it was taken (ACK)."""
    kind = fields.get("newOrderRespType") or "ACK"
    return INVALID_RESPONSE_TYPE if kind not in {"ACK", "RESULT"} else kind == "RESULT"


def read_algo_order(
    fields: Fields, markets: Mapping[str, Market[Order, Symbol]], *, hedged: bool, now_ms: int
) -> NewAlgoOrder | Failure:
    """POST /fapi/v1/algoOrder. Its page calls NONE the default of selfTradePreventionMode, its examples show EXPIRE_MAKER as everywhere: so here."""
    reader = Reader(fields)
    try:
        if reader.text("algoType") != "CONDITIONAL":
            return malformed("algoType")
        return _algo_order(reader, markets, hedged=hedged, now_ms=now_ms)
    except Refused as refused:
        return refused.failure


def _algo_order(
    reader: Reader, markets: Mapping[str, Market[Order, Symbol]], *, hedged: bool, now_ms: int
) -> NewAlgoOrder:
    symbol = _symbol(reader, markets)
    side = reader.choice("side", Side, None, INVALID_SIDE)
    kind = reader.choice("type", AlgoType, None, INVALID_ORDER_TYPE)
    position_side, reduce_only = _position_side(reader, hedged=hedged)
    price_match = reader.choice("priceMatch", PriceMatch, PriceMatch.NONE, INVALID_PRICE_MATCH)
    price = reader.decimal("price")
    if kind in {AlgoType.STOP, AlgoType.TAKE_PROFIT}:
        _check_priced(price, price_match)
    elif price is not None:
        raise Refused(not_required("price"))
    trailing = kind is AlgoType.TRAILING_STOP_MARKET
    trigger_price = reader.decimal("triggerPrice")
    if trigger_price is None and not trailing:
        raise Refused(missing("triggerPrice"))
    time_in_force = reader.choice("timeInForce", TimeInForce, TimeInForce.GTC, INVALID_TIME_IN_FORCE)
    return NewAlgoOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=_algo_quantity(reader, kind, side, position_side, reduce_only=reduce_only),
        trigger_price=None if trailing else trigger_price,
        price=price,
        time_in_force=time_in_force,
        position_side=position_side,
        reduce_only=reduce_only,
        client_algo_id=reader.client_id("clientAlgoId"),
        self_trade=reader.choice("selfTradePreventionMode", SelfTrade, SelfTrade.EXPIRE_MAKER, INVALID_SELF_TRADE),
        price_match=price_match,
        good_till_ms=_good_till(reader, time_in_force, now_ms),
        working_type=reader.choice("workingType", WorkingType, WorkingType.CONTRACT_PRICE, malformed("workingType")),
        price_protect=reader.boolean("priceProtect"),
        activate_price=reader.decimal("activatePrice") if trailing else None,
        callback_rate=_callback_rate(reader) if trailing else None,
    )


def _algo_quantity(
    reader: Reader, kind: AlgoType, side: Side, position_side: PositionSide, *, reduce_only: bool
) -> Decimal | None:
    """None with closePosition, which is of the market types only and knows neither quantity nor reduceOnly."""
    quantity = reader.decimal("quantity")
    if not reader.boolean("closePosition"):
        if quantity is None:
            raise Refused(missing("quantity"))
        return quantity
    if quantity is not None:
        raise Refused(QUANTITY_WITH_CLOSE)
    if reduce_only:
        raise Refused(not_required("reduceonly"))
    opens = (PositionSide.LONG if side is Side.BUY else PositionSide.SHORT) is position_side
    if opens or kind not in {AlgoType.STOP_MARKET, AlgoType.TAKE_PROFIT_MARKET}:
        raise Refused(BAD_COMBINATION)
    return None


def _callback_rate(reader: Reader) -> Decimal:
    rate = reader.decimal("callbackRate")
    if rate is None:
        raise Refused(missing("callbackRate"))
    lowest, highest = _CALLBACK_RATES
    if not lowest <= rate <= highest:
        raise Refused(malformed("callbackRate"))
    return rate


def _symbol(reader: Reader, markets: Mapping[str, Market[Order, Symbol]]) -> Symbol:
    market = markets.get(reader.text("symbol"))
    if market is None:
        raise Refused(INVALID_SYMBOL)
    return market.symbol


def _order_type(reader: Reader) -> OrderType:
    text = reader.text("type")
    if text in AlgoType.__members__:
        raise Refused(ALGO_ENDPOINT)
    if text not in {"LIMIT", "MARKET"}:
        raise Refused(INVALID_ORDER_TYPE)
    if reader.sent("stopPrice"):
        raise Refused(not_required("stopPrice"))
    if reader.boolean("closePosition"):
        raise Refused(ALGO_ENDPOINT)
    return OrderType(text)


def _position_side(reader: Reader, *, hedged: bool) -> tuple[PositionSide, bool]:
    """BOTH in one-way mode, LONG or SHORT in hedge mode; and reduceOnly, which hedge mode does not know."""
    side = reader.choice("positionSide", PositionSide, PositionSide.BOTH, INVALID_POSITION_SIDE)
    if (side is not PositionSide.BOTH) != hedged:
        raise Refused(POSITION_SIDE_MISMATCH)
    if hedged and reader.sent("reduceOnly"):
        raise Refused(not_required("reduceonly"))
    return side, reader.boolean("reduceOnly")


def _check_priced(price: Decimal | None, match: PriceMatch) -> None:
    if price is None and match is PriceMatch.NONE:
        raise Refused(missing("price"))
    if price is not None and match is not PriceMatch.NONE:
        raise Refused(not_required("price"))


def _good_till(reader: Reader, time_in_force: TimeInForce, now_ms: int) -> int:
    """0 unless GTD; whole seconds only."""
    if time_in_force is not TimeInForce.GTD:
        return 0
    moment = reader.integer("goodTillDate") // 1000 * 1000
    if not now_ms + GOOD_TILL_LEAST_MS < moment < GOOD_TILL_MAX_MS:
        raise Refused(INVALID_GOOD_TILL)
    return moment


def read_batch(text: str) -> list[Fields] | Failure:
    """`batchOrders`: a JSON list of 1 to 5 objects; numbers and booleans are taken as their text."""
    rows = _json_list(text)
    if rows is None:
        return malformed("batchOrders")
    if not 1 <= len(rows) <= BATCH_PLACE_MAX:
        return INVALID_BATCH_SIZE
    if not all(isinstance(row, dict) for row in rows):
        return malformed("batchOrders")
    return [{str(name): _text(value) for name, value in row.items()} for row in rows if isinstance(row, dict)]


def read_cancels(fields: Fields) -> list[Fields] | Failure:
    """The orders that DELETE /fapi/v1/batchOrders speaks of: each as the parameters of a cancel of its own."""
    symbol = fields.get("symbol", "")
    for listed, single in (("orderIdList", "orderId"), ("origClientOrderIdList", "origClientOrderId")):
        # ccxt writes both names in lower case.
        text = fields.get(listed) or fields.get(listed.lower())
        if text:
            values = _json_list(text)
            if values is None:
                return malformed(listed)
            if not 1 <= len(values) <= BATCH_CANCEL_MAX:
                return INVALID_BATCH_SIZE
            return [{"symbol": symbol, single: _text(value)} for value in values]
    return neither("origClientOrderIdList", "orderIdList")


def _json_list(text: str) -> list[object] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
