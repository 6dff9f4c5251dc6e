"""The simulator's own doors (docs/simulator.md): its books and counters for whoever compares, and its levers for whoever tests.

Unsigned, uncounted, on the same port. Everything they show is of real accounts; the background flow is nobody's business.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ordergate.simulator.faults import FaultPlan, Faults
from ordergate.simulator.refusal import Refusal, invalid
from ordergate.simulator.served import Forced
from ordergate.simulator.signing import parse_query

if TYPE_CHECKING:
    from ordergate.simulator.arrivals import Arrivals
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.render import Row
    from ordergate.simulator.served import Request, Served

PREFIX = "/simulator/"


class _Gate(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class ClockChange(_Gate):
    """The venue's clock = given clock + offset."""

    offset_ms: int = Field(ge=-(10**12), le=10**12)


class PriceChange(_Gate):
    """Where a market is to be."""

    symbol: str
    price: Annotated[Decimal, Field(gt=0, max_digits=20)]


class KeyChange(_Gate):
    """An API key that its owner takes away at the exchange, or gives back."""

    key: str
    revoked: bool


class ForceChange(_Gate):
    """A position that the venue takes away: by liquidation, or by auto-deleveraging of so much (no quantity: all of it)."""

    account: str
    symbol: str
    kind: Literal["liquidation", "adl"]
    position_side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"
    quantity: Annotated[Decimal, Field(gt=0, max_digits=20)] | None = None


class StreamChange(_Gate):
    """What becomes of WebSocket connections now: all of them, those that hear an account, those of a kind (ws-api, streams)."""

    action: Literal["cut", "silence", "shutdown"]
    account: str | None = None
    kind: Literal["ws-api", "streams"] | None = None
    pings: bool = False
    """silence: go on pinging."""
    delay_ms: int = Field(default=1000, ge=0, le=600_000)
    """shutdown: closed so long after the notice."""


class StreamHouse(Protocol):
    """The venue's WebSocket connections, for the door."""

    def report(self) -> list[Row]:
        """One row for each that is open."""

    def change(self, change: StreamChange) -> int:
        """How many it was done to."""


class Doors:
    """Answers for every path below /simulator/."""

    def __init__(
        self, venue: Served, clock: VenueClock, faults: Faults, arrivals: Arrivals, house: StreamHouse | None = None
    ) -> None:
        """The parts that the doors show and move. house: of a dialect that has WebSockets."""
        self._house = house
        self._venue = venue
        self._clock = clock
        self._faults = faults
        self._arrivals = arrivals
        self._table = {
            ("GET", "/simulator/ledger"): self._ledger,
            ("GET", "/simulator/requests"): self._requests,
            ("GET", "/simulator/arrivals"): self._recent_arrivals,
            ("GET", "/simulator/faults"): self._show_faults,
            ("POST", "/simulator/faults"): self._set_faults,
            ("POST", "/simulator/clock"): self._set_clock,
            ("POST", "/simulator/price"): self._set_price,
            ("POST", "/simulator/keys"): self._set_key,
            ("POST", "/simulator/force"): self._force,
            ("GET", "/simulator/streams"): self._show_streams,
            ("POST", "/simulator/streams"): self._change_streams,
        }

    def handle(self, request: Request) -> bytes | Refusal:
        """The JSON body of the answer, or a refusal."""
        door = self._table.get((request.method, request.path))
        if door is None:
            return Refusal(status=404, code="ROUTE_NOT_FOUND", error="No such door")
        try:
            parameters = dict(parse_query(request.query))
            answer = door(parameters, request.body)
        except ValidationError as error:
            # Without the input: a posted document may hold what does not belong in an answer.
            return invalid(error.json(include_url=False, include_input=False, include_context=False))
        except ValueError:
            return invalid("Malformed query")
        return answer if isinstance(answer, Refusal) else orjson.dumps(answer)

    def _ledger(self, parameters: dict[str, str], body: bytes) -> Row:
        del body
        return self._venue.ledger(parameters.get("account"))

    def _requests(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters, body
        return {
            "windows": [
                {
                    "scope": window.scope,
                    "subject": window.subject,
                    "bucket": window.bucket,
                    "windowStartMs": window.start_ms,
                    "used": window.used,
                    "limit": window.limit,
                    "refused": window.refused,
                }
                for window in self._venue.limits.windows()
            ]
        }

    def _recent_arrivals(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del body
        after = parameters.get("afterSequence", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 16):  # noqa: PLR2004
            return invalid("afterSequence is not a number")
        return {"arrivals": self._arrivals.after(int(after)), "lastSequence": self._arrivals.last_sequence}

    def _show_faults(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters, body
        return self._faults.report()

    def _set_faults(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters
        self._faults.replace(FaultPlan.model_validate_json(body))
        return self._faults.report()

    def _set_clock(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters
        self._clock.offset_ms = ClockChange.model_validate_json(body).offset_ms
        return {"ok": True, "offsetMs": self._clock.offset_ms, "serverTime": self._clock.now_ms()}

    def _set_price(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        change = PriceChange.model_validate_json(body)
        price = self._venue.set_price(change.symbol, change.price, self._clock.now_ms())
        return invalid("Unknown symbol") if price is None else {"ok": True, "symbol": change.symbol, "price": price}

    def _set_key(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        change = KeyChange.model_validate_json(body)
        if not self._venue.revoke(change.key, revoked=change.revoked):
            return invalid("Unknown key")
        return {"ok": True, "revoked": change.revoked}

    def _force(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        asked = ForceChange.model_validate_json(body)
        forced = Forced(
            account=asked.account,
            symbol=asked.symbol,
            position_side=asked.position_side,
            adl=asked.kind == "adl",
            quantity=asked.quantity,
        )
        order_id = self._venue.force(forced, self._clock.now_ms())
        return invalid("Nothing to close") if order_id is None else {"ok": True, "orderId": order_id}

    def _show_streams(self, parameters: dict[str, str], body: bytes) -> Row:
        del parameters, body
        return {"streams": [] if self._house is None else self._house.report()}

    def _change_streams(self, parameters: dict[str, str], body: bytes) -> Row | Refusal:
        del parameters
        change = StreamChange.model_validate_json(body)
        if self._house is None:
            return invalid("This dialect has no streams")
        return {"ok": True, "connections": self._house.change(change)}
