"""Inside a history the real clock and real chance are refused, where the real bus code would reach for them by default, too."""

import os
import secrets
import time
import uuid
from types import ModuleType

import pytest

from ordergate.runtime.clock import SystemClock
from ordergate.runtime.ledger import StreamLedger
from tests.integration.orders_at_hand import approved
from tests.simulation.ambient import AmbientUse, simulated
from tests.simulation.bus import SimBus
from tests.simulation.connection import connect
from tests.simulation.loop import Scheduler
from tests.simulation.test_same_claims import RESOURCES


@pytest.mark.parametrize(
    ("module", "name"),
    [(time, "time_ns"), (time, "monotonic"), (uuid, "uuid4"), (os, "urandom"), (secrets, "token_hex")],
)
def test_the_machine_is_not_asked(module: ModuleType, name: str) -> None:
    with simulated(), pytest.raises(AmbientUse, match=name):
        getattr(module, name)()


def test_a_ledger_with_the_machines_clock_or_chance_is_found_and_one_with_the_seeds_is_not() -> None:
    def append(*, ambient_clock: bool = False, ambient_chance: bool = False) -> str:
        scheduler = Scheduler(1)
        node, server = scheduler.node("one"), SimBus(scheduler, resources=RESOURCES)

        async def work() -> str:
            bus = await connect(server, node, service="one")
            ledger = StreamLedger(
                bus.jetstream,
                clock=SystemClock() if ambient_clock else node.clock,
                draw=secrets.token_hex if ambient_chance else bus.draw,
            )
            return repr(await ledger.append(*approved(1), after=0))

        try:
            return scheduler.complete(node, work(), seconds=10)
        finally:
            scheduler.close()

    with simulated():
        assert append() == append()
        with pytest.raises(AmbientUse, match="time_ns"):
            append(ambient_clock=True)
        with pytest.raises(AmbientUse, match="token_hex"):
            append(ambient_chance=True)
