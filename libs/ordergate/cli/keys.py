"""`ordergate keys`: the key files of the installation, their age, and how one takes over from another.

The files are changed here; a running service reads its key at its start, so each change ends with which services to restart. What only the venue can do,
revoking, is said and not pretended.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ordergate.access.keys.place import KeyPlace, read_if_there
from ordergate.access.keys.rotation import HeldKey, KeyState
from ordergate.access.keys.standing import Finding, Permissions, Severity, judge
from ordergate.access.opening import Opening
from ordergate.cli import say
from ordergate.cli.caller import Caller
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.settings import AccountSettings, Installation, Signer
from ordergate.trading.errors import Misconfigured, VenueUnavailable, WrongKey
from ordergate.venues.registry import open_reading

VERIFY_SECONDS = 10.0
TRADER = "order_submission"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one service's key is."""

    account: AccountSettings
    signer: Signer
    files: KeyPlace

    @property
    def name(self) -> str:
        return f"{self.account.venue}/{self.account.account}/{self.signer}"

    def judge(self, key: HeldKey, permissions: Permissions, now_ms: int) -> tuple[Finding, ...]:
        trading = self.signer == TRADER
        return judge(permissions, trading=trading, created_at_ms=key.created_at_ms, now_ms=now_ms)


def show(caller: Caller, config: Path) -> Exit:
    """Every key by its id, state and age. NOT_DONE if one raises an alarm or cannot be read."""
    now_ms, rows, worst = SystemClock().now_ms(), [], Exit.DONE
    for place in places(caller, config, None):
        try:
            ring = place.files.ring()
        except Misconfigured as error:
            rows.append({"key": place.name, "state": "unreadable", "findings": [str(error)]})
            worst = Exit.NOT_DONE
            continue
        for key in ring.keys:
            found = () if key.state is KeyState.REVOKED else place.judge(key, Permissions(), now_ms)
            if any(each.severity is not Severity.WARNING for each in found):
                worst = Exit.NOT_DONE
            rows.append(_row(place, key, found, now_ms))
    _tell(caller, rows)
    return worst


async def verify(caller: Caller, config: Path, signer: str | None) -> Exit:
    """A signed read with each key that signs or is to sign. Raises what refuses the first that fails."""
    looked_at = [
        (place, key)
        for place in places(caller, config, signer)
        for key in place.files.ring().keys
        if key.state in {KeyState.ACTIVE, KeyState.NEW}
    ]
    rows = [await _verified(place, key) for place, key in looked_at]
    _tell(caller, rows)
    return Exit.DONE


async def rotate(caller: Caller, config: Path, signer: str) -> Exit:
    """`<file>.next` is verified and takes over. Raises WrongKey, VenueUnavailable; nothing is changed then."""
    for place in places(caller, config, signer):
        ring = place.files.ring()
        new = next((key for key in ring.keys if key.state is KeyState.NEW), None)
        if new is None:
            raise WrongKey(f"{place.files.beside('next')}: there is no new key; make one at the venue and put it there")
        await _verified(place, new)
        now_ms = SystemClock().now_ms()
        ring = place.files.ring().activate(new.id, at_ms=now_ms)
        place.files.promote(ring)
        _tell(caller, [_row(place, key, (), now_ms) for key in ring.keys])
        _advise(
            caller,
            f"restart {signer}: it signs with the key that it read at its start. When it runs again, revoke the old key at the venue"
            f" and remove {place.files.beside('old')}",
        )
    return Exit.DONE


def revoke_now(caller: Caller, config: Path, signer: str) -> Exit:
    """After a leak: the key's file is taken away, and what a file cannot do is said."""
    for place in places(caller, config, signer):
        key = read_if_there(place.files.path)
        if key is None:
            raise WrongKey(f"{place.files.path}: there is no key")
        now_ms = SystemClock().now_ms()
        ring = place.files.ring().leak(key.id, at_ms=now_ms)
        place.files.disable(key.id, ring)
        _tell(caller, [_row(place, each, (), now_ms) for each in ring.keys])
        _advise(
            caller,
            f"no service will read key {key.id} again, but {signer} holds it until it ends: revoke it at the venue now, throw the kill switch"
            f" (ordergate kill), stop {signer}, put a new key at {place.files.path} and start it",
        )
    return Exit.DONE


def places(caller: Caller, config: Path, signer: str | None) -> Iterator[Place]:
    """Of the installation, only the account that was named, if one was. Raises Misconfigured, WrongUsage."""
    if signer is not None and signer not in get_args(Signer):
        raise WrongUsage(f"no service {signer!r} signs; there are {', '.join(get_args(Signer))}")
    try:
        installation = Installation.of(config.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{config} cannot be read: say --config or ORDERGATE_CONFIG") from error
    wanted = {"venue": caller.venue, "account": caller.account}
    accounts = [
        each
        for each in installation.accounts
        if all(getattr(each, name) == value for name, value in wanted.items() if name in caller.given)
    ]
    found = [
        Place(account=account, signer=name, files=KeyPlace(path))
        for account in accounts
        for name, path in account.keys.items()
        if signer in {None, name}
    ]
    if not found:
        raise WrongUsage(f"{config} names no such key file")
    if signer is not None and len(found) > 1:
        raise WrongUsage("several accounts have such a key: say which with --venue and --account")
    yield from found


async def _verified(place: Place, held: HeldKey) -> dict[str, Any]:
    """One signed read, judged and kept in the record. What Zetarium signs for it is never what it signs for an order: the read has a parameter."""
    path = place.files.path if held.state is KeyState.ACTIVE else place.files.beside("next")
    clock = SystemClock()
    opening = Opening(
        url=place.account.base_url,
        clock=clock,
        record=lambda _: None,
        draw=random.SystemRandom().random,
        key=read_if_there(path),
        request_share=place.account.shares[place.signer],
    )
    client = open_reading(place.account.venue_name, opening)
    try:
        if not await client.start(timeout_seconds=VERIFY_SECONDS):
            raise VenueUnavailable(f"{place.name}: the venue does not answer, so nothing is known of the key")
        await client.positions()
    finally:
        await client.close()
    now_ms = clock.now_ms()
    found = place.judge(held, Permissions(), now_ms)  # this venue tells nothing of a key's rights
    ring = place.files.ring().verify(held.id, at_ms=now_ms, findings=found)
    place.files.save(ring)
    return _row(place, ring.find(held.id) or held, found, now_ms)


def _row(place: Place, key: HeldKey, findings: tuple[Finding, ...], now_ms: int) -> dict[str, Any]:
    return {
        "key": place.name,
        "id": key.id,
        "state": key.state.value,
        "sinceMs": key.since_ms,
        "ageDays": None if key.created_at_ms is None else (now_ms - key.created_at_ms) // 86_400_000,
        "verifiedAtMs": key.verified_at_ms,
        "findings": [f"{each.severity.value}: {each.text}" for each in findings],
    }


def _tell(caller: Caller, rows: list[dict[str, Any]]) -> None:
    if caller.as_json:
        say.document(rows)
        return
    cells = [
        (row["key"], row.get("id", ""), row["state"], _days(row), _verified_text(row), "; ".join(row["findings"]))
        for row in rows
    ]
    say.console().print(say.table(["key of", "id", "state", ">days old", "verified", "to be said"], cells))


def _days(row: dict[str, Any]) -> str:
    return "" if row.get("ageDays") is None else str(row["ageDays"])


def _verified_text(row: dict[str, Any]) -> str:
    return "" if row.get("verifiedAtMs") is None else say.clock(row["verifiedAtMs"])


def _advise(caller: Caller, text: str) -> None:
    if not caller.as_json:
        say.line(text)
