"""What a struck call does to the venue and what it is answered, without sockets; `connection` does to the wire what is left.

Order: the clock jumps -> the symbol halts -> the order is filled -> refused without being carried out -> legs refused -> carried out -> the answer replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ordergate.simulator.served import Request, Response

if TYPE_CHECKING:
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.faults import Effect
    from ordergate.simulator.served import Served
    from ordergate.simulator.sight import Sight

HTML_ERROR = b"<html><head><title>Error</title></head><body><h1>Service unavailable</h1></body></html>"
HTML_FORBIDDEN = (
    b"<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1><p>Request blocked.</p></body></html>"
)
Answer = Callable[[Request, "Sight | None"], Response]


def change_venue(venue: Served, clock: VenueClock, order_id: int | None, effect: Effect) -> None:
    """What happens at the venue before it looks at the request. order_id: of the order that the request speaks of."""
    if effect.offset_ms is not None:
        clock.offset_ms = effect.offset_ms
    for symbol, halted in effect.halts:
        venue.halt(symbol, halted=halted)
    if effect.filled_first and order_id:
        venue.fill(order_id, clock.now_ms())


def struck_answer(venue: Served, request: Request, effect: Effect, answer: Answer) -> Response:
    """Carry the request out, or not, and say what the client is to be told."""
    refused = _refusal(venue, effect)
    if refused is not None:
        return refused
    response = answer(
        venue.without_legs(request, effect.refused_legs) if effect.refused_legs else request, effect.sight
    )
    if effect.forbidden_after:
        return Response(403, HTML_FORBIDDEN, content_type="text/html")
    return _error(venue, effect) or response


def _refusal(venue: Served, effect: Effect) -> Response | None:
    if effect.retry_after_seconds is not None:
        return venue.refuse_by_limit(effect.retry_after_seconds, banned=effect.banned)
    if effect.forbidden_before:
        return Response(403, HTML_FORBIDDEN, content_type="text/html")
    if effect.revoked:
        return venue.refuse_key()
    return _error(venue, effect) if effect.error_before else None


def _error(venue: Served, effect: Effect) -> Response | None:
    if effect.error_status is None:
        return None
    if effect.error_body == "html":
        return Response(effect.error_status, HTML_ERROR, content_type="text/html")
    return venue.failed(effect.error_status, effect.error_code)
