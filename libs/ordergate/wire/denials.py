"""What the server says when a permission is missing. It says so to the connection, not to the call, so it must be laid beside the calls."""

import re
from typing import NamedTuple

from ordergate.trading.errors import Denied

_DENIAL = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]+)\"", re.IGNORECASE)
_STRANGER = "authorization violation"


class Denial(NamedTuple):
    """action: publish or subscription. subject: as the server's word came through nats-py, in lower case."""

    action: str
    subject: str

    def concerns(self, subject: str) -> bool:
        return self.subject == subject.lower()

    def error(self, subject: str | None = None) -> Denied:
        return Denied(self.action, subject or self.subject)


def denial_of(text: str) -> Denial | None:
    """The denial that an error of the connection tells of; None: it tells of something else."""
    found = _DENIAL.search(text)
    return None if found is None else Denial(found[1].lower(), found[2].lower())


def is_stranger(text: str) -> bool:
    """Whether the bus does not know who we are: no key, a wrong one, or one that was taken away."""
    return _STRANGER in text.lower()
