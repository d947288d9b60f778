"""What a new user does first: from a folder with an environment and a program to a running container."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.builds import docker_envs
from tests.services import require_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome
    from tests.services import Engine

PROGRAM = "from weather import mean\n\nprint(mean([1, 2]))\n"


@pytest.fixture
def folder(tmp_path: Path, channel: Path) -> Path:
    """What somebody has who knows nothing of docker-envs."""
    folder = tmp_path / "weather"
    folder.mkdir()
    (folder / "environment.yml").write_text(f"channels: [{channel.as_uri()}]\ndependencies: [python=3.11, hello-sh]\n")
    (folder / "app.py").write_text(PROGRAM)
    (folder / "weather.py").write_text("def mean(values): ...\n")
    (folder / ".env").write_text("TOKEN=secret\n")
    return folder


@pytest.fixture
def settings(tmp_path: Path, base_layout: Path, registry: str) -> dict[str, str]:
    """Docker Hub is a registry on this machine, and has the base that `init` proposes."""
    require_programs("docker", "skopeo")
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{base_layout}:single"]
    subprocess.run([*command, f"docker://{registry}/library/debian:bookworm-slim"], check=True)
    mirror = f'[[registry.mirror]]\nlocation = "{registry}"\ninsecure = true\n'
    path = tmp_path / "registries.conf"
    path.write_text(f'[[registry]]\nlocation = "docker.io"\n{mirror}')
    return {"CONTAINERS_REGISTRIES_CONF": str(path)}


def test_three_commands(engine: Engine, folder: Path, settings: dict[str, str]) -> None:
    def run(*arguments: str) -> Outcome:
        done = docker_envs(*arguments, cache=folder.parent / "cache", cwd=folder, variables=settings)
        assert done.status == 0, done.stderr
        return done

    assert "made from environment.yml, app.py\n" in run("init").stdout
    run("lock")
    assert (folder / "docker-env.lock").is_file()
    assert run("run").stdout == "python of /opt/conda runs app.py\n"
    # The program of this Python is a script that prints its arguments, so this shows what a real one would have run.
    assert run("run", "--", "cat", "app.py").stdout == PROGRAM
    assert run("run", "--", "ls", "-A", "/app").stdout.split() == ["app.py", "weather.py"]
    assert "weather:latest" in {tag for image in engine.client.images.list() for tag in image.tags}


def test_a_project_of_python_needs_neither_base_nor_channel(engine: Engine, tmp_path: Path) -> None:
    """It stands on Debian's own packages, with what its requirements say from PyPI."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "requirements.txt").write_text("six\n")
    (folder / "app.py").write_text("import os, six, ssl\nprint(six.PY3, os.path.exists('/bin/sh'))\n")

    def run(*arguments: str) -> Outcome:
        done = docker_envs(*arguments, cache=tmp_path / "cache", cwd=folder)
        if done.status and "cannot be reached" in done.stderr and "CI" not in os.environ:
            pytest.skip(f"Debian or PyPI is not reached: {done.stderr[-300:]}")
        assert done.status == 0, done.stderr
        return done

    assert "made from requirements.txt, app.py\n" in run("init").stdout
    assert run("run").stdout == "True False\n"
    assert "report:latest" in {tag for image in engine.client.images.list() for tag in image.tags}
