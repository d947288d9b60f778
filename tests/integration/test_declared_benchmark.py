"""The benchmark of packages from PyPI and Debian at its smallest, without the other ways, which take minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services import require_programs

ROOT = Path(__file__).parents[2]
OURS = "docker-envs"
PROJECT, PUSHED = "requirements.txt", "Python without a shell, pushed"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """What `--quick` prints, its warnings, and its JSON."""
    require_programs("docker-registry", "dockerd", "docker", "mmdebstrap", "dpkg-deb")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    found = tmp_path_factory.mktemp("benchmark") / "figures.json"
    command = [sys.executable, "-m", "benchmarks.declared", "--quick", "--ways", "ours", "--json", str(found)]
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, json.loads(found.read_text())


def samples(document: dict[str, Any], environment: str, scenario: str) -> dict[str, Any]:
    """The one sample of each way."""
    wanted = (environment, scenario)
    found = [each for each in document["results"] if (each["environment"], each["scenario"]) == wanted]
    return {each["way"]: each["samples"][0] for each in found}


def test_builds_are_measured_without_the_network(report: tuple[str, str, dict[str, Any]]) -> None:
    _, said, document = report
    for scenario in ("cold", "nothing changed", "program changed", "one requirement updated"):
        assert set(samples(document, PROJECT, scenario)) == {OURS}
    for scenario in ("cold", "cold, downloads there", "one package updated"):
        assert set(samples(document, PUSHED, scenario)) == {OURS}
    assert "pages of the network are in the figures" not in said


def test_bytes_at_the_registry_are_those_of_images(report: tuple[str, str, dict[str, Any]]) -> None:
    """Packages are sent once, and after an update in part."""
    document = report[2]
    cold, updated = (samples(document, PUSHED, scenario) for scenario in ("cold", "one package updated"))
    assert 5_000_000 < cold[OURS]["sent"] < 50_000_000
    assert updated[OURS]["sent"] < 0.5 * cold[OURS]["sent"]
    for environment in (PROJECT, PUSHED):
        assert samples(document, environment, "nothing changed")[OURS]["sent"] < 10_000
