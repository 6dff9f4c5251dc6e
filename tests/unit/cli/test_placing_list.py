"""An order of a list as it is said on the command line."""

from decimal import Decimal

import pytest

from ordergate.cli.exits import WrongUsage
from ordergate.cli.placing_list import read_leg


def test_an_order_is_said_in_words() -> None:
    assert read_leg("sell limit 0.01 price=70000 post-only id=mine tif=gtc") == {
        "side": "SELL",
        "type": "LIMIT",
        "quantity": Decimal("0.01"),
        "price": Decimal(70_000),
        "post_only": True,
        "client_order_id": "mine",
        "time_in_force": "GTC",
    }
    stop = read_leg("BUY STOP_MARKET 1 stop=60000 trailing=50")
    assert (stop["stop_price"], stop["trailing_delta"]) == (Decimal(60_000), 50)


@pytest.mark.parametrize(
    "text", ["", "SELL LIMIT", "SELL LIMIT much", "SELL LIMIT 1 price", "SELL LIMIT 1 at=5", "SELL LIMIT 1 id="]
)
def test_what_is_no_order_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsage):
        read_leg(text)
