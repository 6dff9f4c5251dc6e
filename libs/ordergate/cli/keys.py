"""`ordergate keys`: the key files of the installation, their age, and how one takes over from another.

The files are changed here, and the running services follow (access.keys.succession). What only the venue can do, revoking, is said and not pretended.
"""

import asyncio
import random
import secrets
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ordergate.access.keys.place import KeyPlace, read_if_there
from ordergate.access.keys.rotation import HeldKey, KeyState
from ordergate.access.keys.standing import DAY_MS, Finding, Permissions, Severity, judge
from ordergate.access.opening import Opening
from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.ordered import OrderedRead
from ordergate.runtime.settings import AccountSettings, Installation, Signer
from ordergate.runtime.shelf import BusShelf, bucket_subject
from ordergate.trading.errors import BusUnavailable, Misconfigured, VenueUnavailable, WrongKey
from ordergate.trading.ids import KeyId
from ordergate.venues.registry import open_reading
from ordergate.wire import keys, streams, subjects
from ordergate.wire.messages import KeyRevocation, KeyRevocationAcknowledgement, KeyStatement

VERIFY_SECONDS = 10.0
REVOKE_SECONDS = 8.0
"""Longer than a process that died is still listed."""
SHOW_SECONDS = 1.0
ASK_AGAIN_SECONDS = 0.1
TRADER: Signer = "order_submission"


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


async def show(caller: Caller, config: Path) -> Exit:
    """Every key by its id, state and age, in the files and, if the bus is there, in the running services. NOT_DONE if one raises an alarm or
    cannot be read, or a service cannot use the newest.
    """
    now_ms, rows, worst = SystemClock().now_ms(), [], Exit.DONE
    accounts = accounts_of(caller, config)
    shown = list(places(caller, config, None)) if any(each.keys for each in accounts) else []
    running, bus_away = await _running(caller, frozenset(f"{each.venue}/{each.account}" for each in accounts))
    for place in shown:
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
    if any(each["problem"] for each in running):
        worst = Exit.NOT_DONE
    if caller.as_json:
        say.document({"files": rows, "running": None if bus_away else running})
        return worst
    _tell(caller, rows)
    if bus_away:
        say.line(f"what runs is not known: {bus_away}")
    else:
        _tell_running(running)
    return worst


async def verify(caller: Caller, config: Path, signer: str | None) -> Exit:
    """A signed read with each key that signs or is to sign. Raises what refuses the first that fails."""
    looked_at = [
        (place, key)
        for place in places(caller, config, signer)
        for key in place.files.ring().keys
        if key.state in {KeyState.ACTIVE, KeyState.NEW}
    ]
    rows = [await verified(place, key) for place, key in looked_at]
    _tell(caller, rows)
    return Exit.DONE


async def rotate(caller: Caller, config: Path, signer: str) -> Exit:
    """`<file>.next` is verified and takes over. Raises WrongKey, VenueUnavailable; nothing is changed then."""
    for place in places(caller, config, signer):
        ring = place.files.ring()
        new = next((key for key in ring.keys if key.state is KeyState.NEW), None)
        if new is None:
            raise WrongKey(f"{place.files.beside('next')}: there is no new key; make one at the venue and put it there")
        await verified(place, new)
        now_ms = SystemClock().now_ms()
        ring = place.files.ring().activate(new.id, at_ms=now_ms)
        place.files.promote(ring)
        _tell(caller, [_row(place, key, (), now_ms) for key in ring.keys])
        _advise(
            caller,
            f"{signer} takes it over within seconds; when `ordergate keys` says that the old key is ready to revoke, revoke it at the venue"
            f" and remove {place.files.beside('old')}",
        )
    return Exit.DONE


async def revoke_now(caller: Caller, config: Path, signer: str, key_id: str | None) -> Exit:
    """After a leak: the file is taken away, which every process on its folder notices, and the bus is told, which every process hears at once.

    UNKNOWN if the bus is away or a process that is there did not say that it has heard.
    """
    account, place = _leaking(caller, config, signer)
    leaked = KeyId(key_id) if key_id else _standing(place)
    taken = place is not None and _take_away(caller, place, leaked)
    try:
        heard = await _tell_all(caller, account, leaked)
    except BusUnavailable as error:
        if caller.as_json:
            say.document({"id": leaked, "fileTaken": taken, "heard": None, "missing": None})
        _advise(
            caller,
            f"the bus could not be told ({error}): processes that do not see the file go on; stop {signer} there, or ask again."
            f" {_AT_THE_VENUE}",
        )
        return Exit.UNKNOWN
    if caller.as_json:
        say.document({"id": leaked, "fileTaken": taken, "heard": heard.told(), "missing": sorted(heard.missing)})
    else:
        for each in heard.answers.values():
            say.line(f"{each.service} {each.instance}: signs nothing more with it; {each.in_flight} attempts had it")
        if heard.missing:
            say.line(f"not heard from: {', '.join(sorted(heard.missing))}; stop them")
        say.line(_AT_THE_VENUE)
    return Exit.UNKNOWN if heard.missing else Exit.DONE


_AT_THE_VENUE = "Revoke the key at the venue now. Orders wait until another key is in its place, and expire by their own time to live."


def _leaking(caller: Caller, config: Path, signer: str) -> tuple[AccountSettings, Place | None]:
    """Whose key it is, and the place of its file; None: it comes from a secret store."""
    _check_signer(signer)
    stored = [account for account in accounts_of(caller, config) if signer in account.secrets]
    if len(stored) == 1:
        return stored[0], None
    place = next(iter(places(caller, config, signer)))
    return place.account, place


def _standing(place: Place | None) -> KeyId:
    if place is None:
        raise WrongUsage("this key is in a secret store: name it with --key, as `ordergate keys` shows it")
    key = read_if_there(place.files.path)
    if key is None:
        raise WrongKey(f"{place.files.path}: there is no key; name it with --key, as `ordergate keys` shows it")
    return key.id


def _take_away(caller: Caller, place: Place, key_id: KeyId) -> bool:
    """False: no file here holds it, or none may be written; the bus must do."""
    now_ms = SystemClock().now_ms()
    try:
        ring = place.files.ring()
        if ring.find(key_id) is None:
            return False
        ring = ring.leak(key_id, at_ms=now_ms)
        place.files.disable(key_id, ring)
    except Misconfigured as error:
        _advise(caller, f"the file stays: {error}")
        return False
    if not caller.as_json:
        _tell(caller, [_row(place, each, (), now_ms) for each in ring.keys])
    return True


@dataclass(slots=True)
class _Heard:
    """Who signs for the account, and who of them has said that it signs nothing more with the key."""

    signers: frozenset[str] = frozenset()
    answers: dict[str, KeyRevocationAcknowledgement] = field(default_factory=dict)

    @property
    def missing(self) -> frozenset[str]:
        return self.signers - self.answers.keys()

    def told(self) -> list[dict[str, Any]]:
        return [each.model_dump(by_alias=True, mode="json") for each in self.answers.values()]


async def _tell_all(caller: Caller, account: AccountSettings, key_id: KeyId) -> _Heard:
    """CONTROL first, for those who are away now; then everybody is asked until all who are there have answered. Raises BusUnavailable."""
    revocation = KeyRevocation(key_id=key_id, reason="revoke-now", at_ms=SystemClock().now_ms())
    subject = subjects.key_revocation(account.venue_name, account.account_name)
    limit = caller.limit(REVOKE_SECONDS)
    until = SystemClock().monotonic() + limit
    heard = _Heard()
    async with open_bus(caller, limit_seconds=limit) as bus:

        def take(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
            if data:
                answer = KeyRevocationAcknowledgement.of(data)
                heard.answers[f"{answer.service}/{answer.instance}"] = answer

        inbox = f"{bus.inbox}.{secrets.token_hex(8)}"
        number = await bus.client.listen(inbox, take)
        try:
            bus.client.post(subject, revocation.to_bytes(), reply=inbox)  # at once; kept as soon as the bus says so
            await BusShelf(bus, bucket=streams.CONTROL).put(keys.key_revoked(key_id), revocation.to_bytes())
            while True:
                stated = await _stated(bus)
                heard.signers = frozenset(
                    f"{each.service}/{each.instance}"
                    for name, each in stated
                    if name == f"{account.venue}/{account.account}"
                )
                if not heard.missing or SystemClock().monotonic() >= until:
                    return heard
                bus.client.post(subject, revocation.to_bytes(), reply=inbox)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
        finally:
            await bus.client.silence(number)


async def _running(caller: Caller, wanted: frozenset[str]) -> tuple[list[dict[str, Any]], str]:
    """What the running services say of their keys; or why nothing is known of it."""
    try:
        async with open_bus(caller, limit_seconds=caller.limit(SHOW_SECONDS)) as bus:
            stated = await _stated(bus)
    except BusUnavailable as error:
        return [], str(error)
    return [
        {"key": f"{account}/{each.service}", **each.model_dump(by_alias=True, mode="json", exclude={"schema_number"})}
        for account, each in stated
        if account in wanted
    ], ""


async def _stated(bus: Bus) -> list[tuple[str, KeyStatement]]:
    """Every process that signs now, with "venue/account" before it."""
    prefix = bucket_subject(streams.LEASES, "")
    found: dict[str, bytes] = {}
    reading = OrderedRead(bus, stream=f"KV_{streams.LEASES}", filters=(prefix + keys.ALL_SIGNING_KEYS,), after=None)
    async with aclosing(reading.messages()) as messages:
        async for message in messages:
            if message is None:
                break
            found[message.subject.removeprefix(prefix)] = message.data
    rows = []
    for key, data in sorted(found.items()):
        _, venue, account, _, _ = key.split(".")
        if data:
            rows.append((f"{subjects.untoken(venue)}/{subjects.untoken(account)}", KeyStatement.of(data)))
    return rows


def _tell_running(running: list[dict[str, Any]]) -> None:
    now_ms = SystemClock().now_ms()
    cells = [
        (
            each["key"],
            each["instance"],
            key["id"],
            "ready to revoke" if key["readyToRevoke"] else key["state"],
            "" if key["createdAtMs"] is None else str((now_ms - key["createdAtMs"]) // DAY_MS),
            str(key["inFlight"]),
            each["problem"] if key["state"] == KeyState.NEW else "",
        )
        for each in running
        for key in each["keys"]
    ]
    say.console().print(
        say.table(["running", "instance", "id", "state", ">days old", ">in flight", "to be said"], cells)
    )


def places(caller: Caller, config: Path, signer: str | None) -> Iterator[Place]:
    """Of the installation, only the account that was named, if one was. Raises Misconfigured, WrongUsage."""
    _check_signer(signer)
    found = [
        Place(account=account, signer=name, files=KeyPlace(path))
        for account in accounts_of(caller, config)
        for name, path in account.keys.items()
        if signer in {None, name}
    ]
    if not found:
        raise WrongUsage(f"{config} names no such key file")
    if signer is not None and len(found) > 1:
        raise WrongUsage("several accounts have such a key: say which with --venue and --account")
    yield from found


def _check_signer(signer: str | None) -> None:
    if signer is not None and signer not in get_args(Signer):
        raise WrongUsage(f"no service {signer!r} signs; there are {', '.join(get_args(Signer))}")


def accounts_of(caller: Caller, config: Path) -> list[AccountSettings]:
    try:
        installation = Installation.of(config.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{config} cannot be read: say --config or ORDERGATE_CONFIG") from error
    wanted = {"venue": caller.venue, "account": caller.account}
    return [
        each
        for each in installation.accounts
        if all(getattr(each, name) == value for name, value in wanted.items() if name in caller.given)
    ]


async def verified(place: Place, held: HeldKey) -> dict[str, Any]:
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
        permissions = Permissions() if opening.key is None else await client.verify(opening.key)
    finally:
        await client.close()
    now_ms = clock.now_ms()
    found = place.judge(held, permissions, now_ms)
    ring = place.files.ring().verify(held.id, at_ms=now_ms, findings=found)
    place.files.save(ring)
    return _row(place, ring.find(held.id) or held, found, now_ms)


def _row(place: Place, key: HeldKey, findings: tuple[Finding, ...], now_ms: int) -> dict[str, Any]:
    return {
        "key": place.name,
        "id": key.id,
        "state": key.state.value,
        "sinceMs": key.since_ms,
        "ageDays": None if key.created_at_ms is None else (now_ms - key.created_at_ms) // DAY_MS,
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
