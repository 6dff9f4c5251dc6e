"""What risk allows: the limits, and the check before every order, against the account's book.

Every refusal says which limit, what it is set to, and what the order would have made of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ordergate.trading.amounts import add, divide, floor_to, multiply, subtract
from ordergate.trading.book import Book, Exposure, part_name, reduces_only, worst_case
from ordergate.trading.counts import OpenKind
from ordergate.trading.ids import Symbol
from ordergate.trading.instrument import Instrument, ReferencePrice
from ordergate.trading.order import ZERO, OrderRequest, OrderType, Side, Terms

__all__ = ["Book", "Passed", "RiskLimits", "RiskRefusal", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Limits of one account; None = no such limit. Notionals, loss and drawdown in quote units.

    max_position_*: of one symbol and position side, at its worst case. price_band: greatest distance of a price from the
    reference, as a fraction (0.05 = 5 %). max_daily_loss and max_drawdown stop new orders as soon as they are reached;
    reduce-only orders pass. self_trade: refuse an order that would cross a resting one of our own.
    """

    max_order_notional: Decimal | None = Decimal(10_000_000)
    max_position_notional: Decimal | None = None
    max_position_quantity: Mapping[Symbol, Decimal] = field(default_factory=dict)
    max_open_orders: int | None = None
    max_orders_per_window: int | None = None
    window_ms: int = 1_000
    price_band: Decimal | None = None
    allowed_symbols: frozenset[Symbol] | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    reference_price_age_max_ms: int = 10_000
    self_trade: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """No limit stands against the order. notional: what it was taken to be worth at most, None where nothing tells."""

    notional: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRefusal:
    """`limit` names the limit, `value` is what it is set to, `would_be` what the order would have made of it.

    limit: a field of RiskLimits, or filter_<the venue's filter>: those that need the book to judge. value, would_be: None where the thing is no number.
    """

    limit: str
    value: Decimal | None
    would_be: Decimal | None
    message: str


def check(  # noqa: PLR0917  each argument is a fact of another place, so that a caller can see all that a decision depends on
    request: OrderRequest,
    limits: RiskLimits,
    book: Book,
    reference: ReferencePrice | None,
    instrument: Instrument,
    now_ms: int,
    *,
    has_reduce_only: bool = True,
) -> Passed | RiskRefusal:
    """Whether the order may leave, should everything open and unknown happen at its worst. Cost does not grow with the book.

    The terms have passed `incoherent` and `check_terms`. reference counts while it is not older than its age limit; an order
    that cannot be judged without one is refused, except a reduce-only one, which the position caps.
    has_reduce_only False: the venue knows no such orders, so one passes as such that cannot turn what is held even if all that is open executes.
    """
    fresh = None
    if reference is not None and now_ms - reference.observed_at_ms <= limits.reference_price_age_max_ms:
        fresh = reference.price
    terms = request.terms
    shrinks = reduces_only(terms) or (not has_reduce_only and _can_only_shrink(request, book, fresh))
    notional = _notional(terms, fresh)
    return (
        _check_symbol(request.key.symbol, limits)
        or _check_reference(terms, limits, fresh, shrinks=shrinks)
        or _check_notional(notional, limits)
        or _check_band(terms, limits, fresh)
        or _check_position(request, limits, book, fresh)
        or _check_open_orders(request, limits, book, instrument)
        or _check_venue_position(request, book, instrument, fresh, now_ms)
        or _check_rate(limits, book, now_ms)
        or _check_day(limits, book, shrinks=shrinks)
        or _check_self_trade(request, limits, book, fresh)
        or Passed(notional=notional)
    )


def _notional(terms: Terms, reference: Decimal | None) -> Decimal | None:
    """The most the order can be worth. A sell may execute above its price, so it is taken at the market's if that is higher."""
    if terms.quote_quantity is not None:
        return terms.quote_quantity
    own = terms.price if terms.price is not None else terms.stop_price
    prices = [price for price in (own, reference) if price is not None]
    if terms.quantity is None or not prices:
        return None
    capped = terms.price is not None and terms.side is Side.BUY
    return multiply(terms.quantity, prices[0] if capped else max(prices))


def _check_symbol(symbol: Symbol, limits: RiskLimits) -> RiskRefusal | None:
    if limits.allowed_symbols is None or symbol in limits.allowed_symbols:
        return None
    return _refuse("allowed_symbols", None, None, f"{symbol} is not among the allowed symbols of this account")


def _check_reference(
    terms: Terms, limits: RiskLimits, reference: Decimal | None, *, shrinks: bool
) -> RiskRefusal | None:
    needed = (
        (terms.type is OrderType.MARKET and terms.quote_quantity is None and limits.max_order_notional is not None)
        or (terms.type is OrderType.LIMIT and limits.price_band is not None)
        or limits.max_position_notional is not None
        or (terms.quote_quantity is not None and bool(limits.max_position_quantity))
    )
    if reference is not None or not needed or shrinks:
        return None
    age = limits.reference_price_age_max_ms
    return _refuse(
        "reference_price_age_max_ms",
        Decimal(age),
        None,
        f"no reference price of the last {age} ms to judge the order by",
    )


def _check_notional(notional: Decimal | None, limits: RiskLimits) -> RiskRefusal | None:
    most = limits.max_order_notional
    if most is None or notional is None or notional <= most:
        return None
    return _refuse(
        "max_order_notional", most, notional, f"the order would be worth {notional}, at most {most} is allowed"
    )


def _check_band(terms: Terms, limits: RiskLimits, reference: Decimal | None) -> RiskRefusal | None:
    # A conditional order is priced for the moment of its trigger, so that is what its price is measured by.
    anchor = reference if terms.type is OrderType.LIMIT else terms.stop_price
    if limits.price_band is None or terms.price is None or anchor is None:
        return None
    distance = divide(subtract(terms.price, anchor).copy_abs(), anchor)
    if distance <= limits.price_band:
        return None
    message = f"price {terms.price} is {distance:.6f} away from {anchor}, at most {limits.price_band} is allowed"
    return _refuse("price_band", limits.price_band, distance, message)


def _check_position(
    request: OrderRequest, limits: RiskLimits, book: Book, reference: Decimal | None
) -> RiskRefusal | None:
    terms, symbol = request.terms, request.key.symbol
    most = limits.max_position_quantity.get(symbol)
    if most is None and limits.max_position_notional is None:
        return None
    before = book.exposure(symbol, terms.position_side)
    worst = worst_case(_with_request(before, terms), terms.side, reference)
    if worst <= worst_case(before, terms.side, reference):
        return None  # it can only shrink what is held
    if most is not None and worst > most:
        message = f"the position in {symbol} could become {worst}, at most {most} is allowed"
        return _refuse("max_position_quantity", most, worst, message)
    if limits.max_position_notional is None or reference is None:
        return None
    worth = multiply(worst, reference)
    if worth <= limits.max_position_notional:
        return None
    message = f"the position in {symbol} could become worth {worth}, at most {limits.max_position_notional} is allowed"
    return _refuse("max_position_notional", limits.max_position_notional, worth, message)


def _can_only_shrink(request: OrderRequest, book: Book, reference: Decimal | None) -> bool:
    """Whether what is held stays on its side of zero even if all that is open on the order's side executes: reduce-only in fact, where no order can be so by name."""
    terms = request.terms
    before = book.exposure(request.key.symbol, terms.position_side)
    if reference is None and (terms.quote_quantity is not None or before.quote_buys or before.quote_sells):
        return False
    return worst_case(_with_request(before, terms), terms.side, reference) <= 0


def _with_request(exposure: Exposure, terms: Terms) -> Exposure:
    name = part_name(terms.side, reducing=reduces_only(terms), quote=terms.quote_quantity is not None)
    amount = terms.quantity if terms.quantity is not None else terms.quote_quantity or ZERO
    return replace(exposure, **{name: add(getattr(exposure, name), amount)})


def _check_open_orders(
    request: OrderRequest, limits: RiskLimits, book: Book, instrument: Instrument
) -> RiskRefusal | None:
    symbol, most = request.key.symbol, limits.max_open_orders
    if most is not None and book.open_orders >= most:
        would_be = book.open_orders + 1
        message = f"{would_be} orders would be open in the account, at most {most} are allowed"
        return _refuse("max_open_orders", Decimal(most), Decimal(would_be), message)
    of_symbol, of_account = _venue_counts(instrument)
    for prefix, place, limits_of in (("", symbol, of_symbol), ("exchange_", None, of_account)):
        for kind in book.open.adds(request):
            most, count = limits_of[kind], book.open.of(place, kind)
            if most is not None and count >= most:
                limit = f"filter_{prefix}{kind.value.lower()}"
                where = f"in {symbol}" if place else "in the account"
                message = f"{count + 1} {kind.noun} would be open {where}, the venue allows {most}"
                return _refuse(limit, Decimal(most), Decimal(count + 1), message)
    return None


def _venue_counts(instrument: Instrument) -> tuple[dict[OpenKind, int | None], dict[OpenKind, int | None]]:
    """How many the venue lets be open at once: in the symbol, in the whole account."""
    of_symbol = {
        OpenKind.ORDER: instrument.open_orders_max,
        OpenKind.CONDITIONAL: instrument.open_algo_orders_max,
        OpenKind.ICEBERG: instrument.open_iceberg_orders_max,
        OpenKind.LIST: instrument.order_lists_max,
    }
    of_account = {
        OpenKind.ORDER: instrument.account_orders_max,
        OpenKind.CONDITIONAL: instrument.account_algo_orders_max,
        OpenKind.ICEBERG: instrument.account_iceberg_orders_max,
        OpenKind.LIST: instrument.account_order_lists_max,
    }
    return of_symbol, of_account


def _check_venue_position(
    request: OrderRequest, book: Book, instrument: Instrument, reference: Decimal | None, now_ms: int
) -> RiskRefusal | None:
    """MAX_POSITION: what is held of the base asset, what all open purchases would add, and this one.

    Held is what the venue last showed or what our fills made, whichever is more: one may lag behind the other.
    """
    most, terms = instrument.position_max, request.terms
    if most is None or terms.side is not Side.BUY:
        return None
    before = book.exposure(request.key.symbol, terms.position_side)
    held = max(before.quantity, book.wallet(request.key.symbol, instrument.base_asset, now_ms) or ZERO)
    after = _with_request(replace(before, quantity=held), terms)
    worst = worst_case(after, Side.BUY, reference)
    if worst <= most:
        return None
    room = subtract(most, worst_case(replace(before, quantity=held), Side.BUY, reference))
    nearest = floor_to(max(ZERO, room), instrument.step_size)
    message = (
        f"the account could hold {worst} {instrument.base_asset}, the venue allows {most}; quantity {nearest} would"
    )
    return _refuse("filter_max_position", most, worst, message)


def _check_rate(limits: RiskLimits, book: Book, now_ms: int) -> RiskRefusal | None:
    count, most = book.approvals_since(now_ms - limits.window_ms), limits.max_orders_per_window
    if most is None or count < most:
        return None
    message = f"it would be order {count + 1} within {limits.window_ms} ms, at most {most} are allowed"
    return _refuse("max_orders_per_window", Decimal(most), Decimal(count + 1), message)


def _check_day(limits: RiskLimits, book: Book, *, shrinks: bool) -> RiskRefusal | None:
    if book.day is None or shrinks:
        return None
    if limits.max_daily_loss is not None and book.day.loss >= limits.max_daily_loss:
        message = f"{book.day.loss} was lost today, the limit is {limits.max_daily_loss}: only reduce-only orders pass"
        return _refuse("max_daily_loss", limits.max_daily_loss, book.day.loss, message)
    if limits.max_drawdown is not None and book.day.drawdown >= limits.max_drawdown:
        message = f"equity is {book.day.drawdown} below its peak, the limit is {limits.max_drawdown}: only reduce-only orders pass"
        return _refuse("max_drawdown", limits.max_drawdown, book.day.drawdown, message)
    return None


def _check_self_trade(
    request: OrderRequest, limits: RiskLimits, book: Book, reference: Decimal | None
) -> RiskRefusal | None:
    terms = request.terms
    if not limits.self_trade or terms.type not in {OrderType.LIMIT, OrderType.MARKET}:
        return None  # what a stop meets when it triggers, nobody knows now
    price = terms.price if terms.price is not None else reference
    other = Side.SELL if terms.side is Side.BUY else Side.BUY
    resting = book.best_resting(request.key.symbol, other)
    if price is None or resting is None:
        return None
    crosses = resting <= price if terms.side is Side.BUY else resting >= price
    if not crosses:
        return None
    return _refuse("self_trade", resting, price, f"at {price} it would meet our own {other} order resting at {resting}")


def _refuse(limit: str, value: Decimal | None, would_be: Decimal | None, message: str) -> RiskRefusal:
    return RiskRefusal(limit=limit, value=value, would_be=would_be, message=message)
