import random

import pytest

from ordergate.access.opening import Opening
from ordergate.access.session import RequestRecord
from ordergate.trading.errors import Misconfigured, UnknownVenue
from ordergate.trading.ids import VenueName
from ordergate.venues.registry import VENUES, find_venue, open_market, open_trading
from tests.unit.access.stage import ToldClock


def opening(url: str) -> Opening:
    records: list[RequestRecord] = []
    return Opening(url=url, clock=ToldClock(), record=records.append, draw=random.random)


def test_a_venue_without_an_adapter_is_named_with_those_that_have_one() -> None:
    with pytest.raises(UnknownVenue, match=r"nowhere.*zetarium"):
        open_trading(VenueName("nowhere"), opening("http://127.0.0.1:1"))


@pytest.mark.parametrize("venue", VENUES)
def test_each_venue_declares_itself(venue: str) -> None:
    found = find_venue(VenueName(venue))
    assert found.declaration.venue == venue
    assert found.declaration.send_margin_ms < found.declaration.window_ms


def test_reads_that_are_spread_out_stay_inside_their_share_of_the_plan() -> None:
    found = find_venue(VenueName("zetarium"))
    a_minute = 60 / found.seconds_between_requests(None, 0.25)
    assert a_minute <= 1_000 * 0.8 * 0.25
    assert found.seconds_between_requests(10_000, 0.25) < found.seconds_between_requests(None, 0.25)


def test_plain_http_to_another_machine_is_refused_at_the_door() -> None:
    with pytest.raises(Misconfigured):
        open_market(VenueName("zetarium"), opening("http://venue.example"))
