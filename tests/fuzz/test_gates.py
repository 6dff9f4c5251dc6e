"""No gate falls over, whatever comes; nothing that came stays unanswered. FUZZ_CASES says how many cases each gate gets."""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.fuzz.damage import Choices, be_quiet
from tests.fuzz.gates import GATES, Gate

CASES = int(os.environ.get("FUZZ_CASES", "150"))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    be_quiet()
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(60 + CASES // 20)
@pytest.mark.parametrize("gate", GATES.values(), ids=GATES.keys())
def test_a_gate_takes_or_refuses_whatever_comes(gate: Gate) -> None:
    for case in gate.found:
        assert gate.try_(*case)

    @settings(
        max_examples=CASES,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=8, max_size=64))
    def try_one(drawn: bytes) -> None:
        case = gate.draw(Choices(drawn))
        note(repr(case))
        assert gate.try_(*case)

    try_one()
