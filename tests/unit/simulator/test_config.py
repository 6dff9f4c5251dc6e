"""What a simulator may be made of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ordergate.simulator.clock import VenueClock
from ordergate.simulator.config import SimulatorConfig


def test_defaults_have_the_usual_markets_and_the_documented_limits() -> None:
    config = SimulatorConfig()
    assert [row.symbol for row in config.symbols] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    limits = config.limits
    assert (limits.requests, limits.orders, limits.batch, limits.close) == (1000, 300, 100, 300)
    assert (str(config.max_order_notional), str(config.fees.maker), str(config.fees.taker)) == (
        "10000000",
        "0.0002",
        "0.0005",
    )


@pytest.mark.parametrize(
    "document",
    [
        {"seeds": 1},
        {"symbols": [{"symbol": "BTCUSDT"}]},
        {"symbols": [{"symbol": "BTCUSDT", "price": "0"}]},
        {"symbols": [{"symbol": "BTCUSDT", "price": "1"}, {"symbol": "BTCUSDT", "price": "1"}]},
        {"accounts": [{"account": "a"}, {"account": "a"}]},
        {"accounts": [{"account": "a", "keys": [{"key": "k", "secret": "s"}, {"key": "k", "secret": "t"}]}]},
        {"accounts": [{"account": "a", "keys": [{"key": "k", "secret": "s", "permissions": ["WITHDRAW"]}]}]},
        {"limits": {"requests": 0}},
        {"flow": {"takerRate": 2}},
        {"flow": {"takerNotionalMin": "10", "takerNotionalMax": "1"}},
    ],
)
def test_wrong_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulatorConfig.model_validate(document)


def test_secrets_do_not_show_in_a_repr() -> None:
    row = {"account": "a", "keys": [{"key": "zd_canary", "secret": "canary"}]}
    assert "canary" not in repr(SimulatorConfig.model_validate({"accounts": [row]}))


def test_venue_clock_is_the_given_clock_and_an_offset() -> None:
    clock = VenueClock(lambda: 1000)
    assert clock.now_ms() == 1000
    clock.offset_ms = -300
    assert clock.now_ms() == 700
