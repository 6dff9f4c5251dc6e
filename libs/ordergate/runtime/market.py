"""Filters and reference prices in the bucket INSTRUMENTS (ports.market): status_polling posts them, risk watches them."""

from collections.abc import Collection, Sequence
from contextlib import aclosing
from decimal import Decimal

import structlog

from ordergate.ports.clock import Clock
from ordergate.ports.market import Wallet
from ordergate.ports.venue import Balance, VenuePrice
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.amounts import is_bounded
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice
from ordergate.wire import keys
from ordergate.wire.facts import decimal_text
from ordergate.wire.messages import InstrumentDocument, PriceDocument, WalletDocument

_UNSAID = object()


class ShelfMarketBoard:
    """Posts. An instrument that has not changed is not posted again."""

    def __init__(self, shelf: BusShelf, *, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock
        self._posted: dict[str, Instrument | None] = {}  # None: said that there is none
        self._posted_prices: dict[str, VenuePrice] = {}

    async def post_instruments(self, venue: VenueName, instruments: list[Instrument]) -> None:
        for instrument in instruments:
            key = keys.instrument(venue, instrument.symbol)
            if self._posted.get(key) == instrument:
                continue
            await self._shelf.put(key, _instrument_document(instrument, self._clock.now_ms()).to_bytes())
            self._posted[key] = instrument

    async def withdraw_instruments(self, venue: VenueName, symbols: list[Symbol]) -> None:
        """A deletion, also of what was never there: it tells a reader that the list was read."""
        for symbol in symbols:
            key = keys.instrument(venue, symbol)
            if self._posted.get(key, _UNSAID) is not None:
                await self._shelf.delete(key)
                self._posted[key] = None

    async def post_wallet(
        self, venue: VenueName, account: AccountName, balances: Sequence[Balance], *, asked_at_ms: int
    ) -> None:
        assets = {each.asset: decimal_text(each.wallet) for each in balances if each.wallet}
        document = WalletDocument(assets=assets, asked_at_ms=asked_at_ms)
        await self._shelf.put(keys.wallet(venue, account), document.to_bytes())

    async def post_prices(self, venue: VenueName, prices: list[VenuePrice]) -> None:
        for price in prices:
            key = keys.price(venue, price.symbol)
            before = self._posted_prices.get(key)
            if before is not None and before.venue_time_ms == price.venue_time_ms:
                continue
            now_ms = self._clock.now_ms()
            document = PriceDocument(
                symbol=price.symbol,
                price=decimal_text(price.price),
                venue_time_ms=price.venue_time_ms,
                # How long the first one has stood only the venue's own time can tell.
                observed_at_ms=now_ms if before is not None else min(now_ms, price.venue_time_ms),
            )
            await self._shelf.put(key, document.to_bytes())
            self._posted_prices[key] = price


class ShelfMarketData:
    """Reads: run `watch` for as long as the process lives; what it saw last is at hand without waiting.

    announced: of which symbols something will be said, because somebody is configured to trade them; of others only what stands there already.
    """

    def __init__(self, shelf: BusShelf, *, announced: Collection[tuple[VenueName, Symbol]] = ()) -> None:
        self._shelf = shelf
        self._unsaid = {key(venue, symbol) for venue, symbol in announced for key in (keys.instrument, keys.price)}
        self._has_read = False  # all that stood there when this process began
        self._instruments: dict[str, Instrument] = {}
        self._prices: dict[str, ReferencePrice] = {}
        self._wallets: dict[str, Wallet] = {}

    def instrument(self, venue: VenueName, symbol: Symbol) -> Instrument | None:
        return self._instruments.get(keys.instrument(venue, symbol))

    def reference_price(self, venue: VenueName, symbol: Symbol) -> ReferencePrice | None:
        return self._prices.get(keys.price(venue, symbol))

    def wallet(self, venue: VenueName, account: AccountName) -> Wallet | None:
        return self._wallets.get(keys.wallet(venue, account))

    def knows(self, venue: VenueName, symbol: Symbol) -> bool:
        """Whether an order in this symbol can be judged at all."""
        return self.instrument(venue, symbol) is not None and self.reference_price(venue, symbol) is not None

    def awaits(self, venue: VenueName, symbol: Symbol) -> bool:
        return not self._has_read or keys.instrument(venue, symbol) in self._unsaid

    def knows_any(self, venue: VenueName) -> bool:
        return any(key.startswith(keys.instruments_of(venue)) for key in self._instruments)

    def awaits_price(self, venue: VenueName, symbol: Symbol) -> bool:
        return not self._has_read or keys.price(venue, symbol) in self._unsaid

    async def watch(self) -> None:
        async with aclosing(self._shelf.watch(keys.EVERYTHING)) as changes:
            async for change in changes:
                if change is None:
                    self._has_read = True
                else:
                    self._take(*change)

    def _take(self, key: str, value: bytes | None) -> None:
        self._unsaid.discard(key)
        try:
            if value is None:
                self._forget(key)
            elif keys.is_wallet(key):
                self._wallets[key] = _wallet_of(value)
            elif keys.is_instrument(key):
                self._instruments[key] = _instrument_of(value)
            else:
                self._prices[key] = _price_of(value)
        except Unreadable as error:
            # What stood before may be wrong by now: without an entry risk refuses, which says that something is.
            structlog.get_logger("market").error("an entry cannot be read", key=key, error=str(error))
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._instruments.pop(key, None)
        self._prices.pop(key, None)
        self._wallets.pop(key, None)


def _instrument_document(instrument: Instrument, at_ms: int) -> InstrumentDocument:
    return InstrumentDocument(
        symbol=instrument.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        trading=instrument.trading,
        tick_size=decimal_text(instrument.tick_size),
        price_min=_limit_text(instrument.price_min),
        price_max=_limit_text(instrument.price_max),
        step_size=decimal_text(instrument.step_size),
        quantity_min=decimal_text(instrument.quantity_min),
        quantity_max=_limit_text(instrument.quantity_max),
        market_quantity_max=_limit_text(instrument.market_quantity_max),
        notional_min=_limit_text(instrument.notional_min),
        open_orders_max=instrument.open_orders_max,
        price_band_up=_limit_text(instrument.price_band_up),
        price_band_down=_limit_text(instrument.price_band_down),
        ask_price_band_up=_limit_text(instrument.ask_price_band_up),
        ask_price_band_down=_limit_text(instrument.ask_price_band_down),
        price_band_slack=decimal_text(instrument.price_band_slack),
        market_quantity_min=_limit_text(instrument.market_quantity_min),
        market_step_size=decimal_text(instrument.market_step_size),
        notional_min_for_market=instrument.notional_min_for_market,
        notional_max=_limit_text(instrument.notional_max),
        notional_max_for_market=instrument.notional_max_for_market,
        iceberg_parts_max=instrument.iceberg_parts_max,
        position_max=_limit_text(instrument.position_max),
        trailing_above_min=instrument.trailing_above_min,
        trailing_above_max=instrument.trailing_above_max,
        trailing_below_min=instrument.trailing_below_min,
        trailing_below_max=instrument.trailing_below_max,
        open_algo_orders_max=instrument.open_algo_orders_max,
        open_iceberg_orders_max=instrument.open_iceberg_orders_max,
        order_lists_max=instrument.order_lists_max,
        account_orders_max=instrument.account_orders_max,
        account_algo_orders_max=instrument.account_algo_orders_max,
        account_iceberg_orders_max=instrument.account_iceberg_orders_max,
        account_order_lists_max=instrument.account_order_lists_max,
        price_origin=decimal_text(instrument.price_origin),
        at_ms=at_ms,
    )


def _instrument_of(value: bytes) -> Instrument:
    document = InstrumentDocument.of(value)
    return Instrument(
        symbol=Symbol(document.symbol),
        base_asset=document.base_asset,
        quote_asset=document.quote_asset,
        trading=document.trading,
        tick_size=_amount(document.tick_size),
        price_min=_limit(document.price_min),
        price_max=_limit(document.price_max),
        step_size=_amount(document.step_size),
        quantity_min=_amount(document.quantity_min),
        quantity_max=_limit(document.quantity_max),
        market_quantity_max=_limit(document.market_quantity_max),
        notional_min=_limit(document.notional_min),
        open_orders_max=document.open_orders_max,
        price_band_up=_limit(document.price_band_up),
        price_band_down=_limit(document.price_band_down),
        ask_price_band_up=_limit(document.ask_price_band_up),
        ask_price_band_down=_limit(document.ask_price_band_down),
        price_band_slack=_amount(document.price_band_slack),
        market_quantity_min=_limit(document.market_quantity_min),
        market_step_size=_amount(document.market_step_size),
        notional_min_for_market=document.notional_min_for_market,
        notional_max=_limit(document.notional_max),
        notional_max_for_market=document.notional_max_for_market,
        iceberg_parts_max=document.iceberg_parts_max,
        position_max=_limit(document.position_max),
        trailing_above_min=document.trailing_above_min,
        trailing_above_max=document.trailing_above_max,
        trailing_below_min=document.trailing_below_min,
        trailing_below_max=document.trailing_below_max,
        open_algo_orders_max=document.open_algo_orders_max,
        open_iceberg_orders_max=document.open_iceberg_orders_max,
        order_lists_max=document.order_lists_max,
        account_orders_max=document.account_orders_max,
        account_algo_orders_max=document.account_algo_orders_max,
        account_iceberg_orders_max=document.account_iceberg_orders_max,
        account_order_lists_max=document.account_order_lists_max,
        price_origin=_amount(document.price_origin),
    )


def _limit_text(limit: Decimal | None) -> str | None:
    return None if limit is None else decimal_text(limit)


def _limit(text: str | None) -> Decimal | None:
    return None if text is None else _amount(text)


def _amount(text: str) -> Decimal:
    """Raises Unreadable for what no filter and no price can be: negative, or too long to calculate with."""
    amount = Decimal(text)
    if amount < 0 or not is_bounded(amount):
        raise Unreadable("an entry with an amount that is none")
    return amount


def _wallet_of(value: bytes) -> Wallet:
    document = WalletDocument.of(value)
    assets = {asset: _amount(held) for asset, held in document.assets.items()}
    return Wallet(assets=assets, asked_at_ms=document.asked_at_ms)


def _price_of(value: bytes) -> ReferencePrice:
    document = PriceDocument.of(value)
    price = _amount(document.price)
    if price == 0:
        raise Unreadable("a reference price of zero")
    return ReferencePrice(
        symbol=Symbol(document.symbol),
        price=price,
        observed_at_ms=document.venue_time_ms if document.observed_at_ms is None else document.observed_at_ms,
    )
