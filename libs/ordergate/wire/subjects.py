"""Every subject there is, and the only place that spells one.

A subject token is `[A-Za-z0-9_-]+`; every other byte of the UTF-8 text is `=HH`. One text has exactly one token, and a token that
is not what `token` would have made is unreadable: permissions are granted by subject, so no name may have a second spelling.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol

from ordergate.trading.errors import InvalidToken, Unreadable
from ordergate.trading.fills import Fill
from ordergate.trading.ids import (
    AccountName,
    ClientOrderId,
    IntentId,
    StrategyName,
    Symbol,
    VenueName,
)
from ordergate.trading.order import Order, OrderKey, State

NONE = "_"
"""The token of an absent name: an intent about no symbol, an answer to an intent whose id could not be read."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_FOREIGN_BYTE = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")
_NAME_LENGTH_MAX = 64
_NAME = re.compile(r"[^\x00-\x20\x7f]{1,64}")  # as messages.Name says
_NONE_ESCAPED = "=5F"  # a name that really is "_"
_INTENT_TOKENS = 6
_KNOWN_MAX = 4_096
"""Most names and subjects of a day are the same few: so many answers are kept."""


class IntentKind(StrEnum):
    """What a strategy may ask for; a token of the intent's subject."""

    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    REPLACE = "replace"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentAddress:
    """Whose intent, of what kind, about which symbol (None: about none or all): what the bus's permissions checked."""

    venue: VenueName
    account: AccountName
    strategy: StrategyName
    kind: IntentKind
    symbol: Symbol | None


class PositionName(Protocol):
    """Anything that names a position: an account's net quantity of one symbol."""

    @property
    def venue(self) -> VenueName: ...
    @property
    def account(self) -> AccountName: ...
    @property
    def symbol(self) -> Symbol: ...


class OrderAddress(NamedTuple):
    """Where an order's next message goes, and the wildcard over which its compare-and-set is made. Never one without the other."""

    subject: str
    guard: str


# Tokens.


@lru_cache(maxsize=_KNOWN_MAX)
def token(text: str) -> str:
    """The subject token of a name. Raises InvalidToken for the empty text and for text that is not Unicode (lone surrogates)."""
    if _PLAIN.fullmatch(text):
        return text
    if not text:
        raise InvalidToken("an empty name cannot stand on the bus")
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidToken("a name must be Unicode text") from error
    return _FOREIGN_BYTE.sub(lambda byte: b"=%02X" % ord(byte[0]), raw).decode()


def untoken(text: str) -> str:
    """The name that a token stands for. Raises Unreadable for anything that `token` does not make."""
    if _PLAIN.fullmatch(text):
        return text
    try:
        name = _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), text.encode()).decode()
        canonical = token(name) == text
    except (UnicodeError, InvalidToken) as error:
        raise Unreadable(f"not a subject token: {text[:80]!r}") from error
    if not canonical:
        raise Unreadable(f"not a subject token: {text[:80]!r}")
    return name


def optional_token(name: str | None) -> str:
    """As `token`, with `_` for None (and `=5F` for a name that is `_`)."""
    if name is None:
        return NONE
    return _NONE_ESCAPED if name == NONE else token(name)


def optional_untoken(text: str) -> str | None:
    """The inverse of `optional_token`. Raises Unreadable."""
    if text == NONE:
        return None
    return NONE if text == _NONE_ESCAPED else untoken(text)


# INTENTS.

ALL_INTENTS = tuple(f"intents.*.*.*.{kind}.*" for kind in IntentKind)
"""What INTENTS holds. An intent of an unknown kind is refused to its publisher: no stream takes it."""


def intent(
    venue: VenueName, account: AccountName, strategy: StrategyName, kind: IntentKind, symbol: Symbol | None
) -> str:
    return f"intents.{token(venue)}.{token(account)}.{token(strategy)}.{kind}.{optional_token(symbol)}"


def intents_of(venue: VenueName, account: AccountName, *kinds: IntentKind) -> tuple[str, ...]:
    """Filters: the account's intents of these kinds (none given: of every kind)."""
    return tuple(f"intents.{token(venue)}.{token(account)}.*.{kind}.*" for kind in kinds or IntentKind)


@lru_cache(maxsize=_KNOWN_MAX)
def parse_intent(subject: str) -> IntentAddress:
    """Raises Unreadable."""
    tokens = subject.split(".")
    if len(tokens) != _INTENT_TOKENS or tokens[0] != "intents":
        raise Unreadable(f"not an intent's subject: {subject[:200]!r}")
    try:
        kind = IntentKind(tokens[4])
    except ValueError as error:
        raise Unreadable(f"no intent is of the kind {tokens[4][:40]!r}") from error
    symbol = None if tokens[5] == NONE else NONE if tokens[5] == _NONE_ESCAPED else _name(tokens[5])
    return IntentAddress(
        venue=VenueName(_name(tokens[1])),
        account=AccountName(_name(tokens[2])),
        strategy=StrategyName(_name(tokens[3])),
        kind=kind,
        symbol=None if symbol is None else Symbol(symbol),
    )


def _name(text: str) -> str:
    """The name that a token of a stranger's subject stands for: one that our own messages may carry, or nobody could be answered."""
    name = text if len(text) <= _NAME_LENGTH_MAX and _PLAIN.fullmatch(text) else untoken(text)
    if _NAME.fullmatch(name) is None:
        raise Unreadable(f"not a name: {text[:80]!r}")
    return name


# ORDERS.

ALL_ORDERS = ("orders.*.*.*.*.*",)


def order(key: OrderKey, state: State) -> str:
    venue, account, symbol, client_order_id = key.venue, key.account, key.symbol, key.client_order_id
    return f"orders.{token(venue)}.{token(account)}.{token(symbol)}.{token(client_order_id)}.{state}"


def order_guard(venue: VenueName, account: AccountName, client_order_id: ClientOrderId) -> str:
    """All messages of one order. It spans symbols, because a venue's id space is per account."""
    return f"orders.{token(venue)}.{token(account)}.*.{token(client_order_id)}.>"


def order_address(order: Order) -> OrderAddress:
    """Subject and guard of the order's snapshot, from one place: the server does not check that the guard covers the subject."""
    key = order.key
    return OrderAddress(
        subject=f"orders.{token(key.venue)}.{token(key.account)}.{token(key.symbol)}.{token(key.client_order_id)}.{order.state}",
        guard=order_guard(key.venue, key.account, key.client_order_id),
    )


def orders_of(venue: VenueName, account: AccountName) -> str:
    """Filter: everything about the account's orders."""
    return f"orders.{token(venue)}.{token(account)}.>"


def approved_of(venue: VenueName, account: AccountName) -> str:
    """Filter: the account's approvals."""
    return f"orders.{token(venue)}.{token(account)}.*.*.{State.APPROVED}"


def submitting_of(venue: VenueName, account: AccountName) -> str:
    """Filter: the account's write-aheads."""
    return f"orders.{token(venue)}.{token(account)}.*.*.{State.SUBMITTING}"


def submitting_at(venue: VenueName) -> str:
    """Filter: everybody's write-aheads."""
    return f"orders.{token(venue)}.*.*.*.{State.SUBMITTING}"


# FILLS and POSITIONS.

ALL_FILLS = ("fills.*.*.*.*",)
ALL_POSITIONS = ("positions.*.*.*",)


def fill(fill: Fill) -> str:
    """One subject a trade. The last token is tradeId-venueOrderId: a venue's order ids all hold the same number of dashes, so two
    trades never meet in one token.
    """
    trade = token(f"{fill.trade_id}-{fill.venue_order_id}")
    return f"fills.{token(fill.venue)}.{token(fill.account)}.{token(fill.symbol)}.{trade}"


def fills_of(venue: VenueName, account: AccountName, symbol: Symbol | None = None) -> str:
    """Filter: the account's fills, of one symbol or of all."""
    return f"fills.{token(venue)}.{token(account)}.{'*' if symbol is None else token(symbol)}.*"


def position(key: PositionName) -> str:
    return f"positions.{token(key.venue)}.{token(key.account)}.{token(key.symbol)}"


def positions_of(venue: VenueName, account: AccountName) -> str:
    """Filter: the account's positions."""
    return f"positions.{token(venue)}.{token(account)}.*"


# AUDIT and DEAD.

ALL_AUDIT = ("reconciliation.>", "risk.>", "requests.>", "answers.>")
ALL_DEAD = ("dead.*.*",)
FILLS_STATEMENT = "fills"
"""The `what` of the reconciliation message that states an account's fills."""
RECOVERY = "recovery"


def answer(venue: VenueName, account: AccountName, strategy: StrategyName, intent_id: IntentId | None) -> str:
    """Where an intent is answered that the ledger cannot answer. None: its id could not be read."""
    return f"answers.{token(venue)}.{token(account)}.{token(strategy)}.{optional_token(intent_id)}"


def answers_of(venue: VenueName, account: AccountName, strategy: StrategyName) -> str:
    """Filter: the answers to one strategy."""
    return f"answers.{token(venue)}.{token(account)}.{token(strategy)}.*"


def requests(venue: VenueName, account: AccountName, service: str) -> str:
    return f"requests.{token(venue)}.{token(account)}.{token(service)}"


def requests_of(venue: VenueName, account: AccountName) -> str:
    """Filter: every service's requests to the venue for the account."""
    return f"requests.{token(venue)}.{token(account)}.*"


def requests_at(venue: VenueName) -> str:
    """Filter: everybody's requests to the venue."""
    return f"requests.{token(venue)}.*.*"


def risk(venue: VenueName, account: AccountName, what: str) -> str:
    return f"risk.{token(venue)}.{token(account)}.{token(what)}"


def recovery(venue: VenueName, account: AccountName) -> str:
    """How far the account has been adopted from the venue after a restore of the bus."""
    return reconciliation(venue, account, RECOVERY)


def reconciliation(venue: VenueName, account: AccountName, what: str) -> str:
    return f"reconciliation.{token(venue)}.{token(account)}.{token(what)}"


def fills_statement(venue: VenueName, account: AccountName) -> str:
    return reconciliation(venue, account, FILLS_STATEMENT)


def dead(service: str, stream: str) -> str:
    return f"dead.{token(service)}.{token(stream)}"


# Core NATS: asked and answered at once, kept nowhere.

KILL_REQUEST = "control.kill.request"
"""A new kill epoch; every live sender of orders acknowledges it."""


def key_revocation(venue: VenueName, account: AccountName) -> str:
    """A key that leaked; every process that signs for the account acknowledges it."""
    return f"control.keys.{token(venue)}.{token(account)}"


def statement_request(venue: VenueName, account: AccountName) -> str:
    """Asks fill streaming for a fresh statement; answered with the statement, which is also published."""
    return f"control.statement.{token(venue)}.{token(account)}"


def account_budget(venue: VenueName, account: AccountName) -> str:
    """Asks the owner of the account's request budget for leases."""
    return f"budget.{token(venue)}.{token(account)}"


def address_budget(venue: VenueName, address: str) -> str:
    """The same for what the venue counts by address: `_` stands for the absent account."""
    return f"budget.{token(venue)}.{NONE}.{token(address)}"


def address_budgets(venue: VenueName) -> str:
    """Of every address that calls the venue."""
    return f"budget.{token(venue)}.{NONE}.*"


def budget_owner(budget: str) -> str:
    """Where a fresh owner of this budget makes itself known."""
    return f"{budget}.owner"


def budget_freeze(budget: str) -> str:
    """Where a process says that the venue told it to stop."""
    return f"{budget}.freeze"
