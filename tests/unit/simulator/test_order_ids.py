"""Client order ids in the three modes of the configuration."""

from __future__ import annotations

import pytest

from ordergate.simulator.exchange import Placed
from ordergate.simulator.orders import Order, Status
from tests.unit.simulator.desk import Desk, VenueClient, read


def _orders(desk: Desk, client_order_id: str) -> list[Order]:
    return desk.exchange.orders_by_client_id(desk.exchange.accounts["main"], client_order_id)


def _filled(desk: Desk) -> Order:
    desk.place("SELL", "1", account="other", price="100")
    order = desk.place("BUY", "1", price="100", client_order_id="a")
    assert order.status is Status.FILLED
    return order


def test_a_finished_order_keeps_its_id_for_ever_by_default() -> None:
    desk = Desk()
    first = _filled(desk)
    again = desk.try_place("BUY", "1", price="99", client_order_id="a")
    assert again == Placed(order=first, idempotent=True)


def test_a_finished_order_frees_its_id_where_ids_are_open_only_so_a_blind_resend_doubles() -> None:
    desk = Desk(clientIds="open_only")
    first = _filled(desk)
    second = desk.place("BUY", "1", price="99", client_order_id="a")
    assert second is not first
    assert [order.id for order in _orders(desk, "a")] == [first.id, second.id]


def test_an_open_order_refuses_its_id_where_ids_are_open_only() -> None:
    desk = Desk(clientIds="open_only")
    desk.place("BUY", "1", price="99", client_order_id="a")
    assert desk.refused("BUY", "1", price="99", client_order_id="a") == "CLIENT_ORDER_ID_IN_USE"
    assert len(_orders(desk, "a")) == 1


def test_an_open_order_of_another_account_takes_no_id_where_ids_are_open_only() -> None:
    desk = Desk(clientIds="open_only")
    desk.place("BUY", "1", account="other", price="99", client_order_id="a")
    assert desk.place("BUY", "1", price="99", client_order_id="a").account is desk.exchange.accounts["main"]


def test_every_request_is_an_order_where_ids_are_not_checked() -> None:
    desk = Desk(clientIds="none")
    for _ in range(3):
        desk.place("BUY", "1", price="99", client_order_id="a")
    assert len(_orders(desk, "a")) == 3


@pytest.mark.parametrize(("mode", "shown"), [("forever", 1), ("open_only", 2), ("none", 2)])
def test_the_list_shows_every_order_of_an_id_oldest_first(mode: str, shown: int) -> None:
    client = VenueClient(clientIds=mode)
    for _ in range(2):
        placed = read(client.place(clientOrderId="a"))
        client.send("DELETE", f"/v2/orders/{placed['order']['id']}")
    rows = read(client.send("GET", "/v2/orders", query="clientOrderId=a"))["orders"]
    assert [row["id"] for row in rows] == [str(number) for number in range(1, shown + 1)]
