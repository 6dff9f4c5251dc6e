"""What a Binance dialect is made of: operations, the call that each is given, the ways to say no, and the events that an engine tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from decimal import Decimal

    from ordergate.simulator.market import Market
    from ordergate.simulator.served import Forced
    from ordergate.simulator.sight import Sight

Parameters = Mapping[str, str]
Cost = int | Callable[[Parameters], int]
"""The same for every call, or by what it asks."""


class Security(Enum):
    """What a call must carry."""

    NONE = "nothing"
    KEY = "the key's header"
    SIGNED_READ = "key, timestamp and signature, of a key that may read"
    SIGNED_TRADE = "key, timestamp and signature, of a key that may trade"
    SIGNED_STREAM = "key, timestamp and signature, of any key: user data streams"


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """A request that passed the gate and the limits.

    account: the engine's own (`engine.accounts[name]`), None where the operation's security is NONE. parameters: decoded, in the order sent, without
    signature, timestamp, recvWindow and apiKey; lists and objects of the WebSocket API are JSON text, as on REST. connection: whatever the front keeps for
    a WebSocket connection, None on REST. order_limit: what an operation that `judges_order_limit` is to answer with when the count is used up.
    """

    account: Any
    parameters: dict[str, str]
    now_ms: int
    connection: object | None = None
    sight: Sight | None = None
    order_limit: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The venue says no: `{"code":-1121,"msg":"Invalid symbol."}` with an HTTP status; `data` as in cancelReplace."""

    code: int
    msg: str
    status: int = 400
    data: object = None
    retry_after_seconds: int | None = None


def reckon(cost: Cost, parameters: Parameters) -> int:
    """What this call costs."""
    return cost if isinstance(cost, int) else cost(parameters)


def free(answer: object) -> int:
    """A call that succeeds costs no weight (Spot CHANGELOG 2026-04-02; futures order entry)."""
    del answer
    return 0


Engine_contra = TypeVar("Engine_contra", bound="Engine", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Engine_contra]):
    """One call of a dialect, on REST and (`ws`) on the WebSocket API.

    weight: documented REQUEST_WEIGHT of these parameters, charged when the call fails; weight_done: what it costs with this answer (None: the same).
    orders: how many are added to the account's order counts before it is carried out; orders_minute: the same for the 1 minute count where that differs
    (futures' batchOrders). required, optional: names it reads, without timestamp, recvWindow, signature, apiKey; optional None: reads whatever it is sent.
    answer: JSON-able (dict, list) or Failure; it must not wait. An order list or a cancelReplace whose count is used up is refused with 429 / -1015 before
    `answer`, unless it judges_order_limit itself (cancelReplace: orderRateLimitExceededMode): then `call.order_limit` is set.
    """

    name: str
    method: str
    path: str
    answer: Callable[[Engine_contra, Call], object | Failure]
    ws: str | None = None
    security: Security = Security.NONE
    weight: Cost = 1
    weight_done: Callable[[object], int] | None = None
    orders: Cost = 0
    orders_minute: Cost | None = None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] | None = ()
    judges_order_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """Something that happened to one account; payload is the venue's own event body (`{"e":"executionReport",…}`), kind its `e`."""

    account: str
    kind: str
    payload: dict[str, object]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvent:
    """Something public. stream: the name it is subscribed by (`btcusdt@trade`, `!bookTicker`); payload: the venue's own event body.

    Engines tell one for every execution, the crowd's too: `<symbol>@trade` with at least t, p, q, T, m. The front makes aggTrade, bookTicker, tickers,
    depth and klines of those and of `markets`.
    """

    symbol: str
    stream: str
    payload: dict[str, object]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Whom an engine tells; given to it at construction and called in the order in which things happen."""

    user: Callable[[UserEvent], None]
    market: Callable[[MarketEvent], None]


class Engine(Protocol):
    """What the front asks of either engine."""

    @property
    def accounts(self) -> Mapping[str, Any]:
        """By name, as configured."""

    @property
    def markets(self) -> Mapping[str, Market[Any, Any]]:
        """By symbol: book, last and mark price, halted."""

    def advance(self, now_ms: int) -> None:
        """Let the crowd act, timers fire (countdownCancelAll, goodTillDate …) up to this moment."""

    def fill(self, order_id: int, now_ms: int) -> bool:
        """Somebody trades with exactly this resting order, all of it. False: it is not resting."""

    def set_price(self, symbol: str, price: Decimal, now_ms: int) -> bool:
        """Move the market there. False: no such symbol."""

    def order_named(self, parameters: Parameters) -> tuple[int, str] | None:
        """(orderId, clientOrderId) that a cancel's or query's parameters speak of, whoever asks; None: none such. For the faults' rules."""

    def ledger(self, account: str | None) -> dict[str, object]:
        """Of one account or all: orders, trades, positions, balances, in the shape of `/simulator/ledger` (docs/simulator.md)."""


SomeEngine = TypeVar("SomeEngine", bound=Engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Generic[SomeEngine]):
    """A dialect ready to be served: `build(config, listeners) -> Dialect` in `spot/dialect.py` and `futures/dialect.py`."""

    name: str
    engine: SomeEngine
    operations: tuple[Operation[SomeEngine], ...]
    force: Callable[[Forced, int], str | None] | None = None
    """Close a position as the venue does of itself; its order's id, or None. None where there are no positions."""
