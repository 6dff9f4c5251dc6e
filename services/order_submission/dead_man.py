"""The venue's dead-man's switch, kept from going off for as long as this process can be commanded.

It is refreshed only while the kill switch is confirmed: a gateway that cannot be told to stop has no right to keep orders alive, so a bus that stays away for
the whole countdown ends them, as the death of the process or of its line does. It stays armed when the process stops; who starts again in time finds
everything as it was.
"""

from collections.abc import Sequence

from ordergate.ports.bus import Publisher
from ordergate.ports.clock import Clock
from ordergate.ports.control import KillSwitch
from ordergate.ports.venue import DeadMansSwitch, Executed
from ordergate.trading.errors import Unavailable
from ordergate.trading.ids import AccountName, Symbol, VenueName
from ordergate.wire import subjects
from ordergate.wire.messages import RiskMessage

REFRESHES_A_COUNTDOWN = 4
"""Three refreshes in a row may be lost before it goes off."""
SAID_AT_SHARE = 0.5
"""So much of the countdown may have run down before it is said: somebody still has time to look."""
ARMED, RUNNING_DOWN = "dead_mans_switch_armed", "dead_mans_switch_running_down"


class DeadMansWatch:
    """Refreshes the switch of one account, symbol by symbol."""

    def __init__(
        self,
        *,
        venue: VenueName,
        account: AccountName,
        symbols: Sequence[Symbol],
        countdown_ms: int,
        switch: DeadMansSwitch,
        kill: KillSwitch,
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._venue = venue
        self._account = account
        self._countdown_ms = countdown_ms
        self._switch = switch
        self._kill = kill
        self._publisher = publisher
        self._clock = clock
        self._refreshed_at: dict[Symbol, float] = dict.fromkeys(symbols, clock.monotonic())
        self._said: dict[Symbol, str] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await self.refresh()
            await self._clock.sleep(self._seconds / REFRESHES_A_COUNTDOWN)

    async def refresh(self) -> None:
        """Once for each symbol. Says in AUDIT that a symbol is armed, and that it runs down; each once, until the other is true."""
        for symbol in self._refreshed_at:
            asked_at = self._clock.monotonic()
            missed = await self._missed(symbol)
            if missed is None:
                self._refreshed_at[symbol] = asked_at
                await self._tell(
                    symbol, ARMED, f"the exchange cancels all orders unless it hears of us for {self._seconds:.0f} s"
                )
                continue
            age = self._clock.monotonic() - self._refreshed_at[symbol]
            if age >= self._seconds * SAID_AT_SHARE:
                await self._tell(
                    symbol, RUNNING_DOWN, f"not refreshed for {age:.0f} of {self._seconds:.0f} s: {missed}"
                )

    @property
    def _seconds(self) -> float:
        return self._countdown_ms / 1000

    async def _missed(self, symbol: Symbol) -> str | None:
        """Why it was not refreshed now; None: it was."""
        if not self._kill.is_confirmed():
            return "the kill switch is not confirmed"
        outcome = await self._switch.cancel_all_after(symbol, countdown_ms=self._countdown_ms)
        if isinstance(outcome, Executed):
            return None
        return str(getattr(outcome, "reason", "the exchange lets nobody call now"))

    async def _tell(self, symbol: Symbol, what: str, message: str) -> None:
        if self._said.get(symbol) != what and await self._say(symbol, what, message):
            self._said[symbol] = what

    async def _say(self, symbol: Symbol, what: str, message: str) -> bool:
        now_ms = self._clock.now_ms()
        statement = RiskMessage(
            venue=self._venue, account=self._account, what=what, symbol=symbol, message=message, at_ms=now_ms
        )
        try:
            await self._publisher.answer(
                subjects.risk(self._venue, self._account, what),
                statement.to_bytes(),
                message_id=f"{what}:{self._venue}:{self._account}:{symbol}:{now_ms}",
            )
        except Unavailable:
            return False
        return True
