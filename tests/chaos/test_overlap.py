"""Two real processes of every service share the accounts, the bus and the venue; what one believes, the other may know better."""

from collections import Counter
from pathlib import Path

import pytest

from services.supervisor import SERVICES
from tests.chaos import round as one_round
from tests.chaos.figures import summary
from tests.chaos.overlap import overlap
from tests.chaos.round import run_round


@pytest.mark.timeout(150)
async def test_of_two_of_everything_one_sleeps_and_the_other_is_killed_and_no_books_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_round, "KINDS", {"replicas": overlap})
    result = await run_round("replicas", seed=11, home=tmp_path / "home", hits=Counter(), load_seconds=7.0)
    assert result.problems == []
    assert result.notes == ["5 processes woke after 5 s"]
    assert result.orders > 20
    told = summary([result], seconds=result.seconds)
    assert {told[name] for name in ("duplicates", "lost", "fillsLost", "fillsDoubled", "violations")} == {0}
    assert all(told["kills"][service] >= 1 for service in SERVICES)
