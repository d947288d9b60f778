"""`docker-envs watch` with real engines: what is saved runs, and what is wrong does no harm."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.builds import environment
from tests.services import require_programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import Engine

#: Seconds after which nothing more is expected.
PATIENCE = 60

# The last command waits for what nobody writes; it must not hold the pipe that the first one writes to.
DECLARATION = """\
name: watched
base: "oci:{base}:single"
environment: environment.yml
files:
- {{from: notes, to: /app/notes}}
- {{from: ., to: /app, include: ["*.txt"], exclude: ["left-*"]}}
config: {{cmd: [sh, -c, "cat /app/*.txt; cat /dev/ptmx > /dev/null"]}}
"""


@dataclass
class Watching:
    """A `watch` that runs; `folder` is what it watches."""

    process: subprocess.Popen[bytes]
    folder: Path
    engine: Engine
    log: Path
    others: frozenset[str]
    before: int = 0

    def wait_for(self, text: str) -> None:
        """Wait until something new was printed."""
        deadline = time.monotonic() + PATIENCE
        while (place := self.printed.find(text, self.before)) < 0:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.02)
        self.before = place + len(text)

    @property
    def printed(self) -> str:
        return self.log.read_text()

    @property
    def containers(self) -> list[str]:
        """Those that were not there before: other tests leave some."""
        return sorted(containers(self.engine) - self.others)


def containers(engine: Engine) -> frozenset[str]:
    return frozenset(str(found.id) for found in engine.client.containers.list(all=True, ignore_removed=True))


@pytest.fixture
def project(tmp_path: Path, channel: Path, base_layout: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes/a.md").write_text("a\n")
    (folder / "one.txt").write_text("first\n")
    (folder / ".dockerignore").write_text("ignored.txt\n")
    (folder / "environment.yml").write_text(f"channels: [{channel.as_uri()}]\ndependencies: [greeting]\n")
    (folder / "docker-env.yaml").write_text(DECLARATION.format(base=base_layout))
    return folder


@pytest.fixture
def watching(engine: Engine, project: Path) -> Iterator[Watching]:
    require_programs("docker")
    command = [sys.executable, "-m", "docker_envs", "watch"]
    others = containers(engine)
    log = project.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=project, env=environment(project.parent / "cache"), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield Watching(process, project, engine, log, others)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_what_is_saved_runs(watching: Watching) -> None:
    folder = watching.folder
    watching.wait_for("first\n")
    assert watching.printed.count("build    greeting-") == 1
    (folder / "ignored.txt").write_text("never\n")
    (folder / "left-out.txt").write_text("never\n")
    (folder / "one.txt").write_text("second\n")
    watching.wait_for(": one.txt\n")
    watching.wait_for("second\n")
    (folder / "two.txt").write_text("new\n")
    watching.wait_for("second\nnew\n")
    (folder / "one.txt").unlink()
    watching.wait_for(": one.txt\nnew\n")
    # The one before is gone when the next one runs.
    (container,) = watching.containers

    environment_file = folder / "environment.yml"
    before = environment_file.read_text()
    environment_file.write_text(before.replace("greeting", "no-such-package"))
    watching.wait_for("error: ")
    assert watching.containers == [container]
    environment_file.write_text(before.replace("greeting", "greeting, hello-sh"))
    watching.wait_for("build    hello-sh-")
    watching.wait_for(": environment.yml\nnew\n")

    declaration = folder / "docker-env.yaml"
    declaration.write_text(declaration.read_text().replace("cat /app/*.txt;", "hello; exit 3;"))
    watching.wait_for("hello from /opt/conda\n")
    watching.wait_for("ended    with status 3")
    assert "never" not in watching.printed
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(PATIENCE) == 130
    assert watching.printed.endswith("interrupted; nothing half-made was left behind\n")


def test_an_end_stops_the_container(watching: Watching) -> None:
    watching.wait_for("first\n")
    assert len(watching.containers) == 1
    watching.process.terminate()
    assert watching.process.wait(PATIENCE) == 130
    assert watching.containers == []


def test_images_alone(engine: Engine, project: Path) -> None:
    command = [sys.executable, "-m", "docker_envs", "watch", "--no-run", "-i", "alone:1"]
    process = subprocess.Popen(
        command, cwd=project, env=environment(project.parent / "cache"), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr:
        assert any("built    alone:1 in " in line for line in process.stderr)
        first = engine.client.images.get("alone:1").id
        (project / "notes/b.md").write_text("b\n")
        assert any(line.endswith(": notes/b.md\n") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert engine.client.images.get("alone:1").id != first
    assert engine.client.containers.list() == []
