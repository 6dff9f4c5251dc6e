"""What the front of both dialects says no with; codes and texts are those of Binance's errors.md."""

from __future__ import annotations

from ordergate.simulator.binance.operations import Failure

UNAUTHORIZED = 401
UNKNOWN_ROUTE = Failure(code=-1000, msg="Not found, 404", status=404)
INTERNAL = Failure(code=-1000, msg="An unknown error occurred while processing the request.", status=500)
KEY_MALFORMED = Failure(code=-2014, msg="API-key format invalid.", status=UNAUTHORIZED)
KEY_REFUSED = Failure(code=-2015, msg="Invalid API-key, IP, or permissions for action.", status=UNAUTHORIZED)
SIGNATURE_WRONG = Failure(code=-1022, msg="Signature for this request is not valid.")
TOO_LATE = Failure(code=-1021, msg="Timestamp for this request is outside of the recvWindow.")
TOO_EARLY = Failure(code=-1021, msg="Timestamp for this request was 1000ms ahead of the server's time.")
WINDOW_TOO_LARGE = Failure(code=-1131, msg="recvWindow must be less than 60000.")
DUPLICATED = Failure(code=-1101, msg="Duplicate values for a parameter detected.")
SYMBOL_UNKNOWN = Failure(code=-1121, msg="Invalid symbol.")
LISTEN_KEY_UNKNOWN = Failure(code=-1125, msg="This listenKey does not exist.")
SUBSCRIBED_ALREADY = Failure(code=-2035, msg="User Data Stream subscription already active.")
NOT_SUBSCRIBED = Failure(code=-2036, msg="User Data Stream subscription not active.")
SUBSCRIPTIONS_USED_UP = Failure(code=-2042, msg="Maximum subscription ID reached for this connection.")
JSON_INVALID = Failure(code=-1135, msg="Invalid JSON Request")


def missing(name: str) -> Failure:
    """-1102 of a parameter that must be there."""
    return Failure(code=-1102, msg=f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def empty(name: str) -> Failure:
    """-1105 of a parameter that was sent without a value."""
    return Failure(code=-1105, msg=f"Parameter '{name}' was empty.")


def illegal(name: str, legal: str) -> Failure:
    """-1100 with the regular expression that the value had to match."""
    return Failure(code=-1100, msg=f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_many(expected: int, received: int) -> Failure:
    """-1101 of a public call that was sent more than it reads."""
    return Failure(code=-1101, msg=f"Too many parameters; expected '{expected}' and received '{received}'.")


def unread(read: int, sent: int) -> Failure:
    """-1104 of a signed call that was sent more than it reads."""
    return Failure(
        code=-1104, msg=f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    )


_TEXTS = {
    -1000: INTERNAL.msg,
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1016: "This service is no longer available.",
}
_FUTURES_TEXTS = {
    -1000: "Unknown error, please check your request or try again later.",
    -1008: "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    -1016: "Service Unavailable.",
}
"""On futures the text of a 503 decides what became of the order."""


def failed(status: int, code: str, *, is_futures: bool) -> Failure:
    """A 5xx of the venue; code: a negative number that the venue has for it, anything else is -1000."""
    number = int(code) if code.startswith("-") and code[1:].isdigit() else -1000
    texts = {**_TEXTS, **_FUTURES_TEXTS} if is_futures else _TEXTS
    return Failure(code=number, msg=texts.get(number, texts[-1000]), status=status)


def limited(seconds: int, *, banned: bool) -> Failure:
    """429, or 418 to one who went on, without a window that says so."""
    return Failure(
        code=-1003,
        msg="Way too much request weight used; IP banned." if banned else "Too many requests queued.",
        status=418 if banned else 429,
        retry_after_seconds=seconds,
    )
