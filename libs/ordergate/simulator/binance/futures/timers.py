"""What happens by itself at a moment of the venue's clock: dead-man's switches and orders that are good till a date."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Timers:
    """Actions by their moments; one that has become pointless does nothing when its moment comes."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        """Nothing is set."""
        self._count = 0
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []

    def at(self, moment_ms: int, action: Callable[[int], None]) -> None:
        """Call the action with that moment, once it has come."""
        self._count += 1
        heappush(self._heap, (moment_ms, self._count, action))

    def fire(self, now_ms: int) -> None:
        """Everything whose moment has come, in order."""
        while self._heap and self._heap[0][0] <= now_ms:
            moment_ms, _, action = heappop(self._heap)
            action(moment_ms)
