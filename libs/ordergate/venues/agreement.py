"""Whether an answer is about the order that was sent: what it must agree in at every venue before it counts."""

from collections.abc import Sequence

from ordergate.trading.order import OrderRequest, VenueView

Term = tuple[str, bool]
"""A term by the venues' common name, and whether it agrees."""


def first_difference(request: OrderRequest, shown: VenueView, more: Sequence[Term] = ()) -> str | None:
    """The first term in which the answer is not about `request`, or None. more: what else must agree at this venue.

    A quantity or price that the request leaves to the venue agrees with any.
    """
    terms = request.terms
    common: Sequence[Term] = (
        ("clientOrderId", shown.client_order_id == request.key.client_order_id),
        ("symbol", shown.symbol == request.key.symbol),
        ("side", shown.side is terms.side),
        ("type", shown.type is terms.type),
        ("quantity", terms.quantity is None or shown.quantity == terms.quantity),
        ("price", terms.price is None or shown.price == terms.price),
        ("stopPrice", terms.stop_price is None or shown.stop_price == terms.stop_price),
    )
    return next((name for name, agrees in (*common, *more) if not agrees), None)
