"""What a `close` intent becomes: an order over the position as the fills make it.

Where orders can be reduce-only the venue itself caps them by the position. Where they cannot (Spot) a position is a holding, and the order is
a sale of no more than is certainly ours to sell: what the fills of our strategies hold (the account's other trades, which may go back years, are
none of it), less the fees that were taken from it and less what open orders of ours may still sell, and never more than the venue showed in the
account.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from ordergate.ports.venue import Declaration
from ordergate.trading.amounts import add, divide, floor_to, is_bounded, subtract
from ordergate.trading.book import Book
from ordergate.trading.instrument import FilterRefusal, Instrument, check_terms
from ordergate.trading.order import ZERO, OrderRequest, OrderType, PositionSide, Side, Terms
from ordergate.wire.gate import CloseRequest
from ordergate.wire.messages import AnswerOutcome
from services.risk.first_word import FirstWord

SMALL = frozenset({"LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"})
"""The filters that what is left of a holding may be too little for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOrder:
    """Why nothing is to be placed."""

    outcome: AnswerOutcome
    reason: str
    message: str


NOTHING = NoOrder(outcome=AnswerOutcome.DONE, reason="nothing_to_close", message="there is no position on that side")


class Closings:
    """Of one account."""

    def __init__(self, *, declaration: Declaration, book: Book, first_word: FirstWord) -> None:
        self._declaration = declaration
        self._book = book
        self._first_word = first_word

    def order_for(self, request: CloseRequest, now_ms: int) -> OrderRequest | NoOrder:
        """Raises Unavailable for as long as it is not known whether the venue has the symbol."""
        if self._declaration.reduce_only or request.position_side is not PositionSide.BOTH:
            return self._reducing(request)
        return self._sale(request, now_ms)

    def _reducing(self, request: CloseRequest) -> OrderRequest | NoOrder:
        held = self._book.exposure(request.key.symbol, request.position_side).quantity
        quantity = abs(held) if request.quantity is None else min(abs(held), request.quantity)
        if quantity == 0 or not is_bounded(quantity):
            return NOTHING
        side = Side.SELL if held > 0 else Side.BUY
        return _order(request, side, quantity, reduce_only=True)

    def _sale(self, request: CloseRequest, now_ms: int) -> OrderRequest | NoOrder:
        symbol = request.key.symbol
        held = self._book.bought(symbol)
        if held == 0:
            return NOTHING
        if held < 0:
            return _refused(
                "short_on_spot",
                f"by our fills {-held} more was sold than bought: it was held before, and nothing says that it is wanted back; place a BUY for it",
            )
        if now_ms >= request.created_at_ms + request.valid_for_ms:
            return _order(request, Side.SELL, held, reduce_only=False)  # refused as any order that comes too late
        instrument = self._first_word.instrument(symbol, now_ms)
        if instrument is None:
            return _refused("unknown_symbol", self._first_word.why_unknown(symbol))
        price = self._first_word.price(instrument, now_ms)
        free = self._sellable(instrument, held, None if price is None else price.price, now_ms)
        if free <= 0:
            return self._not_free(instrument, held)
        wanted = free if request.quantity is None else min(free, request.quantity)
        quantity = floor_to(wanted, max(instrument.step_size, instrument.market_step_size))
        order = _order(request, Side.SELL, quantity, reduce_only=False)
        if wanted == free or quantity == 0:
            dust = _dust(wanted, order.terms, instrument, None if price is None else price.price)
            if dust is not None:
                return dust
        return order

    def _not_free(self, instrument: Instrument, held: Decimal) -> NoOrder:
        asset = instrument.base_asset
        exposure = self._book.exposure(instrument.symbol)
        if exposure.sells or exposure.quote_sells:
            why = "may be sold by open orders already, or is not in the account any more: cancel these first"
            return _refused("held_by_open_orders", f"all of the {held} {asset} that our fills hold {why}")
        why = "went for fees, or is not in the account any more"
        return _refused("not_in_the_wallet", f"all of the {held} {asset} that our fills hold {why}")

    def _sellable(self, instrument: Instrument, held: Decimal, price: Decimal | None, now_ms: int) -> Decimal:
        """What is ours to sell now, whatever becomes of the orders that are open."""
        symbol, asset = instrument.symbol, instrument.base_asset
        exposure = self._book.exposure(symbol)
        selling = exposure.sells
        if exposure.quote_sells:
            if price is None:
                return ZERO
            selling = add(selling, divide(exposure.quote_sells, price))
        ours = subtract(held, self._book.fees_paid(symbol, asset))
        wallet = self._book.wallet(symbol, asset, now_ms)
        return subtract(ours if wallet is None else min(ours, wallet), selling)


def _dust(left: Decimal, terms: Terms, instrument: Instrument, price: Decimal | None) -> NoOrder | None:
    """Whether what is left is too little to be sold at all."""
    passed = check_terms(
        replace(terms, quantity=terms.quantity or left), instrument, reference_price=price, adjust=False
    )
    if not isinstance(passed, FilterRefusal) or passed.filter not in SMALL:
        return None
    if passed.value is None or passed.limit is None or (terms.quantity and passed.value >= passed.limit):
        return None
    return _refused(
        "dust", f"{left} {instrument.base_asset} is too little to be sold: {passed.filter}, {passed.message}"
    )


def _refused(reason: str, message: str) -> NoOrder:
    return NoOrder(outcome=AnswerOutcome.REFUSED, reason=reason, message=message)


def _order(request: CloseRequest, side: Side, quantity: Decimal, *, reduce_only: bool) -> OrderRequest:
    return OrderRequest(
        key=request.key,
        strategy=request.strategy,
        intent_id=request.intent_id,
        request_hash=request.request_hash,
        terms=Terms(
            side=side,
            type=OrderType.MARKET,
            quantity=quantity,
            position_side=request.position_side,
            reduce_only=reduce_only,
        ),
        created_at_ms=request.created_at_ms,
        valid_for_ms=request.valid_for_ms,
    )
