"""The venue's own clock: a given clock, shifted by what a test asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class VenueClock:
    """Milliseconds since 1970, UTC, as the venue believes them to be."""

    __slots__ = ("_base_ms", "offset_ms")

    def __init__(self, base_ms: Callable[[], int], *, offset_ms: int = 0) -> None:
        """`base_ms` is asked at every reading."""
        self._base_ms = base_ms
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        """The venue's time."""
        return self._base_ms() + self.offset_ms
