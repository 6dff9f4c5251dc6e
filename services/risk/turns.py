"""The order in which an account's intents are decided: that of the stream, whoever decides them.

Replicas of risk share one consumer, so during an overlap each is handed some of the intents; and one that was frozen wakes with intents in
its hands. The rule that keeps them to one set of limits needs no lease: *intent n is decided only upon a book that holds the decision of
every intent before it*. What was handed to somebody else and is not known to be decided, is decided here first; the ledger takes the first
decision of an order and shows it to everybody else. So whoever wins decision n, had all decisions before n in his book, and none after it
existed: a replica that slept in the middle of n finds that n is decided, or nobody went on without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ordergate.ports.bus import Delivery, IntentLog, StoredIntent
from services.risk.fold import AccountFold

LEARNT_MAX = 128
"""So many decisions of others are read one by one, which takes a millisecond each; for more, the feed is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """An intent that was handed to somebody else. is_answered: what there is to decide about it is decided, and stands in the ledger."""

    intent: StoredIntent
    is_answered: bool


class Turns:
    """How far one replica knows the account to be decided. Free of charge where it alone is handed everything."""

    def __init__(self, *, intents: IntentLog, fold: AccountFold) -> None:
        self._intents = intents
        self._fold = fold
        self._decided = 0  # everything up to this INTENTS sequence is decided, and in the book
        self._number = 0  # of the last delivery without a gap before it

    async def before(self, delivery: Delivery) -> Sequence[Missed]:
        """What has to be decided, or learnt, before this one, in order. Raises Unavailable while that cannot be known."""
        if delivery.sequence <= self._decided or delivery.number == self._number + 1:
            return ()
        answered = await self._intents.answered()
        if answered - self._decided > LEARNT_MAX:
            await self._fold.reach(await self._intents.end_of_orders())
            self._decided = answered
        missed = await self._intents.between(self._decided, delivery.sequence)
        return [Missed(intent=intent, is_answered=intent.sequence <= answered) for intent in missed]

    def take(self, delivery: Delivery) -> None:
        """Everything before this one is decided, and nothing after it will be before it is."""
        if delivery.sequence > self._decided or delivery.number == self._number + 1:
            self._number = delivery.number
        self._decided = max(self._decided, delivery.sequence)
