"""A simulated stream: what the server stores, and by which guards it refuses.

Indexed by the filters that are really asked for, so that the last message under an order's wildcard costs one look.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ordergate.runtime.lean import parse_headers

EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"
TIME_TO_LIVE = "Nats-TTL"

NANOSECONDS = 1_000_000_000


class Stored(NamedTuple):
    """A message as the server keeps it."""

    sequence: int
    subject: str
    data: bytes
    headers: bytes
    at_ns: int


class Acked(NamedTuple):
    sequence: int
    duplicate: bool
    ttl_seconds: int


class Refused(NamedTuple):
    """The server's no, in its own numbers."""

    code: int
    error_code: int
    description: str


class Filter:
    """One wildcard that somebody asks for, and the last sequence under it. `key`: a place and the token that must stand there."""

    __slots__ = ("key", "last", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.key = max(
            ((place, token) for place, token in enumerate(pattern.split(".")) if token not in {"*", ">"}),
            default=(0, "*"),
        )
        self.last = 0


class SimStream:
    """Its configuration is the one the real server is given (runtime.provision)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.name: str = config["name"]
        self.subjects: tuple[str, ...] = tuple(config["subjects"])
        self.messages: dict[int, Stored] = {}
        self.last_sequence = 0
        self.is_full = False
        self._bytes = 0
        self._message_bytes_max: int = config.get("max_msg_size", -1)
        self._one_a_subject = config.get("max_msgs_per_subject") == 1
        self._refuses_second = bool(config.get("discard_new_per_subject"))
        self._window_ns: int = config.get("duplicate_window", 120 * NANOSECONDS)
        self._ids: dict[str, tuple[int, int]] = {}
        self._last_of: dict[str, int] = {}
        self._filters: dict[str, Filter] = {}
        self._filters_of: dict[str, list[Filter]] = {}
        self._filters_with: dict[tuple[int, str], list[Filter]] = {}
        self._subjects_with: dict[tuple[int, str], list[str]] = {}

    def append(
        self, subject: str, data: bytes, headers: bytes, at_ns: int, *, duplicates_first: bool
    ) -> Acked | Refused:
        """As the server: the size, the guards, in the order of one node or of three, what the stream can hold, the write."""
        if 0 < self._message_bytes_max < len(data) + len(headers):
            return Refused(400, 10054, "message size exceeds maximum allowed")
        fields = parse_headers(headers) if headers else {}
        checks = (self._duplicate, self._unexpected) if duplicates_first else (self._unexpected, self._duplicate)
        if fields:
            for check in checks:
                answer = check(subject, fields, at_ns)
                if answer is not None:
                    return answer
        previous = self._last_of.get(subject)
        if self._refuses_second and previous is not None:
            return Refused(503, 10077, "maximum messages per subject exceeded")
        if self.is_full or 0 < self.config.get("max_bytes", -1) < self._bytes + _size(subject, data, headers):
            return Refused(503, 10077, "maximum bytes exceeded")
        self.last_sequence += 1
        sequence = self.last_sequence
        if previous is not None and self._one_a_subject:
            self._forget(previous)
        self.messages[sequence] = Stored(sequence, subject, data, headers, at_ns)
        self._bytes += _size(subject, data, headers)
        self._index(subject, sequence)
        if MESSAGE_ID in fields:
            self._ids[fields[MESSAGE_ID]] = (sequence, at_ns)
        return Acked(sequence, duplicate=False, ttl_seconds=int(fields.get(TIME_TO_LIVE, "0").removesuffix("s")))

    def last(self, pattern: str) -> Stored | None:
        """The last message under a subject or wildcard."""
        sequence = self._last_under(pattern)
        return self.messages.get(sequence) if sequence else None

    def matching(self, patterns: Iterable[str], *, start: int) -> list[int]:
        """Sequences from `start` on under any of the patterns, ascending."""
        wanted = tuple(patterns)
        return [
            sequence
            for sequence, message in self.messages.items()
            if sequence >= start and covers_any(wanted, message.subject)
        ]

    def matching_last(self, patterns: Iterable[str]) -> list[int]:
        """The last sequence of each subject under any of the patterns, ascending."""
        wanted = tuple(patterns)
        return sorted(sequence for subject, sequence in self._last_of.items() if covers_any(wanted, subject))

    def remove(self, sequence: int) -> None:
        """A message whose time to live has passed."""
        if sequence in self.messages:
            self._forget(sequence)
            self._index_anew()

    def purge(self) -> None:
        """Every message is gone; the numbers go on."""
        self.messages.clear()
        self._bytes = 0
        self._index_anew()

    def _forget(self, sequence: int) -> None:
        _, subject, data, headers, _ = self.messages.pop(sequence)
        self._bytes -= _size(subject, data, headers)

    def truncate(self, after: int) -> None:
        """The tail that was acknowledged and not yet written is gone (persist_mode async, kill -9)."""
        self.messages = {sequence: message for sequence, message in self.messages.items() if sequence <= after}
        self.last_sequence = min(self.last_sequence, after)
        self._ids = {name: entry for name, entry in self._ids.items() if entry[0] <= after}
        self._index_anew()

    def _duplicate(self, _subject: str, fields: Mapping[str, str], at_ns: int) -> Acked | None:
        known = self._ids.get(fields.get(MESSAGE_ID, ""))
        if known is None or at_ns - known[1] >= self._window_ns:
            return None
        return Acked(known[0], duplicate=True, ttl_seconds=0)

    def _unexpected(self, subject: str, fields: Mapping[str, str], _at_ns: int) -> Refused | None:
        expected = fields.get(EXPECTED_LAST)
        if expected is None:
            return None
        last = self._last_under(fields.get(EXPECTED_LAST_SUBJECT, subject))
        return None if last == int(expected) else Refused(400, 10071, f"wrong last sequence: {last}")

    def _last_under(self, pattern: str) -> int:
        if "*" not in pattern and ">" not in pattern:
            return self._last_of.get(pattern, 0)
        found = self._filters.get(pattern)
        if found is None:
            found = self._filters[pattern] = Filter(pattern)
            self._filters_with.setdefault(found.key, []).append(found)
            for subject in self._subjects_with.get(found.key, ()):
                if covers(pattern, subject):
                    found.last = max(found.last, self._last_of[subject])
                    self._filters_of[subject].append(found)
        return found.last

    def _index(self, subject: str, sequence: int) -> None:
        self._last_of[subject] = sequence
        under = self._filters_of.get(subject)
        if under is None:
            under = self._filters_of[subject] = []
            for key in (*enumerate(subject.split(".")), (0, "*")):
                self._subjects_with.setdefault(key, []).append(subject)
                under += [one for one in self._filters_with.get(key, ()) if covers(one.pattern, subject)]
        for one in under:
            one.last = sequence

    def _index_anew(self) -> None:
        self._last_of.clear()
        self._filters.clear()
        self._filters_of.clear()
        self._filters_with.clear()
        self._subjects_with.clear()
        for sequence, message in self.messages.items():
            self._index(message.subject, sequence)


def _size(subject: str, data: bytes, headers: bytes) -> int:
    """On the server's disk."""
    return 30 + len(subject) + len(data) + (4 + len(headers) if headers else 0)


@lru_cache(maxsize=1 << 10)
def covers(pattern: str, subject: str) -> bool:
    """Whether a subject is under a pattern."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">" and len(tokens) >= len(wanted):
        wanted.pop()
        del tokens[len(wanted) :]
    return len(wanted) == len(tokens) and all(
        want in (token, "*", ">") for want, token in zip(wanted, tokens, strict=True)
    )


@lru_cache(maxsize=1 << 10)
def covers_any(patterns: tuple[str, ...], subject: str) -> bool:
    """Whether a subject is under one of the patterns."""
    return any(covers(pattern, subject) for pattern in patterns)
