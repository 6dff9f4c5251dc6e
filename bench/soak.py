"""Memory over a long run: what each process holds after every part of it."""

from collections.abc import Callable

from bench.installation import running
from bench.load import sustain, warm_up
from bench.report import show_soak

PARTS = 4


async def soak(orders: int, *, say: Callable[[str], None]) -> None:
    """Without fsync, because it is memory that is looked at."""
    memory: dict[str, dict[str, float]] = {}
    async with running(durable=False) as installation:
        await warm_up(installation)
        for part in range(1, PARTS + 1):
            sustained = await sustain(installation, orders // PARTS)
            memory[str(orders // PARTS * part)] = sustained.memory
            say(f"{orders // PARTS * part:,} orders, the last at {sustained.orders_per_second:.0f} a second")
    show_soak(memory)
