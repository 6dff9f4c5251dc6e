"""Every error that ordergate raises, split by what the caller can do about it.

* OrdergateError
  x Misuse                    the call is wrong: change the call
    - InvalidToken            a name or id that cannot stand on the bus or at a venue
    - TransitionRefused       an event that cannot happen to an order in this state
    - InvalidIntent           an intent that the gate would refuse; nothing was published
    - IntentTooLarge          an intent over the limit of the bus; nothing was stored
    - Unsignable              a signing scheme that does not exist, or a payload that it cannot sign
  x Misconfigured             the installation is wrong: an operator must change it, the service refuses to start
    - StreamDrift             a stream, consumer or bucket differs from its declaration
    - UnsafeKeyFile           a key file that others can read, or that is not a key
    - WrongKey                a key that cannot do what it is given for: damaged, locked, of another kind, or allowed too much
    - UnknownVenue            no adapter of that name
    - Denied                  the bus does not permit it to this identity
    - OtherSchema             a stored message of a version that is not ours; also Unreadable
  x Unavailable               the world is away: the same call may succeed later
    - BusUnavailable          the bus did not answer in the time given
    - StillWaiting            what was waited for has not happened in the time given
    - VenueUnavailable        a read from the venue failed
    - ClockUnknown            the venue's time is not known well enough to sign
    - SecretStoreUnavailable  the store that keeps the keys did not give one
  x Unreadable                bytes that are not the message they should be
    - WrongLimit              a rate limit that a venue publishes and that cannot be one; the limit that holds stands

Expected outcomes (a refusal by risk, a rejection by a venue, an unknown outcome) are values, not errors.
"""


class OrdergateError(Exception):
    """Something went wrong in ordergate."""

    def __init__(self, message: str | None = None, *, error_id: str | None = None) -> None:
        super().__init__(message or self.__doc__)
        self.error_id = error_id


class Misuse(OrdergateError):
    """The call is wrong; change the call."""


class InvalidToken(Misuse, ValueError):
    """A name or id that cannot stand on the bus or at a venue."""


class TransitionRefused(Misuse):
    """An event that cannot happen to an order in this state."""

    def __init__(self, state: str, event: str, why: str) -> None:
        super().__init__(f"an order that is {state} cannot take {event}: {why}")
        self.state = state
        self.event = event
        self.why = why


class InvalidIntent(Misuse, ValueError):
    """An intent that the gate would refuse; nothing was published."""


class IntentTooLarge(Misuse):
    """An intent over the limit of the bus; nothing was stored."""

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"an intent of {size_bytes} bytes is over the limit of {max_bytes} bytes, its headers included"
        )
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class Unsignable(Misuse, ValueError):
    """A signing scheme that does not exist, or a payload that it cannot sign."""


class Misconfigured(OrdergateError):
    """The installation is wrong; an operator must change it."""


class StreamDrift(Misconfigured):
    """A stream, consumer or bucket differs from its declaration; run the provision command or undo the change."""


class UnsafeKeyFile(Misconfigured):
    """A key file that others can read, or that is not a key; set its mode to 0400."""


class WrongKey(Misconfigured):
    """A key that cannot do what it is given for; give another."""


class UnknownVenue(Misconfigured):
    """No adapter of that name."""


class Denied(Misconfigured):
    """The bus does not permit it to this identity."""

    def __init__(self, action: str, subject: str) -> None:
        super().__init__(
            f"the bus denies this identity {'to publish to' if action == 'publish' else 'to subscribe to'} {subject}; "
            "see docs/identities.md for what it may do"
        )
        self.action = action
        self.subject = subject


class Unavailable(OrdergateError):
    """The world is away; the same call may succeed later."""


class BusUnavailable(Unavailable):
    """The bus did not answer in the time given; repeat the same call with the same guard."""


class StillWaiting(Unavailable, TimeoutError):
    """What was waited for has not happened in the time given; it goes on without you."""


class VenueUnavailable(Unavailable):
    """A read from the venue failed; nothing is known from it, ask again."""


class ClockUnknown(Unavailable):
    """The venue's time is not known well enough to sign; nothing was sent."""


class SecretStoreUnavailable(Unavailable):
    """The store that keeps the keys did not give one; the key that is loaded stays in use."""


class Unreadable(OrdergateError, ValueError):
    """Bytes that are not the message they should be."""


class OtherSchema(Misconfigured, Unreadable):
    """A stored message of a schema that this version does not read: to pass over it would be to guess, so the service stops."""


class WrongLimit(Unreadable):
    """A rate limit that a venue publishes and that cannot be one; the limit that holds stands."""
