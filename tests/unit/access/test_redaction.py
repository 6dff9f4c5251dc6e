import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.access import redaction
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


PATTERNS = [redaction._KEYWORD, redaction._WORD_END, redaction._VALUE, redaction._FORMS]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_can_go_back_into_a_repetition(pattern: Any) -> None:
    """Whatever has no upper bound is possessive, so one try at one place reads each character a bounded number of times."""
    for name, least, most in _repetitions(parser.parse(pattern.pattern, pattern.flags)):
        assert most < 64 or name == "POSSESSIVE_REPEAT", (pattern.pattern, name, least, most)


class Counted:
    """A pattern that counts how often it was tried and how many characters it took."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self.tries = 0
        self.taken = 0

    def match(self, text: str, at: int) -> Any:
        found = self._pattern.match(text, at)
        self.tries += 1
        self.taken += 0 if found is None else found.end() - at
        return found


@pytest.mark.parametrize(
    "piece",
    ["secret", "secret-", "secret ", "secret=", "secret  = ", "signature='", "a", "a-", "api_keysecret:x", " ", "zd_"],
)
@pytest.mark.parametrize("length", [1_000, 100_000])
def test_the_work_grows_like_the_text(piece: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In characters taken and in tries, not in seconds: a line made to be slow costs no more for its length than any other."""
    word_end, value = Counted(redaction._WORD_END), Counted(redaction._VALUE)
    monkeypatch.setattr(redaction, "_WORD_END", word_end)
    monkeypatch.setattr(redaction, "_VALUE", value)
    text = piece * (length // len(piece))
    redact(text)
    assert word_end.tries == value.tries <= text.count(" ") + text.count("=") + text.count("'") + text.count(":") + 1
    assert word_end.taken + value.taken <= len(text)


@given(
    st.lists(
        st.sampled_from(["secret", "=", ": ", " ", "abcd", "Bearer ", "'", "b'", "\\", MASK, ",", "x-api-key", "-"])
    )
)
def test_a_value_after_a_name_is_masked_in_any_company(pieces: list[str]) -> None:
    text = "".join(pieces)
    masked = redact(text)
    assert redact(masked) == masked
    assert "abcd" not in redact(f"{text} secret=abcdabcd").rpartition(" ")[2]


def _repetitions(parsed: Any) -> Iterator[tuple[str, int, int]]:
    for name, argument in parsed:
        kind = str(name)
        if kind in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            least, most, inner = argument
            yield kind, int(least), int(most)
            yield from _repetitions(inner)
        elif kind == "BRANCH":
            for branch in argument[1]:
                yield from _repetitions(branch)
        elif kind == "SUBPATTERN":
            yield from _repetitions(argument[-1])
        elif kind in {"ASSERT", "ASSERT_NOT"}:
            yield from _repetitions(argument[1])
