"""How far a durable consumer has come, as the server knows it (ports.bus.Progress)."""

from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal
from ordergate.trading.errors import BusUnavailable
from ordergate.wire.streams import ConsumerSpec


class ConsumerProgress:
    """Asks the server each time: its answer is about acknowledgements that it has, so nothing it says can be taken back."""

    def __init__(self, bus: Bus, spec: ConsumerSpec) -> None:
        self._bus = bus
        self._spec = spec

    async def has_passed(self, sequence: int) -> bool:
        """See ports.bus. Raises BusUnavailable, also while there is no such consumer."""
        answer = await self._bus.jetstream.api(f"CONSUMER.INFO.{self._spec.stream}.{self._spec.durable}")
        if isinstance(answer, Refusal):
            raise BusUnavailable(f"{self._spec.durable}: {answer.description}")
        if int(answer["ack_floor"]["stream_seq"]) >= sequence:
            return True
        # The floor rests on the last message of this consumer's own; with none waiting and none in hand there is nothing before `sequence`.
        return int(answer["num_pending"]) == 0 and int(answer["num_ack_pending"]) == 0
