"""What every test may rely on: the hypothesis profile, and logging that no other test has changed. Fixtures live beside the tests that use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# A slow machine is no failure, and a claim that fails must fail again: the same examples on every run.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_sessionstart() -> None:
    """There is no loop but a test's own. Else pytest-asyncio makes one that nobody closes, the first test that runs a loop by itself drops it, and
    any test after that is blamed for it, whenever it is collected.
    """
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _logging_is_given_back() -> Iterator[None]:
    """It is one for the whole process: what a test makes of it (quiet, into a buffer) must not be heard, or missed, by the next."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
