"""One connection to the bus that survives its outages, and the two things done over it: guarded publications and API requests."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import PubAck

from ordergate.trading.errors import BusUnavailable, Denied, IntentTooLarge, Misconfigured
from ordergate.wire import identities
from ordergate.wire.denials import Denial, denial_of, is_stranger
from ordergate.wire.messages import MSG_ID
from ordergate.wire.seeds import public_key_of

RECONNECT_WAIT_SECONDS = 0.2
PING_SECONDS = 5
PINGS_OUTSTANDING_MAX = 2
TRY_SECONDS = 2.0
TRY_SECONDS_MIN = 0.05
TOTAL_SECONDS = 15.0
PAUSE_SECONDS = 0.1
ANSWER_AFTER_RECONNECT_SECONDS = 0.2
MESSAGE_TOO_LARGE = 10054
NO_MESSAGE_FOUND = 10037
SERVICE_UNAVAILABLE = 503
_DEAF = ""
"""Instead of a subject: answers cannot be heard at all."""

_AWAY = (
    TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.ConnectionReconnectingError,
    nats.js.errors.NoStreamResponseError,
)
_log = logging.getLogger("ordergate.client")


class Connection:
    """A nats-py client with settings under which it never gives up by itself."""

    def __init__(self, client: Client, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self.client = client
        self.total_seconds = total_seconds
        self.last_error: Exception | None = None
        self._when_back: list[Callable[[], None]] = []
        self._when_closed: list[Callable[[], None]] = []
        self._tries: dict[asyncio.Timeout, str] = {}
        self._denied: dict[str, Denied] = {}
        self._opening: asyncio.Timeout | None = None
        self._was_connected = False

    @property
    def is_closed(self) -> bool:
        return self.client.is_closed

    def watch(self, back: Callable[[], None], closed: Callable[[], None]) -> None:
        """`back` is called after every reconnect, `closed` once, when the connection is over."""
        self._when_back.append(back)
        self._when_closed.append(closed)

    def forget(self, back: Callable[[], None], closed: Callable[[], None]) -> None:
        self._when_back.remove(back)
        self._when_closed.remove(closed)

    async def open(
        self,
        url: str,
        *,
        name: str,
        options: dict[str, Any],
        nkey_seed_file: Path | None = None,
        authority_file: Path | None = None,
    ) -> None:
        """url: of the bus, or those of its nodes with commas between. authority_file: certificates (PEM) whose word on the bus's counts.

        Raises BusUnavailable when there is no bus within the total limit, UnsafeKeyFile, Misconfigured when the bus does not know the identity.
        """
        settings: dict[str, Any] = {
            "name": name,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RECONNECT_WAIT_SECONDS,
            "ping_interval": PING_SECONDS,
            "max_outstanding_pings": PINGS_OUTSTANDING_MAX,
        }
        if nkey_seed_file is not None:
            settings["nkeys_seed"] = str(nkey_seed_file)
            settings["inbox_prefix"] = identities.inbox(public_key_of(nkey_seed_file))
        if authority_file is not None:
            settings["tls"] = ssl.create_default_context(cafile=authority_file)
        try:
            async with asyncio.timeout(self.total_seconds) as self._opening:
                await self.client.connect(
                    [server.strip() for server in url.split(",")],
                    error_cb=self._on_error,
                    reconnected_cb=self._on_back,
                    closed_cb=self._on_closed,
                    **(settings | options),
                )
        except Misconfigured:
            # Not closed: nats-py would wait for ever where the certificate was not believed.
            self.client._status = Client.CLOSED  # noqa: SLF001
            transport: Any = self.client._transport  # noqa: SLF001
            if transport is not None:
                transport.close()
            raise
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self.client.close()
            raise BusUnavailable(f"no bus at {url} within {self.total_seconds} s: {error!r}") from error
        self._was_connected = True

    async def close(self) -> None:
        """Send what is pending, then close. Without a bus, what is pending is dropped: its callers never got an answer."""
        client = self.client
        if client.is_closed:
            return
        try:
            if client.is_connected:
                await client.flush(timeout=1)
        except (nats.errors.Error, OSError) as error:
            _log.warning("the bus went away while closing: %r", error)
        if not client.is_connected:
            # nats-py 2.16 would write these to a dead socket and stop half closed.
            client._pending, client._pending_data_size = [], 0  # noqa: SLF001
        try:
            await client.close()
        except OSError as error:
            _log.warning("the bus went away while closing: %r", error)
            await self._on_closed()

    async def publish(self, subject: str, payload: bytes, *, message_id: str, size_max: int) -> PubAck:
        """Repeat with the same message id until the stream acknowledges.

        Raises IntentTooLarge when the message is over the stream's or the server's limit, Misconfigured when the server refuses for
        good, BusUnavailable at the total limit: whether it was stored is then not known, repeat it with the same id.
        """
        if len(payload) > size_max:  # the server counts the headers too: its own refusal comes below
            raise IntentTooLarge(len(payload), size_max)
        deadline = self._now() + self.total_seconds
        while True:
            seconds = min(TRY_SECONDS, max(TRY_SECONDS_MIN, deadline - self._now()))
            try:
                async with self._try(seconds, subject):
                    return await self.client.jetstream().publish(
                        subject, payload, timeout=seconds, headers={MSG_ID: message_id}
                    )
            except nats.errors.MaxPayloadError as error:
                raise IntentTooLarge(len(payload), size_max) from error
            except nats.js.errors.APIError as error:
                if error.err_code == MESSAGE_TOO_LARGE:
                    raise IntentTooLarge(len(payload), size_max) from error
                if error.code != SERVICE_UNAVAILABLE:
                    raise Misconfigured(f"the bus refuses {subject}: {error.description}") from error
                why: Exception = error
            except _AWAY as error:
                self._raise_if_denied(subject, error)
                why = error
            except nats.errors.ConnectionClosedError as error:
                raise BusUnavailable("the connection is closed") from error
            await self._pause(deadline, why)

    async def api(self, call: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One try of a JetStream API call; an error of the server stays in the answer. Raises BusUnavailable without an answer."""
        seconds = min(TRY_SECONDS, self.total_seconds)
        data = b"" if body is None else json.dumps(body).encode()
        try:
            async with self._try(seconds, f"$JS.API.{call}"):
                reply = await self.client.request(f"$JS.API.{call}", data, timeout=seconds)
        except (*_AWAY, nats.errors.ConnectionClosedError) as error:
            self._raise_if_denied(f"$JS.API.{call}", error)
            raise BusUnavailable(f"no answer to {call}: {self._cause(error)}") from error
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    async def last(self, stream: str, subject: str) -> bytes | None:
        """The last message under a subject, through the stream's leader; None: there is none. Raises BusUnavailable."""
        answer = await self.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        error = answer.get("error")
        if error is None:
            return base64.b64decode(answer["message"].get("data", ""))
        if error.get("err_code") == NO_MESSAGE_FOUND:
            return None
        raise BusUnavailable(f"{stream} cannot be read: {error.get('description')}")

    async def ask(self, subject: str, *, seconds: float) -> bytes | None:
        """A core request; None when nobody answers."""
        try:
            return (await self.client.request(subject, b"", timeout=seconds)).data
        except (*_AWAY, nats.errors.ConnectionClosedError):
            return None

    @asynccontextmanager
    async def _try(self, seconds: float, subject: str) -> AsyncGenerator[None, None]:
        """A time limit that becomes short when the connection is back, or the subject denied: then no answer comes."""
        self._denied.pop(subject.lower(), None)
        async with asyncio.timeout(seconds) as limit:
            self._tries[limit] = subject
            try:
                yield
            finally:
                self._tries.pop(limit, None)

    async def _pause(self, deadline: float, why: Exception) -> None:
        if self._now() >= deadline:
            raise BusUnavailable(f"not acknowledged within {self.total_seconds} s: {self._cause(why)}") from why
        await asyncio.sleep(PAUSE_SECONDS)

    def _raise_if_denied(self, subject: str, error: Exception) -> None:
        denied = self._denied.get(subject.lower()) or self._denied.get(_DEAF)
        if denied is not None:
            raise denied from error

    def _cause(self, error: Exception) -> str:
        # A publish without permission looks like a time-out; only the connection's own error tells.
        return repr(error) if self.last_error is None else f"{error!r} (the connection said {self.last_error!r})"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _on_error(self, error: Exception) -> None:
        if self._is_to_end():
            raise asyncio.CancelledError
        denial = denial_of(str(error))
        if denial is not None:
            self._note(denial)
        elif not self._was_connected and isinstance(error, ssl.SSLCertVerificationError):
            raise Misconfigured(f"the certificate of the bus is not to be trusted: {error}") from error
        elif not self._was_connected and is_stranger(str(error)):
            raise Misconfigured(
                "the bus does not know this identity: is the seed file right, and was the bus told of it?"
            ) from error
        # While the bus is away the same error comes five times a second.
        if repr(error) != repr(self.last_error):
            _log.warning("bus connection: %r", error)
        self.last_error = error

    def _note(self, denial: Denial) -> None:
        """Whoever waits for an answer to it hears at once that none will come."""
        if denial.action == "subscription":
            self._denied[_DEAF] = denial.error()
        for limit, subject in self._tries.items():
            if denial.action == "subscription" or denial.concerns(subject):
                self._denied[subject.lower()] = denial.error(subject)
                if not limit.expired():
                    limit.reschedule(self._now())

    def _is_to_end(self) -> bool:
        """Whether nats-py dials on although it was told to stop: `wait_for` of Python 3.11 loses a cancellation that meets a refusal."""
        if self._opening is not None and self._opening.expired():
            return True
        return self.client.is_closed and asyncio.current_task() is self.client._reconnection_task  # noqa: SLF001

    async def _on_back(self) -> None:
        self.last_error = None
        for limit in self._tries:
            if not limit.expired():
                limit.reschedule(self._now() + ANSWER_AFTER_RECONNECT_SECONDS)
        for call in tuple(self._when_back):
            call()

    async def _on_closed(self) -> None:
        for call in tuple(self._when_closed):
            call()
