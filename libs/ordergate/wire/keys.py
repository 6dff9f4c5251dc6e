"""Every key of every bucket. A key is made of subject tokens, so a name with a dot in it cannot reach into another's key."""

from ordergate.trading.ids import AccountName, ErrorId, KeyId, Symbol, VenueName
from ordergate.trading.scope import Scope
from ordergate.wire.subjects import optional_token, token

KILL_EVERYTHING = "kill.all"
ALL_KILLS = "kill.>"
RESTORE = "kill.restore"
"""CONTROL: the restore epoch. Among the kills, so that whoever confirms the switch has confirmed this."""
EVERYTHING = ">"
RAIN = "rain"
"""CONTROL: half the plan, twice the pauses."""
DOCTOR = "doctor"
"""CONTROL: written by `ordergate doctor` to see that it can be; nobody reads it."""


def checkpoint(service: str, venue: VenueName, account: AccountName) -> str:
    return f"{token(service)}.{token(venue)}.{token(account)}"


def cursor(venue: VenueName, account: AccountName, symbol: Symbol) -> str:
    return f"trades.{token(venue)}.{token(account)}.{token(symbol)}"


def kill(scope: Scope) -> str:
    """CONTROL: the switch of a scope; `_` stands for what it does not name."""
    if scope == Scope():
        return KILL_EVERYTHING
    place = f"kill.{optional_token(scope.venue)}.{optional_token(scope.account)}"
    if scope.strategy is None and scope.symbol is None:
        return place
    return f"{place}.{optional_token(scope.strategy)}.{optional_token(scope.symbol)}"


def kill_statement(what: str, scope: Scope, account: str, epoch: int) -> str:
    """How the Msg-Id of order submission's word on a throw begins: a statement about another throw says nothing about this one."""
    return f"{what}:{kill(scope)}:{account}:{epoch}:"


def presence(service: str, instance: str) -> str:
    """LEASES: a running process says that it is there."""
    return f"presence.{token(service)}.{token(instance)}"


def all_presences(service: str) -> str:
    return f"presence.{token(service)}.*"


EVERY_PRESENCE = "presence.>"


ALL_KEY_REVOCATIONS = "key.*.revoked"


def key_revoked(key_id: KeyId) -> str:
    """CONTROL: nothing is signed with this key any more."""
    return f"key.{token(key_id)}.revoked"


def key_sighted(key_id: KeyId) -> str:
    """CONTROL: since when the key is known."""
    return f"key.{token(key_id)}.sighted"


def signing_keys(venue: VenueName, account: AccountName, service: str, instance: str) -> str:
    """LEASES: which keys a running process signs with."""
    return f"signing.{token(venue)}.{token(account)}.{token(service)}.{token(instance)}"


ALL_SIGNING_KEYS = "signing.>"


def halted_by(venue: VenueName, account: AccountName, service: str) -> str:
    """CONTROL: the venue refused this service its private stream because of its key; there while it does."""
    return f"halt.{token(venue)}.{token(account)}.{token(service)}"


def all_halts(venue: VenueName, account: AccountName) -> str:
    return f"halt.{token(venue)}.{token(account)}.*"


def budget_owner(budget: str) -> str:
    """LEASES: who owns the budget of this subject."""
    return f"owner.{budget}"


def budget_freeze(budget: str) -> str:
    """LEASES: until when nobody may call the venue."""
    return f"freeze.{budget}"


def budget_alone(budget: str, service: str, instance: str) -> str:
    """LEASES: what a process has spent of its part of the fall-back."""
    return f"alone.{budget}.{token(service)}.{token(instance)}"


def all_budget_alone(budget: str, service: str) -> str:
    """Of every process of a service, those that died lately included."""
    return f"alone.{budget}.{token(service)}.*"


def budget_limits(budget: str) -> str:
    """CONTROL: the limits that the venue publishes."""
    return f"limits.{budget}"


def instrument(venue: VenueName, symbol: Symbol) -> str:
    return f"{instruments_of(venue)}{token(symbol)}"


def instruments_of(venue: VenueName) -> str:
    """What the key of each of the venue's instruments begins with."""
    return f"rules.{token(venue)}."


def is_instrument(key: str) -> bool:
    return key.startswith("rules.")


def price(venue: VenueName, symbol: Symbol) -> str:
    return f"price.{token(venue)}.{token(symbol)}"


def wallet(venue: VenueName, account: AccountName) -> str:
    return f"wallet.{token(venue)}.{token(account)}"


def is_wallet(key: str) -> bool:
    return key.startswith("wallet.")


def error(error_id: ErrorId) -> str:
    return token(error_id)
