"""Solves in a process of its own, since rattler's threads may crash an interpreter that exits.

Usage: `python -m tests.solve_child` with a JSON object on stdin: channels, specs, platform, virtual packages, cache.
Prints a JSON object: the packages, or the error with its hint.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage, virtual_packages
from docker_envs.environments.conda.subdirs import parse_platform
from docker_envs.errors import DockerEnvsError

ROOT = Path(__file__).parents[1]


def solve_in_child(
    channels: list[str],
    specs: list[str],
    cache: Path,
    *,
    platform: str = "linux/amd64",
    virtual: list[str] | None = None,
) -> dict[str, Any]:
    """What `solve` gives, or raises."""
    request = {
        "channels": channels,
        "specs": specs,
        "cache": str(cache),
        "platform": platform,
        "virtual": virtual or [],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.solve_child"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def main() -> dict[str, object]:
    request = json.loads(sys.stdin.read())
    platform = parse_platform(request["platform"])
    overrides = [VirtualPackage.parse(text) for text in request["virtual"]]
    try:
        packages = solve(
            request["channels"],
            request["specs"],
            platform=platform,
            virtual_packages=virtual_packages(platform, overrides),
            cache=Path(request["cache"]),
        )
    except DockerEnvsError as error:
        return {"error": type(error).__name__, "message": str(error), "hint": error.hint}
    return {"packages": [dataclasses.asdict(package) for package in packages]}


if __name__ == "__main__":
    print(json.dumps(main()), flush=True)
    os._exit(0)
