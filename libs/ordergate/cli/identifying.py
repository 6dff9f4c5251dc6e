"""`ordergate identity`: seeds for bearers, and what the bus is told of them. Only files are changed here; the bus reads them when it is told."""

from pathlib import Path

from ordergate.cli import say
from ordergate.cli.caller import Caller
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.runtime.identities import Identities
from ordergate.runtime.settings import Installation
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.wire.identities import SINGLE, Identity, Kind, Place

RELOAD = "tell the bus: kill -HUP <its pid>, or nats-server --signal reload; until then the old rights hold"


def add(caller: Caller, kind: str, name: str | None, *, at: tuple[str, ...], folder: Path, config: Path) -> int:
    """Raises WrongUsage, Misuse, Misconfigured."""
    identities, served = Identities(folder), _served(config)
    if kind == "services":
        if name is not None or at:
            raise WrongUsage("services have names and accounts already: ordergate identity add services")
        seeds = identities.add_services(served=served)
    else:
        seeds = [identities.add(_wanted(caller, Kind(kind), name, at, served), served=served)]
    if caller.as_json:
        say.document({"seeds": [str(seed) for seed in seeds], "authorization": str(identities.authorization)})
        return Exit.DONE
    for seed in seeds:
        say.line(f"{seed}  the seed, for its bearer alone (mode 0400)")
    return _told(identities)


def remove(caller: Caller, name: str, folder: Path, config: Path) -> int:
    """Raises Misuse, Misconfigured."""
    identities = Identities(folder)
    identities.remove(name, served=_served(config))
    return _written(caller, identities)


def rotate(caller: Caller, name: str, folder: Path, config: Path, *, finish: bool) -> int:
    """Raises Misuse, Misconfigured."""
    identities, served = Identities(folder), _served(config)
    seed = identities.finish(name, served=served) if finish else identities.rotate(name, served=served)
    if caller.as_json:
        say.document({"seed": str(seed), "authorization": str(identities.authorization)})
        return Exit.DONE
    if finish:
        say.line(f"{seed}  the one seed of {name} now; the old one is deleted")
        return _told(identities)
    say.line(f"{seed}  the new seed, for its bearer alone (mode 0400); the old one goes on beside it")
    _told(identities)
    say.line(f"then start {name} again with the new seed, and: ordergate identity rotate {name} --finish")
    return Exit.DONE


def write(caller: Caller, folder: Path, config: Path) -> int:
    """Raises Misconfigured."""
    identities = Identities(folder)
    identities.write(served=_served(config))
    return _written(caller, identities)


def show(caller: Caller, folder: Path) -> int:
    """Raises Misconfigured."""
    rows = [
        (
            identity.name,
            str(identity.kind),
            ", ".join(f"{venue}/{account}" for venue, account in identity.accounts) or "-",
            identity.strategy or "-",
            key,
        )
        for identity, key in Identities(folder).bearers()
    ]
    columns = ("name", "kind", "accounts", "strategy", "key")
    if caller.as_json:
        say.document([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        say.console().print(say.table(columns, rows))
    else:
        say.line(f"nobody in {folder}; begin with ordergate identity add services")
    return Exit.DONE


def _written(caller: Caller, identities: Identities) -> int:
    if caller.as_json:
        say.document({"authorization": str(identities.authorization)})
        return Exit.DONE
    return _told(identities)


def _told(identities: Identities) -> int:
    say.line(f"{identities.authorization}  for the bus")
    say.line(RELOAD)
    return Exit.DONE


def _wanted(caller: Caller, kind: Kind, name: str | None, at: tuple[str, ...], served: tuple[Place, ...]) -> Identity:
    if name is None:
        raise WrongUsage(f"say a name: ordergate identity add {kind} NAME")
    if name in set(SINGLE):
        raise WrongUsage(f"{name} is the name of a service")
    if kind is Kind.OPERATOR:
        return Identity(name=name, kind=kind)
    places = tuple(_place(text) for text in at) or ((caller.venue, caller.account),)
    if strange := [f"{venue}/{account}" for venue, account in places if (venue, account) not in served]:
        there_are = ", ".join(f"{venue}/{account}" for venue, account in served)
        raise WrongUsage(f"the installation has no account {', '.join(strange)}; there are {there_are}")
    if kind is Kind.CONSUMER:
        return Identity(name=name, kind=kind, accounts=places)
    strategy = caller.strategy if "strategy" in caller.typed else StrategyName(name)
    return Identity(name=name, kind=kind, accounts=places, strategy=strategy)


def _place(text: str) -> Place:
    venue, slash, account = text.partition("/")
    if not slash or not venue or not account:
        raise WrongUsage(f"--at {text!r}: say venue/account, e.g. zetarium/main")
    return VenueName(venue), AccountName(account)


def _served(config: Path) -> tuple[Place, ...]:
    try:
        return Installation.of(config.read_text()).places
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{config} cannot be read: {error}; name the installation with --config") from error
