"""Lists of orders that end or begin one another: OCO, OTO and OTOCO. Each leg is an order of ours with an id of its own. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ordergate.trading.errors import Misuse
from ordergate.trading.ids import ClientOrderId
from ordergate.trading.lists import above_and_below, incoherent_list
from ordergate.trading.order import ListKind, OrderRequest
from ordergate.venues.binance_spot.parse import Fields, amounts, leg_parameters, prefixed, prevention, unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCancelsOther:
    """`above` is the one whose price or trigger lies over the market: for a SELL what takes profit, for a BUY what stops the loss."""

    above: OrderRequest
    below: OrderRequest
    list_client_order_id: ClientOrderId

    @property
    def path(self) -> str:
        return "/api/v3/orderList/oco"

    @property
    def legs(self) -> tuple[OrderRequest, ...]:
        return (self.above, self.below)

    @property
    def parameters(self) -> Fields:
        above = self.above.terms
        return (
            ("symbol", self.above.key.symbol),
            ("listClientOrderId", self.list_client_order_id),
            ("side", above.side.value),
            *amounts(quantity=above.quantity),
            *_leg("above", self.above),
            *_leg("below", self.below),
            *prevention(above),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTriggersOther:
    """`pending` goes to the market once `working`, a LIMIT order, is filled whole."""

    working: OrderRequest
    pending: OrderRequest
    list_client_order_id: ClientOrderId

    @property
    def path(self) -> str:
        return "/api/v3/orderList/oto"

    @property
    def legs(self) -> tuple[OrderRequest, ...]:
        return (self.working, self.pending)

    @property
    def parameters(self) -> Fields:
        return (
            ("symbol", self.working.key.symbol),
            ("listClientOrderId", self.list_client_order_id),
            *_whole_leg("working", self.working),
            *_whole_leg("pending", self.pending),
            *prevention(self.working.terms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTriggersPair:
    """An OCO of `above` and `below` that goes to the market once `working`, a LIMIT order, is filled whole."""

    working: OrderRequest
    above: OrderRequest
    below: OrderRequest
    list_client_order_id: ClientOrderId

    @property
    def path(self) -> str:
        return "/api/v3/orderList/otoco"

    @property
    def legs(self) -> tuple[OrderRequest, ...]:
        return (self.working, self.above, self.below)

    @property
    def parameters(self) -> Fields:
        above = self.above.terms
        return (
            ("symbol", self.working.key.symbol),
            ("listClientOrderId", self.list_client_order_id),
            *_whole_leg("working", self.working),
            ("pendingSide", above.side.value),
            *amounts(pendingQuantity=above.quantity),
            *_leg("pendingAbove", self.above),
            *_leg("pendingBelow", self.below),
            *prevention(self.working.terms),
        )


OrderList = OneCancelsOther | OneTriggersOther | OneTriggersPair


def list_of(legs: Sequence[OrderRequest]) -> OrderList:
    """The list that these are the legs of, in leg order. Raises Misuse."""
    membership = legs[0].order_list
    if membership is None or tuple(leg.key.client_order_id for leg in legs) != membership.legs:
        raise Misuse("these are not the legs of one list, in order")
    name = membership.list_client_order_id
    if membership.kind is ListKind.OTO:
        return OneTriggersOther(working=legs[0], pending=legs[1], list_client_order_id=name)
    above, below = (legs[-2:][place] for place in above_and_below([leg.terms for leg in legs[-2:]]))
    if membership.kind is ListKind.OCO:
        return OneCancelsOther(above=above, below=below, list_client_order_id=name)
    return OneTriggersPair(working=legs[0], above=above, below=below, list_client_order_id=name)


_KINDS = {OneCancelsOther: ListKind.OCO, OneTriggersOther: ListKind.OTO, OneTriggersPair: ListKind.OTOCO}


def check_list(orders: OrderList) -> None:
    """Raises Misuse for a list that the exchange could not take as it was meant."""
    legs = orders.legs
    if len({leg.key.client_order_id for leg in legs}) != len(legs) or len({leg.key.symbol for leg in legs}) != 1:
        raise Misuse("the orders of a list have one symbol and different ids")
    for leg in legs:
        lacking = unsupported(leg.terms) or ("quantity" if leg.terms.quantity is None else None)
        if lacking is not None or leg.validate_only:
            raise Misuse(f"a list may only hold orders that the exchange can take: {lacking or 'validate_only'}")
    problem = incoherent_list(_KINDS[type(orders)], [leg.terms for leg in legs])
    if problem is not None:
        raise Misuse(problem)


def _leg(prefix: str, leg: OrderRequest) -> Fields:
    return prefixed(prefix, (*leg_parameters(leg.terms), ("clientOrderId", leg.key.client_order_id)))


def _whole_leg(prefix: str, leg: OrderRequest) -> Fields:
    own = (("side", leg.terms.side.value), *amounts(quantity=leg.terms.quantity))
    return (*_leg(prefix, leg), *prefixed(prefix, own))
