"""`ordergate terms`: position mode, margin type and leverage of the accounts, as the venue has them and as the configuration wants them."""

import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ordergate.access.keys.place import read_if_there
from ordergate.access.opening import Opening
from ordergate.cli import say
from ordergate.cli.caller import Caller
from ordergate.cli.exits import Exit
from ordergate.cli.keys import TRADER, VERIFY_SECONDS, accounts_of
from ordergate.ports.venue import AccountTerms, Executed, Outcome, SetsTerms, ShowsTerms
from ordergate.runtime.clock import SystemClock
from ordergate.runtime.settings import AccountSettings, Signer
from ordergate.trading.errors import Misconfigured, VenueUnavailable
from ordergate.trading.ids import Symbol
from ordergate.venues.registry import OpenReading, OpenTrading, open_reading, open_trading

READER: Signer = "position_tracking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it shall be. symbol None: of the whole account."""

    what: str
    is_now: str
    shall_be: str
    symbol: Symbol | None = None

    def __str__(self) -> str:
        where = "" if self.symbol is None else f" of {self.symbol}"
        return f"{self.what}{where} is {self.is_now} and shall be {self.shall_be}"


async def examine(caller: Caller, config: Path, *, apply: bool) -> Exit:
    """NOT_DONE while something differs. apply: set what differs first, with the trading key; a venue refuses that while orders or positions stand
    against it. Raises VenueUnavailable, Misconfigured.
    """
    worst = Exit.DONE
    for account in accounts_of(caller, config):
        found = await read_terms(account)
        name = f"{account.venue}/{account.account}"
        if found is None:
            say.line(f"{name}: this venue has no such terms")
            continue
        if apply:
            for problem in await _set(account, list(differences(account, found))):
                say.line(f"{name}: {problem}")
            found = await read_terms(account) or found
        say.line(f"{name}: {described(found)}")
        for each in differences(account, found):
            worst = Exit.NOT_DONE
            say.line(f"{name}: {each}")
    return worst


def described(found: AccountTerms) -> str:
    """On one line, for people."""
    symbols = (
        f"{symbol} leverage {each.leverage}, {'isolated' if each.isolated else 'crossed'}"
        for symbol, each in sorted(found.symbols.items())
    )
    return "; ".join((f"position mode {_mode(found)}", *symbols))


def differences(account: AccountSettings, found: AccountTerms) -> Iterator[Difference]:
    """What the configuration names and the venue has otherwise."""
    if account.position_mode not in {None, _mode(found)}:
        yield Difference(what="position mode", is_now=_mode(found), shall_be=str(account.position_mode))
    for symbol in map(Symbol, account.symbols):
        has = found.symbols.get(symbol)
        margin = "unknown" if has is None else "isolated" if has.isolated else "crossed"
        if account.margin_type not in {None, margin}:
            yield Difference(what="margin type", is_now=margin, shall_be=str(account.margin_type), symbol=symbol)
        wanted, leverage = account.leverage.get(symbol), None if has is None else has.leverage
        if wanted not in {None, leverage}:
            yield Difference(what="leverage", is_now=str(leverage or "unknown"), shall_be=str(wanted), symbol=symbol)


async def read_terms(account: AccountSettings) -> AccountTerms | None:
    """None: the venue has none. Raises VenueUnavailable, Misconfigured."""
    client = open_reading(account.venue_name, _opening(account, READER))
    if not isinstance(client, ShowsTerms):
        return None
    async with _started(client, account):
        return await client.account_terms([Symbol(symbol) for symbol in account.symbols])


async def _set(account: AccountSettings, wanted: list[Difference]) -> list[str]:
    """What the venue did not take."""
    if not wanted:
        return []
    client = open_trading(account.venue_name, _opening(account, TRADER))
    if not isinstance(client, SetsTerms):
        return []
    async with _started(client, account):
        answers = [(each, await _set_one(client, each)) for each in wanted]
    return [
        f"{each.what} was not set: {getattr(outcome, 'reason', 'the venue lets nobody call now')}"
        for each, outcome in answers
        if not isinstance(outcome, Executed)
    ]


async def _set_one(client: SetsTerms, wanted: Difference) -> Outcome:
    if wanted.symbol is None:
        return await client.set_position_mode(hedge=wanted.shall_be == "hedge")
    if wanted.what == "leverage":
        return await client.set_leverage(wanted.symbol, int(wanted.shall_be))
    return await client.set_margin_type(wanted.symbol, isolated=wanted.shall_be == "isolated")


def _opening(account: AccountSettings, signer: Signer) -> Opening:
    path = account.keys.get(signer)
    if path is None:
        raise Misconfigured(f"{account.venue}/{account.account}: no key file of {signer}; the terms are read with it")
    return Opening(
        url=account.base_url,
        clock=SystemClock(),
        record=lambda _: None,
        draw=random.SystemRandom().random,
        key=read_if_there(path),
        request_share=account.shares[signer],
    )


@asynccontextmanager
async def _started(client: OpenReading | OpenTrading, account: AccountSettings) -> AsyncGenerator[None, None]:
    try:
        if not await client.start(timeout_seconds=VERIFY_SECONDS):
            raise VenueUnavailable(f"{account.venue}/{account.account}: the venue does not answer")
        yield
    finally:
        await client.close()


def _mode(found: AccountTerms) -> str:
    return "hedge" if found.hedging else "one_way"
