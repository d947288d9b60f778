"""Under `CI=true` a skipped integration test is a failure; elsewhere it is a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = "import pytest\ndef test_skips(): pytest.skip('no engine here')\ndef test_passes(): pass\n"
WHOLE_MODULE = "import pytest\npytest.skip('nothing here', allow_module_level=True)\n"
ROOT = Path(__file__).parents[2]


def run_pytest(project: Path, ci: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests"]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": f"{ROOT}"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("unit", "integration"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / f"test_{folder}.py").write_text(SOURCE)
    (tmp_path / "tests/integration/test_module.py").write_text(WHOLE_MODULE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    hooks = "pytest_make_collect_report, pytest_runtest_makereport"
    # Not named `tests` here, so that the import finds the real package.
    (tmp_path / "conftest.py").write_text(f"from tests.conftest import {hooks}\n")
    return tmp_path


@pytest.mark.parametrize("ci", ["", "false"])
def test_skips_are_skips_elsewhere(project: Path, ci: str) -> None:
    assert "2 passed, 3 skipped" in run_pytest(project, ci)


def test_skipped_integration_tests_fail_in_ci(project: Path) -> None:
    outcome = run_pytest(project, "true")
    assert "skipped, which CI=true forbids" in outcome
    # A module that fails to be collected stops the run.
    assert "1 error" in outcome
    (project / "tests/integration/test_module.py").unlink()
    assert "1 failed, 2 passed, 1 skipped" in run_pytest(project, "true")
