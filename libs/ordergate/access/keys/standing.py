"""What is to be said about a key: its age, what it may do, from where. Pure; what the venue does not tell is not guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ordergate.trading.errors import Unreadable

DAY_MS = 86_400_000
WARN_DAYS = 80
ALARM_DAYS = 90
EXPIRY_WARN_DAYS = 7


class Severity(StrEnum):
    WARNING = "warning"
    ALARM = "alarm"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the venue says that a key may do; None where it does not tell. Times in ms UTC."""

    reads: bool | None = None
    trades: bool | None = None
    withdraws: bool | None = None
    address_bound: bool | None = None
    created_at_ms: int | None = None
    expires_at_ms: int | None = None


def judge(permissions: Permissions, *, trading: bool, created_at_ms: int | None, now_ms: int) -> tuple[Finding, ...]:
    """trading: whether its process is the one that trades. created_at_ms: as our own records know it; the venue's word goes before."""
    created = created_at_ms if permissions.created_at_ms is None else permissions.created_at_ms
    found = [*_rights(permissions, trading=trading), *_expiry(permissions.expires_at_ms, now_ms)]
    if created is not None:
        found += aged(created, now_ms)
    return tuple(found)


def aged(created_at_ms: int, now_ms: int) -> list[Finding]:
    """A warning from WARN_DAYS on, an alarm from ALARM_DAYS on."""
    days = (now_ms - created_at_ms) // DAY_MS
    if days >= ALARM_DAYS:
        return [Finding(severity=Severity.ALARM, text=f"it is {days} days old; rotate it now (ordergate keys rotate)")]
    if days >= WARN_DAYS:
        return [Finding(severity=Severity.WARNING, text=f"it is {days} days old; rotate it before day {ALARM_DAYS}")]
    return []


def _rights(permissions: Permissions, *, trading: bool) -> list[Finding]:
    found = []
    if permissions.withdraws:
        found.append(Finding(severity=Severity.REFUSAL, text="it can withdraw; make one that cannot"))
    if permissions.reads is False:
        found.append(Finding(severity=Severity.REFUSAL, text="it may not read; allow it at the venue"))
    if trading and permissions.trades is False:
        found.append(Finding(severity=Severity.REFUSAL, text="it may not trade; allow it at the venue"))
    if not trading and permissions.trades:
        found.append(Finding(severity=Severity.ALARM, text="it may trade and should only read; make a read-only one"))
    if permissions.address_bound is False:
        found.append(Finding(severity=Severity.WARNING, text="any address may use it; bind it to the gateway's"))
    return found


def _expiry(expires_at_ms: int | None, now_ms: int) -> list[Finding]:
    if expires_at_ms is None:
        return []
    days = (expires_at_ms - now_ms) // DAY_MS
    if expires_at_ms <= now_ms:
        return [Finding(severity=Severity.REFUSAL, text="it has expired; make a new one")]
    if days < EXPIRY_WARN_DAYS:
        return [Finding(severity=Severity.ALARM, text=f"the venue ends it in {days} days; rotate it now")]
    return []


def permissions_of_binance(document: Mapping[str, Any]) -> Permissions:
    """From the answer to `GET /sapi/v1/account/apiRestrictions` (assumed: not among the sources of docs/access.md). Raises Unreadable."""
    names = ("enableReading", "enableWithdrawals", "ipRestrict")
    if not all(isinstance(document.get(name), bool) for name in names):
        raise Unreadable("the venue's answer about the key is not what it should be; nothing is known from it")
    markets = [document.get(name) for name in ("enableSpotAndMarginTrading", "enableFutures")]
    created, expires = document.get("createTime"), document.get("tradingAuthorityExpirationTime")
    return Permissions(
        reads=document["enableReading"],
        trades=any(market is True for market in markets),
        withdraws=document["enableWithdrawals"],
        address_bound=document["ipRestrict"],
        created_at_ms=created if type(created) is int else None,
        expires_at_ms=expires if type(expires) is int else None,
    )
