"""`docker-envs run` with real engines, through their own programs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.base_image import HOST_ARCHITECTURE
from tests.builds import PATIENCE, docker_envs, environment
from tests.services import require_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.builds import Outcome
    from tests.services import Engine

HELLO = "hello from /opt/conda\n"
RUN = [sys.executable, "-m", "docker_envs", "run", "-q"]


@pytest.fixture
def folder(tmp_path: Path, channel: Path) -> Path:
    """A project with an `environment.yml`."""
    project = tmp_path / "My Project"
    project.mkdir()
    (project / "environment.yml").write_text(f"channels: [{channel.as_uri()}]\ndependencies: [hello-sh]\n")
    return project


@pytest.fixture
def local_engine(each_engine: Engine) -> Engine:
    """An engine whose own program is here; it has no network for containers."""
    require_programs("podman" if "podman" in each_engine.host else "docker")
    return each_engine


def run(folder: Path, *arguments: str | Path) -> Outcome:
    return docker_envs("run", *arguments, cache=folder.parent / "cache", cwd=folder)


def containers(engine: Engine) -> int:
    return len(engine.client.containers.list(all=True))


def test_what_is_declared_here(local_engine: Engine, folder: Path, base_layout: Path) -> None:
    base = ("--base", f"oci:{base_layout}:single")
    before = containers(local_engine)
    done = run(folder, *base, "--", "hello")
    assert (done.status, done.stdout) == (0, HELLO), done.stderr
    assert "localhost/my-project:latest" in {tag for image in local_engine.client.images.list() for tag in image.tags}
    again = run(
        folder, *base, "-e", "A=b c", "-v", f"{folder}:/mine", "--", "/bin/sh", "-c", "echo $A; ls /mine; exit 7"
    )
    assert (again.status, again.stdout.splitlines()) == (7, ["b c", "environment.yml"]), again.stderr
    assert containers(local_engine) == before


def test_a_file(local_engine: Engine, folder: Path, base_layout: Path, tmp_path: Path) -> None:
    arguments = ("--base", f"oci:{base_layout}:single", "-f", folder / "environment.yml", "-i", "named:1")
    done = run(tmp_path, *arguments, "hello")
    assert (done.status, done.stdout) == (0, HELLO), done.stderr
    assert run(tmp_path, "docker-daemon:named:1", "hello").stdout == HELLO


def test_an_image_of_a_registry(local_engine: Engine, folder: Path, base_image: BaseImage) -> None:
    done = run(folder, base_image.oci)
    assert (done.status, done.stdout) == (0, "hello from the base\n"), done.stderr
    assert run(folder, base_image.index, "--", "cat", "/etc/architecture").stdout == f"{HOST_ARCHITECTURE}\n"


def test_an_image_of_a_layout(local_engine: Engine, folder: Path, base_layout: Path) -> None:
    done = run(folder, f"oci:{base_layout}:single", "cat", "/etc/layer")
    assert (done.status, done.stdout) == (0, "third\n"), done.stderr


def test_a_container_that_stays(local_engine: Engine, folder: Path, base_image: BaseImage) -> None:
    before = containers(local_engine)
    assert run(folder, "--no-rm", base_image.oci, "true").status == 0
    assert containers(local_engine) == before + 1


def test_standard_input_reaches_the_container(local_engine: Engine, folder: Path, base_image: BaseImage) -> None:
    command = [sys.executable, "-m", "docker_envs", "run", "-q", base_image.oci, "--", "cat"]
    done = subprocess.run(
        command, env=environment(folder / "cache"), input=b"in\n", capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (0, b"in\n"), done.stderr


def test_a_terminal_is_one_in_the_container(local_engine: Engine, folder: Path, base_image: BaseImage) -> None:
    command = [
        sys.executable,
        "-m",
        "docker_envs",
        "run",
        "-q",
        base_image.oci,
        "--",
        "/bin/sh",
        "-c",
        "test -t 0 && echo tty",
    ]
    outer, inner = pty.openpty()
    try:
        status = subprocess.run(
            command, env=environment(folder / "cache"), stdin=inner, stdout=inner, stderr=inner, timeout=PATIENCE
        ).returncode
        assert (status, os.read(outer, 1 << 16).decode().split()[-1:]) == (0, ["tty"])
    finally:
        os.close(outer)
        os.close(inner)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "environment.yml", "image", "--", "x"], "an image, and `--file` or `--apt`, exclude each other"),
        ([], "no base image is named"),
        (["--base", "scratch", "--", "x"], "nothing to run"),
    ],
)
def test_calls_that_make_no_sense(engine: Engine, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, *arguments)
    assert (done.status, message in done.stderr) == (2, True), done.stderr


def test_an_image_that_is_nowhere(engine: Engine, tmp_path: Path, registry: str) -> None:
    assert run(tmp_path, f"{registry}/no/such:1").status == 4
