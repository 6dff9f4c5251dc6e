"""POSITIONS (ports.positions): the last message of each symbol, replaced by compare-and-set."""

from collections.abc import Sequence
from contextlib import aclosing
from decimal import Decimal

import structlog

from ordergate.ports.positions import StoredPosition
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import WRONG_LAST_SEQUENCE, Ack
from ordergate.runtime.lean import header_block
from ordergate.runtime.ordered import OrderedRead
from ordergate.trading.errors import Misuse, OtherSchema, Unreadable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.trading.position import Position
from ordergate.wire import codec, subjects
from ordergate.wire.messages import EXPECTED_LAST_SUBJECT_SEQUENCE
from ordergate.wire.streams import POSITIONS


class BusPositions:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def load(self, venue: VenueName, account: AccountName) -> Sequence[StoredPosition]:
        stored: dict[str, StoredPosition] = {}
        reading = OrderedRead(self._bus, stream=POSITIONS, filters=(subjects.positions_of(venue, account),), after=None)
        async with aclosing(reading.messages()) as messages:
            async for message in messages:
                if message is None:
                    break
                position = _read(message.subject, message.data)
                if position is not None:
                    stored[message.subject] = StoredPosition(position=position, sequence=message.sequence)
        return tuple(stored.values())

    async def store(self, position: Position, *, mark_price: Decimal | None, after: int) -> int | None:
        subject = subjects.position(position)
        payload = codec.encode_position(position, mark_price=mark_price)
        headers = header_block({EXPECTED_LAST_SUBJECT_SEQUENCE: str(after)})
        answer = await self._bus.jetstream.publish(subject, payload, headers=headers)
        if isinstance(answer, Ack):
            return answer.sequence
        if answer.error_code != WRONG_LAST_SEQUENCE:
            raise Misuse(f"the bus refuses a position: {answer.description}")
        # Perhaps our own, whose ack was lost: the same bytes are the same fold and mark, so the same fact.
        last = await self._bus.jetstream.last(POSITIONS, subject)
        if last is None or last.data == payload:
            return None if last is None else last.sequence
        # What cannot be read is nobody's fold, so it is written over.
        spoilt = _read(last.subject, last.data) is None and last.sequence != after
        return await self.store(position, mark_price=mark_price, after=last.sequence) if spoilt else None


def _read(subject: str, data: bytes) -> Position | None:
    """None: it cannot be read, which is as if it had never been published; it is folded again from the fills. Raises OtherSchema."""
    try:
        return codec.decode_position(data, subject=subject)
    except OtherSchema as error:
        raise OtherSchema(f"{subject}: {error}") from error
    except Unreadable as error:
        structlog.get_logger("positions").error("a position cannot be read", subject=subject, error=str(error))
        return None
