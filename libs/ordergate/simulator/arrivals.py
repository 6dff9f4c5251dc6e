"""The last requests that reached the wire, with the moment of their first byte: what a bench times intent -> wire with."""

from __future__ import annotations

from collections import deque
from itertools import islice

KEPT_MAX = 200_000
Arrival = tuple[int, int, str, str | None, int]


class Arrivals:
    """A ring of (sequence, monotonic ns of the first byte, `METHOD /path` with `:id`, clientOrderId or None, status sent or 0 for none)."""

    __slots__ = ("_ring", "last_sequence")

    def __init__(self) -> None:
        """Nobody came yet; the first has sequence 1."""
        self._ring: deque[Arrival] = deque(maxlen=KEPT_MAX)
        self.last_sequence = 0

    def add(self, *, first_byte_ns: int, call: str, client_order_id: str | None, status: int) -> None:
        """Keep one request, in the order in which they were finished."""
        self.last_sequence += 1
        self._ring.append((self.last_sequence, first_byte_ns, call, client_order_id, status))

    def after(self, sequence: int) -> list[Arrival]:
        """Those with a greater sequence that are still kept."""
        first_kept = self.last_sequence - len(self._ring) + 1
        return list(islice(self._ring, max(0, sequence + 1 - first_kept), None))
