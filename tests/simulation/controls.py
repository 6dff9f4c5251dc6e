"""Negative controls: the mistakes of ordinary gateways, each built into the services for a run. The simulation must find every one.

A control replaces one part by a subclass with one wrong step. It says which broken promise gives it away; a control that is not found
within its histories fails the build, for then the simulation proves nothing about that mistake.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType, ModuleType
from typing import Any
from unittest.mock import patch

from ordergate.ports.bus import Delivery, Handler
from ordergate.ports.venue import Outcome, Reading, Replacement, Replaces, Trading, Unknown, VenueTrade, WriteAhead
from ordergate.runtime.ledger import StreamLedger
from ordergate.simulator.oracle import Difference
from ordergate.trading.errors import VenueUnavailable
from ordergate.trading.ids import KeyId, Symbol, VenueName, VenueOrderId
from ordergate.trading.order import Order, OrderRequest
from ordergate.venues.binance_spot import trading as spot_trading
from services.fill_streaming import app as fill_app
from services.fill_streaming import watched
from services.fill_streaming.handlers import FillDesk
from services.order_submission import app as submission_app
from services.order_submission import handlers as submission_handlers
from services.order_submission.handlers import OrderDesk
from services.order_submission.lists import ListDesk
from services.position_tracking import app as position_app
from services.position_tracking.handlers import PositionDesk
from tests.simulation import plan, process, world
from tests.simulation.plan import ZETARIUM
from tests.simulation.process import SimStage
from tests.simulation.venue import VenueFaults

LAG_FOR_EVER_MS = 10**9
SPOT = VenueName("binance-spot")
DRAW_VENUE_FAULTS = plan.draw_venue_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """where: what is replaced, by what. gives_away: whether a difference is this mistake's. histories_max: until when it must be found."""

    where: Sequence[tuple[ModuleType, str, Any]]
    gives_away: Callable[[Difference], bool]
    histories_max: int = 400
    only_at: VenueName | None = None  # what it spoils is done nowhere else

    @contextmanager
    def built_in(self) -> Iterator[None]:
        patches = [patch.object(module, name, replacement) for module, name, replacement in self.where]
        for each in patches:
            each.start()
        try:
            yield
        finally:
            for each in patches:
                each.stop()


class BlindResend:
    """No answer: the same order again."""

    def __init__(self, trading: Trading, reading: Reading) -> None:
        self.declaration = trading.declaration
        self._trading = trading
        self._reading = reading

    async def place(self, request: OrderRequest, *, write_ahead: WriteAhead, deadline_seconds: float) -> Outcome:
        outcome = await self._trading.place(request, write_ahead=write_ahead, deadline_seconds=deadline_seconds)
        if isinstance(outcome, Unknown) and await self._wants_another(request):
            return await self._trading.place(request, write_ahead=_without_ledger, deadline_seconds=deadline_seconds)
        return outcome

    async def cancel(self, symbol: Symbol, *, venue_order_id: VenueOrderId) -> Outcome:
        return await self._trading.cancel(symbol, venue_order_id=venue_order_id)

    async def cancel_all(self, symbol: Symbol | None) -> Outcome:
        return await self._trading.cancel_all(symbol)

    async def _wants_another(self, request: OrderRequest) -> bool:  # noqa: ARG002 - for who looks first
        return True


class QueryThenResend(BlindResend):
    """No answer: ask, and if the venue does not know the order, send it again."""

    async def _wants_another(self, request: OrderRequest) -> bool:
        try:
            return await self._reading.lookup(request.key.symbol, request.key.client_order_id) is None
        except VenueUnavailable:
            return False


class ReplaceThenPlace(BlindResend):
    """No answer to a replace: the new order by itself."""

    async def replace(
        self, request: OrderRequest, *, canceled: VenueOrderId, write_ahead: WriteAhead, deadline_seconds: float
    ) -> Replacement:
        trading = self._trading
        if not isinstance(trading, Replaces):
            raise TypeError("this venue does not replace")
        answer = await trading.replace(
            request, canceled=canceled, write_ahead=write_ahead, deadline_seconds=deadline_seconds
        )
        if isinstance(answer.placed, Unknown):
            placed = await trading.place(request, write_ahead=_without_ledger, deadline_seconds=deadline_seconds)
            return Replacement(canceled=answer.canceled, placed=placed)
        return answer

    async def _wants_another(self, request: OrderRequest) -> bool:  # noqa: ARG002 - plain orders are sent as they should be
        return False


async def _without_ledger(_timestamp_ms: int, _key_id: KeyId) -> bool:
    return True


class NoCompareAndSet(StreamLedger):
    """Whoever writes, writes."""

    def _headers(self, order: Order, guard: str, after: int) -> bytes:
        del order, guard, after
        return b"NATS/1.0\r\n\r\n"


class NoncePerProcess(StreamLedger):
    """One appendId for all appends of a process: another append of its own looks like this one."""

    def __init__(self, jetstream: Any, **parts: Any) -> None:
        name = parts.pop("draw")(12)
        super().__init__(jetstream, draw=lambda _count: name, **parts)


class CursorBeforeStore(FillDesk):
    """The place in the trade list is written down before what was read there is stored. It is the newest, of a venue that shows none late."""

    async def _read_page(self, symbol: Symbol, from_id: Any) -> Sequence[VenueTrade]:
        page = await super()._read_page(symbol, from_id)
        if page:
            await super()._advance(symbol, page, LAG_FOR_EVER_MS + page[-1].venue_time_ms)
        return page


def punctual(drawn: Random) -> VenueFaults:
    """A venue that shows its trades at once, so that only the order of the two steps is on trial."""
    return replace(DRAW_VENUE_FAULTS(drawn), trade_late_ms_max=0)


class CursorAtTheNewest(FillDesk):
    """The place is the newest trade, though the venue may still show an older one."""

    async def _advance(self, symbol: Symbol, page: Sequence[VenueTrade], newest_ms: int) -> None:
        await super()._advance(symbol, page, newest_ms + LAG_FOR_EVER_MS)


class PositionSkipsOlder(PositionDesk):
    """After a start only new fills are folded: what was stored while nobody folded is taken for known."""

    async def _load(self) -> None:
        await super()._load()
        async with aclosing(self._feed.fills(self._venue, self._account, after=self._up_to)) as known:
            async for stored in known:
                if stored is None:
                    return
                self._up_to = stored.sequence


class KillCheckedBefore(OrderDesk):
    """The switch is looked at, then the write-ahead is stored, then the request leaves."""

    async def write_ahead(self, attempting: Any, timestamp_ms: int, key_id: KeyId) -> bool:
        if self.stopped(attempting.order) is None:
            await super().write_ahead(attempting, timestamp_ms, key_id)
            attempting.stopped = None
            return bool(attempting.began)
        return await super().write_ahead(attempting, timestamp_ms, key_id)


class ListSentByItsFirst(ListDesk):
    """Of a list the first order is written ahead; the request makes them all."""

    async def write_ahead(self, legs: Sequence[Any], timestamp_ms: int, key_id: KeyId) -> bool:
        return await super().write_ahead(legs[:1], timestamp_ms, key_id)


class AckBeforeAppend(SimStage):
    """A message is acknowledged when it comes, then worked on."""

    def lane(self, spec: Any, handler: Handler, *, mode: Any) -> Any:
        return super().lane(spec, _acknowledging(handler), mode=mode)


def _acknowledging(handler: Handler) -> Callable[[Delivery], Awaitable[None]]:
    async def handle(delivery: Delivery) -> None:
        await delivery.ack()
        await handler(_Acknowledged(delivery))

    return handle


class _Acknowledged:
    """A delivery that has its answer already."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __getattr__(self, name: str) -> Any:
        return getattr(self._delivery, name)

    async def ack(self) -> None:
        """It was said already."""

    async def retry(self, *, after_seconds: float) -> None:
        """Too late."""

    async def bury(self, *, reason: str, error_id: str) -> None:
        """Too late."""


def _breaks(*promises: str) -> Callable[[Difference], bool]:
    return lambda found: found.promise in promises


def _doubles(found: Difference) -> bool:
    return found.promise == "I1" and "the venue holds" in found.what


def _takes_no_place(found: Difference) -> bool:
    return found.promise == "I1" and "it took the place of" in found.what


# fmt: off
CONTROLS: Mapping[str, Control] = MappingProxyType({
    "blind_resend":            Control(where=((process, "wield", BlindResend),), gives_away=_doubles),
    "query_then_resend":       Control(where=((process, "wield", QueryThenResend),), gives_away=_doubles),
    "no_compare_and_set":      Control(where=((process, "StreamLedger", NoCompareAndSet),), gives_away=_breaks("I1", "I2", "I3")),
    "nonce_per_process":       Control(where=((process, "StreamLedger", NoncePerProcess),), gives_away=_breaks("I1", "I2", "I3")),
    "cursor_before_store":     Control(where=((fill_app, "FillDesk", CursorBeforeStore), (plan, "draw_venue_faults", punctual)), gives_away=_breaks("I4"), histories_max=800),
    "cursor_at_the_newest":    Control(where=((fill_app, "FillDesk", CursorAtTheNewest),), gives_away=_breaks("I4")),
    "ack_before_append":       Control(where=((world, "SimStage", AckBeforeAppend),), gives_away=_breaks("I2", "I7")),
    "position_skips_older":    Control(where=((position_app, "PositionDesk", PositionSkipsOlder),), gives_away=_breaks("I4")),
    "infer_before_second_read": Control(where=((watched, "READS_FOR_INFERENCE", 1),), gives_away=_breaks("I3", "I4"), only_at=ZETARIUM),
    "kill_check_before_write_ahead": Control(where=((submission_app, "OrderDesk", KillCheckedBefore),), gives_away=_breaks("I5"), histories_max=800),
    "list_sent_by_its_first": Control(where=((submission_handlers, "ListDesk", ListSentByItsFirst),), gives_away=_breaks("I1"), only_at=SPOT),
    "replace_then_place":      Control(where=((process, "wield", ReplaceThenPlace),), gives_away=_doubles, only_at=SPOT),
    "replace_the_filled":      Control(where=((spot_trading, "REPLACE_MODE", "ALLOW_FAILURE"),), gives_away=_takes_no_place, only_at=SPOT),
})
# fmt: on


def controls_at(venue: VenueName) -> list[str]:
    """Those that are mistakes at this venue too."""
    return [name for name, control in CONTROLS.items() if control.only_at in {None, venue}]
