"""What the venue says no with: an HTTP status and the fields of its error envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ordergate.simulator.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Nothing was executed. `order` is filled only where the venue shows the order it would not touch (409 on a cancel)."""

    status: int
    code: str
    error: str
    reason: str | None = None
    order: Order | None = None


def invalid(error: str) -> Refusal:
    """400 of a request that does not follow the schema."""
    return Refusal(status=400, code="VALIDATION_ERROR", error=error)


def filtered(name: str, error: str) -> Refusal:
    """400 of an order that a symbol's filter stops; `name` is the filter's."""
    return Refusal(status=400, code="FILTER_FAILURE", error=error, reason=name)


def unauthorized(code: str, error: str) -> Refusal:
    """401 of a request whose sender, signature or moment is not accepted."""
    return Refusal(status=401, code=code, error=error)


ORDER_NOT_FOUND = Refusal(status=404, code="ORDER_NOT_FOUND", error="Order not found")
POSITION_NOT_FOUND = Refusal(status=404, code="POSITION_NOT_FOUND", error="Position not found")
NOTHING_TO_REDUCE = Refusal(
    status=400, code="REDUCE_ONLY_REJECTED", error="Reduce-only order would not reduce a position"
)
INSUFFICIENT_BALANCE = Refusal(status=400, code="INSUFFICIENT_BALANCE", error="Insufficient balance")
CLIENT_ORDER_ID_IN_USE = Refusal(
    status=409, code="CLIENT_ORDER_ID_IN_USE", error="clientOrderId already used by another account"
)
CLIENT_ORDER_ID_OPEN = Refusal(
    status=409, code="CLIENT_ORDER_ID_IN_USE", error="clientOrderId is that of an open order"
)
