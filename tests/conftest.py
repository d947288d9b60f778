"""Fixtures that start the real things, once per session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packages.channel import build_channel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture channel's folder, not to be changed."""
    return build_channel(tmp_path_factory.mktemp("channel"))
