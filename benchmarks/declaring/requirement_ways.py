"""The ways from a `requirements.txt` to an image in a registry: docker-envs, and `docker build` with pip and with uv.

All put distributions where the base's Python looks for them, and ask the same index on this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uv import find_uv_bin

from benchmarks import measure
from benchmarks.building.ways import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.building.services import RunningEngine
    from benchmarks.declaring.requirements import State
    from benchmarks.measure import Measured

PIP = "docker build (pip) + push"
UV = "docker build (uv in a stage) + push"
PIP_CACHED = "BuildKit (pip, cache mount) + push"
UV_CACHED = "BuildKit (uv, cache mount) + push"

_UV_IMAGE = "docker-envs-benchmark-uv"
_CLIENTS = ("docker", "/usr/bin/docker")
_PIP = "pip install --quiet --root-user-action ignore --break-system-packages -r requirements.txt"
_UV = "uv pip install --quiet --system --break-system-packages -r requirements.txt"
_HEAD = """\
FROM {base} AS build
LABEL benchmark="{stamp}"
ARG PIP_INDEX_URL
ARG PIP_DISABLE_PIP_VERSION_CHECK=1
ARG UV_DEFAULT_INDEX
ENV UV_LINK_MODE=copy
WORKDIR /srv
COPY requirements.txt .
"""
_TAIL = """\
COPY app.py .
CMD ["python3", "app.py"]
"""
_DOCKERFILES = {
    PIP: _HEAD + "RUN " + _PIP.replace("install", "install --no-cache-dir", 1) + "\n" + _TAIL,
    UV: _HEAD
    + f"COPY --from={_UV_IMAGE} /uv /opt/uv\nRUN /opt/{_UV}\n"
    + 'FROM {base}\nLABEL benchmark="{stamp}"\nWORKDIR /srv\nCOPY --from=build /usr/local /usr/local\n'
    + "COPY requirements.txt .\n"
    + _TAIL,
    PIP_CACHED: _HEAD + f"RUN --mount=type=cache,id=pip-{{downloads}},target=/root/.cache/pip {_PIP}\n" + _TAIL,
    UV_CACHED: _HEAD
    + f"RUN --mount=type=bind,from={_UV_IMAGE},source=/uv,target=/opt/uv "
    + f"--mount=type=cache,id=uv-{{downloads}},target=/root/.cache/uv /opt/{_UV}\n"
    + _TAIL,
}
_DECLARATION = """\
base: {base}
environment: requirements.txt
python_layout: base
files:
- {{from: app.py, to: /srv/}}
- {{from: requirements.txt, to: /srv/}}
config: {{workdir: /srv, cmd: [python3, app.py]}}
"""


class Way(Protocol):
    """A way to build a project again and again, each time with what it remembers.

    Attributes:
        title: As in reports.
    """

    title: str

    @property
    def keeps_downloads(self) -> bool:
        """Whether downloads can be kept without all else."""

    def begin(self, folder: Path) -> None:
        """Forget everything, and keep files in a folder from now on."""

    def forget_layers(self) -> None:
        """Forget everything but downloads."""

    def build(self, state: State, *, base: str, target: str) -> Measured:
        """Build a state of the project on a base, and push it."""


class Ours:
    """One command; behind the first build follows a lock, which is not timed, and which later builds have.

    Args:
        index: URL of the package index.
    """

    title = OURS

    def __init__(self, index: str) -> None:
        self._env = {"UV_DEFAULT_INDEX": index}

    @property
    def keeps_downloads(self) -> bool:
        """See `Way`."""
        return True

    def begin(self, folder: Path) -> None:
        """See `Way`."""
        self._folder = folder / "project"
        self._cache = folder / "cache"
        self._folder.mkdir()

    def forget_layers(self) -> None:
        """See `Way`."""
        shutil.rmtree(self._cache / "layers")

    def build(self, state: State, *, base: str, target: str) -> Measured:
        """See `Way`."""
        state.write(self._folder)
        declaration = self._folder / "docker-env.yaml"
        declaration.write_text(_DECLARATION.format(base=base))
        command: list[str | Path] = [sys.executable, "-m", "docker_envs"]
        options: list[str | Path] = ["--file", declaration, "--cache-dir", self._cache, "--quiet"]
        measured = measure.run([*command, "build", *options, "--push", target], env=self._env)
        if not (self._folder / "docker-env.lock").exists():
            subprocess.run([*command, "lock", *options], env={**os.environ, **self._env}, check=True)
        return measured


@dataclass
class DockerBuild:
    """A Dockerfile.

    Attributes:
        title: Which one.
        index: URL of the package index.
        engine: Where it builds.
        client: Program that talks to the engine.
        base: Reference of the base, which the engine pulls again when it has forgotten everything.
    """

    title: str
    index: str
    engine: RunningEngine
    client: str
    base: str

    @property
    def keeps_downloads(self) -> bool:
        """See `Way`."""
        return self.title in (PIP_CACHED, UV_CACHED)

    def begin(self, folder: Path) -> None:
        """See `Way`."""
        self._folder = folder / "context"
        self._folder.mkdir()
        self._stamp = self._downloads = folder.name
        self._clean(f"; {self.client} builder prune --force --all; {self.client} rmi --force {self.base}")

    def forget_layers(self) -> None:
        """See `Way`; a stamp in the Dockerfile makes the engine do all steps anew."""
        self._stamp += "-again"
        self._clean()

    def build(self, state: State, *, base: str, target: str) -> Measured:
        """See `Way`."""
        state.write(self._folder)
        text = _DOCKERFILES[self.title].format(base=base, stamp=self._stamp, downloads=self._downloads)
        (self._folder / "Dockerfile").write_text(text)
        indexes = f"--build-arg PIP_INDEX_URL={self.index} --build-arg UV_DEFAULT_INDEX={self.index}"
        build = f"{self.client} build --quiet --network host {indexes} --tag {target} {self._folder}"
        script = f"{build} && {self.client} push --quiet {target}"
        return measure.run(["sh", "-c", script], env=self._variables, others=self.engine.processes)

    def _clean(self, more: str = "") -> None:
        """Remove images that were built, and more by a script."""
        names = self.client + " images --format '{{.Repository}}:{{.Tag}}'"
        script = f"{names} | grep /image | xargs -r {self.client} rmi; {self.client} image prune --force"
        measure.run(["sh", "-c", script + more], env=self._variables)

    @property
    def _variables(self) -> dict[str, str]:
        kit = "1" if self.keeps_downloads else "0"
        return {"DOCKER_HOST": self.engine.host, "DOCKER_BUILDKIT": kit, "BUILDKIT_PROGRESS": "plain"}


def docker_builds(engine: RunningEngine, *, index: str, base: str, folder: Path) -> Iterator[DockerBuild]:
    """Those that work here; gets uv into the engine, in an image of its own.

    Args:
        engine: Where they build.
        index: URL of the package index.
        base: Reference of the base.
        folder: For files that are needed now.
    """
    env = {"DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0"}
    context = folder / "uv"
    context.mkdir()
    shutil.copyfile(find_uv_bin(), context / "uv")
    (context / "uv").chmod(0o755)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n")
    measure.run(["docker", "build", "--quiet", "--tag", _UV_IMAGE, context], env=env)
    kit = _with_buildkit(engine, context)
    for title in (PIP, UV):
        yield DockerBuild(title, index, engine, kit or "docker", base)
    if kit is None:
        print("no docker client that can use the engine's BuildKit", file=sys.stderr)
    else:
        yield from (DockerBuild(title, index, engine, kit, base) for title in (PIP_CACHED, UV_CACHED))


def _with_buildkit(engine: RunningEngine, context: Path) -> str | None:
    """The first client that can use BuildKit; newer ones need a plugin for it."""
    variables = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "1"}
    for client in filter(None, map(shutil.which, _CLIENTS)):
        done = subprocess.run([client, "build", "--quiet", context], env=variables, capture_output=True, check=False)
        if done.returncode == 0:
            return client
    return None
