"""The whole front of the exchange, without sockets: one request in, one response out, at a given moment.

Order of checks: route -> gate (key, address, expiry, signature, timestamp, replay, permission) -> rate limit -> parse -> known id -> filters -> risk cap ->
margin -> engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from ordergate.simulator.exchange import Exchange
from ordergate.simulator.gate import Gate
from ordergate.simulator.ledger import ledger
from ordergate.simulator.limits import RateLimits
from ordergate.simulator.refusal import Refusal, invalid, unauthorized
from ordergate.simulator.render import order_row
from ordergate.simulator.routes import Answer, Call, Route, find_route
from ordergate.simulator.served import Named, Request, Response
from ordergate.simulator.signing import parse_query

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.config import SimulatorConfig
    from ordergate.simulator.limits import Verdict
    from ordergate.simulator.render import Row
    from ordergate.simulator.served import Forced
    from ordergate.simulator.sight import Sight


class Venue:
    """Gate, limits and exchange behind the routes of docs/venues/zetarium.md."""

    def __init__(self, config: SimulatorConfig) -> None:
        """An exchange that nobody has asked anything yet."""
        self.exchange = Exchange(config)
        self.limits = RateLimits(config.limits)
        self._gate = Gate(config.accounts)
        self._seed = config.seed
        self._errors = 0

    def handle(
        self, request: Request, now_ms: int, sight: Sight | None = None, *, received_ms: int | None = None
    ) -> Response:
        """Answer one request of a client. sight: what a read of it sees, if not the books as they are. The gate judges now, whenever it was received."""
        del received_ms
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
                return self._refuse_by_limit(verdict.reset_seconds, headers, status=429)
        call.path_id = order_id
        call.sight = sight
        answer = route.answer(self.exchange, call)
        if isinstance(answer, Refusal):
            return self._refuse(answer, headers)
        return Response(200, orjson.dumps(self._with_error_ids(answer)), headers)

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """As its owner does on the exchange's own pages; False: there is no such key."""
        return self._gate.revoke(key, revoked=revoked)

    def named(self, request: Request) -> Named:
        """By its path, its body or its query, in this order."""
        route, order_id = find_route(request.method, request.path)
        return Named(
            call=route.name if route else f"{request.method} {request.path[:100]}",
            client_order_id=self._client_order_id(request, order_id),
            order_id=order_id,
        )

    def advance(self, now_ms: int) -> None:
        """Let the background flow act."""
        self.exchange.advance(now_ms)

    def halt(self, symbol: str, *, halted: bool) -> None:
        """Stop or resume trading of a symbol; one that is not there is left alone."""
        market = self.exchange.markets.get(symbol)
        if market is not None:
            market.halted = halted

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order. False: it is not resting."""
        return self.exchange.fill(order_id, now_ms)

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> str | None:
        """Move a market; its mark price then. None: no such symbol."""
        if not self.exchange.set_price(symbol, price, now_ms):
            return None
        market = self.exchange.markets[symbol]
        return market.symbol.price_text(market.mark)

    def force(self, forced: Forced, now_ms: int) -> str | None:
        """Nothing of the kind is documented."""
        del forced, now_ms
        return None

    def ledger(self, account: str | None) -> Row:
        """The books of one account or all."""
        return ledger(self.exchange, account)

    def refuse(self, refusal: Refusal) -> Response:
        """The error envelope."""
        return self._refuse(refusal, ())

    def refuse_by_limit(self, seconds: int, *, banned: bool) -> Response:
        """429, or 418 to one who went on, with `retry-after`."""
        headers = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(seconds)))
        return self._refuse_by_limit(seconds, headers, status=418 if banned else 429)

    def refuse_key(self) -> Response:
        """What a key that was taken away is told."""
        return self.refuse(unauthorized("INVALID_API_KEY", "Invalid API key"))

    def failed(self, status: int, code: str) -> Response:
        """A 5xx."""
        return self.refuse(Refusal(status=status, code=code, error="Internal error"))

    def without_legs(self, request: Request, legs: tuple[int, ...]) -> Request:
        """A leg without fields is refused; what is no batch stays as it is."""
        document = orjson.loads(request.body)
        rows = document.get("orders") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            return request
        body = orjson.dumps({"orders": [{} if at in legs else row for at, row in enumerate(rows)]})
        return Request(request.method, request.path, request.query, request.headers, body, request.address)

    def _refuse(self, refusal: Refusal, headers: tuple[tuple[str, str], ...]) -> Response:
        return Response(refusal.status, orjson.dumps(self._envelope(refusal)), headers)

    def _refuse_by_limit(self, seconds: int, headers: tuple[tuple[str, str], ...], *, status: int) -> Response:
        body = {"ok": False, "error": "Rate limit exceeded, retry in 1 minute", "errorId": self._next_error_id()}
        return Response(status, orjson.dumps(body), (*headers, ("retry-after", str(seconds))))

    def _client_order_id(self, request: Request, order_id: int | None) -> str | None:
        if request.body:
            try:
                fields = orjson.loads(request.body)
            except orjson.JSONDecodeError:
                return None
            named = fields.get("clientOrderId") if isinstance(fields, dict) else None
            return named if isinstance(named, str) else None
        if order_id:
            orders = (account.order(order_id) for account in self.exchange.accounts.values())
            return next((order.client_order_id for order in orders if order is not None), None)
        if "clientOrderId=" in request.query:
            try:
                return dict(parse_query(request.query)).get("clientOrderId")
            except ValueError:
                return None
        return None

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
