"""`ordergate restore`: after the bus was begun anew or from an older state, nothing is sent until every account's books are the venue's again."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import restore_of, turn_restore
from ordergate.runtime.settings import AccountSettings, Installation
from ordergate.trading.errors import Misconfigured, Unreadable
from ordergate.wire import streams, subjects
from ordergate.wire.messages import RecoveryStatement, RestoreDocument

LIMIT_SECONDS = 10.0
FINISH_LIMIT_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.25
_NEXT = "start the services, then `ordergate restore finish`"


async def begin(caller: Caller, *, reason: str) -> Exit:
    """A new restore epoch: from now on nothing is sent for any account, also by processes that start later."""
    async with open_bus(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as bus:
        document = await turn_restore(bus, halted=True, reason=reason, clock=SystemClock(), above=await _last(bus))
    if caller.as_json:
        say.document(document.model_dump(by_alias=True, mode="json"))
    else:
        say.line(
            f"restore epoch {document.epoch} began at {say.clock(document.began_at_ms)}: nothing is sent for any account; {_NEXT}"
        )
    return Exit.DONE


async def show(caller: Caller, config: Path) -> Exit:
    """How far each account is. NOT_DONE while one is not complete."""
    async with open_bus(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as bus:
        epoch = await _last(bus)
        if epoch is None or not epoch.halted:
            _tell_none(caller, epoch)
            return Exit.DONE
        standing = await _standing(bus, epoch, _accounts(config))
    _tell(caller, epoch, standing)
    return Exit.DONE if not _open(standing, despite_differences=False) else Exit.NOT_DONE


async def finish(caller: Caller, config: Path, *, despite_differences: bool) -> Exit:
    """Wait until every account of the installation is complete, then let orders pass. NOT_DONE, and nothing changed, if one is not in time."""
    limit = caller.limit(FINISH_LIMIT_SECONDS)
    deadline = time.monotonic() + limit
    accounts = _accounts(config)
    async with open_bus(caller, limit_seconds=limit) as bus:
        epoch = await _last(bus)
        if epoch is None or not epoch.halted:
            _tell_none(caller, epoch)
            return Exit.DONE
        standing = await _standing(bus, epoch, accounts)
        while _open(standing, despite_differences=despite_differences) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            standing = await _standing(bus, epoch, accounts)
        left = _open(standing, despite_differences=despite_differences)
        if not left:
            epoch = await turn_restore(bus, halted=False, reason=epoch.reason, clock=SystemClock(), above=epoch)
    _tell(caller, epoch, standing)
    if left and not caller.as_json:
        say.line(
            f"not finished, nothing is sent: {', '.join(left)}; `--despite-differences` leaves only positions aside"
        )
    return Exit.NOT_DONE if left else Exit.DONE


Standing = Sequence[tuple[str, RecoveryStatement | None]]


async def _standing(bus: Bus, epoch: RestoreDocument, accounts: Sequence[AccountSettings]) -> Standing:
    return [(f"{each.venue}/{each.account}", await _statement(bus, epoch, each)) for each in accounts]


async def _statement(bus: Bus, epoch: RestoreDocument, account: AccountSettings) -> RecoveryStatement | None:
    """None: status_polling has not spoken in this epoch."""
    last = await bus.jetstream.last(streams.AUDIT, subjects.recovery(account.venue_name, account.account_name))
    if last is None:
        return None
    statement = RecoveryStatement.of(last.data)
    return statement if statement.epoch == epoch.epoch else None


def _open(standing: Standing, *, despite_differences: bool) -> list[str]:
    return [
        name
        for name, said in standing
        if said is None or not said.complete or (said.differing and not despite_differences)
    ]


async def _last(bus: Bus) -> RestoreDocument | None:
    try:
        return await restore_of(bus)
    except Unreadable:
        return None  # senders take it for a throw of everything; a new epoch takes its place


def _accounts(config: Path) -> Sequence[AccountSettings]:
    """Raises Misconfigured."""
    try:
        return Installation.of(config.read_text()).accounts
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{config} cannot be read: {error}; name the installation with --config") from error


def _tell_none(caller: Caller, epoch: RestoreDocument | None) -> None:
    if caller.as_json:
        say.document({"epoch": None if epoch is None else epoch.epoch, "halted": False, "accounts": []})
    else:
        say.line(
            "no restore goes on" + ("" if epoch is None else f"; the last began at {say.clock(epoch.began_at_ms)}")
        )


def _tell(caller: Caller, epoch: RestoreDocument, standing: Standing) -> None:
    if caller.as_json:
        said: list[dict[str, Any]] = [
            {"account": name, **({} if each is None else each.model_dump(by_alias=True, mode="json"))}
            for name, each in standing
        ]
        say.document({"epoch": epoch.epoch, "halted": epoch.halted, "accounts": said})
        return
    for name, each in standing:
        say.line(f"{name}: {_words(each)}")
    say.line(f"restore epoch {epoch.epoch}: " + ("nothing is sent" if epoch.halted else "finished; orders pass"))


def _words(said: RecoveryStatement | None) -> str:
    if said is None:
        return "status_polling has said nothing yet; does it run?"
    parts = [
        "complete" if said.complete else "not complete",
        f"{said.orders_shown} orders read at the venue",
        f"{said.missing_trades} trades not stored yet",
        f"{said.unresolved} orders unresolved",
        *said.differing,
    ]
    return "; ".join(parts)
