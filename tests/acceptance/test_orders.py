"""The main job, seen by a stranger with a bare NATS client."""

from tests.acceptance.desk import Desk


async def test_hand_written_json_becomes_an_order_and_a_fill(desk: Desk) -> None:
    order_id = await desk.place()
    order = await desk.wait_order(order_id)
    assert order["state"] == "filled"
    assert await desk.states(order_id) == ["approved", "submitting", "filled"]
