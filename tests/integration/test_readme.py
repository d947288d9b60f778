"""What a newcomer runs first, literally as the README has it, in a copy of the project; and what comes of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from docker_envs.records.record import read_records
from tests.builds import ROOT, read_image_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Engine

_ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/').read().decode())"
#: Seconds that the service may take to start.
_PATIENCE = 60


def command(mark: str) -> str:
    found = re.search(
        rf"^<!-- {mark} -->\n```sh\n(.*?)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, mark
    return found[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is in the repository, as a clone has it."""
    folder = tmp_path_factory.mktemp("clone") / "docker-envs"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(text: str, project: Path) -> None:
    variables = {"DOCKER_ENVS_CACHE": str(project.parent / "cache")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=project,
        env={**_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def answer(engine: Engine, name: str) -> str:
    """What the service of an image says about itself."""
    container = engine.client.containers.run(name, network_mode="none", detach=True)
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            status, output = container.exec_run(["python", "-c", _ASK])
            if status == 0 and isinstance(output, bytes):
                return output.decode()
            assert time.monotonic() < end, container.logs().decode()
            time.sleep(0.5)
    finally:
        container.remove(force=True)


def test_the_first_command_makes_an_image_that_runs(engine: Engine, project: Path) -> None:
    run(command("example-command"), project)
    image = read_image_file(project / "web.tar")
    record = read_records(image)[0].record
    assert {package.kind for package in record.packages} == {"deb", "pypi"}
    with (project / "web.tar").open("rb") as file:
        engine.client.images.load(file)
    assert '"hello":"world"' in answer(engine, "web:1")

    run(command("offline-example-command"), project)
    with (project / "hello.tar").open("rb") as file:
        engine.client.images.load(file)
    assert engine.run("hello:1") == "hello from /opt/conda\n"
