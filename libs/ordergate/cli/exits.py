"""What the exit code says, and how an error becomes one line with what to do about it."""

from enum import IntEnum

from ordergate.trading.errors import (
    BusUnavailable,
    Misconfigured,
    Misuse,
    OrdergateError,
    StillWaiting,
    Unavailable,
    UnsafeKeyFile,
    WrongKey,
)


class Exit(IntEnum):
    """The only codes there are."""

    DONE = 0
    NOT_DONE = 1  # refused, rejected, not found, differences: the thing asked for did not happen
    USAGE = 2
    UNAVAILABLE = 3  # the bus or a service
    UNKNOWN = 4  # the outcome is not known at the time limit


class WrongUsage(Misuse):
    """The command line asks for something that makes no sense."""


class Indefinite(OrdergateError):
    """What was asked for may or may not have happened."""


def code_of(error: OrdergateError) -> Exit:
    match error:
        case StillWaiting() | Indefinite():
            return Exit.UNKNOWN
        case UnsafeKeyFile() | WrongKey():
            return Exit.NOT_DONE
        case Misconfigured() | Unavailable():
            return Exit.UNAVAILABLE
        case Misuse():
            return Exit.USAGE
        case _:
            return Exit.NOT_DONE


def line_of(error: OrdergateError) -> str:
    """One line: what happened, and what to do."""
    told = " ".join(str(error).split())
    if isinstance(error, BusUnavailable):
        return f"{told}; is it running (`make up`), and is --url or ORDERGATE_NATS_URL right?"
    return told
