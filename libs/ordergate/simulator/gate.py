"""The gate of the exchange: who asks, with which right, and whether this very request was here before.

Order (docs/venues/zetarium.md): key known and address allowed -> not expired -> signature -> timestamp window -> replay -> permission.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ordergate.simulator.refusal import Refusal, unauthorized
from ordergate.simulator.signing import SignedQuery, is_signed_by, read_query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.config import AccountConfig

WINDOW_MS = 5_000
REPLAY_MS = 60_000
_TIMESTAMP = re.compile(r"[0-9]{1,15}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key of an account. The secret never shows in a repr."""

    account: str
    secret: bytes = field(repr=False)
    permissions: frozenset[str]
    expires_at_ms: int | None
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A sender who may do what was asked."""

    account: str
    parameters: dict[str, str]


class Gate:
    """All keys, and the signatures of the last minute."""

    __slots__ = ("_keys", "_revoked", "_seen")

    def __init__(self, accounts: Iterable[AccountConfig]) -> None:
        """Keys as configured."""
        self._keys = {
            key.key: Key(
                account=row.account,
                secret=key.secret.encode(),
                permissions=frozenset(key.permissions),
                expires_at_ms=key.expires_at_ms,
                addresses=frozenset(key.addresses),
            )
            for row in accounts
            for key in row.keys
        }
        self._revoked: set[str] = set()
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """Take a key away, or give it back; False: there is no such key."""
        if revoked:
            self._revoked.add(key)
        else:
            self._revoked.discard(key)
        return key in self._keys

    def admit(self, *, key: str | None, raw_query: str, address: str, trades: bool, now_ms: int) -> Caller | Refusal:
        """Let a signed request in, or say why not. A pair (key, signature) is used up once it passes the replay check."""
        known = self._keys.get(key or "")
        if key is None or known is None or key in self._revoked:
            return unauthorized("INVALID_API_KEY", "Invalid API key")
        if known.addresses and address not in known.addresses:
            return unauthorized("IP_NOT_ALLOWED", "IP address not allowed")
        if known.expires_at_ms is not None and now_ms >= known.expires_at_ms:
            return unauthorized("API_KEY_EXPIRED", "API key expired")
        query = read_query(raw_query)
        if query is None or query.signature is None or not is_signed_by(known.secret, query):
            return unauthorized("INVALID_SIGNATURE", "Invalid signature")
        return self._admit_signed(key, known, query, trades=trades, now_ms=now_ms)

    def _admit_signed(self, key: str, known: Key, query: SignedQuery, *, trades: bool, now_ms: int) -> Caller | Refusal:
        timestamp = query.parameters.pop("timestamp", "")
        if not _TIMESTAMP(timestamp) or abs(now_ms - int(timestamp)) > WINDOW_MS:
            return unauthorized("INVALID_TIMESTAMP", "Invalid or expired timestamp")
        if self._is_replay((key, query.signature or ""), now_ms):
            return unauthorized("REPLAYED_REQUEST", "Replayed request")
        if "TRADE" not in known.permissions and (trades or "READ_ONLY" not in known.permissions):
            return Refusal(status=403, code="PERMISSION_DENIED", error="API key lacks the permission for this call")
        return Caller(account=known.account, parameters=query.parameters)

    def _is_replay(self, pair: tuple[str, str], now_ms: int) -> bool:
        while self._seen:
            oldest, seen_ms = next(iter(self._seen.items()))
            if now_ms - seen_ms < REPLAY_MS:
                break
            del self._seen[oldest]
        if pair in self._seen:
            return True
        self._seen[pair] = now_ms
        return False
