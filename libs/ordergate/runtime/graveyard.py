"""DEAD: where a message goes that nobody can handle, whole and with the reason, before its delivery is ended."""

from ordergate.runtime.connection import Bus
from ordergate.runtime.delivery import LaneDelivery
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.lean import header_block
from ordergate.trading.errors import BusUnavailable
from ordergate.wire import subjects
from ordergate.wire.messages import DeadHeaders
from ordergate.wire.streams import ConsumerSpec


class Graveyard:
    """Keeps each message once per consumer, whoever buries it how often."""

    def __init__(self, bus: Bus, *, service: str) -> None:
        self._bus = bus
        self._service = service

    async def keep(self, delivery: LaneDelivery, *, spec: ConsumerSpec, reason: str, error_id: str) -> None:
        """Returns once DEAD has acknowledged it. Raises BusUnavailable."""
        headers = DeadHeaders(
            reason=reason,
            error_id=error_id,
            subject=delivery.subject,
            stream=spec.stream,
            sequence=delivery.sequence,
            consumer=spec.durable,
        )
        answer = await self._bus.jetstream.publish(
            subjects.dead(self._service, spec.stream), delivery.data, headers=header_block(headers.to_headers())
        )
        if isinstance(answer, Refusal):
            raise BusUnavailable(f"DEAD refused a message: {answer.description}")
