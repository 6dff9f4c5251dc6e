"""The whole front of the exchange, without sockets: one request in, one response out, at a given moment.

Order of checks: route -> gate (key, address, expiry, signature, timestamp, replay, permission) -> rate limit -> parse -> known id -> filters -> risk cap ->
margin -> engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from ordergate.simulator.exchange import Exchange
from ordergate.simulator.gate import Gate
from ordergate.simulator.limits import RateLimits
from ordergate.simulator.refusal import Refusal, invalid
from ordergate.simulator.render import order_row
from ordergate.simulator.routes import Answer, Call, Route, find_route
from ordergate.simulator.signing import parse_query

if TYPE_CHECKING:
    from ordergate.simulator.config import SimulatorConfig
    from ordergate.simulator.limits import Verdict
    from ordergate.simulator.sight import Sight


@dataclass(slots=True, eq=False)
class Request:
    """One HTTP request as received: the query is raw, header names were lower-cased."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    address: str


@dataclass(slots=True, eq=False)
class Response:
    """One HTTP response without its frame."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


class Venue:
    """Gate, limits and exchange behind the routes of docs/venues/zetarium.md."""

    def __init__(self, config: SimulatorConfig) -> None:
        """An exchange that nobody has asked anything yet."""
        self.exchange = Exchange(config)
        self.limits = RateLimits(config.limits)
        self._gate = Gate(config.accounts)
        self._seed = config.seed
        self._errors = 0

    def handle(self, request: Request, now_ms: int, sight: Sight | None = None) -> Response:
        """Answer one request of a client. sight: what a read of it sees, if not the books as they are."""
        route, order_id = find_route(request.method, request.path)
        if route is None:
            return self.refuse(Refusal(status=404, code="ROUTE_NOT_FOUND", error="Not found"))
        call = self._admit(route, request, now_ms)
        if isinstance(call, Refusal):
            return self.refuse(call)
        headers: tuple[tuple[str, str], ...] = ()
        if route.buckets:
            subject = ("account", call.account.name) if call.account else ("address", request.address)
            verdict = self.limits.take(*subject, route.buckets, now_ms)  # type: ignore[arg-type]
            headers = limit_headers(verdict)
            if verdict.refused:
                return self.refuse_by_limit(verdict.reset_seconds, headers)
        call.path_id = order_id
        call.sight = sight
        answer = route.answer(self.exchange, call)
        if isinstance(answer, Refusal):
            return self.refuse(answer, headers)
        return Response(200, orjson.dumps(self._with_error_ids(answer)), headers)

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """As its owner does on the exchange's own pages; False: there is no such key."""
        return self._gate.revoke(key, revoked=revoked)

    def refuse(self, refusal: Refusal, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        """The error envelope."""
        return Response(refusal.status, orjson.dumps(self._envelope(refusal)), headers)

    def refuse_by_limit(
        self, reset_seconds: int, headers: tuple[tuple[str, str], ...], *, status: int = 429
    ) -> Response:
        """429, or 418 to one who went on, with `retry-after`."""
        body = {"ok": False, "error": "Rate limit exceeded, retry in 1 minute", "errorId": self._next_error_id()}
        return Response(status, orjson.dumps(body), (*headers, ("retry-after", str(reset_seconds))))

    def _admit(self, route: Route, request: Request, now_ms: int) -> Call | Refusal:
        if not route.signed:
            try:
                parameters = dict(parse_query(request.query))
            except ValueError:
                return invalid("Malformed query")
            return Call(account=None, parameters=parameters, body=b"", now_ms=now_ms)
        caller = self._gate.admit(
            key=request.headers.get("x-api-key"),
            raw_query=request.query,
            address=request.address,
            trades=route.trades,
            now_ms=now_ms,
        )
        if isinstance(caller, Refusal):
            return caller
        account = self.exchange.accounts[caller.account]
        return Call(account=account, parameters=caller.parameters, body=request.body, now_ms=now_ms)

    def _with_error_ids(self, answer: Answer) -> Answer:
        results = answer.get("results")
        if isinstance(results, list):  # a batch: each refused order carries an envelope of its own
            answer["results"] = [self._envelope(row) if isinstance(row, Refusal) else row for row in results]
        return answer

    def _envelope(self, refusal: Refusal) -> Answer:
        body: Answer = {
            "ok": False,
            "error": refusal.error,
            "errorId": self._next_error_id(),
            "code": refusal.code,
        }
        if refusal.reason is not None:
            body["reason"] = refusal.reason
        if refusal.order is not None:
            body["order"] = order_row(refusal.order)
        return body

    def _next_error_id(self) -> str:
        self._errors += 1
        return f"zerr-{self._seed}-{self._errors:08d}"


def limit_headers(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The three `x-ratelimit-*` headers."""
    return (
        ("x-ratelimit-limit", str(verdict.limit)),
        ("x-ratelimit-remaining", str(verdict.remaining)),
        ("x-ratelimit-reset", str(verdict.reset_seconds)),
    )
