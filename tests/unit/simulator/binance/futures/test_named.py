"""How faults and arrivals name what a call of futures speaks of."""

from __future__ import annotations

import pytest

from tests.unit.simulator.binance.desk import ORDER, VenueDesk


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"newClientOrderId": "new"}, "new"),
        ({"clientAlgoId": "stop"}, "stop"),
        ({"origClientOrderId": "unknown"}, "unknown"),
        ({"algoId": "7"}, None),
    ],
)
def test_call_bears_the_clients_name_for_its_order(parameters: dict[str, str], name: str | None) -> None:
    named = VenueDesk("binance-futures").venue.named_by("any call", parameters)
    assert (named.client_order_id, named.order_id) == (name, None)


def test_order_that_is_there_is_named_with_its_number() -> None:
    desk = VenueDesk("binance-futures")
    desk.ask("POST", "/fapi/v1/order", **ORDER, newClientOrderId="mine")
    named = desk.venue.named_by("any call", {"origClientOrderId": "mine"})
    assert (named.client_order_id, named.order_id) == ("mine", 1)
