"""Pull requests kept open on one consumer: many messages a request, renewed before they run out.

A request dies with the server or its leader without a word, so each has a short life, and silence longer than that life starts anew.
"""

import asyncio
from collections.abc import Callable

from typing_extensions import override

from ordergate.runtime.connection import Bus
from ordergate.runtime.lean import NO_RESPONDERS

EXPIRY_SECONDS = 1.0
SILENCE_SECONDS = 1.6  # longer than a request lives: if nothing at all was heard, the request is lost
ABSENT_PAUSE_SECONDS = 0.05
NOTHING_SECONDS = 0.001
GULPS_IN_VAIN = 20
"""After so many that brought nothing a paced reading waits for a message instead of asking."""

Take = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Subject, ack reply, payload, raw headers."""

_PENDING_HEADER = b"Nats-Pending-Messages: "
_STATUS_PREFIX = b"NATS/1.0 "


class Pull:
    """Asks for at most `window` messages more than the taker has finished with. `room` says how many it can take now."""

    def __init__(
        self, bus: Bus, *, stream: str, consumer: str, window: int, room: Callable[[], int], take: Take
    ) -> None:
        self.consumer = consumer
        self._client = bus.client
        self._loop = asyncio.get_running_loop()
        self._inbox = f"{bus.inbox}.{bus.draw(8)}"
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._window = window
        self._room = room
        self._take = take
        self._asked = 0  # asked for and neither delivered nor given back
        self._heard_at = self._loop.time()
        self._number = 0
        self._again: asyncio.TimerHandle | None = None
        self._open = False
        self.gone: str | None = None
        """Why the consumer seems not to be there, from the last status; None once anything is delivered or a request lives its life."""

    @property
    def silent_seconds(self) -> float:
        """Since the server last delivered, answered a request or let one expire: the age of the last successful fetch cycle."""
        return self._loop.time() - self._heard_at

    async def start(self) -> None:
        self._open = True
        self._number = await self._client.listen(f"{self._inbox}.*", self._hear, settle=False)
        self._client.when_back(self.restart)
        self.restart()

    async def stop(self, *, settle: bool = True) -> None:
        """No more messages: what the server had sent by now has been taken when this returns; settle=False: it is dropped instead."""
        self._open = False
        if self._again is not None:
            self._again.cancel()
        self._client.forget(self.restart)
        await self._client.silence(self._number, settle=settle)

    def restart(self) -> None:
        """Whatever was asked is lost; ask anew."""
        self._asked = 0
        self.refill()

    def refill(self) -> None:
        """Ask for more once half of the window is free; a request for every single message would cost as much as the message."""
        free = min(self._window, self._room()) - self._asked
        if not self._open or free < 1 or (self._asked and 2 * free < self._window):
            return
        self._ask(free)

    def _ask(self, count: int, *, wait: bool = True) -> None:
        """Not waiting: for what is stored already; where that is nothing, the server says so when the time is over."""
        seconds = EXPIRY_SECONDS if wait else NOTHING_SECONDS
        only = b"" if wait else b',"no_wait":true'
        body = b'{"batch":%d,"expires":%d%s}' % (count, int(seconds * 1e9), only)
        if self._client.post(self._subject, body, reply=f"{self._inbox}.p"):
            self._asked += count

    def tick(self) -> None:
        """To be called a few times a second: notices requests that died in silence."""
        if self._open and self._client.is_connected and self._asked and self.silent_seconds > SILENCE_SECONDS:
            self.restart()
        else:
            self.refill()

    def _hear(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if reply:
            self._heard_at = self._loop.time()
            self.gone = None
            self._asked = max(0, self._asked - 1)
            self._take(subject, reply, data, headers)
            self.refill()
        elif headers is not None and headers.startswith(_STATUS_PREFIX):
            self._hear_status(headers)

    def _hear_status(self, headers: bytes) -> None:
        code, _, text = headers[len(_STATUS_PREFIX) :].split(b"\r\n", 1)[0].partition(b" ")
        pending = headers.partition(_PENDING_HEADER)[2].split(b"\r\n", 1)[0]
        self._asked = max(0, self._asked - int(pending)) if pending.isdigit() else 0
        if code in {b"408", b"404"}:  # the request lived its life
            self._heard_at = self._loop.time()
            self.gone = None
            self.refill()
            return
        if code == b"503" or b"Deleted" in text:
            self.gone = "nobody answers for it" if headers.startswith(NO_RESPONDERS) else text.decode(errors="replace")
        # Not ready after a restart, a leader change, or really gone: ask again soon, the liveness check finds out which.
        if self._again is not None:
            self._again.cancel()
        self._again = self._loop.call_later(ABSENT_PAUSE_SECONDS, self.restart)


class PacedPull(Pull):
    """A pull for those who follow and are in no hurry: what is stored in a short time comes in one gulp.

    Whatever is delivered at once wakes its reader at the very moment in which the next step of that order is to be made, on the same
    processors. So a reader that has caught up and heard nothing for a while asks for one message only; once that has come it takes all that
    waits every `pace_seconds`, by its own clock, until GULPS_IN_VAIN in a row brought nothing.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        consumer: str,
        window: int,
        room: Callable[[], int],
        take: Take,
        pace_seconds: float,
        behind: bool,
    ) -> None:
        super().__init__(bus, stream=stream, consumer=consumer, window=window, room=room, take=take)
        self._pace_seconds = pace_seconds
        self._behind = behind
        self._rest: asyncio.TimerHandle | None = None
        self._first: tuple[bytes, bytes, bytes, bytes | None] | None = (
            None  # what came before the rest, not handed on yet
        )
        self._gulping = False
        self._in_vain = GULPS_IN_VAIN

    @override
    async def stop(self, *, settle: bool = True) -> None:
        self._forget_rest()
        await super().stop(settle=settle)

    @override
    def restart(self) -> None:
        self._forget_rest()
        super().restart()

    def caught_up(self) -> None:
        """The reader is at the end: from now on slowly, as soon as what is asked for has come or run out."""
        self._behind = False

    @override
    def refill(self) -> None:
        if self._behind:
            super().refill()
        elif self._open and not self._asked and self._rest is None and self._room() > 0:
            self._gulping = False
            if self._in_vain < GULPS_IN_VAIN:
                self._in_vain += 1
                self._rest = self._loop.call_later(self._pace_seconds, self._gulp)
            else:
                self._ask(1)

    @override
    def _hear(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if self._behind or not reply:
            super()._hear(subject, reply, data, headers)
            return
        self._heard_at = self._loop.time()
        self.gone = None
        self._asked = max(0, self._asked - 1)
        self._in_vain = 0
        if self._gulping and not self._asked:  # as many as there was room for
            self._take(subject, reply, data, headers)
            self._gulp()
        elif self._asked or self._first is not None:  # of a gulp, or the rest of what was asked for while behind
            self._take(subject, reply, data, headers)
        else:
            self._first = (subject, reply, data, headers)
            self._rest = self._loop.call_later(self._pace_seconds, self._gulp)

    def _gulp(self) -> None:
        self._rest = None
        room = min(self._window, self._room())
        first, self._first = self._first, None
        if room > 0 and self._open:  # else whoever makes room asks again
            self._gulping = True
            self._ask(room, wait=False)
        if first is not None:
            self._take(*first)

    def _forget_rest(self) -> None:
        """What was kept back is lost with it: the gap in the numbering tells an ordered reading."""
        if self._rest is not None:
            self._rest.cancel()
        self._rest, self._first = None, None
        self._gulping = False


def delivered_parts(reply: bytes) -> tuple[int, int, int, int, int]:
    """(delivery count, stream sequence, consumer sequence, stored at ns, pending) from an ack reply, in its old and its new form."""
    tokens = reply.split(b".")
    start = 4 if len(tokens) == 9 else 6  # noqa: PLR2004 - $JS.ACK.[domain.account.]stream.consumer. and then these five
    count, stream, consumer, stored, pending = tokens[start : start + 5]
    return int(count), int(stream), int(consumer), int(stored), int(pending)
