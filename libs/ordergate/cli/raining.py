"""rain: the one switch that halves every plan and doubles every pause, in all processes; and how the shared budgets stand, for `status`."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit
from ordergate.runtime.connection import Bus
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import Unreadable
from ordergate.trading.ids import AccountName, VenueName
from ordergate.wire import keys, subjects
from ordergate.wire.messages import BudgetFreeze, LeaseDocument, RainDocument
from ordergate.wire.streams import CONTROL, LEASES

LIMIT_SECONDS = 10.0
_FREE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStanding:
    """One shared budget. owner None: nobody owns it; frozen_until_ms 0: the venue lets us call."""

    name: str
    owner: str | None = None
    frozen_until_ms: int = 0
    banned: bool = False


async def rain(caller: Caller, *, falling: bool | None) -> Exit:
    """Turn it on or off, or, with None, say how it is. It holds for every process within moments, and for those that start later."""
    async with open_bus(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as bus:
        before = await read_rain(bus)
        now = before
        if falling is not None and (before is None or before.falling is not falling):
            now = RainDocument(falling=falling, at_ms=time.time_ns() // 1_000_000)
            await BusShelf(bus, bucket=CONTROL).put(keys.RAIN, now.to_bytes())
    if caller.as_json:
        say.document(rain_document(now))
    else:
        say.line(f"rain mode is {rain_text(now)}")
    return Exit.DONE


async def read_rain(bus: Bus) -> RainDocument | None:
    """None: never turned on, or by a word that nobody can read, which processes do not heed either."""
    value = await BusShelf(bus, bucket=CONTROL).get(keys.RAIN)
    try:
        return None if value is None else RainDocument.of(value)
    except Unreadable:
        return None


def rain_text(found: RainDocument | None) -> str:
    if found is None or not found.falling:
        return "off"
    return f"on since {say.clock(found.at_ms)} UTC: every plan is halved, every pause doubled"


def rain_document(found: RainDocument | None) -> dict[str, object]:
    falling = found is not None and found.falling
    return {"falling": falling, "sinceMs": found.at_ms if found is not None and falling else None}


async def read_budgets(bus: Bus, venue: VenueName, account: AccountName) -> list[BudgetStanding]:
    """The account's, and those of every address that calls the venue."""
    own = subjects.account_budget(venue, account)
    addresses = subjects.address_budgets(venue)
    owners = {
        key.removeprefix(_OWNER): _owner_of(value)
        async for key, value in _stored(bus, keys.budget_owner(own), keys.budget_owner(addresses))
    }
    freezes = {
        key.removeprefix(_FREEZE): value
        async for key, value in _stored(bus, keys.budget_freeze(own), keys.budget_freeze(addresses))
    }
    return [_standing(name, owners.get(name), freezes.get(name)) for name in sorted({own, *owners, *freezes})]


def _standing(name: str, owner: str | None, freeze: bytes | None) -> BudgetStanding:
    try:
        told = None if freeze is None else BudgetFreeze.of(freeze)
    except Unreadable:
        told = None
    if told is None:
        return BudgetStanding(name=name, owner=owner)
    return BudgetStanding(name=name, owner=owner, frozen_until_ms=told.until_ms, banned=told.banned)


def _owner_of(value: bytes) -> str | None:
    try:
        owner = LeaseDocument.of(value).owner
    except Unreadable:
        return None
    return None if owner == _FREE else owner


async def _stored(bus: Bus, *patterns: str) -> AsyncGenerator[tuple[str, bytes], None]:
    async with aclosing(BusShelf(bus, bucket=LEASES).watch(*patterns)) as changes:
        async for change in changes:
            if change is None:
                return
            if change[1] is not None:
                yield change[0], change[1]


_OWNER, _FREEZE = keys.budget_owner(""), keys.budget_freeze("")
