"""Every reader of what comes from outside gives a result or one of our own errors, and the same one twice.

`DOCKER_ENVS_FUZZ=20` runs twenty times as many examples; `python -m tests.fuzz` goes on as long as one likes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.every import TARGETS
from tests.fuzz.registry import Hostile

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = int(os.environ.get("DOCKER_ENVS_FUZZ", "1"))
EXAMPLES = {"archive": 500, "layout": 150, "tar": 1000}
# Many decisions are zeros, which mean that all is right up to there.
RECIPES = st.binary(max_size=120) | st.lists(st.sampled_from([0, 0, 0, 1, 7, 23, 255]), max_size=120).map(bytes)

pytestmark = pytest.mark.timeout(60 * TIMES)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_only_our_own_errors(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES.get(name, 400) * TIMES)
    @given(RECIPES)
    def check(recipe: bytes) -> None:
        assert target(recipe) == target(recipe)

    check()


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with Hostile().running() as server:
        yield server


@settings(max_examples=60 * TIMES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(RECIPES)
def test_only_our_own_errors_from_registries(hostile: Hostile, recipe: bytes) -> None:
    found = hostile.run(recipe)
    assert len(found) == 5
