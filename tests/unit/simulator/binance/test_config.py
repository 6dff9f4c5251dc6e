"""What a simulator of Binance may be made of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ordergate.simulator.config import SimulatorConfig


@pytest.mark.parametrize("dialect", ["binance-spot", "binance-futures"])
def test_binance_frees_ids_unless_told_otherwise(dialect: str) -> None:
    assert SimulatorConfig.model_validate({"dialect": dialect}).client_ids == "open_only"
    assert SimulatorConfig.model_validate({"dialect": dialect, "clientIds": "none"}).client_ids == "none"


def test_zetarium_keeps_ids_for_ever() -> None:
    assert SimulatorConfig().client_ids == "forever"
    assert SimulatorConfig.model_validate({"dialect": "zetarium"}).client_ids == "forever"


def test_symbols_of_spot_need_not_be_ascii_nor_quoted_in_usdt() -> None:
    rows = [
        {"symbol": "这是测试币456", "price": "2", "quoteAsset": "456"},
        {"symbol": "ETHBTC", "price": "0.05", "quoteAsset": "BTC"},
    ]
    config = SimulatorConfig.model_validate({"dialect": "binance-spot", "symbols": rows})
    assert [row.build().base_asset for row in config.symbols] == ["这是测试币", "ETH"]


@pytest.mark.parametrize(
    "document",
    [
        {"symbols": [{"symbol": "ETHBTC", "price": "0.05", "quoteAsset": "BTC"}]},
        {"dialect": "binance-futures", "symbols": [{"symbol": "ETHBTC", "price": "0.05", "quoteAsset": "BTC"}]},
        {"symbols": [{"symbol": "btcusdt", "price": "1"}]},
        {"accounts": [{"account": "a", "keys": [{"key": "k", "publicKey": "PEM"}]}]},
        {"dialect": "binance-spot", "accounts": [{"account": "a", "keys": [{"key": "k"}]}]},
        {
            "dialect": "binance-spot",
            "accounts": [{"account": "a", "keys": [{"key": "k", "secret": "s", "publicKey": "P"}]}],
        },
        {"dialect": "kraken"},
    ],
)
def test_what_a_dialect_does_not_know_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulatorConfig.model_validate(document)
