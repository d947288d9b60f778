from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.report import SILENT, Reporter

if TYPE_CHECKING:
    import pytest


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    reporter: Reporter = SILENT
    reporter.message("one")
    reporter.warning("two")
    task = reporter.start("pull", "layer", 10)
    task.advance(10)
    task.finish("cached")
    assert capfd.readouterr() == ("", "")
