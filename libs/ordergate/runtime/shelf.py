"""A key-value bucket (ports.bus.Shelf): written until answered, read through the leader, watched in order."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Ack
from ordergate.runtime.lean import header_block, parse_headers
from ordergate.runtime.ordered import OrderedRead
from ordergate.trading.errors import Misuse

_OPERATION = "KV-Operation"
_MARKER = "Nats-Marker-Reason"
_TTL = "Nats-TTL"
_DELETED = frozenset({"DEL", "PURGE"})


class BusShelf:
    """Keys are dots between subject tokens (wire.subjects.token); the last writer of a key wins."""

    def __init__(self, bus: Bus, *, bucket: str) -> None:
        self._bus = bus
        self._bucket = bucket
        self._prefix = bucket_subject(bucket, "")

    async def get(self, key: str) -> bytes | None:
        found = await self.get_with_sequence(key)
        return None if found is None else found[0]

    async def get_with_sequence(self, key: str) -> tuple[bytes, int] | None:
        """The value and its stream sequence, which orders it among all changes of the bucket."""
        message = await self._bus.jetstream.last(f"KV_{self._bucket}", self._prefix + key)
        if message is None or _is_deletion(message.headers):
            return None
        return message.data, message.sequence

    async def put(self, key: str, value: bytes, *, ttl_seconds: int | None = None) -> None:
        """ttl_seconds: whole seconds, at least one, only in a bucket that allows it."""
        await self._write(key, value, {} if ttl_seconds is None else {_TTL: f"{ttl_seconds}s"})

    async def delete(self, key: str) -> None:
        await self._write(key, b"", {_OPERATION: "DEL"})

    async def watch(self, *patterns: str) -> AsyncGenerator[tuple[str, bytes | None] | None, None]:
        async with aclosing(self.changes(*patterns)) as changes:
            async for change in changes:
                yield None if change is None else change[:2]

    async def changes(self, *patterns: str) -> AsyncGenerator[tuple[str, bytes | None, int] | None, None]:
        """As watch, with stream sequences; a None each time everything stored has been seen."""
        filters = tuple(self._prefix + pattern for pattern in patterns)
        reading = OrderedRead(self._bus, stream=f"KV_{self._bucket}", filters=filters, after=None)
        async with aclosing(reading.messages()) as messages:
            async for message in messages:
                if message is None:
                    yield None
                    continue
                value = None if _is_deletion(message.headers) else message.data
                yield message.subject.removeprefix(self._prefix), value, message.sequence

    async def _write(self, key: str, value: bytes, headers: Mapping[str, str]) -> None:
        answer = await self._bus.jetstream.publish(
            self._prefix + key, value, headers=header_block(headers) if headers else b""
        )
        if not isinstance(answer, Ack):
            raise Misuse(f"bucket {self._bucket} refuses {key}: {answer.description}")


def bucket_subject(bucket: str, key: str) -> str:
    """Where NATS keeps a key of a bucket (ADR-8)."""
    return f"$KV.{bucket}.{key}"


def _is_deletion(headers: bytes | None) -> bool:
    fields = parse_headers(headers)
    return fields.get(_OPERATION) in _DELETED or _MARKER in fields
