"""Hypothesis strategies for our facts: any order, event, fill and position that a service may write."""

from decimal import Decimal

from hypothesis import strategies as st

from ordergate.trading.events import (
    Adopted,
    Approved,
    CancelRequested,
    EndedUnsent,
    Event,
    OutcomeLost,
    ProvenAbsent,
    ProvenNotPlaced,
    ProvenUnexecuted,
    Reapproved,
    Refused,
    Restated,
    Source,
    SubmissionBegan,
    VenueRejected,
    VenueReported,
)
from ordergate.trading.fills import Fill, Liquidity, VenueTrade
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    ErrorId,
    IntentId,
    KeyId,
    StrategyName,
    Symbol,
    TradeId,
    VenueName,
    VenueOrderId,
)
from ordergate.trading.order import (
    Absence,
    Attempt,
    ListKind,
    NonExecution,
    Order,
    OrderKey,
    OrderListMembership,
    OrderRequest,
    OrderType,
    PositionSide,
    Rounding,
    SelfTradePrevention,
    Side,
    State,
    Terms,
    TimeInForce,
    Unexecuted,
    VenueView,
)
from ordergate.trading.position import Leg, Position

names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
client_order_ids = st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True)
amounts = st.decimals(
    min_value=0, max_value=10**18 - 1, places=18, allow_nan=False, allow_infinity=False
) | st.integers(min_value=0, max_value=10**18 - 1).map(Decimal)
signed_amounts = st.builds(
    lambda amount, sign: amount * sign, st.integers(0, 10**40).map(Decimal), st.sampled_from([1, -1])
)
times = st.integers(min_value=0, max_value=9_999_999_999_999)
sequences = st.integers(min_value=0, max_value=2**53)

keys = st.builds(
    OrderKey,
    venue=names.map(VenueName),
    account=names.map(AccountName),
    symbol=names.map(Symbol),
    client_order_id=client_order_ids.map(ClientOrderId),
)
terms = st.builds(
    Terms,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    quantity=st.none() | amounts,
    price=st.none() | amounts,
    stop_price=st.none() | amounts,
    quote_quantity=st.none() | amounts,
    time_in_force=st.sampled_from(TimeInForce),
    good_till_ms=st.none() | times,
    position_side=st.sampled_from(PositionSide),
    reduce_only=st.booleans(),
    post_only=st.booleans(),
    iceberg_quantity=st.none() | amounts,
    trailing_delta=st.none() | st.integers(1, 1_000_000),
    self_trade_prevention=st.none() | st.sampled_from(SelfTradePrevention),
)
memberships = st.builds(
    lambda name, kind, legs: OrderListMembership(list_client_order_id=name, kind=kind, leg=len(legs), legs=tuple(legs)),
    names.map(ClientOrderId),
    st.sampled_from(ListKind),
    st.lists(names.map(ClientOrderId), min_size=1, max_size=3),
)
requests = st.builds(
    OrderRequest,
    key=keys,
    strategy=names.map(StrategyName),
    intent_id=names.map(IntentId),
    request_hash=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    terms=terms,
    created_at_ms=times,
    valid_for_ms=st.integers(1, 86_400_000),
    rounding=st.sampled_from(Rounding),
    resubmit=st.booleans(),
    validate_only=st.booleans(),
    intent_sequence=st.none() | sequences,
    replaces=st.none() | names.map(ClientOrderId),
    order_list=st.none() | memberships,
)
attempts = st.builds(Attempt, number=st.integers(1, 9), timestamp_ms=times, key_id=names.map(KeyId))
error_ids = texts.map(ErrorId)
orders = st.builds(
    Order,
    request=requests,
    state=st.sampled_from(State),
    revised_at_ms=times,
    attempt=st.none() | attempts,
    first_attempt_ms=st.none() | times,
    venue_order_id=st.none() | names.map(VenueOrderId),
    executed_quantity=amounts,
    venue_updated_at_ms=st.none() | times,
    unknown_since_ms=st.none() | times,
    cancel_requested_at_ms=st.none() | times,
    reason=st.none() | texts,
    error_id=st.none() | error_ids,
    settled_quantity=st.none() | amounts,
    absence=st.none()
    | st.builds(Absence, attempt=st.integers(1, 9), fence_ms=times, asked_at_ms=st.lists(times, max_size=4).map(tuple)),
    unexecuted=st.none()
    | st.builds(
        Unexecuted, attempt=st.integers(1, 9), proof=st.sampled_from(NonExecution), retry_at_ms=st.none() | times
    ),
)
views = st.builds(
    VenueView,
    venue_order_id=names.map(VenueOrderId),
    client_order_id=st.none() | client_order_ids.map(ClientOrderId),
    symbol=names.map(Symbol),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    quantity=amounts,
    price=st.none() | amounts,
    stop_price=st.none() | amounts,
    position_side=st.sampled_from(PositionSide),
    reduce_only=st.booleans(),
    status=st.sampled_from(State),
    executed_quantity=amounts,
    created_at_ms=times,
    updated_at_ms=times,
    error_id=st.none() | error_ids,
)


def trades_of(view: VenueView) -> st.SearchStrategy[VenueTrade]:
    """Trades that an answer tells beside the view of their order."""
    return st.builds(
        VenueTrade,
        trade_id=names.map(TradeId),
        venue_order_id=st.just(view.venue_order_id),
        client_order_id=st.just(view.client_order_id),
        symbol=st.just(view.symbol),
        side=st.just(view.side),
        position_side=st.just(view.position_side),
        price=amounts,
        quantity=amounts,
        fee=amounts,
        fee_asset=texts.filter(bool),
        liquidity=st.sampled_from(Liquidity),
        venue_time_ms=times,
    )


proofs_of_the_fence = st.builds(
    ProvenNotPlaced,
    attempt=st.integers(1, 9),
    fence_ms=times,
    asked_at_ms=st.lists(times, max_size=4).map(tuple),
    at_ms=times,
    error_id=st.none() | error_ids,
)
each_event: tuple[st.SearchStrategy[Event], ...] = (
    st.builds(Approved, request=requests, at_ms=times),
    st.builds(Refused, request=requests, at_ms=times, reason=texts, error_id=error_ids),
    st.builds(Adopted, request=requests, view=views, at_ms=times),
    st.builds(
        SubmissionBegan,
        attempt=attempts,
        at_ms=times,
        proof=st.none() | st.sampled_from(NonExecution),
        fence=st.none() | proofs_of_the_fence,
    ),
    st.builds(
        EndedUnsent,
        state=st.sampled_from([State.CANCELED, State.EXPIRED]),
        reason=texts,
        at_ms=times,
        error_id=st.none() | error_ids,
        proof=st.sampled_from(NonExecution),
        attempt=st.integers(0, 9),
    ),
    st.builds(VenueReported, view=views, source=st.sampled_from(Source), at_ms=times),
    views.flatmap(
        lambda view: st.builds(
            VenueReported,
            view=st.just(view),
            source=st.just(Source.SUBMISSION),
            at_ms=times,
            trades=st.lists(trades_of(view), max_size=3).map(tuple),
        )
    ),
    st.builds(VenueRejected, attempt=st.integers(1, 9), reason=texts, error_id=error_ids, at_ms=times),
    st.builds(OutcomeLost, attempt=st.integers(1, 9), reason=texts, error_id=error_ids, at_ms=times),
    proofs_of_the_fence,
    st.builds(
        ProvenAbsent,
        attempt=st.integers(1, 9),
        fence_ms=times,
        asked_at_ms=st.lists(times, max_size=4).map(tuple),
        at_ms=times,
    ),
    st.builds(
        ProvenUnexecuted,
        attempt=st.integers(1, 9),
        proof=st.sampled_from(NonExecution),
        at_ms=times,
        error_id=error_ids,
        retry_at_ms=st.none() | times,
    ),
    st.builds(Reapproved, at_ms=times),
    st.builds(CancelRequested, at_ms=times, reason=texts),
    st.builds(Restated, at_ms=times),
)
"""Kind by kind: of all together some are hardly ever drawn."""
events = st.one_of(*each_event)
fills = st.builds(
    Fill,
    venue=names.map(VenueName),
    account=names.map(AccountName),
    symbol=names.map(Symbol),
    trade_id=names.map(TradeId),
    venue_order_id=names.map(VenueOrderId),
    client_order_id=st.none() | client_order_ids.map(ClientOrderId),
    strategy=st.none() | names.map(StrategyName),
    side=st.sampled_from(Side),
    position_side=st.sampled_from(PositionSide),
    price=amounts,
    quantity=amounts.map(lambda amount: -amount) | amounts,
    fee=amounts.map(lambda amount: -amount) | amounts,
    fee_asset=names,
    liquidity=st.sampled_from(Liquidity),
    venue_time_ms=times,
    received_time_ms=times,
    inferred=st.booleans(),
)
legs = st.dictionaries(
    st.sampled_from(PositionSide),
    st.builds(Leg, quantity=signed_amounts, realised_pnl=signed_amounts, cash_flow=signed_amounts),
    max_size=3,
)
positions = st.builds(
    Position,
    venue=names.map(VenueName),
    account=names.map(AccountName),
    symbol=names.map(Symbol),
    legs=legs,
    by_strategy=st.dictionaries(names.map(StrategyName), legs, max_size=3),
    fees=st.dictionaries(names, signed_amounts, max_size=3),
    fill_count=sequences,
    traded_volume=signed_amounts,
    up_to_sequence=sequences,
)
