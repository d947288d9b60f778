"""The ways to an image of an environment in a registry that are compared.

All get the packages from the same local channel, and the operating system has them in its page cache. Ours solves the
environment each time; rattler gets the exact packages. Caches of the tools are empty in a folder that the job names.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.building.environment import State
    from benchmarks.measure import Measured

    Command = list[str | Path]
    #: How a job is done and measured.
    Way = Callable[["Job"], Measured]

PROJECT = Path(__file__).parents[2]
INSTALL = PROJECT / "benchmarks/install.py"
PYTHONPATH = f"{PROJECT / 'src'}:{PROJECT}"

OURS = "docker-envs"
DOCKER = "docker build + push"
UMOCI = "rattler install, umoci insert, skopeo"
LIMIT = "limit"
START = "start of Python + import"


@dataclass(frozen=True)
class Job:
    """An image to be made.

    Attributes:
        state: The environment.
        base: Reference of the base image.
        target: Reference of the result, in the same registry.
        folder: What the tool may keep between two jobs.
        compression: Of layers, where a tool has a choice.
        options: More options for ours.
    """

    state: State
    base: str
    target: str
    folder: Path
    compression: str = "gzip"
    options: tuple[str, ...] = ()


def ours(job: Job) -> Measured:
    """One command."""
    command: Command = [
        sys.executable,
        "-m",
        "docker_envs",
        "build",
        "--file",
        job.state.declaration,
        "--base",
        job.base,
    ]
    command += ["--push", job.target, "--compression", job.compression, "--cache-dir", job.folder / "cache", "--quiet"]
    return measure.run([*command, *job.options])


def append_with(crane: str | None) -> tuple[str, Way]:
    """A directory, tar and gzip, and crane; or without it skopeo, which makes an image of the layer without a base."""
    title = f"rattler install, tar, gzip -1, {'crane append' if crane else 'skopeo copy'}"

    def way(job: Job) -> Measured:
        layer = job.folder / "layer.tar.gz"
        tar = f"tar -C {job.folder}/root --sort=name --owner=0 --group=0 -cf - opt | gzip -1 > {layer}"
        if crane:
            push = shlex.join([crane, "--insecure", "append", "-b", job.base, "-f", str(layer), "-t", job.target])
        else:
            push = f"skopeo copy -q --dest-tls-verify=false tarball:{layer} docker://{job.target}"
        return _script(job, tar, push)

    return title, way


def umoci(job: Job) -> Measured:
    """The base as a layout, which umoci adds the directory to."""
    layout = f"{job.folder}/layout:1"
    return _script(
        job,
        f"skopeo copy -q --src-tls-verify=false docker://{job.base} oci:{layout}",
        f"umoci insert --image {layout} {job.folder}/root/opt /opt",
        f"skopeo copy -q --dest-tls-verify=false oci:{layout} docker://{job.target}",
    )


def limit(job: Job) -> Measured:
    """What no builder can do without; no image is made. The start of Python is not counted."""
    command: Command = [sys.executable, "-m", "benchmarks.building.limit", job.state.urls, job.compression]
    measured = measure.run(command)
    found = json.loads(measured.stdout)
    return replace(measured, seconds=found["seconds"], cpu_seconds=found["cpu_seconds"])


def start(_job: Job) -> Measured:
    """What every Python program does first, with the modules of `build`."""
    command = [sys.executable, "-c", "import docker_envs.cli.build"]
    return measure.run(command)


def _script(job: Job, *steps: str) -> Measured:
    """Install into a new directory, and go on from there."""
    root = job.folder / "root"
    if job.folder.exists():
        shutil.rmtree(job.folder)
    (root / "opt").mkdir(parents=True)
    install = [sys.executable, str(INSTALL), str(job.state.urls), f"{root}/opt/conda", "/opt/conda"]
    script = "\n".join((shlex.join(install), *steps))
    return measure.run(["bash", "-euo", "pipefail", "-c", script], env={"TMPDIR": str(job.folder)})


def find_crane(wanted: str | None) -> str | None:
    """The program, if there is one."""
    return shutil.which(wanted or "crane") or shutil.which(Path.home() / "go/bin/crane")


def missing(programs: Sequence[str]) -> list[str]:
    """Programs that are not installed."""
    return [program for program in programs if not shutil.which(program)]
