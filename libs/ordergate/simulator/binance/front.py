"""The front of a Binance dialect: REST in, REST out, levers for doors and faults. WebSockets enter by `sockets`.

Versions in paths are aliases of each other where a table has a call in one version only (`/fapi/v1/account`, `/fapi/v2/account`, `/fapi/v3/account`): a
client of another version gets the row of the version that we have.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from ordergate.simulator.binance.carrying import Answered, Asked, carry_out
from ordergate.simulator.binance.failures import KEY_REFUSED, UNKNOWN_ROUTE, failed, limited
from ordergate.simulator.binance.gate import Gate
from ordergate.simulator.binance.hub import Hub
from ordergate.simulator.binance.limits import Limits, limit_operations, limits_of
from ordergate.simulator.binance.listen_keys import ListenKeys, listen_key_operations
from ordergate.simulator.binance.operations import Failure, Listeners, UserEvent
from ordergate.simulator.binance.public import public_operations
from ordergate.simulator.binance.signing import read_signed
from ordergate.simulator.binance.tape import Tape
from ordergate.simulator.binance.wallet import wallet_operations
from ordergate.simulator.served import Named, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from ordergate.simulator.binance.operations import Dialect, MarketEvent, Operation
    from ordergate.simulator.config import SimulatorConfig
    from ordergate.simulator.refusal import Refusal
    from ordergate.simulator.served import Forced
    from ordergate.simulator.sight import Sight

_VERSION = re.compile(r"^(/f?api/)v[1-3](/.*)$")
_VERSIONS = ("v1", "v2", "v3")
JSON = "application/json;charset=UTF-8"


class BinanceVenue:
    """Gate, limits, streams and engine of one dialect."""

    def __init__(self, config: SimulatorConfig, build: Callable[[SimulatorConfig, Listeners], Dialect[Any]]) -> None:
        """A venue that nobody has asked anything yet. Raises ValueError for a public key that is none."""
        self.config = config
        limits = config.binance_limits
        self.limits = Limits(limits_of(config.dialect, limits), strikes_max=limits.strikes, ban_ms=limits.ban_ms)
        # The documents of USD-M know no such rule, and clients that sign raw JSON (batchOrders) have always been let in there.
        self.gate = Gate(config.accounts, encoded_only=config.dialect == "binance-spot")
        self.tape = Tape()
        self.listen_keys = ListenKeys(config.seed, config.streams.listen_key_ms)
        self.dialect: Dialect[Any] = build(config, Listeners(user=self._hear_user, market=self._hear_market))
        self.hub = Hub(self.dialect.engine, self.tape, is_futures=self.is_futures)
        operations = (
            *public_operations(config, self.limits.limits, self.tape),
            *(listen_key_operations(self.listen_keys) if self.is_futures else limit_operations(self.limits)),
            *wallet_operations(config),
            *self.dialect.operations,
        )
        self._routes = {(operation.method, operation.path): operation for operation in operations}
        self.methods = {operation.ws: operation for operation in operations if operation.ws}

    @property
    def is_futures(self) -> bool:
        """USD-M, else Spot."""
        return self.config.dialect == "binance-futures"

    def handle(
        self, request: Request, now_ms: int, sight: Sight | None = None, *, received_ms: int | None = None
    ) -> Response:
        """Answer one request of REST."""
        operation = self._find(request)
        if operation is None:
            return self.respond(UNKNOWN_ROUTE)
        caller = self.gate.admit_rest(
            operation.security,
            key=request.headers.get("x-mbx-apikey"),
            query=request.query,
            body=request.body,
            address=request.address,
            now_ms=now_ms if received_ms is None else received_ms,
        )
        if request.refused_legs and not isinstance(caller, Failure):
            spoil_legs(caller.parameters, request.refused_legs)
        asked = Asked(operation=operation, caller=caller, address=request.address, now_ms=now_ms, sight=sight)
        answered = carry_out(self.dialect, self.limits, asked)
        counts = operation.orders != 0 and not isinstance(answered.answer, Failure)
        return self.respond(answered.answer, self._headers(request.address, answered, now_ms, counts=counts))

    def named(self, request: Request) -> Named:
        """By the operation, and by the parameters that its engine knows orders by."""
        operation = self._find(request)
        call = f"{request.method} {operation.path if operation else request.path[:100]}"
        signed = read_signed(request.query, request.body)
        return self.named_by(call, signed.parameters() or {} if signed else {})

    def named_by(self, call: str, parameters: dict[str, str]) -> Named:
        """The order that the parameters of any call speak of."""
        names = ("newClientOrderId", "listClientOrderId", "clientAlgoId")
        named = next((parameters[name] for name in names if parameters.get(name)), None)
        found = self.dialect.engine.order_named(parameters)
        return Named(
            call=call,
            client_order_id=found[1] if found else parameters.get("origClientOrderId", named),
            order_id=found[0] if found else None,
        )

    def advance(self, now_ms: int) -> None:
        """Let the crowd act, listen keys end and market streams speak."""
        self.dialect.engine.advance(now_ms)
        for account, key in self.listen_keys.expired(now_ms):
            body: dict[str, object] = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
            self.hub.tell_user(UserEvent(account=account, kind="listenKeyExpired", payload=body, at_ms=now_ms))
        self.hub.advance(now_ms)

    # --- levers

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """Take a key away, or give it back; False: there is no such key. Streams that were opened with it end at once."""
        known = self.gate.revoke(key, revoked=revoked)
        if known and revoked:
            self.hub.end_key(key)
        return known

    def halt(self, symbol: str, *, halted: bool) -> None:
        """Stop or resume trading of a symbol; one that is not there is left alone."""
        market = self.dialect.engine.markets.get(symbol)
        if market is not None:
            market.halted = halted

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order."""
        filled: bool = self.dialect.engine.fill(order_id, now_ms)
        return filled

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> str | None:
        """Move a market; its mark price then. None: no such symbol."""
        if not self.dialect.engine.set_price(symbol, price, now_ms):
            return None
        market = self.dialect.engine.markets[symbol]
        text: str = market.symbol.price_text(market.mark)
        return text

    def force(self, forced: Forced, now_ms: int) -> str | None:
        """Liquidate or deleverage, where there are positions."""
        return None if self.dialect.force is None else self.dialect.force(forced, now_ms)

    def ledger(self, account: str | None) -> dict[str, object]:
        """The books of one account or all."""
        books: dict[str, object] = self.dialect.engine.ledger(account)
        return books

    # --- answers that no operation made

    def refuse(self, refusal: Refusal) -> Response:
        """A door's refusal in the dialect's envelope."""
        return self.respond(Failure(code=-1000, msg=refusal.error, status=refusal.status))

    def refuse_by_limit(self, seconds: int, *, banned: bool) -> Response:
        """429, or 418 to one who went on."""
        return self.respond(limited(seconds, banned=banned))

    def refuse_key(self) -> Response:
        """What a key that was taken away is told."""
        return self.respond(KEY_REFUSED)

    def failed(self, status: int, code: str) -> Response:
        """A 5xx with a code and the text that the venue has for it."""
        return self.respond(failed(status, code, is_futures=self.is_futures))

    def without_legs(self, request: Request, legs: tuple[int, ...]) -> Request:
        """What was signed cannot be changed: the legs are spoiled behind the gate."""
        return replace(request, refused_legs=legs)

    def respond(self, answer: object | Failure, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        """An operation's answer as an HTTP response."""
        if not isinstance(answer, Failure):
            return Response(200, orjson.dumps(answer), headers, JSON)
        if answer.retry_after_seconds is not None:
            headers = (*headers, ("Retry-After", str(answer.retry_after_seconds)))
        return Response(answer.status, orjson.dumps(error_row(answer)), headers, JSON)

    def _find(self, request: Request) -> Operation[Any] | None:
        found = self._routes.get((request.method, request.path))
        versioned = None if found else _VERSION.match(request.path)
        if versioned is None:
            return found
        others = (self._routes.get((request.method, f"{versioned[1]}{version}{versioned[2]}")) for version in _VERSIONS)
        return next((operation for operation in others if operation is not None), None)

    def _headers(self, address: str, answered: Answered, now_ms: int, *, counts: bool) -> tuple[tuple[str, str], ...]:
        weights = self.limits.used(("REQUEST_WEIGHT",), address=address, account=None, now_ms=now_ms)
        headers = [(f"X-MBX-USED-WEIGHT-{limit.suffix}", str(used)) for limit, used in weights]
        headers += [("X-MBX-USED-WEIGHT", str(used)) for _, used in weights]
        if counts:
            orders = self.limits.used(("ORDERS",), address=address, account=answered.account, now_ms=now_ms)
            headers += [(f"X-MBX-ORDER-COUNT-{limit.suffix}", str(used)) for limit, used in orders]
        return tuple(headers)

    def _hear_user(self, event: UserEvent) -> None:
        first = first_trade(event)
        if first is not None and not self.is_futures:
            self.limits.traded_first(event.account, event.at_ms, maker=first == "maker")
        self.hub.tell_user(event)

    def _hear_market(self, event: MarketEvent) -> None:
        self.tape.hear(event)
        self.hub.tell_market(event)


def error_row(failure: Failure) -> dict[str, object]:
    """`{"code","msg"}`, with `data` where there is any."""
    row: dict[str, object] = {"code": failure.code, "msg": failure.msg}
    return row if failure.data is None else {**row, "data": failure.data}


def first_trade(event: UserEvent) -> str | None:
    """Which side of the book an order was on that traded for the first time, "maker" or "taker"; None for any other event."""
    body = event.payload
    if event.kind != "executionReport" or body.get("x") != "TRADE" or body.get("l") != body.get("z"):
        return None
    return "maker" if body.get("m") else "taker"


def spoil_legs(parameters: dict[str, str], legs: tuple[int, ...]) -> None:
    """Take the symbol out of these orders of a batch; what is no batch stays as it is."""
    try:
        orders = orjson.loads(parameters.get("batchOrders", ""))
    except orjson.JSONDecodeError:
        return
    for at, order in enumerate(orders if isinstance(orders, list) else []):
        if at in legs and isinstance(order, dict):
            order.pop("symbol", None)
    parameters["batchOrders"] = orjson.dumps(orders).decode()
