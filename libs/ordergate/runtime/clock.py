"""The machine's clock, behind ports.clock."""

import asyncio
import time


class SystemClock:
    """Wall clock and monotonic clock of this machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
