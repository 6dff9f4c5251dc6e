"""The model of `bench.scaling`: what it is fitted to it says exactly, and what it says beyond that grows with accounts and with orders."""

import pytest

from bench.scaling import MEASURED, Point, fit, needed, verdict


def point(accounts: int, orders_per_second: float) -> Point:
    """Of a shard of which all costs lie on a plane."""
    return Point(
        accounts=accounts,
        orders_per_second=orders_per_second,
        services=0.05 + 0.01 * accounts + 0.004 * orders_per_second,
        bus=0.02 + 0.002 * accounts + 0.001 * orders_per_second,
        mb=400 + 2 * accounts + 0.1 * orders_per_second,
    )


def test_costs_that_lie_on_a_plane_are_told_far_beyond_what_was_measured() -> None:
    costs = fit(point(4, 0), point(12, 0), point(4, 100))
    told = verdict(costs, point(1_000, 900))
    assert {name: each["ratio"] for name, each in told.items()} == {"services": 1, "bus": 1, "mb": 1}
    assert told["services"]["measured"] == pytest.approx(13.65)


def test_what_is_dearer_than_computed_has_a_ratio_below_one() -> None:
    costs = fit(point(4, 0), point(12, 0), point(4, 100))
    dear = Point(accounts=24, orders_per_second=150, services=1.78, bus=0.218, mb=463)
    assert verdict(costs, dear)["services"]["ratio"] == 0.5


@pytest.mark.parametrize(
    ("few", "more", "busy"),
    [((4, 0), (4, 0), (4, 100)), ((4, 0), (12, 50), (4, 100)), ((4, 0), (12, 0), (4, 0)), ((4, 0), (12, 0), (12, 100))],
)
def test_loads_that_do_not_tell_accounts_from_orders_are_refused(
    few: tuple[int, float], more: tuple[int, float], busy: tuple[int, float]
) -> None:
    with pytest.raises(ValueError, match="must differ"):
        fit(point(*few), point(*more), point(*busy))


def test_accounts_that_do_nothing_need_shards_too() -> None:
    idle = needed(MEASURED, accounts=100_000, orders_per_second=0)
    assert idle.shards > needed(MEASURED, accounts=10, orders_per_second=0).shards == 1
    assert needed(MEASURED, accounts=100_000, orders_per_second=10_000).shards > idle.shards


def test_no_shard_is_planned_fuller_than_it_may_be() -> None:
    found = needed(MEASURED, accounts=1_000, orders_per_second=500)
    assert found.cores <= found.shards * MEASURED.cores_per_shard
