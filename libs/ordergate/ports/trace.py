"""Spans of orders. The trace is the order itself, so a span needs only its clientOrderId to find its trace."""

from collections.abc import Mapping
from typing import Protocol

from ordergate.trading.ids import ClientOrderId


class Trace(Protocol):
    def now_ns(self) -> int:
        """Wall clock, UTC nanoseconds: the time line of all spans."""

    def span(
        self,
        name: str,
        order: ClientOrderId,
        began_ns: int,
        *,
        attributes: Mapping[str, str | int | None],
        error_id: str | None = None,
        parent: str | None = None,
    ) -> None:
        """Record a span that ends now. Only notes it: spans are built and exported off the caller's path.

        parent: a W3C traceparent, if the message carried one. Attribute names without a dot get the prefix `ordergate.`;
        None values are left out.
        """
