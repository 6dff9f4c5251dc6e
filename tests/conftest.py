"""What every test may rely on: the hypothesis profile. Fixtures live beside the tests that use them."""

from __future__ import annotations

from hypothesis import settings

# A slow machine is no failure, and a claim that fails must fail again: the same examples on every run.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
