"""One connection of the WebSocket API: requests carried out as on REST, and the events of its user data streams.

Every request is answered on its own: one that is held back holds back no other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from ordergate.simulator.binance.carrying import Asked, carry_out
from ordergate.simulator.binance.delivery import GOING_AWAY, Delivery, named_in
from ordergate.simulator.binance.failures import KEY_REFUSED
from ordergate.simulator.binance.frames import BadFrame, Frame, answer_frame, event_frame, read_frame
from ordergate.simulator.binance.gate import Caller
from ordergate.simulator.binance.logon import Logon, session_methods
from ordergate.simulator.binance.operations import Failure
from ordergate.simulator.binance.subscriptions import Subscriptions
from ordergate.simulator.served import Request, Response
from ordergate.simulator.struck import change_venue, struck_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.binance.front import BinanceVenue
    from ordergate.simulator.binance.operations import UserEvent
    from ordergate.simulator.binance.sockets import Line
    from ordergate.simulator.clock import VenueClock
    from ordergate.simulator.faults import Effect, Faults
    from ordergate.simulator.sight import Sight

UNSUPPORTED = Failure(code=-1020, msg="This operation is not supported.")
NOBODY = b'"nobody"'
"""The name of no request."""
REVOKED = Response(KEY_REFUSED.status, orjson.dumps({"code": KEY_REFUSED.code, "msg": KEY_REFUSED.msg}))


class Session:
    """The channel of one connection."""

    kind = "ws-api"

    def __init__(
        self,
        venue: BinanceVenue,
        line: Line,
        *,
        faults: Faults,
        clock: VenueClock,
        address: str,
        shows_limits: bool,
        note: Callable[[str, str | None, int], None],
        report: Callable[[Exception], None],
    ) -> None:
        """Nobody is logged on. note: (call, client order id, status) of each request, 0 for one that is never answered; report: a bug, answered 500."""
        self._venue = venue
        self._line = line
        self._faults = faults
        self._clock = clock
        self._address = address
        self._note = note
        self._report = report
        self._methods = {**venue.methods, **session_methods()}
        self._delivery = Delivery(line, faults, self.shut_down)
        self._subscriptions = Subscriptions(venue.hub, self._tell, clock.now_ms)
        self._logon = Logon(self._subscriptions, shows_limits=shows_limits, connected_ms=clock.now_ms())

    def receive(self, text: bytes) -> None:
        """One request."""
        now_ms = self._clock.now_ms()
        frame = read_frame(text)
        if isinstance(frame, BadFrame):
            self._line.send(answer_frame(frame.id, self._venue.respond(frame.failure), None, now_ms))
            return
        named = self._venue.named_by(f"WS {frame.method}", frame.parameters)
        note = partial(self._note, named.call, named.client_order_id)
        effect = self._faults.strike(named.call, named.client_order_id) if self._faults else None
        if effect is None:
            response = self._answer(frame, now_ms, None)
            note(response.status)
            self._reply(frame, response)
            return
        if effect.silent_before:
            note(0)
            return
        execute = partial(self._execute_struck, frame, effect, named.order_id, now_ms, note=note)
        # It is on its way to the engine: whether the connection still stands by then is nothing to it.
        self._later(effect.delay_before_ms, execute, outlives=True)

    def closed(self) -> None:
        """The line is gone."""
        self._subscriptions.drop()

    def shut_down(self) -> None:
        """The server is about to end."""
        self._line.send(event_frame({"e": "serverShutdown", "E": self._clock.now_ms()}))

    def accounts(self) -> list[str]:
        """Whose events it hears."""
        return [each.account for each in self._subscriptions.active]

    def _answer(self, frame: Frame, received_ms: int, sight: Sight | None) -> Response:
        venue, logon, now_ms = self._venue, self._logon, self._clock.now_ms()
        if logon.key is not None and isinstance(venue.gate.key(logon.key.name, self._address, now_ms), Failure):
            logon.forget()
            return REVOKED
        operation = self._methods.get(frame.method)
        if operation is None:
            return venue.respond(UNSUPPORTED)
        caller = venue.gate.admit_socket(
            operation.security, dict(frame.parameters), session=logon.key, address=self._address, now_ms=received_ms
        )
        logon.asking = caller.key if isinstance(caller, Caller) else None
        if isinstance(caller, Caller):
            caller.parameters.pop("returnRateLimits", None)
        asked = Asked(
            operation=operation, caller=caller, address=self._address, now_ms=now_ms, connection=logon, sight=sight
        )
        try:
            return venue.respond(carry_out(venue.dialect, venue.limits, asked).answer)
        except Exception as error:  # noqa: BLE001 - one broken request must not end the connection
            self._report(error)
            return venue.failed(500, "INTERNAL_ERROR")

    def _execute_struck(
        self, frame: Frame, effect: Effect, order_id: int | None, received_ms: int, *, note: Callable[[int], None]
    ) -> None:
        change_venue(self._venue, self._clock, order_id, effect)
        if effect.reset_before:
            note(0)
            self._line.cut()
            return
        request = Request("WS", frame.method, "", {}, b"", self._address)
        response = struck_answer(self._venue, request, effect, lambda _, sight: self._answer(frame, received_ms, sight))
        self._later(effect.delay_after_ms, lambda: self._finish_struck(frame, effect, response, note), outlives=True)

    def _finish_struck(self, frame: Frame, effect: Effect, response: Response, note: Callable[[int], None]) -> None:
        lost = effect.answer_lost or effect.reset_after or effect.reset_mid_body
        note(0 if lost or effect.silent_after else response.status)
        if effect.silent_after:
            return
        if lost:
            self._line.cut()
            return
        self._reply(frame, response, name=NOBODY if effect.answer_misnamed else None)
        if effect.answer_doubled:
            self._reply(frame, response)
        if effect.closed_after:
            self._line.close(GOING_AWAY)

    def _reply(self, frame: Frame, response: Response, *, name: bytes | None = None) -> None:
        """name: in place of the request's own."""
        now_ms = self._clock.now_ms()
        if response is REVOKED:
            self._line.send(answer_frame(b"null", response, None, now_ms))
            return
        usual = "true" if self._logon.shows_limits else "false"
        shows = frame.parameters.get("returnRateLimits", usual) == "true"
        used = self._used(frame, now_ms) if shows else None
        self._line.send(answer_frame(name or frame.id, response, used, now_ms))

    def _used(self, frame: Frame, now_ms: int) -> list[Any]:
        operation, key = self._methods.get(frame.method), self._logon.asking
        counts = operation is not None and operation.orders != 0 and key is not None
        return self._venue.limits.used(
            ("ORDERS", "REQUEST_WEIGHT"),
            address=self._address,
            account=key.account if counts and key else None,
            now_ms=now_ms,
        )

    def _tell(self, event: UserEvent, data: bytes) -> None:
        self._delivery.deliver(event.kind, named_in(event.payload), data)

    def _later(self, delay_ms: int, action: Callable[[], None], *, outlives: bool = False) -> None:
        if delay_ms:
            self._line.later(delay_ms, action, outlives=outlives)
        else:
            action()
