"""The benchmark of builds at its smallest, with everything that it needs: it runs, and what it counts is true."""

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
OURS, DOCKER = "docker-envs", "docker build + push"
INCREMENTAL = ("one leaf updated", "nothing changed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What `--quick` prints, and its JSON."""
    require_programs("docker-registry", "dockerd", "docker", "umoci", "skopeo")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    found = tmp_path_factory.mktemp("benchmark") / "figures.json"
    command = [sys.executable, "-m", "benchmarks.build", "--quick", "--json", str(found)]
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(found.read_text())


def samples(document: dict[str, Any], scenario: str) -> dict[str, Any]:
    """The one sample of each way."""
    return {each["way"]: each["samples"][0] for each in document["results"] if each["scenario"] == scenario}


def test_every_way_is_measured(report: tuple[str, dict[str, Any]]) -> None:
    cold = samples(report[1], "cold")
    assert len(cold) == 5
    assert {OURS, DOCKER, "limit", "rattler install, umoci insert, skopeo"} < set(cold)
    for scenario in INCREMENTAL:
        assert {OURS, DOCKER} <= set(samples(report[1], scenario))
    assert all(sample["seconds"] > 0 for sample in cold.values())
    assert all(sample["peak_memory"] > 10_000_000 for way, sample in cold.items() if way != "limit")


def test_bytes_at_the_registry_are_those_of_images(report: tuple[str, dict[str, Any]]) -> None:
    """All ways send the compressed packages once; after an update, ours sends a part; unchanged, next to nothing."""
    cold, leaf, unchanged = (samples(report[1], scenario) for scenario in ("cold", *INCREMENTAL))
    assert cold.pop("limit")["sent"] == 0
    assert all(2_000_000 < sample["sent"] < 5_000_000 for sample in cold.values())
    assert 1_000 < leaf[OURS]["sent"] < 0.1 * cold[OURS]["sent"]
    assert leaf[DOCKER]["sent"] > 0.8 * cold[DOCKER]["sent"]
    assert unchanged[OURS]["sent"] < 10_000


def test_each_target_has_a_line(report: tuple[str, dict[str, Any]]) -> None:
    text, document = report
    targets = document["targets"]
    assert {"≥ 20 x", "≥ 6 x", "≤ 1.3 x", "≥ 50 x", "≤ 3 x", "< 1 s", "≤ 1 x", "< 300 MB"} <= {
        each["target"] for each in targets
    }
    base = next(each for each in targets if each["job"].startswith("build on a base"))
    assert base["met"], base
    lines = text.splitlines()
    assert lines[0] == "| job | against | docker-envs | that | figure | target | met |"
    assert all(any(line.startswith(f"| {each['job']} | {each['against']} |") for line in lines) for each in targets)
