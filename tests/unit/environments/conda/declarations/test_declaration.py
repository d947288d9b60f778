"""A declaration with more added to it."""

from __future__ import annotations

import pytest

from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.errors import InvalidInputError


def test_more_channels_and_specs() -> None:
    declared = Declaration(("a", "b"), ("python",), variables={"A": "1"}, source="env.yml")
    merged = declared.merged(channels=("b", "c"), specs=("numpy",))
    assert merged == Declaration(("a", "b", "c"), ("python", "numpy"), None, {"A": "1"}, "env.yml")


def test_nothing_can_be_added_to_a_lock() -> None:
    lock = Declaration(packages=(), source="list.txt")
    assert lock.merged(channels=("a",), specs=()).packages == ()
    with pytest.raises(InvalidInputError) as caught:
        lock.merged(channels=(), specs=("numpy",))
    assert str(caught.value) == "list.txt is a lock, so no specs can be added to it"
