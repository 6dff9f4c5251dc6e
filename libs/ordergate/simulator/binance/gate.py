"""The gate of both dialects: who asks, with which right, and whether the request is signed and in time.

Order: key -> mandatory parts -> timestamp -> signature -> permission. Binance has no replay check: a request may be sent again within its window.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ordergate.simulator.binance.failures import (
    DUPLICATED,
    KEY_MALFORMED,
    KEY_REFUSED,
    SIGNATURE_WRONG,
    illegal,
    missing,
)
from ordergate.simulator.binance.operations import Failure, Security
from ordergate.simulator.binance.signing import (
    Verify,
    hmac_verifier,
    is_ed25519,
    public_key_verifier,
    read_signed,
    sorted_text,
)
from ordergate.simulator.binance.timing import Timing, read_timing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.simulator.config import AccountConfig, KeyConfig

_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key of an account."""

    name: str
    account: str
    verify: Verify = field(repr=False)
    logs_on: bool
    permissions: frozenset[str]
    expires_at_ms: int | None
    addresses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A sender who may do what was asked. key: None for a public call; timing: None where nothing is signed; parameters: what is left to the operation."""

    key: Key | None
    timing: Timing | None
    parameters: dict[str, str]


class Gate:
    """All keys."""

    __slots__ = ("_encoded_only", "_keys", "_revoked")

    def __init__(self, accounts: Iterable[AccountConfig], *, encoded_only: bool = True) -> None:
        """Keys as configured. encoded_only: what is signed must be percent-encoded, as Spot wants it. Raises ValueError for a public key that is none."""
        self._encoded_only = encoded_only
        self._keys = {key.key: _built(row, key) for row in accounts for key in row.keys}
        self._revoked: set[str] = set()

    def revoke(self, key: str, *, revoked: bool) -> bool:
        """Take a key away, or give it back; False: there is no such key."""
        if revoked:
            self._revoked.add(key)
        else:
            self._revoked.discard(key)
        return key in self._keys

    def admit_rest(
        self, security: Security, *, key: str | None, query: str, body: bytes, address: str, now_ms: int
    ) -> Caller | Failure:
        """Let a request of REST in, or say why not."""
        signed = read_signed(query, body)
        if signed is None:
            return illegal("query", "^[^=&]+=[^&]*(&[^=&]+=[^&]*)*$")
        parameters = signed.parameters()
        if parameters is None:
            return DUPLICATED
        if security is Security.NONE:
            return Caller(key=None, timing=None, parameters=parameters)
        known = self.key(key, address, now_ms)
        if isinstance(known, Failure) or security is Security.KEY:
            return known if isinstance(known, Failure) else Caller(key=known, timing=None, parameters=parameters)
        return _admit_signed(
            known,
            security,
            parameters,
            text=signed.text if signed.is_encoded or not self._encoded_only else None,
            signature=signed.signature,
            now_ms=now_ms,
        )

    def admit_socket(
        self, security: Security, parameters: dict[str, str], *, session: Key | None, address: str, now_ms: int
    ) -> Caller | Failure:
        """Let a request of the WebSocket API in. session: the key that is logged on; explicit keys and signatures go before it."""
        if security is Security.NONE:
            return Caller(key=None, timing=None, parameters=parameters)
        text = sorted_text(parameters)
        signature, name = parameters.pop("signature", None), parameters.pop("apiKey", None)
        if name is None and session is None:
            return missing("apiKey")
        known = self.key(name if name is not None or session is None else session.name, address, now_ms)
        if isinstance(known, Failure) or security is Security.KEY:
            return known if isinstance(known, Failure) else Caller(key=known, timing=None, parameters=parameters)
        if name is None and signature is None:
            timing = _arrived(parameters, now_ms)
            return timing if isinstance(timing, Failure) else _permitted(known, security, timing, parameters)
        return _admit_signed(known, security, parameters, text=text, signature=signature, now_ms=now_ms)

    def key(self, name: str | None, address: str, now_ms: int) -> Key | Failure:
        """The key, if it is one and may be used from there now."""
        if not name or not _KEY(name):
            return KEY_MALFORMED
        known = self._keys.get(name)
        if known is None or name in self._revoked or (known.addresses and address not in known.addresses):
            return KEY_REFUSED
        expired = known.expires_at_ms is not None and now_ms >= known.expires_at_ms
        return KEY_REFUSED if expired else known


def _built(row: AccountConfig, key: KeyConfig) -> Key:
    return Key(
        name=key.key,
        account=row.account,
        verify=hmac_verifier(key.secret) if key.secret else public_key_verifier(key.public_key),
        logs_on=bool(key.public_key) and is_ed25519(key.public_key),
        permissions=frozenset(key.permissions),
        expires_at_ms=key.expires_at_ms,
        addresses=frozenset(key.addresses),
    )


def _arrived(parameters: dict[str, str], now_ms: int) -> Timing | Failure:
    timing = read_timing(parameters)
    return timing if isinstance(timing, Failure) else timing.refuse_arrival(now_ms) or timing


def _permitted(key: Key, security: Security, timing: Timing, parameters: dict[str, str]) -> Caller | Failure:
    may = "TRADE" in key.permissions or (security is Security.SIGNED_READ and "READ_ONLY" in key.permissions)
    if not may and security is not Security.SIGNED_STREAM:
        return KEY_REFUSED
    return Caller(key=key, timing=timing, parameters=parameters)


def _admit_signed(
    key: Key,
    security: Security,
    parameters: dict[str, str],
    *,
    text: bytes | None,
    signature: str | None,
    now_ms: int,
) -> Caller | Failure:
    if "timestamp" in parameters and not signature:
        return missing("signature")
    timing = _arrived(parameters, now_ms)
    if isinstance(timing, Failure):
        return timing
    if text is None or not key.verify(text, signature or ""):
        return SIGNATURE_WRONG
    return _permitted(key, security, timing, parameters)
