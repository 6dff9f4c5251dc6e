"""Which venue a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.front import BinanceVenue
from ordergate.simulator.binance.futures.dialect import build as build_futures
from ordergate.simulator.binance.spot.dialect import build as build_spot
from ordergate.simulator.venue import Venue

if TYPE_CHECKING:
    from ordergate.simulator.config import SimulatorConfig


def build_venue(config: SimulatorConfig) -> Venue | BinanceVenue:
    """Raises ValueError for a public key that is none."""
    if config.dialect == "zetarium":
        return Venue(config)
    return BinanceVenue(config, build_spot if config.dialect == "binance-spot" else build_futures)
