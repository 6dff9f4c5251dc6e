"""What a struck call does to the venue and what it is answered, without sockets; `connection` does to the wire what is left.

Order: the clock jumps -> the symbol halts -> the order is filled -> refused without being carried out -> legs refused -> carried out -> the answer replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from ordergate.simulator.refusal import Refusal, unauthorized
from ordergate.simulator.routes import find_route
from ordergate.simulator.venue import Request, Response

if TYPE_CHECKING:
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.faults import Effect
    from ordergate.simulator.sight import Sight
    from ordergate.simulator.venue import Venue

HTML_ERROR = b"<html><head><title>Error</title></head><body><h1>Service unavailable</h1></body></html>"
HTML_FORBIDDEN = (
    b"<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1><p>Request blocked.</p></body></html>"
)
Answer = Callable[[Request, "Sight | None"], Response]


def change_venue(venue: Venue, clock: VenueClock, request: Request, effect: Effect) -> None:
    """What happens at the venue before it looks at the request."""
    if effect.offset_ms is not None:
        clock.offset_ms = effect.offset_ms
    for symbol, halted in effect.halts:
        market = venue.exchange.markets.get(symbol)
        if market is not None:
            market.halted = halted
    if effect.filled_first:
        _, order_id = find_route(request.method, request.path)
        if order_id:
            venue.exchange.fill(order_id, clock.now_ms())


def struck_answer(venue: Venue, request: Request, effect: Effect, answer: Answer) -> Response:
    """Carry the request out, or not, and say what the client is to be told."""
    refused = _refusal(venue, effect)
    if refused is not None:
        return refused
    response = answer(_without_legs(request, effect.refused_legs), effect.sight)
    if effect.forbidden_after:
        return Response(403, HTML_FORBIDDEN, content_type="text/html")
    if effect.error_status is None:
        return response
    if effect.error_body == "html":
        return Response(effect.error_status, HTML_ERROR, content_type="text/html")
    return venue.refuse(Refusal(status=effect.error_status, code=effect.error_code, error="Internal error"))


def _refusal(venue: Venue, effect: Effect) -> Response | None:
    if effect.retry_after_seconds is not None:
        seconds = effect.retry_after_seconds
        headers = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(seconds)))
        return venue.refuse_by_limit(seconds, headers, status=418 if effect.banned else 429)
    if effect.forbidden_before:
        return Response(403, HTML_FORBIDDEN, content_type="text/html")
    if effect.revoked:
        return venue.refuse(unauthorized("INVALID_API_KEY", "Invalid API key"))
    return None


def _without_legs(request: Request, legs: tuple[int, ...]) -> Request:
    """The batch with these legs made such that the venue refuses them, and only them."""
    if not legs:
        return request
    document = orjson.loads(request.body)
    rows = document.get("orders") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return request
    body = orjson.dumps({"orders": [{} if at in legs else row for at, row in enumerate(rows)]})
    return Request(request.method, request.path, request.query, request.headers, body, request.address)
