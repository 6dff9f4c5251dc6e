"""Every key of every bucket. A key is made of subject tokens, so a name with a dot in it cannot reach into another's key."""

from ordergate.trading.ids import AccountName, ErrorId, Symbol, VenueName
from ordergate.wire.subjects import token

KILL_EVERYTHING = "kill.all"
ALL_KILLS = "kill.>"
EVERYTHING = ">"


def checkpoint(service: str, venue: VenueName, account: AccountName) -> str:
    return f"{token(service)}.{token(venue)}.{token(account)}"


def cursor(venue: VenueName, account: AccountName, symbol: Symbol) -> str:
    return f"trades.{token(venue)}.{token(account)}.{token(symbol)}"


def kill(venue: VenueName | None, account: AccountName | None) -> str:
    """CONTROL: the switch of one account, or of everything."""
    return KILL_EVERYTHING if venue is None or account is None else f"kill.{token(venue)}.{token(account)}"


def presence(service: str, instance: str) -> str:
    """LEASES: a running process says that it is there."""
    return f"presence.{token(service)}.{token(instance)}"


def all_presences(service: str) -> str:
    return f"presence.{token(service)}.*"


def instrument(venue: VenueName, symbol: Symbol) -> str:
    return f"rules.{token(venue)}.{token(symbol)}"


def is_instrument(key: str) -> bool:
    return key.startswith("rules.")


def price(venue: VenueName, symbol: Symbol) -> str:
    return f"price.{token(venue)}.{token(symbol)}"


def error(error_id: ErrorId) -> str:
    return token(error_id)
