import pytest

from ordergate.access.budget import Scope, Usage, Weights
from ordergate.access.response import Response
from ordergate.access.session import Call
from ordergate.ports.venue import Priority
from ordergate.venues.zetarium import limits

CALLS = (limits.READ, limits.CANCEL, limits.PLACE, limits.BATCH, limits.CLOSE, limits.PUBLIC)


def call(weights: Weights) -> Call:
    return Call(method="POST", path="/v2/x", purpose="place", priority=Priority.PLACE, weights=weights)


def said(**headers: str) -> Response:
    return Response(status=200, headers={f"x-ratelimit-{name}": value for name, value in headers.items()}, body=b"{}")


@pytest.mark.parametrize(
    ("weights", "scope"),
    [
        (limits.PLACE, Scope.ORDERS),
        (limits.BATCH, Scope.BATCH),
        (limits.CLOSE, Scope.CLOSE),
        (limits.READ, Scope.REQUESTS),
        (limits.PUBLIC, Scope.ADDRESS),
    ],
)
def test_the_headers_speak_of_the_narrowest_bucket_of_the_call(weights: Weights, scope: Scope) -> None:
    found = limits.read_usage(call(weights), said(limit="300", remaining="180"))
    assert found == (Usage(scope=scope, limit=300, used=120),)


@pytest.mark.parametrize(
    "headers",
    [{}, {"limit": "300"}, {"limit": "0", "remaining": "0"}, {"limit": "-1", "remaining": "1"},
     {"limit": "300", "remaining": "many"}, {"limit": "9" * 30, "remaining": "1"}, {"limit": "٣", "remaining": "1"}],
)  # fmt: skip
def test_headers_that_say_nothing_sure_say_nothing(headers: dict[str, str]) -> None:
    assert limits.read_usage(call(limits.READ), said(**headers)) == ()


def test_every_signed_call_counts_as_a_request_and_every_scope_has_a_limit() -> None:
    signed = [weights for weights in CALLS if weights is not limits.PUBLIC]
    assert all(weights[Scope.REQUESTS] == 1 for weights in signed)
    counted = {scope for weights in CALLS for scope in weights}
    assert {limit.scope for limit in limits.LIMITS} == counted
