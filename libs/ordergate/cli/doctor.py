"""`ordergate doctor`: whether this machine and this installation are fit to trade, and for each thing that is not, what to do about it."""

import asyncio
import ctypes
import platform
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ordergate.access.keys.rotation import HeldKey, KeyState
from ordergate.access.keys.standing import Permissions, Severity
from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit, code_of, line_of
from ordergate.cli.keys import Place, places, verified
from ordergate.cli.killing import standing_kills
from ordergate.cli.raining import read_budgets
from ordergate.cli.terms import READER, described, differences, read_terms
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.connection import Bus
from ordergate.runtime.control import restore_of
from ordergate.runtime.declared import declared
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.presence import present
from ordergate.runtime.provision import check
from ordergate.runtime.settings import Installation
from ordergate.runtime.shelf import BusShelf
from ordergate.trading.errors import BusUnavailable, Misconfigured, OrdergateError
from ordergate.wire import keys, streams

LIMIT_SECONDS = 10.0
SERVER_MEASURED = "2.15."
FULL = 0.8
"""Of a stream that refuses what is too much."""
SLOW_SECONDS = 0.1
PACKAGES = ("ordergate", "nats-py", "faststream", "aiohttp", "cryptography", "pydantic")
_UNSYNCHRONISED = 0x40
_TIMEX_BYTES, _STATUS_AT = 512, 40


class Level(StrEnum):
    GOOD = "ok"
    WARNING = "warning"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """about: terms, clock, configuration, keys, bus, streams, services, budgets, versions. advice: empty where nothing is to be done."""

    about: str
    level: Level
    text: str
    advice: str = ""


async def examine(caller: Caller, config: Path, *, verify: bool) -> Exit:
    """DONE without a problem (warnings are none), NOT_DONE with one, UNAVAILABLE without a bus."""
    found = [*_versions(), judge_clock(synchronised_by_kernel())]
    away: BusUnavailable | None = None
    try:
        installation = read_installation(config)
    except Misconfigured as error:
        found.append(
            Finding(about="configuration", level=Level.PROBLEM, text=str(error), advice="nothing starts with it")
        )
    else:
        found += [
            Finding(about="configuration", level=Level.GOOD, text=f"{config}: {len(installation.accounts)} account(s)")
        ]
        found += [each async for each in _keys(caller, config, installation, verify=verify)]
        if verify:
            found += [each async for each in _terms(installation)]
        try:
            async with open_bus(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as bus:
                found += [each async for each in _bus(bus, installation, seconds=caller.limit(LIMIT_SECONDS))]
        except BusUnavailable as error:
            away = error
            found.append(Finding(about="bus", level=Level.PROBLEM, text=str(error), advice=line_of(error)))
    _tell(caller, found)
    if away is not None:
        return code_of(away)
    return Exit.NOT_DONE if any(each.level is Level.PROBLEM for each in found) else Exit.DONE


def read_installation(config: Path) -> Installation:
    """Raises Misconfigured."""
    try:
        return Installation.of(config.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{config} cannot be read: {error}") from error


def synchronised_by_kernel() -> bool | None:
    """What the kernel holds of the clock (adjtimex); None where it does not tell."""
    library = ctypes.CDLL(None, use_errno=True)
    ask = getattr(library, "adjtimex", None)
    if ask is None:
        return None
    answer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ask(answer) < 0:
        return None
    status = int.from_bytes(answer.raw[_STATUS_AT : _STATUS_AT + 4], sys.byteorder)
    return not status & _UNSYNCHRONISED


def _versions() -> Iterator[Finding]:
    told = []
    for name in PACKAGES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            told.append(f"{name} from a source tree")
    yield Finding(about="versions", level=Level.GOOD, text=f"Python {platform.python_version()}, {', '.join(told)}")


def judge_clock(synchronised: bool | None) -> Finding:
    """Venues refuse what is signed with a time that is off, and times to live are measured by it."""
    if synchronised:
        return Finding(about="clock", level=Level.GOOD, text="the kernel holds it for synchronised")
    if synchronised is None:
        return Finding(
            about="clock",
            level=Level.WARNING,
            text="the kernel does not say whether it is synchronised",
            advice="see that chrony, ntpd or systemd-timesyncd runs on the host",
        )
    return Finding(
        about="clock",
        level=Level.WARNING,
        text="no time synchronisation that the kernel knows of",
        advice="run chrony, ntpd or systemd-timesyncd on the host; the services stop signing when the venue's clock is too far off",
    )


async def _keys(
    caller: Caller, config: Path, installation: Installation, *, verify: bool
) -> AsyncGenerator[Finding, None]:
    if not any(account.keys for account in installation.accounts):
        yield Finding(about="keys", level=Level.GOOD, text="none in files; the secret store has them")
        return
    now_ms = SystemClock().now_ms()
    for place in places(caller, config, None):
        try:
            held = [key for key in place.files.ring().keys if key.state is not KeyState.REVOKED]
        except Misconfigured as error:
            yield Finding(about="keys", level=Level.PROBLEM, text=f"{place.name}: {error}", advice="see docs/access.md")
            continue
        if not any(key.state is KeyState.ACTIVE for key in held):
            yield Finding(
                about="keys",
                level=Level.PROBLEM,
                text=f"{place.name}: no key",
                advice=f"put one into {place.files.path}",
            )
        for key in held:
            findings = place.judge(key, Permissions(), now_ms)
            for each in findings:
                is_bad = each.severity is not Severity.WARNING
                yield Finding(
                    about="keys",
                    level=Level.PROBLEM if is_bad else Level.WARNING,
                    text=f"{place.name} {key.id}: {each.text}",
                )
            if not findings:
                yield Finding(about="keys", level=Level.GOOD, text=f"{place.name} {key.id}: {key.state.value}")
        if verify:
            for key in held:
                if key.state in {KeyState.ACTIVE, KeyState.NEW}:
                    yield await _at_the_venue(place, key)


async def _terms(installation: Installation) -> AsyncGenerator[Finding, None]:
    """Whether accounts are at the venue what the configuration says; those with keys in files."""
    for account in installation.accounts:
        if READER not in account.keys:
            continue
        name = f"{account.venue}/{account.account}"
        try:
            found = await read_terms(account)
        except OrdergateError as error:
            yield Finding(about="terms", level=Level.PROBLEM, text=f"{name}: {error}", advice="see docs/access.md")
            continue
        if found is None:
            continue
        wrong = list(differences(account, found))
        for each in wrong:
            yield Finding(
                about="terms", level=Level.PROBLEM, text=f"{name}: {each}", advice="`ordergate terms --apply`"
            )
        if not wrong:
            yield Finding(about="terms", level=Level.GOOD, text=f"{name}: {described(found)}")


async def _at_the_venue(place: Place, key: HeldKey) -> Finding:
    try:
        row = await verified(place, key)
    except OrdergateError as error:
        return Finding(
            about="keys", level=Level.PROBLEM, text=f"{place.name} {key.id}: {error}", advice="see docs/access.md"
        )
    findings = row["findings"]
    is_bad = any(not each.startswith(Severity.WARNING.value) for each in findings)
    level = Level.PROBLEM if is_bad else Level.WARNING if findings else Level.GOOD
    return Finding(
        about="keys",
        level=level,
        text=f"{place.name} {key.id}: the venue took a signed read{': ' if findings else ''}{'; '.join(findings)}",
    )


async def _bus(bus: Bus, installation: Installation, *, seconds: float) -> AsyncGenerator[Finding, None]:
    began = time.monotonic()
    try:
        await check(bus.jetstream, declared(installation))
    except Misconfigured as error:
        yield Finding(
            about="streams",
            level=Level.PROBLEM,
            text=str(error),
            advice="services refuse to start; what is missing `python -m services.provision` makes, what differs docs/operations.md says",
        )
    else:
        yield Finding(about="streams", level=Level.GOOD, text="streams, buckets and consumers are as declared")
        async for each in _writes(bus):
            yield each
    answer_seconds = (time.monotonic() - began) / len(declared(installation))
    server = bus.client.server_version
    is_measured = str(server).startswith(SERVER_MEASURED)
    yield Finding(
        about="bus",
        level=Level.GOOD if is_measured and answer_seconds < SLOW_SECONDS else Level.WARNING,
        text=f"nats-server {server}, answers in {answer_seconds * 1000:.1f} ms",
        advice="" if is_measured else f"what we rely on was measured with {SERVER_MEASURED}x: use that",
    )
    async for each in _sizes(bus):
        yield each
    try:
        async with asyncio.timeout(seconds):  # a reading waits for its stream as long as it takes
            standing = [each async for each in _standing(bus, installation)]
    except TimeoutError:
        standing = [
            Finding(
                about="services",
                level=Level.PROBLEM,
                text=f"what they say of themselves cannot be read within {seconds:g} s",
                advice="first what is said of the streams; else the server's log: a full disk?",
            )
        ]
    for each in standing:
        yield each


async def _writes(bus: Bus) -> AsyncGenerator[Finding, None]:
    """A bus whose disk is full answers every question and stores nothing."""
    try:
        await BusShelf(bus, bucket=streams.CONTROL).put(keys.DOCTOR, b"{}")
    except BusUnavailable as error:
        yield Finding(
            about="bus",
            level=Level.PROBLEM,
            text=f"takes no writes, so nothing is sent: {error}",
            advice="is there room on its disk? It must be started again once there is",
        )


async def _sizes(bus: Bus) -> AsyncGenerator[Finding, None]:
    for spec in streams.streams():
        answer = await bus.jetstream.api(f"STREAM.INFO.{spec.name}")
        if isinstance(answer, Refusal) or answer["config"]["max_bytes"] <= 0:
            continue
        share = answer["state"]["bytes"] / answer["config"]["max_bytes"]
        if share >= FULL and answer["config"]["discard"] == "new":
            yield Finding(
                about="streams",
                level=Level.PROBLEM,
                text=f"{spec.name} is {share:.0%} full and refuses what does not fit",
                advice="see docs/operations.md, a full disk or stream",
            )


async def _standing(bus: Bus, installation: Installation) -> AsyncGenerator[Finding, None]:
    senders = await present(bus, service=streams.ORDER_SUBMISSION)
    yield Finding(
        about="services",
        level=Level.GOOD if senders else Level.WARNING,
        text=f"{len(senders)} sender(s) there",
        advice="" if senders else "nothing is sent before order_submission runs",
    )
    epoch = await restore_of(bus)
    if epoch is not None and epoch.halted:
        yield Finding(
            about="services",
            level=Level.PROBLEM,
            text=f"a restore goes on since {say.clock(epoch.began_at_ms)}: nothing is sent",
            advice="`ordergate restore finish`",
        )
    for kill in await standing_kills(bus):
        yield Finding(
            about="services", level=Level.WARNING, text=f"thrown: {kill.describe()}", advice="`ordergate resume`"
        )
    budgets = {
        each.name: each
        for account in installation.accounts
        for each in await read_budgets(bus, account.venue_name, account.account_name)
    }
    now_ms = SystemClock().now_ms()
    for each in budgets.values():
        if each.owner is None:
            yield Finding(
                about="budgets",
                level=Level.WARNING,
                text=f"nobody owns {each.name}",
                advice="every process lives on its part of the fall-back; see the log of order_submission",
            )
        elif each.frozen_until_ms > now_ms:
            yield Finding(
                about="budgets",
                level=Level.PROBLEM,
                text=f"the venue told us to stop: {each.name} is frozen until {say.clock(each.frozen_until_ms)}",
                advice="find who else spends the limit; `ordergate rain on`",
            )
        else:
            yield Finding(about="budgets", level=Level.GOOD, text=f"{each.name} is owned by {each.owner}")


def _tell(caller: Caller, found: list[Finding]) -> None:
    if caller.as_json:
        say.document(
            [{"about": each.about, "level": each.level, "text": each.text, "advice": each.advice} for each in found]
        )
        return
    for each in found:
        advice = f"; {each.advice}" if each.advice else ""
        say.line(f"{each.level:8} {each.about:14} {each.text}{advice}")
