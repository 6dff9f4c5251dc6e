"""A small part of `make cluster-test`: what one node promises, three promise too, also while the leader of the ledger changes."""

import asyncio
from pathlib import Path

from ordergate.ports.ledger import Won
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import connect
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.ledger import StreamLedger
from ordergate.runtime.provision import provision, resources
from ordergate.wire import streams
from tests.cluster.nodes import NODES, cluster
from tests.integration.orders_at_hand import ACCOUNT, VENUE, approved

ORDERS = 60
WRITERS = 4


async def test_each_order_has_one_winner_while_the_leader_of_the_ledger_changes(tmp_path: Path) -> None:
    async with cluster(tmp_path, sync_always=False) as nodes:
        buses = [await connect(nodes.url, service=f"writer{number}") for number in range(WRITERS)]
        try:
            await provision(
                buses[0].jetstream,
                resources(
                    streams=streams.streams(replicas=NODES), consumers=streams.consumers(VENUE, ACCOUNT, replicas=NODES)
                ),
            )
            ledgers = [StreamLedger(bus.jetstream, clock=SystemClock()) for bus in buses]
            led, winners = "", list[int]()
            for number in range(ORDERS):
                if number == ORDERS // 2:
                    led = await nodes.step_down(streams.ORDERS)
                answers = await asyncio.gather(*(ledger.append(*approved(number), after=0) for ledger in ledgers))
                winners.append(sum(isinstance(answer, Won) for answer in answers))
            assert winners == [1] * ORDERS
            info = await buses[0].jetstream.api(f"STREAM.INFO.{streams.ORDERS}")
            assert not isinstance(info, Refusal)
            assert info["state"]["messages"] == ORDERS
            assert info["config"]["num_replicas"] == NODES
            assert led
            assert len(info["cluster"]["replicas"]) == NODES - 1
        finally:
            for bus in buses:
                await bus.close()
