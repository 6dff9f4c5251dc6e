"""What public clients ask of Binance's wallet (`/sapi`) before they trade: which coins there are, and that nothing can be bought on margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.simulator.binance.operations import Call, Engine, Operation, Security

if TYPE_CHECKING:
    from ordergate.simulator.config import SimulatorConfig


def wallet_operations(config: SimulatorConfig) -> tuple[Operation[Engine], ...]:
    """On the one address that stands for all hosts of Binance. Balances are not told here: `account` has them."""
    symbols = [row.build() for row in config.symbols]
    assets = {asset for symbol in symbols for asset in (symbol.base_asset, symbol.quote_asset)}
    coins = [_coin(asset) for asset in sorted(assets)]

    def all_coins(engine: Engine, call: Call) -> object:
        del engine, call
        return coins

    def no_pairs(engine: Engine, call: Call) -> object:
        del engine, call
        return []

    return (
        Operation(
            name="capital/config/getall",
            method="GET",
            path="/sapi/v1/capital/config/getall",
            answer=all_coins,
            security=Security.SIGNED_READ,
            weight=10,
        ),
        Operation(
            name="margin/allPairs",
            method="GET",
            path="/sapi/v1/margin/allPairs",
            answer=no_pairs,
            security=Security.KEY,
            optional=None,
        ),
        Operation(
            name="margin/isolated/allPairs",
            method="GET",
            path="/sapi/v1/margin/isolated/allPairs",
            answer=no_pairs,
            security=Security.KEY,
            optional=None,
        ),
    )


def _coin(asset: str) -> dict[str, object]:
    return {
        "coin": asset,
        "name": asset,
        "trading": True,
        "isLegalMoney": False,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": "0",
        "locked": "0",
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "networkList": [],
    }
