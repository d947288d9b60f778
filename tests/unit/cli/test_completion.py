"""What shells are told when somebody presses the tabulator."""

from __future__ import annotations

import subprocess
import sys

import pytest

from docker_envs.cli.commands import VERBS
from tests.builds import ROOT, environment

PROGRAM = "import sys; sys.argv = ['docker-envs']; from docker_envs.cli import main; main()"


def complete(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    variables = {
        "_DOCKER_ENVS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment(ROOT, **variables), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("docker-envs ", list(VERBS)),
        ("docker-envs co", ["copy"]),
        ("docker-envs layout ", ["gc"]),
        ("docker-envs copy --pl", ["--platform", "--plain-http"]),
    ],
)
def test_commands_and_options_are_completed(line: str, expected: list[str]) -> None:
    assert complete(line) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str) -> None:
    variables = {"_DOCKER_ENVS_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment(ROOT, **variables), capture_output=True, text=True, check=True
    )
    assert "docker-envs" in done.stdout
    assert f"complete_{shell}" in done.stdout
