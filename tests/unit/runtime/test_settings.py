"""The configuration file: a misspelling, a plain-text venue or a budget over the whole is refused by name, never by value."""

from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.ports.venue import IdScope
from ordergate.runtime.settings import Environment, Installation
from ordergate.trading.errors import Misconfigured
from ordergate.trading.ids import Symbol
from ordergate.venues.zetarium.declaration import DECLARATION

ACCOUNT = """
[[accounts]]
venue = "zetarium"
account = "main"
base_url = "{url}"
symbols = ["BTCUSDT"]
"""
GOOD = ACCOUNT.format(url="http://127.0.0.1:8700/")


def test_the_smallest_file_is_enough_and_every_order_has_a_limit() -> None:
    (account,) = Installation.of(GOOD).accounts
    assert account.base_url == "http://127.0.0.1:8700"
    assert account.risk_limits.max_order_notional == Decimal(10_000_000)
    assert account.risk_limits.allowed_symbols == frozenset({Symbol("BTCUSDT")})


@pytest.mark.parametrize("url", ["https://venue.test", "http://localhost:1", "http://127.0.0.1", "http://[::1]:9"])
def test_a_venue_is_spoken_to_encrypted_or_on_this_machine(url: str) -> None:
    assert Installation.of(ACCOUNT.format(url=url)).accounts[0].base_url == url


@pytest.mark.parametrize("url", ["http://venue.test", "http://10.0.0.1", "ftp://127.0.0.1", "", "https://"])
def test_a_venue_in_plain_text_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="base_url"):
        Installation.of(ACCOUNT.format(url=url))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "accounts"),
        ("not toml", "not TOML"),
        ("a = " + "[" * 10_000, "nested too deeply"),
        ("a = " + "9" * 5_000, "not TOML"),
        (GOOD + GOOD, "twice"),
        (GOOD + "[accounts.risk]\nmax_order_notionl = '5'\n", "max_order_notionl"),
        (GOOD + "[accounts.risk]\nmax_order_notional = 'NaN'\n", "max_order_notional"),
        (GOOD + "[accounts.risk]\nmax_order_notional = '-1'\n", "max_order_notional"),
        (GOOD + "[accounts.deviation]\nid_scope = 'often'\n", "id_scope"),
        (GOOD + "[accounts.shares]\norder_submission = 0.9\n", "more than the whole"),
        ("[bus]\nreplicas = 9\n" + GOOD, "replicas"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Installation.of(text)


def test_a_refusal_never_shows_the_value() -> None:
    with pytest.raises(Misconfigured) as refused:
        Installation.of(ACCOUNT.format(url="http://user:hunter2@venue.test"))
    assert "hunter2" not in str(refused.value)


def test_the_environment_says_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ordergate.toml"
    monkeypatch.setenv("ORDERGATE_CONFIG", str(file))
    with pytest.raises(Misconfigured, match="cannot be read"):
        Environment().installation()
    file.write_text(GOOD)
    assert Environment().installation() == Installation.of(GOOD)
    assert Environment().instance != Environment().instance, "each process has a name of its own"


def test_an_exchange_that_is_not_what_its_adapter_declares_is_said_to_be_so() -> None:
    (account,) = Installation.of(GOOD + '[accounts.deviation]\nid_scope = "open_only"\nsettle_ms = 250\n').accounts
    told = account.venue_deviation.of(DECLARATION)
    assert (told.id_scope, told.settle_ms, told.lookup_is_witness) == (
        IdScope.OPEN_ONLY,
        250,
        DECLARATION.lookup_is_witness,
    )
    (plain,) = Installation.of(GOOD).accounts
    assert plain.venue_deviation.of(DECLARATION) == DECLARATION


HEDGE = GOOD.replace('"main"', '"hedge"')
BOTH = '[shards]\na = ["zetarium/main"]\nb = ["zetarium/hedge"]\n' + GOOD + HEDGE


def test_a_process_serves_the_accounts_of_its_shard_and_without_one_all(tmp_path: Path) -> None:
    installation = Installation.of(BOTH)
    assert [each.account for each in installation.served_by("a")] == ["main"]
    assert [each.account for each in installation.served_by("b")] == ["hedge"]
    assert [each.account for each in installation.served_by("")] == ["main", "hedge"]
    assert [installation.shard_of(each) for each in installation.accounts] == ["a", "b"]
    assert [installation.answers_strangers(shard) for shard in ("", "a", "b")] == [True, True, False]
    config = tmp_path / "ordergate.toml"
    config.write_text(BOTH)
    with pytest.raises(Misconfigured, match="ORDERGATE_SHARD is 'c', and there is no such shard: there are a, b"):
        Environment(config=config, shard="c").installation()


@pytest.mark.parametrize(
    ("shards", "named"),
    [
        ('a = ["zetarium/main", "zetarium/x"]\nb = ["zetarium/hedge"]', "there is no account zetarium/x; there are"),
        ('a = ["zetarium/main"]\nb = ["zetarium/hedge", "zetarium/main"]', "zetarium/main stands in the shards twice"),
        ('a = ["zetarium/main", "zetarium/main", "zetarium/hedge"]', "zetarium/main stands in the shards twice"),
        ('a = ["zetarium/main"]\nb = []', "no shard serves zetarium/hedge; add it to one of a, b"),
        ('"A b" = ["zetarium/main", "zetarium/hedge"]', r"shards\.A b"),
    ],
)
def test_an_account_that_is_not_in_exactly_one_shard_is_refused_in_one_line(shards: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named) as refused:
        Installation.of(f"[shards]\n{shards}\n{GOOD}{HEDGE}")
    assert "\n" not in str(refused.value)


def test_a_shard_may_be_empty_for_its_accounts_have_moved_away() -> None:
    installation = Installation.of('[shards]\na = []\nb = ["zetarium/main"]\n' + GOOD)
    assert installation.served_by("a") == ()
