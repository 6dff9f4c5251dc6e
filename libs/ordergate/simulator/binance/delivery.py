"""Events on their way to one connection, and the faults that are done to them there: late, twice, in another order, or never."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordergate.simulator.binance.sockets import Line
    from ordergate.simulator.faults import Faults

GOING_AWAY = 1001


@dataclass(slots=True, eq=False)
class _Gate:
    """What a late event and all behind it wait for."""

    is_open: bool = False


class Delivery:
    """Between a channel and its line. Events keep their order, but for those that a rule reorders."""

    __slots__ = ("_faults", "_held", "_kept", "_line", "_shut_down")

    def __init__(self, line: Line, faults: Faults, shut_down: Callable[[], None]) -> None:
        """All is well so far. shut_down: say that the server is about to end."""
        self._line = line
        self._shut_down = shut_down
        self._faults = faults
        self._held: deque[bytes | _Gate] = deque()
        self._kept: bytes | None = None

    def deliver(self, kind: str, client_order_id: str | None, data: bytes) -> None:
        """One event, now or as the rules in force have it."""
        effect = self._faults.strike_event(kind, client_order_id) if self._faults else None
        if effect is None:
            self._pass_on(data)
            return
        if effect.cut:
            self._line.cut()
            return
        if effect.silent:
            self._line.mute(pings=effect.pings)
            return
        if effect.shutdown_ms is not None:
            self._shut_down()
            self._line.later(effect.shutdown_ms, lambda: self._line.close(GOING_AWAY))
        if effect.delay_ms:
            self._hold(effect.delay_ms)
        if effect.reordered and self._kept is None:
            self._kept = data
            self._line.later(effect.keep_ms, self._release_kept)
            return
        self._pass_on(data)
        if effect.doubled:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        self._held.append(data)
        self._send_held()
        self._release_kept()

    def _release_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._pass_on(kept)

    def _hold(self, delay_ms: int) -> None:
        gate = _Gate()
        self._held.append(gate)
        self._line.later(delay_ms, lambda: self._open(gate))

    def _open(self, gate: _Gate) -> None:
        gate.is_open = True
        self._send_held()

    def _send_held(self) -> None:
        while self._held:
            first = self._held[0]
            if isinstance(first, _Gate):
                if not first.is_open:
                    return
            else:
                self._line.send(first)
            self._held.popleft()


def named_in(payload: dict[str, object]) -> str | None:
    """The client order id that an event speaks of: of an order that was canceled it is `C`; futures have it inside `o`."""
    inner = payload.get("o")
    body = inner if isinstance(inner, dict) else payload
    name = body.get("C") or body.get("c") or body.get("caid")
    return name if isinstance(name, str) else None
