"""The command line: commands, options, and how a call ends.

The options that all commands share may stand before or after the command's name.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from ordergate.cli import say
from ordergate.cli.caller import Caller
from ordergate.cli.exits import Exit, WrongUsage, code_of, line_of
from ordergate.trading.errors import OrdergateError
from ordergate.trading.ids import AccountName, StrategyName, VenueName
from ordergate.trading.order import ListKind, OrderType, PositionSide, Rounding, Side, State, TimeInForce
from ordergate.wire.subjects import token

SHARED_FLAGS = frozenset({"--json"})
SHARED_OPTIONS = frozenset({"--url", "--venue", "--account", "--strategy", "--timeout", "--seed-file", "--ca-file"})
_INTERRUPTED = 130  # what typer makes of Ctrl-C
_HELP = """Place, cancel, watch and explain orders, and stop everything.

Exit codes: 0 done; 1 what was asked for did not happen; 2 wrong usage; 3 bus or service unavailable; 4 outcome unknown."""
_SHARED_HELP = "Every command also takes --url, --venue, --account, --strategy, --timeout and --json."

app = typer.Typer(name="ordergate", help=_HELP, add_completion=False, rich_markup_mode=None, epilog=_SHARED_HELP)


def main() -> int:
    """The entry of the `ordergate` command; the exit code."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """One call and its exit code; whatever goes wrong is one line on stderr."""
    try:
        result = app(list(hoisted(arguments)) or ["--help"], standalone_mode=False, prog_name="ordergate")
    except TyperException as error:  # the command line could not be read
        say.error_line(f"{_one_line(error.format_message()).replace('Value error, ', '')}; see ordergate --help")
        return Exit.USAGE
    except OrdergateError as error:
        say.error_line(line_of(error))
        return code_of(error)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain when it flushes at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        if os.environ.get("ORDERGATE_DEBUG"):
            raise
        say.error_line(f"a fault of this command: {_one_line(repr(error))}; ORDERGATE_DEBUG=1 shows where")
        return Exit.UNKNOWN
    if result == _INTERRUPTED:
        say.error_line("stopped; what was asked for goes on without you")
        return Exit.UNKNOWN
    return result if isinstance(result, int) else Exit.DONE


def hoisted(arguments: Sequence[str]) -> tuple[str, ...]:
    """The shared options first, wherever they stood; nothing after `--` is looked at."""
    shared: list[str] = []
    others: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            others += [argument, *left]
        elif argument in SHARED_FLAGS or (argument.partition("=")[0] in SHARED_OPTIONS and "=" in argument):
            shared.append(argument)
        elif argument in SHARED_OPTIONS:
            shared += [argument, *_next(left)]
        else:
            others.append(argument)
    return (*shared, *others)


def _next(arguments: Any) -> list[str]:
    return [value] if (value := next(arguments, None)) is not None else []


@app.callback()
def shared(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="ORDERGATE_NATS_URL", help="the bus")] = "nats://127.0.0.1:4222",
    venue: Annotated[str, typer.Option(envvar="ORDERGATE_VENUE")] = "zetarium",
    account: Annotated[str, typer.Option(envvar="ORDERGATE_ACCOUNT")] = "main",
    strategy: Annotated[str, typer.Option(envvar="ORDERGATE_STRATEGY", help="whose orders")] = "manual",
    seed_file: Annotated[
        Path | None, typer.Option(envvar="ORDERGATE_NATS_SEED_FILE", help="of the operator's identity")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(envvar="ORDERGATE_NATS_CA_FILE", help="certificates that vouch for the bus")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="seconds to wait; each command has its own default")] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document; one object a line where it goes on")] = False,
) -> None:
    names = {"venue": venue, "account": account, "strategy": strategy}
    for name in names.values():
        token(name)
    if timeout is not None and timeout <= 0:
        raise WrongUsage("--timeout must be above zero seconds")
    sources = {name: str(context.get_parameter_source(name)).rpartition(".")[2] for name in names}
    context.obj = Caller(
        url=url,
        venue=VenueName(venue),
        account=AccountName(account),
        strategy=StrategyName(strategy),
        as_json=json,
        timeout_seconds=timeout,
        seed_file=seed_file,
        authority_file=ca_file,
        given=frozenset(name for name, source in sources.items() if source != "DEFAULT"),
        typed=frozenset(name for name, source in sources.items() if source == "COMMANDLINE"),
    )


@app.command()
def place(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="as the venue spells it: BTCUSDT")],
    side: Annotated[Side, typer.Argument(case_sensitive=False)],
    quantity: Annotated[str | None, typer.Argument(help="in base units; none with --quote-quantity")] = None,
    price: Annotated[str | None, typer.Option(help="makes it a LIMIT order")] = None,
    kind: Annotated[OrderType | None, typer.Option("--type", case_sensitive=False)] = None,
    stop_price: Annotated[str | None, typer.Option()] = None,
    quote_quantity: Annotated[str | None, typer.Option(help="for MARKET orders where the venue has it")] = None,
    time_in_force: Annotated[
        TimeInForce, typer.Option("--time-in-force", "--tif", case_sensitive=False)
    ] = TimeInForce.GTC,
    good_till: Annotated[str | None, typer.Option(help="for GTD: ISO time or milliseconds")] = None,
    position_side: Annotated[PositionSide, typer.Option(case_sensitive=False)] = PositionSide.BOTH,
    reduce_only: Annotated[bool, typer.Option("--reduce-only")] = False,
    post_only: Annotated[bool, typer.Option("--post-only")] = False,
    rounding: Annotated[Rounding, typer.Option(help="adjust: truncate to a legal value")] = Rounding.STRICT,
    validate: Annotated[bool, typer.Option("--validate", help="ask risk only, place nothing")] = False,
    client_order_id: Annotated[str | None, typer.Option()] = None,
    replaces: Annotated[str | None, typer.Option(help="the order that is canceled for it, in the same request")] = None,
    intent_id: Annotated[str | None, typer.Option(help="say the same again to repeat safely")] = None,
    valid_for: Annotated[str, typer.Option(help="how long it may still be sent")] = "5s",
    until: Annotated[list[State] | None, typer.Option(help="wait for this state; may stand more than once")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="end once the bus has the intent")] = False,
) -> int:
    """Place an order and wait until it is at the venue or has ended (10 s)."""
    from ordergate.cli import placing  # noqa: PLC0415 - see the law of this room

    order = placing.Wanted(
        symbol=symbol,
        side=side,
        type=kind or (OrderType.MARKET if price is None else OrderType.LIMIT),
        quantity=say.read_amount(quantity, "quantity"),
        price=say.read_amount(price, "--price"),
        stop_price=say.read_amount(stop_price, "--stop-price"),
        quote_quantity=say.read_amount(quote_quantity, "--quote-quantity"),
        time_in_force=time_in_force,
        good_till=good_till,
        position_side=position_side,
        reduce_only=reduce_only,
        post_only=post_only,
        rounding=rounding,
        validate=validate,
        client_order_id=client_order_id,
        replaces=replaces,
        intent_id=intent_id,
        valid_for_ms=say.read_duration(valid_for),
    )
    return _end(placing.place(context.obj, order, until=frozenset(until or ()), wait=not no_wait))


@app.command("place-list")
def place_list(
    context: typer.Context,
    kind: Annotated[ListKind, typer.Argument(case_sensitive=False)],
    symbol: Annotated[str, typer.Argument(help="as the venue spells it: BTCUSDT")],
    orders: Annotated[list[str], typer.Argument(help="each in quotes: 'SELL STOP_MARKET 0.01 stop=60000'")],
    validate: Annotated[bool, typer.Option("--validate", help="ask risk only, place nothing")] = False,
    intent_id: Annotated[str | None, typer.Option(help="say the same again to repeat safely")] = None,
    valid_for: Annotated[str, typer.Option(help="how long they may still be sent")] = "5s",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="end once the bus has the intent")] = False,
) -> int:
    """Place orders that end or begin one another, in one request, and wait until each is at the venue or has ended (10 s)."""
    from ordergate.cli import placing_list  # noqa: PLC0415 - see the law of this room

    valid_for_ms = say.read_duration(valid_for)
    return _end(
        placing_list.place_list(
            context.obj,
            kind,
            symbol,
            orders,
            intent_id=intent_id,
            valid_for_ms=valid_for_ms,
            validate=validate,
            wait=not no_wait,
        )
    )


@app.command()
def cancel(
    context: typer.Context,
    client_order_id: Annotated[str | None, typer.Argument(help="the order; none with --all")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every open order of the scope")] = False,
    scope: Annotated[str, typer.Option(help="of --all: strategy or account")] = "strategy",
    symbol: Annotated[str | None, typer.Option(help="of --all: only this symbol")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="end once the bus has the intent")] = False,
) -> int:
    """Cancel one order, or with --all every open one, and wait for the answer (10 s)."""
    from ordergate.cli import placing  # noqa: PLC0415 - see the law of this room

    if (client_order_id is None) != everything:
        raise WrongUsage("say which order to cancel, or --all: one of the two")
    if everything:
        return _end(placing.cancel_all(context.obj, scope=scope, symbol=symbol, wait=not no_wait))
    return _end(placing.cancel(context.obj, str(client_order_id), wait=not no_wait))


@app.command()
def orders(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="ended ones too, as far back as the ledger goes")] = False,
    state: Annotated[list[State] | None, typer.Option(help="only these; may stand more than once")] = None,
    symbol: Annotated[str | None, typer.Option()] = None,
    newest: Annotated[int | None, typer.Option(min=1, help="only so many, the newest")] = None,
) -> int:
    """List the account's live orders; with --strategy only that one's."""
    from ordergate.cli import listing  # noqa: PLC0415 - see the law of this room

    choice = listing.Choice(
        everything=everything, states=frozenset(state or ()), symbol=symbol, strategy=context.obj.chosen_strategy
    )
    return _end(listing.orders(context.obj, choice, newest=newest))


@app.command()
def fills(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="10m (ago), an ISO time or milliseconds")] = None,
    from_sequence: Annotated[
        int | None, typer.Option(min=0, help="a sequence of the stream FILLS, itself included")
    ] = None,
    symbol: Annotated[str | None, typer.Option()] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes, until Ctrl-C")] = False,
) -> int:
    """List the account's fills (all that are stored, if nothing says from when); with --strategy only that one's."""
    from ordergate.cli import listing  # noqa: PLC0415 - see the law of this room

    if since is not None and from_sequence is not None:
        raise WrongUsage("--since or --from-sequence, not both")
    return _end(listing.fills(context.obj, since=since, from_sequence=from_sequence, symbol=symbol, follow=follow))


@app.command()
def positions(
    context: typer.Context,
    by_strategy: Annotated[bool, typer.Option("--by-strategy", help="the parts of each strategy too")] = False,
) -> int:
    """Show the account's positions, their profit and their fees."""
    from ordergate.cli import listing  # noqa: PLC0415 - see the law of this room

    return _end(listing.positions(context.obj, by_strategy=by_strategy))


@app.command()
def watch(context: typer.Context) -> int:
    """Show orders, fills, positions and unknowns as they change, until Ctrl-C."""
    from ordergate.cli import watching  # noqa: PLC0415 - see the law of this room

    return _end(watching.watch(context.obj))


@app.command()
def explain(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="clientOrderId, venueOrderId, errorId or intentId")],
) -> int:
    """Tell the whole life of an order, with its evidence."""
    from ordergate.cli import explaining  # noqa: PLC0415 - see the law of this room

    return _end(explaining.explain(context.obj, name))


@app.command()
def kill(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    symbol: Annotated[str | None, typer.Option(help="only this symbol")] = None,
    flatten: Annotated[
        bool, typer.Option("--flatten", help="then close the positions of the scope, reduce-only")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="end once it is thrown, before it is flat")] = False,
) -> int:
    """Stop everything, or only what --account, --strategy and --symbol name: nothing new leaves, what is open is canceled (30 s).

    Exit codes: 0 flat (with --no-wait: thrown), 1 thrown but not flat in time, 3 no sender is alive, 4 a sender did not confirm.
    """
    from ordergate.cli import killing  # noqa: PLC0415 - see the law of this room

    return _end(killing.throw(context.obj, symbol=symbol, reason=reason, wait=not no_wait, flatten=flatten))


@app.command()
def resume(
    context: typer.Context,
    symbol: Annotated[str | None, typer.Option(help="the scope that was thrown with this symbol")] = None,
    reason: Annotated[str, typer.Option(help="why; it is kept")] = "resumed by hand",
) -> int:
    """Take back the one throw whose scope these options name; without any, the one of everything."""
    from ordergate.cli import killing  # noqa: PLC0415 - see the law of this room

    return _end(killing.resume(context.obj, symbol=symbol, reason=reason))


@app.command()
def status(context: typer.Context) -> int:
    """Say how it stands: bus, streams, services, unknown orders, kill switch, rain, budget, drift. 1 if something is wrong."""
    from ordergate.cli import standing  # noqa: PLC0415 - see the law of this room

    return _end(standing.status(context.obj))


@app.command()
def shards(
    context: typer.Context,
    config: Annotated[Path, typer.Option(envvar="ORDERGATE_CONFIG", help="the installation's TOML file")] = Path(
        ".ordergate/ordergate.toml"
    ),
) -> int:
    """Show each account's shard as configured, and which processes serve it. 1 if somebody is missing, or an account moves."""
    from ordergate.cli import sharding  # noqa: PLC0415 - see the law of this room

    return _end(sharding.show(context.obj, config))


class Rain(StrEnum):
    ON = "on"
    OFF = "off"


@app.command()
def rain(
    context: typer.Context,
    switch: Annotated[Rain | None, typer.Argument(case_sensitive=False, help="none: say how it is")] = None,
) -> int:
    """Turn rain mode on or off for every process: half of every plan, every pause twice as long."""
    from ordergate.cli import raining  # noqa: PLC0415 - see the law of this room

    return _end(raining.rain(context.obj, falling=None if switch is None else switch is Rain.ON))


@app.command()
def sign(
    context: typer.Context,
    scheme: Annotated[str, typer.Option(help="binance-rest, kraken-rest, ...; a wrong one lists them all")],
    key_file: Annotated[Path, typer.Option(help="PEM, or the secret in one line; see docs/access.md")],
    payload: Annotated[str, typer.Option(help="exactly what is signed")],
    password_file: Annotated[Path | None, typer.Option(help="of an encrypted PEM")] = None,
    path: Annotated[str | None, typer.Option(help="for schemes that sign the path apart: /0/private/Balance")] = None,
) -> int:
    """Print the bare signature of a payload, for support work; nothing is sent.

    Exit codes: 0 printed, 1 the key or its file is refused, 2 no such scheme, or a payload it cannot sign.
    """
    from ordergate.cli import signing  # noqa: PLC0415 - see the law of this room

    wanted = signing.Wanted(
        scheme=scheme, key_file=key_file, password_file=password_file, payload=os.fsencode(payload), path=path
    )
    return signing.sign(wanted, as_json=context.obj.as_json)


identity = typer.Typer(help="Who may do what on the bus: add, list, rotate, remove.", rich_markup_mode=None)
app.add_typer(identity, name="identity")
Folder = Annotated[Path, typer.Option(envvar="ORDERGATE_IDENTITIES_FOLDER", help="where seeds and register are")]
Installed = Annotated[Path, typer.Option("--config", envvar="ORDERGATE_CONFIG", help="the installation's TOML file")]
_FOLDER, _INSTALLED = Path("identities"), Path(".ordergate/ordergate.toml")


class Bearing(StrEnum):
    SERVICES = "services"
    OPERATOR = "operator"
    STRATEGY = "strategy"
    CONSUMER = "consumer"


@identity.command("add")
def identity_add(
    context: typer.Context,
    kind: Annotated[Bearing, typer.Argument(help="services: provision and all services that have none yet")],
    name: Annotated[
        str | None, typer.Argument(help="of a strategy as it calls itself; --strategy says otherwise")
    ] = None,
    at: Annotated[list[str] | None, typer.Option(help="venue/account; may stand more than once")] = None,
    folder: Folder = _FOLDER,
    config: Installed = _INSTALLED,
) -> int:
    """Make a seed, for its bearer alone, and tell the bus's configuration of it."""
    from ordergate.cli import identifying  # noqa: PLC0415 - see the law of this room

    return identifying.add(context.obj, kind.value, name, at=tuple(at or ()), folder=folder, config=config)


@identity.command("list")
def identity_list(context: typer.Context, folder: Folder = _FOLDER) -> int:
    """List who there is, with the public keys."""
    from ordergate.cli import identifying  # noqa: PLC0415 - see the law of this room

    return identifying.show(context.obj, folder)


@identity.command("remove")
def identity_remove(context: typer.Context, name: str, folder: Folder = _FOLDER, config: Installed = _INSTALLED) -> int:
    """Take an identity away: its seed is deleted, and the bus closes its connections when it is told."""
    from ordergate.cli import identifying  # noqa: PLC0415 - see the law of this room

    return identifying.remove(context.obj, name, folder, config)


@identity.command("rotate")
def identity_rotate(
    context: typer.Context,
    name: str,
    finish: Annotated[
        bool, typer.Option("--finish", help="the bearer uses the new key: take the old one away")
    ] = False,
    folder: Folder = _FOLDER,
    config: Installed = _INSTALLED,
) -> int:
    """Exchange a key without a gap: a second one with the same rights, then, with --finish, without the first."""
    from ordergate.cli import identifying  # noqa: PLC0415 - see the law of this room

    return identifying.rotate(context.obj, name, folder, config, finish=finish)


@identity.command("write")
def identity_write(context: typer.Context, folder: Folder = _FOLDER, config: Installed = _INSTALLED) -> int:
    """Write the bus's authorization file again, after an account was added or with a new version."""
    from ordergate.cli import identifying  # noqa: PLC0415 - see the law of this room

    return identifying.write(context.obj, folder, config)


keys = typer.Typer(help="The installation's keys: list, verify, rotate, revoke.", rich_markup_mode=None)
app.add_typer(keys, name="keys")
Config = Annotated[Path, typer.Option(envvar="ORDERGATE_CONFIG", help="the installation's TOML file")]
ForSigner = Annotated[str, typer.Option("--signer", help="whose key: order_submission, status_polling, ...")]
_CONFIG = Path(".ordergate/ordergate.toml")


@keys.callback(invoke_without_command=True)
def keys_shown(context: typer.Context, config: Config = _CONFIG) -> int:
    """List every key file: id, state, age. 1 if one raises an alarm. Only with --account: that account's."""
    from ordergate.cli import keys as key_files  # noqa: PLC0415 - see the law of this room

    if context.invoked_subcommand is None:
        return _end(key_files.show(context.obj, config))
    if str(context.get_parameter_source("config")).endswith("COMMANDLINE"):  # the environment's counts below too
        raise WrongUsage(f"--config stands behind the command: ordergate keys {context.invoked_subcommand} --config F")
    return Exit.DONE


@keys.command("verify")
def keys_verify(
    context: typer.Context,
    config: Config = _CONFIG,
    signer: Annotated[str | None, typer.Option(help="only this service's key")] = None,
) -> int:
    """Make a signed read with each key and with each that waits in <file>.next."""
    from ordergate.cli import keys as key_files  # noqa: PLC0415 - see the law of this room

    return _end(key_files.verify(context.obj, config, signer))


@keys.command("rotate")
def keys_rotate(context: typer.Context, signer: ForSigner, config: Config = _CONFIG) -> int:
    """Verify <file>.next and let it take over; the old key stays in <file>.old until it is revoked."""
    from ordergate.cli import keys as key_files  # noqa: PLC0415 - see the law of this room

    return _end(key_files.rotate(context.obj, config, signer))


@keys.command("revoke-now")
def keys_revoke_now(
    context: typer.Context,
    signer: ForSigner,
    config: Config = _CONFIG,
    key: Annotated[str | None, typer.Option(help="another key than the one in the file, by its id")] = None,
) -> int:
    """After a leak: nothing is signed with the key any more, in no process. 4 if not all of them have said so."""
    from ordergate.cli import keys as key_files  # noqa: PLC0415 - see the law of this room

    return _end(key_files.revoke_now(context.obj, config, signer, key))


@app.command()
def doctor(
    context: typer.Context,
    config: Config = _CONFIG,
    verify: Annotated[bool, typer.Option("--verify", help="also a signed read with each key")] = False,
) -> int:
    """Say whether this machine, its keys and the bus are fit to trade, and what to do where not. 1 with a problem, 3 without a bus."""
    from ordergate.cli import doctor as examination  # noqa: PLC0415 - see the law of this room

    return _end(examination.examine(context.obj, config, verify=verify))


@app.command()
def terms(
    context: typer.Context,
    config: Config = _CONFIG,
    apply: Annotated[bool, typer.Option("--apply", help="set what differs, with the trading key")] = False,
) -> int:
    """Show position mode, margin type and leverage at the venue, and what the configuration wants otherwise. 1 while something differs."""
    from ordergate.cli import terms as at_the_venue  # noqa: PLC0415 - see the law of this room

    return _end(at_the_venue.examine(context.obj, config, apply=apply))


restore = typer.Typer(help="After the bus was begun anew or from an older state.", rich_markup_mode=None)
app.add_typer(restore, name="restore")


@restore.command("begin")
def restore_begin(
    context: typer.Context, reason: Annotated[str, typer.Option(help="why; it is kept")] = "the bus was restored"
) -> int:
    """Before the services start on a bus that was restored: nothing is sent for any account, what was asked for before never."""
    from ordergate.cli import restoring  # noqa: PLC0415 - see the law of this room

    return _end(restoring.begin(context.obj, reason=reason))


@restore.command("show")
def restore_show(context: typer.Context, config: Config = _CONFIG) -> int:
    """Say how far each account has been adopted from its venue. 1 while one is not complete."""
    from ordergate.cli import restoring  # noqa: PLC0415 - see the law of this room

    return _end(restoring.show(context.obj, config))


@restore.command("finish")
def restore_finish(
    context: typer.Context,
    config: Config = _CONFIG,
    despite_differences: Annotated[
        bool, typer.Option("--despite-differences", help="also where positions are not the venue's")
    ] = False,
) -> int:
    """Wait until every account is complete (60 s), then let orders pass. 1, and nothing passes, if one is not."""
    from ordergate.cli import restoring  # noqa: PLC0415 - see the law of this room

    return _end(restoring.finish(context.obj, config, despite_differences=despite_differences))


def _end(work: Coroutine[Any, Any, Exit]) -> int:
    try:
        return int(asyncio.run(work))
    except BaseExceptionGroup as group:  # of several things at once the first that went wrong is told
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _one_line(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")
