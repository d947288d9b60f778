from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators.registry import RegistrySimulator, TokenRules

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry that lets everybody in."""
    simulator = RegistrySimulator()
    with simulator.running():
        yield simulator


@pytest.fixture
def guarded() -> Iterator[RegistrySimulator]:
    """A registry that wants tokens."""
    simulator = RegistrySimulator(TokenRules(users={"me": "hush"}, identity_tokens=("identity",)))
    with simulator.running():
        yield simulator
