"""Claims about the scope and the exit code of `ordergate kill`."""

import pytest

from ordergate.cli.caller import Caller
from ordergate.cli.exits import Exit, WrongUsage
from ordergate.cli.killing import Acknowledged, kill_exit, scope_of_caller
from ordergate.trading.errors import InvalidToken
from ordergate.trading.ids import AccountName, StrategyName, Symbol, VenueName
from ordergate.trading.scope import Scope
from ordergate.wire.messages import KillAcknowledgement


def caller(*typed: str) -> Caller:
    return Caller(
        url="nats://127.0.0.1:4222",
        venue=VenueName("zetarium"),
        account=AccountName("main"),
        strategy=StrategyName("alpha"),
        as_json=False,
        timeout_seconds=None,
        given=frozenset({"account", "strategy"}),
        typed=frozenset(typed),
    )


def test_what_only_the_environment_says_does_not_narrow_a_kill() -> None:
    assert scope_of_caller(caller(), None) == Scope()


def test_what_is_typed_does() -> None:
    assert scope_of_caller(caller("strategy"), "BTCUSDT") == Scope(
        strategy=StrategyName("alpha"), symbol=Symbol("BTCUSDT")
    )
    assert scope_of_caller(caller("account"), None) == Scope(venue=VenueName("zetarium"), account=AccountName("main"))
    with pytest.raises(WrongUsage, match="--venue needs --account"):
        scope_of_caller(caller("venue"), None)
    with pytest.raises(InvalidToken):
        scope_of_caller(caller(), "")


def heard(*senders: str) -> Acknowledged:
    words = {
        name: KillAcknowledgement(service="order_submission", instance=name, epoch=1, in_flight=0, at_ms=1)
        for name in senders
    }
    return Acknowledged(senders=frozenset({"one", "two"}), heard=words)


def test_the_exit_code_says_how_far_it_came() -> None:
    assert kill_exit(heard("one", "two"), is_done=True, wait=True) is Exit.DONE
    assert kill_exit(heard("one", "two"), is_done=False, wait=True) is Exit.NOT_DONE
    assert kill_exit(heard("one", "two"), is_done=False, wait=False) is Exit.DONE
    assert kill_exit(heard("one"), is_done=True, wait=True) is Exit.UNKNOWN
    assert kill_exit(Acknowledged(), is_done=False, wait=True) is Exit.UNAVAILABLE
