"""Filters and reference prices in the bucket INSTRUMENTS (ports.market): status_polling posts them, risk watches them."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import fields
from decimal import Decimal

import structlog

from ordergate.ports.clock import Clock
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import Symbol, VenueName
from ordergate.trading.instrument import Instrument, ReferencePrice
from ordergate.wire import keys
from ordergate.wire.facts import decimal_text
from ordergate.wire.messages import InstrumentDocument, PriceDocument


class ShelfMarketBoard:
    """Posts. An instrument that has not changed is not posted again."""

    def __init__(self, shelf: BusShelf, *, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock
        self._posted: dict[str, Instrument | ReferencePrice] = {}

    async def post_instruments(self, venue: VenueName, instruments: list[Instrument]) -> None:
        for instrument in instruments:
            key = keys.instrument(venue, instrument.symbol)
            if self._posted.get(key) == instrument:
                continue
            await self._shelf.put(key, _instrument_document(instrument, self._clock.now_ms()).to_bytes())
            self._posted[key] = instrument

    async def post_prices(self, venue: VenueName, prices: list[ReferencePrice]) -> None:
        for price in prices:
            key = keys.price(venue, price.symbol)
            if self._posted.get(key) == price:
                continue
            document = PriceDocument(
                symbol=price.symbol, price=decimal_text(price.price), venue_time_ms=price.venue_time_ms
            )
            await self._shelf.put(key, document.to_bytes())
            self._posted[key] = price


class ShelfMarketData:
    """Reads: run `watch` for as long as the process lives; what it saw last is at hand without waiting."""

    def __init__(self, shelf: BusShelf, *, loaded: Callable[[], None]) -> None:
        self._shelf = shelf
        self._loaded = loaded
        self._instruments: dict[str, Instrument] = {}
        self._prices: dict[str, ReferencePrice] = {}

    def instrument(self, venue: VenueName, symbol: Symbol) -> Instrument | None:
        return self._instruments.get(keys.instrument(venue, symbol))

    def reference_price(self, venue: VenueName, symbol: Symbol) -> ReferencePrice | None:
        return self._prices.get(keys.price(venue, symbol))

    async def watch(self) -> None:
        async with aclosing(self._shelf.watch(keys.EVERYTHING)) as changes:
            async for change in changes:
                if change is None:
                    self._loaded()
                    continue
                self._take(*change)

    def _take(self, key: str, value: bytes | None) -> None:
        try:
            if value is None:
                self._forget(key)
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


def _instrument_document(instrument: Instrument, at_ms: int) -> InstrumentDocument:
    values = {field.name: getattr(instrument, field.name) for field in fields(instrument)}
    texts = {name: decimal_text(value) if isinstance(value, Decimal) else value for name, value in values.items()}
    return InstrumentDocument(**texts, at_ms=at_ms)


def _instrument_of(value: bytes) -> Instrument:
    document = InstrumentDocument.of(value)
    decimals = {
        "tick_size",
        "price_min",
        "price_max",
        "step_size",
        "quantity_min",
        "quantity_max",
        "market_quantity_max",
        "notional_min",
        "price_band_up",
        "price_band_down",
    }
    values = {field.name: getattr(document, field.name) for field in fields(Instrument)}
    return Instrument(
        **{name: Decimal(found) if name in decimals and found is not None else found for name, found in values.items()}
    )


def _price_of(value: bytes) -> ReferencePrice:
    document = PriceDocument.of(value)
    return ReferencePrice(
        symbol=Symbol(document.symbol), price=Decimal(document.price), venue_time_ms=document.venue_time_ms
    )
