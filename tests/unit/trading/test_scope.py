"""Claims about what a throw of the kill switch covers."""

from dataclasses import replace

import pytest

from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderRequest
from ordergate.trading.scope import Scope
from ordergate.wire import keys
from tests.unit.trading.making import request

VENUE, ACCOUNT = request().key.venue, request().key.account
STRATEGY, SYMBOL = request().strategy, request().key.symbol


def others(made: OrderRequest) -> list[OrderRequest]:
    """The same order of another account, strategy and symbol."""
    return [
        replace(made, key=replace(made.key, account=AccountName("other"))),
        replace(made, strategy=StrategyName("other")),
        replace(made, key=replace(made.key, symbol=Symbol("OTHER"))),
    ]


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), [True, True, True]),
        (Scope(venue=VENUE, account=ACCOUNT), [False, True, True]),
        (Scope(strategy=STRATEGY), [True, False, True]),
        (Scope(symbol=SYMBOL), [True, True, False]),
        (Scope(venue=VENUE, account=ACCOUNT, strategy=STRATEGY), [False, False, True]),
        (Scope(venue=VENUE, account=ACCOUNT, strategy=STRATEGY, symbol=SYMBOL), [False, False, False]),
    ],
)
def test_a_scope_covers_what_agrees_with_all_that_it_names(scope: Scope, covered: list[bool]) -> None:
    assert scope.covers(request())
    assert [scope.covers(other) for other in others(request())] == covered


def test_a_throw_for_a_symbol_touches_every_account() -> None:
    assert Scope(symbol=SYMBOL).touches(VenueName("v"), AccountName("a"))
    assert not Scope(venue=VENUE, account=ACCOUNT, symbol=SYMBOL).touches(VENUE, AccountName("other"))


def test_no_two_scopes_share_a_key() -> None:
    names = [None, "_", "a", "main"]
    scopes = {
        Scope(
            venue=None if venue is None else VenueName(venue),
            account=None if account is None else AccountName(account),
            strategy=None if strategy is None else StrategyName(strategy),
            symbol=None if symbol is None else Symbol(symbol),
        )
        for venue in names
        for account in names
        for strategy in names
        for symbol in names
    }
    assert len({keys.kill(scope) for scope in scopes}) == len(scopes) == len(names) ** 4


def test_a_scope_is_said_in_words() -> None:
    assert str(Scope()) == "everything"
    assert str(Scope(venue=VenueName("z"), account=AccountName("main"))) == "z/main"
    assert str(Scope(symbol=Symbol("BTC"))) == "symbol BTC of every account"
    whole = Scope(venue=VenueName("z"), account=AccountName("main"), strategy=StrategyName("a"), symbol=Symbol("BTC"))
    assert str(whole) == "strategy a, symbol BTC of z/main"
