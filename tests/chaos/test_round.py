"""One short round of chaos with every test run; the long ones are `make chaos`."""

from collections import Counter
from pathlib import Path

import pytest

from services.supervisor import SERVICES
from tests.chaos.disturbances import ORDER
from tests.chaos.figures import summary
from tests.chaos.round import run_round

ARMED = {
    "risk": "risk.append.approved.during:2",
    "order_submission": "order_submission.send.place.during:4",
    "status_polling": "status_polling.checkpoint.after:1",
    "fill_streaming": "fill_streaming.store.after:2",
    "position_tracking": "position_tracking.store.before:2",
}


@pytest.mark.timeout(150)
async def test_each_service_kills_itself_in_mid_work_and_every_promise_is_kept(tmp_path: Path) -> None:
    result = await run_round("points", seed=5, home=tmp_path / "home", hits=Counter(), load_seconds=6.0, armed=ARMED)
    assert result.problems == []
    assert result.evidence is not None
    assert result.orders > 20
    assert {name.split(".", 1)[0] for name in result.hits} == set(SERVICES), "each reached its point"
    told = summary([result], seconds=result.seconds)
    assert list(told)[:6] == ["rounds", "kills", "orders", "duplicates", "lost", "fillsLost"]
    assert {told[name] for name in ("duplicates", "lost", "fillsLost", "fillsDoubled", "violations")} == {0}
    assert all(told["kills"][service] >= 1 for service in SERVICES)


def test_twenty_rounds_hold_every_kind_of_disturbance_at_least_twice() -> None:
    assert min(Counter((*ORDER, *ORDER)).values()) >= 2
