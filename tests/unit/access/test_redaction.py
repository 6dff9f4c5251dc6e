import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access.redaction import MASK, redact, register

SECRET = "5e" * 32
KEY = "zd_" + "9c" * 20


@pytest.mark.parametrize(
    "text",
    [
        f"X-API-KEY: {KEY}",
        f"x-api-key={KEY}&a=1",
        "X-API-KEY: short-test-key",
        f"{{'X-API-KEY': '{KEY}'}}",
        f"(b'X-API-KEY', b'{KEY}')",
        f'{{"secret": "{SECRET}"}}',
        f"POST /v2/orders?timestamp=1&signature={SECRET} HTTP/1.1",
        f'\\"apiSecret\\":\\"{SECRET}\\"',
        "Authorization: Bearer eyJhbGciOi.abc.def",
        "passphrase=hunter22",
        f"nothing names it {SECRET} here",
        f"nor this {KEY}.",
    ],
)
def test_named_or_shaped_secrets_are_masked(text: str) -> None:
    masked = redact(text)
    assert MASK in masked
    for secret in (KEY, SECRET, "short-test-key", "eyJhbGciOi", "hunter22"):
        assert secret not in masked


@pytest.mark.parametrize(
    "text",
    [
        "POST /v2/orders status=200 errorId=oge-abcdefghijklmnopqrstuvwxyz latencyMs=1.25",
        "order alpha-000017 of zetarium.main BTCUSDT 0.010 @ 64250.5",
        "trace 0123456789abcdef0123456789abcdef",
        "the key file /run/secrets/zetarium is not there",
        "key_id=7e7e9bd2a2",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_a_registered_value_is_masked_wherever_it_stands_also_encoded() -> None:
    register("pass/word+of=tests")
    assert redact("<pass/word+of=tests> pass%2Fword%2Bof%3Dtests") == f"<{MASK}> {MASK}"


def test_a_short_value_is_not_registered_because_it_would_mask_words() -> None:
    register("order")
    assert redact("an order") == "an order"


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_neighbour_hides_a_key(before: str, after: str) -> None:
    assert KEY not in redact(f"{before}{KEY}{after}")
