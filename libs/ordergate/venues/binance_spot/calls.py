"""How a question is put to Binance Spot, and what every client of it can do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from ordergate.access.budget import Weights
from ordergate.access.keys import Key
from ordergate.access.keys.keychain import Keychain
from ordergate.access.keys.standing import Permissions, permissions_of_binance
from ordergate.access.session import Answered, Call, Document, Session
from ordergate.ports.venue import NotExecuted, Priority, Unknown
from ordergate.trading.errors import Unreadable, VenueUnavailable
from ordergate.trading.ids import Symbol
from ordergate.trading.order import VenueView
from ordergate.venues.binance.fields import check
from ordergate.venues.binance.signing import check_key
from ordergate.venues.binance_spot import limits, models, parse
from ordergate.venues.binance_spot.errors import Purpose
from ordergate.venues.binance_spot.parse import Fields
from ordergate.venues.client import VERIFY_SECONDS, VenueClient, parsed

ORDER_PATH = "/api/v3/order"


def get(
    path: str, priority: Priority, weights: Weights, parameters: Fields = (), *, client_order_id: str | None = None
) -> Call:
    return Call(
        method="GET",
        path=path,
        purpose=Purpose.READ,
        priority=priority,
        weights=weights,
        parameters=parameters,
        client_order_id=client_order_id,
    )


def public(path: str, weights: Weights, parameters: Fields = ()) -> Call:
    return Call(
        method="GET",
        path=path,
        purpose=Purpose.READ,
        priority=Priority.RECONCILE,
        weights=weights,
        parameters=parameters,
        signed=False,
    )


ACCOUNT = get("/api/v3/account", Priority.RECONCILE, limits.HEAVY, (("omitZeroBalances", "true"),))


RESTRICTIONS = get("/sapi/v1/account/apiRestrictions", Priority.RECONCILE, limits.LIGHT)
_NO_SUCH_PATH = ("unreadable_404", "404_")


def _permissions(document: Document) -> Permissions:
    try:
        return permissions_of_binance(document)
    except Unreadable as error:
        raise VenueUnavailable(f"GET {RESTRICTIONS.path}: {error}") from error


async def read_time(session: Session) -> int:
    """`GET /api/v3/time`: not earlier than the exchange's clock showed when this was called. Raises VenueUnavailable."""
    call = public("/api/v3/time", limits.LIGHT)
    return parsed(call, await session.read(call), lambda answer: check(models.TimeAnswer, answer).serverTime)


class SpotClient(VenueClient):
    """A session with Binance Spot."""

    __slots__ = ()
    proof_of_key: ClassVar[Call] = ACCOUNT

    tells_rights: ClassVar[bool] = True

    async def verify(self, key: Key) -> Permissions:
        """As of every venue; and WrongKey, too, for a key of a kind that Binance does not take.

        `GET /sapi/v1/account/apiRestrictions` says what the key may do and from where. Where there is no such thing (the testnet has none), nothing is
        known of that; an answer that is lost is asked for again, so that a key that can withdraw does not slip through.
        """
        check_key(key)
        told = await VenueClient.verify(self, key)
        trial = replace(self.session, keychain=Keychain(key))
        match await trial.change(RESTRICTIONS, deadline_seconds=VERIFY_SECONDS):
            case Answered(document=dict() as document):
                return _permissions(document)
            case NotExecuted():
                return told
            case Unknown(reason=reason) if reason.startswith(_NO_SUCH_PATH):
                return told
            case other:
                raise VenueUnavailable(
                    f"key {key.id}: its rights are not known: {getattr(other, 'reason', 'throttled')}"
                )

    async def venue_time_ms(self) -> int:
        """`GET /api/v3/time`: not earlier than the exchange's clock showed when this was called."""
        return await read_time(self.session)

    async def one_view(
        self, symbol: Symbol, named: tuple[str, str], priority: Priority, *, client_order_id: str | None = None
    ) -> VenueView | None:
        """`GET /api/v3/order`. named: `orderId` or `origClientOrderId`, with its value. None: the exchange says that it has no such order.

        Raises VenueUnavailable, also for an answer about another order, and ClockUnknown.
        """
        query = (("symbol", symbol), named)
        call = get(ORDER_PATH, priority, limits.ORDER, query, client_order_id=client_order_id)
        shown = await self.find(call, parse.order_answer)
        if shown is not None:
            answered = shown.venue_order_id if named[0] == "orderId" else shown.client_order_id
            if shown.symbol != symbol or answered != named[1]:
                raise VenueUnavailable(f"GET {ORDER_PATH}: the answer is about another order than asked for")
        return shown

    async def open_views(self, symbol: Symbol | None, priority: Priority) -> Sequence[VenueView]:
        """`GET /api/v3/openOrders`, of one symbol or of all. Raises VenueUnavailable rather than leave an order out, ClockUnknown."""
        query = () if symbol is None else (("symbol", symbol),)
        weights = limits.OPEN_OF_ALL if symbol is None else limits.OPEN_OF_SYMBOL
        found = await self.read(get("/api/v3/openOrders", priority, weights, query), parse.orders_answer)
        if any(each.status not in parse.OPEN for each in found):
            raise VenueUnavailable("GET /api/v3/openOrders: a list of open orders holds one that is not open")
        if symbol is not None and any(each.symbol != symbol for each in found):
            raise VenueUnavailable("GET /api/v3/openOrders: the answer is about another symbol than asked for")
        return found
