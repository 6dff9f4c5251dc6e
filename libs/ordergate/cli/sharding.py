"""`ordergate shards`: how the accounts are split as configured, and who serves them now, from what the processes say of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ordergate.cli import say
from ordergate.cli.caller import Caller, open_bus
from ordergate.cli.exits import Exit
from ordergate.runtime.connection import Bus
from ordergate.runtime.jetstream import Refusal
from ordergate.runtime.presence import everybody
from ordergate.runtime.settings import AccountSettings, Installation
from ordergate.trading.errors import Misconfigured, StreamDrift
from ordergate.wire import streams
from ordergate.wire.messages import PresenceDocument

LIMIT_SECONDS = 5.0
SERVICES = (
    streams.RISK,
    streams.ORDER_SUBMISSION,
    streams.STATUS_POLLING,
    streams.FILL_STREAMING,
    streams.POSITION_TRACKING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One that is alive now. accounts: as venue/account; account_count: as many as it says it serves."""

    service: str
    instance: str
    shard: str
    version: str
    accounts: frozenset[str]
    account_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """One account. shard: as configured; waiting, unacknowledged: of its three durable consumers together, None where one is missing."""

    account: str
    shard: str
    processes: tuple[Process, ...]
    waiting: int | None
    unacknowledged: int | None

    def by_service(self, service: str) -> list[Process]:
        return [each for each in self.processes if each.service == service]

    @property
    def problems(self) -> list[str]:
        found = [f"{self.account}: no {name} serves it" for name in SERVICES if not self.by_service(name)]
        elsewhere = sorted({each.shard for each in self.processes if each.shard not in {self.shard, ""}})
        found += [
            f"{self.account} belongs to shard {self.shard}, and shard {name} still serves it" for name in elsewhere
        ]
        if self.waiting is None:
            found.append(f"{self.account}: a consumer is missing: run `python -m services.provision`")
        return found


async def show(caller: Caller, config: Path) -> Exit:
    """NOT_DONE if an account is not served by all services, or by a shard that it does not belong to."""
    installation = _read_installation(config)
    async with open_bus(caller, limit_seconds=caller.limit(LIMIT_SECONDS)) as bus:
        owned = await read(bus, installation)
    problems = [problem for each in owned for problem in each.problems] + of_another_file(owned)
    if caller.as_json:
        say.document(as_document(installation, owned, problems))
    else:
        _tell(owned, problems)
    return Exit.NOT_DONE if problems else Exit.DONE


def _read_installation(config: Path) -> Installation:
    try:
        return Installation.of(config.read_text())
    except OSError as error:
        raise Misconfigured(
            f"{config} cannot be read: {error.strerror}; name the installation with --config"
        ) from error


async def read(bus: Bus, installation: Installation) -> list[Owned]:
    """Each account of the installation, in its order. Raises BusUnavailable, StreamDrift where the bus was not provisioned."""
    if isinstance(await bus.jetstream.api(f"STREAM.INFO.KV_{streams.LEASES}"), Refusal):
        raise StreamDrift(f"not on the bus: bucket {streams.LEASES}; run python -m services.provision")
    processes = [_process(service, told, installation) for service, told in await everybody(bus)]
    return [await _owned(bus, account, installation, processes) for account in installation.accounts]


def of_another_file(owned: Sequence[Owned]) -> list[str]:
    """Processes of too many accounts to name them, where the file gives their shard more or fewer: e.g. one from before an account moved."""
    processes = {process.instance: process for each in owned for process in each.processes}
    return [
        f"{each.service} {each.instance} serves {each.account_count} accounts and the file gives shard {each.shard} "
        f"{len(each.accounts)}: it was started with another one"
        for _, each in sorted(processes.items())
        if each.account_count != len(each.accounts)
    ]


async def _owned(bus: Bus, account: AccountSettings, installation: Installation, processes: Sequence[Process]) -> Owned:
    states = []
    for spec in streams.consumers(account.venue_name, account.account_name):
        state = await bus.jetstream.api(f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
        states.append(None if isinstance(state, Refusal) else state)
    there = [state for state in states if state is not None]
    is_whole = len(there) == len(states)
    return Owned(
        account=account.place,
        shard=installation.shard_of(account),
        processes=tuple(each for each in processes if account.place in each.accounts),
        waiting=sum(state["num_pending"] for state in there) if is_whole else None,
        unacknowledged=sum(state["num_ack_pending"] for state in there) if is_whole else None,
    )


def _process(service: str, told: PresenceDocument, installation: Installation) -> Process:
    """One with too many accounts to name them serves those of its shard."""
    accounts = frozenset(told.accounts)
    if told.account_count > len(accounts) and (not told.shard or told.shard in installation.shards):
        accounts = frozenset(account.place for account in installation.served_by(told.shard))
    return Process(
        service=service,
        instance=told.owner,
        shard=told.shard,
        version=told.version,
        accounts=accounts,
        account_count=max(told.account_count, len(told.accounts)),
    )


def as_document(installation: Installation, owned: Sequence[Owned], problems: Sequence[str]) -> dict[str, Any]:
    return {
        "shards": {name: list(places) for name, places in installation.shards.items()},
        "accounts": [
            {
                "account": each.account,
                "shard": each.shard or None,
                "waiting": each.waiting,
                "unacknowledged": each.unacknowledged,
                "processes": [
                    {
                        "service": process.service,
                        "instance": process.instance,
                        "shard": process.shard or None,
                        "version": process.version,
                    }
                    for process in each.processes
                ],
            }
            for each in owned
        ],
        "problems": list(problems),
    }


def _tell(owned: Sequence[Owned], problems: Sequence[str]) -> None:
    rows = [
        (
            each.account,
            each.shard or "(all in one)",
            *(_who(each.by_service(name)) for name in SERVICES),
            _number(each.waiting),
            _number(each.unacknowledged),
        )
        for each in owned
    ]
    say.console().print(say.table(["account", "shard", *SERVICES, ">waiting", ">unacknowledged"], rows))
    for problem in problems:
        say.line(f"problem: {problem}")


def _who(processes: Sequence[Process]) -> str:
    """shard:instance of each."""
    return ", ".join(f"{each.shard}:{each.instance}" if each.shard else each.instance for each in processes) or "nobody"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
