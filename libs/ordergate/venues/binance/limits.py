"""What Binance says of its limits: in the headers of every answer how much is used, in exchangeInfo what the limits are.

Weight counts by the caller's address, orders by account; windows are fixed and aligned to their interval. RAW_REQUESTS counts calls by address too, but so
many more than the weight lets pass that it never binds, and no header speaks of it; it is not counted here.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from ordergate.access.budget import Limit, Published, Scope, Usage
from ordergate.access.response import Response
from ordergate.access.session import Call
from ordergate.venues.binance.fields import Count, Name, Row, TimeMs, check

WEIGHT, ORDERS = "REQUEST_WEIGHT", "ORDERS"
INTERVALS_MS: Mapping[str, int] = MappingProxyType(
    {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
)
_HEADER = re.compile(r"x-mbx-(used-weight|order-count)-([0-9]{1,4})([smhd])")
_KINDS = MappingProxyType({"used-weight": WEIGHT, "order-count": ORDERS})
_LETTERS_MS = MappingProxyType({name[0].lower(): length for name, length in INTERVALS_MS.items()})
_COUNT_DIGITS_MAX = 9
NOT_SAID = 10**9
"""The headers tell what is used and not of how much: a limit that lowers none."""

Scopes = Mapping[tuple[str, int], Scope]
"""Which bucket of ours a limit of the exchange is: by its type and the length of its window in ms."""


def read_usage(scopes: Scopes) -> Callable[[Call, Response], Sequence[Usage]]:
    """For access.session.VenueManners: whatever the headers say of a bucket that is counted here. An order that is refused need not bear its counts."""

    def read(_: Call, response: Response) -> Sequence[Usage]:
        found = []
        for name, value in response.headers.items():
            match = _HEADER.fullmatch(name)
            if match is None or not (value.isascii() and value.isdigit() and len(value) <= _COUNT_DIGITS_MAX):
                continue
            scope = scopes.get((_KINDS[match[1]], int(match[2]) * _LETTERS_MS[match[3]]))
            if scope is not None:
                found.append(Usage(scope=scope, limit=NOT_SAID, used=int(value)))
        return found

    return read


class RateLimitRow(Row):
    rateLimitType: Name  # noqa: N815 - the venue's name
    interval: Name
    intervalNum: Count  # noqa: N815
    limit: Count


class RateLimits(Row):
    serverTime: TimeMs  # noqa: N815
    rateLimits: list[RateLimitRow]  # noqa: N815


def published(document: object, scopes: Scopes) -> list[Published]:
    """The limits that exchangeInfo names and that are counted here. Raises Unreadable."""
    answer = check(RateLimits, document)
    return [
        Published(scope=scope, limit=row.limit, window_ms=window_ms, at_ms=answer.serverTime)
        for row in answer.rateLimits
        if (window_ms := row.intervalNum * INTERVALS_MS.get(row.interval, 0))
        and (scope := scopes.get((row.rateLimitType, window_ms))) is not None
    ]


def scopes_of(weight: Iterable[Limit], orders: Iterable[Limit]) -> Scopes:
    """From the declared limits: those that the exchange counts in weight, and those that it counts in orders."""
    named = [(WEIGHT, limit) for limit in weight] + [(ORDERS, limit) for limit in orders]
    return MappingProxyType({(kind, limit.window_ms): limit.scope for kind, limit in named})
