"""Subjects: one name, one token; nothing else is readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.trading.errors import InvalidToken, Unreadable
from ordergate.trading.ids import AccountName, ClientOrderId, IntentId, StrategyName, Symbol, VenueName
from ordergate.trading.order import OrderKey, State
from ordergate.wire import subjects
from ordergate.wire.subjects import IntentKind

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
proper_names = names.filter(lambda name: not any(sign <= " " or sign == "\x7f" for sign in name))


@given(names)
def test_every_name_survives_its_token(name: str) -> None:
    token = subjects.token(name)
    assert subjects.untoken(token) == name
    assert subjects.optional_untoken(subjects.optional_token(name)) == name


@given(names)
def test_a_token_holds_no_wildcard_dot_or_space(name: str) -> None:
    assert not set(subjects.token(name)) & set(".*> \t\r\n")


@given(names, names)
def test_two_names_never_share_a_token(one: str, other: str) -> None:
    assert (subjects.token(one) == subjects.token(other)) == (one == other)


@pytest.mark.parametrize("spelling", ["", "=41", "=", "=4", "=zz", "=2d", "a b", "*", ">", "a.b", "=FF", "=C3"])
def test_a_second_spelling_of_a_name_is_unreadable(spelling: str) -> None:
    with pytest.raises(Unreadable):
        subjects.untoken(spelling)


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_name_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(InvalidToken):
        subjects.token(name)


@pytest.mark.parametrize("name", ["two words", "line\n", "\x00", "\x7f", "x" * 65])
def test_an_intents_subject_of_a_name_that_no_answer_can_carry_is_unreadable(name: str) -> None:
    """Found by the fuzzer: its answer could not be made."""
    token = subjects.token(name)
    for subject in (
        f"intents.{token}.main.alpha.place.BTCUSDT",
        f"intents.zetarium.{token}.alpha.place.BTCUSDT",
        f"intents.zetarium.main.{token}.place.BTCUSDT",
        f"intents.zetarium.main.alpha.place.{token}",
    ):
        with pytest.raises(Unreadable):
            subjects.parse_intent(subject)


@given(proper_names, proper_names, proper_names, st.sampled_from(IntentKind), st.none() | proper_names)
def test_an_intents_subject_reads_back(
    venue: str, account: str, strategy: str, kind: IntentKind, symbol: str | None
) -> None:
    subject = subjects.intent(
        VenueName(venue),
        AccountName(account),
        StrategyName(strategy),
        kind,
        None if symbol is None else Symbol(symbol),
    )
    address = subjects.parse_intent(subject)
    assert (address.venue, address.account, address.strategy, address.kind, address.symbol) == (
        venue,
        account,
        strategy,
        kind,
        symbol,
    )


@given(names, names, names, names, st.sampled_from(State))
def test_an_orders_guard_covers_its_subject(venue: str, account: str, symbol: str, order_id: str, state: State) -> None:
    key = OrderKey(
        venue=VenueName(venue),
        account=AccountName(account),
        symbol=Symbol(symbol),
        client_order_id=ClientOrderId(order_id),
    )
    subject = subjects.order(key, state)
    guard = subjects.order_guard(key.venue, key.account, key.client_order_id)
    assert _covers(guard, subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "intents",
        "intents.z.main.alpha.place",
        "intents.z.main.alpha.place.BTC.USDT",
        "intents.z.main.alpha.buy.BTCUSDT",
        "intents.z.main..place.BTCUSDT",
        "intents.z.main.=61lpha.place.BTCUSDT",
        "orders.z.main.BTCUSDT.a-1.approved",
    ],
)
def test_anything_else_is_not_an_intents_subject(subject: str) -> None:
    with pytest.raises(Unreadable):
        subjects.parse_intent(subject)


def test_an_answer_to_an_unreadable_id_is_not_the_answer_to_the_id_underscore() -> None:
    unreadable = subjects.answer(VenueName("z"), AccountName("main"), StrategyName("alpha"), None)
    underscore = subjects.answer(VenueName("z"), AccountName("main"), StrategyName("alpha"), IntentId("_"))
    assert unreadable == "answers.z.main.alpha._"
    assert underscore == "answers.z.main.alpha.=5F"


def _covers(pattern: str, subject: str) -> bool:
    wanted, tokens = pattern.split("."), subject.split(".")
    assert wanted[-1] == ">"
    return len(tokens) >= len(wanted) and all(
        want in {"*", token} for want, token in zip(wanted[:-1], tokens, strict=False)
    )
