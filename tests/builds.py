"""Builds as users start them: the command in a process of its own, and what came out of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker_envs.transports.files.docker_archive import read_archive
from docker_envs.validate import validate_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker_envs.oci.image import Image

ROOT = Path(__file__).parents[1]
#: Seconds after which a command hangs.
PATIENCE = 300
PREFIX = "/opt/conda"
LONG_PREFIX = "/opt/" + "long-" * 30
AMD64 = "linux/amd64"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        assert self.status == 0, self.stderr
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    @property
    def package_layers(self) -> list[dict[str, Any]]:
        """The layers of packages that `--json` printed."""
        return [layer for layer in self.document["layers"] if layer["packages"]]

    @property
    def digest(self) -> str:
        """The digest that `--json` printed."""
        return str(self.document["digest"])


def environment(cache: Path, **variables: str) -> dict[str, str]:
    """The variables of a command: those of the tests, where the project is, and a cache of its own."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    # Some machines ask for no bytecode, and then most of a command's time is spent compiling it again.
    own = {"PYTHONPATH": path, "DOCKER_ENVS_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **own, **variables}


def docker_envs(
    *arguments: str | Path,
    cache: Path,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    umask: int = 0o022,
    preexec: Callable[[], object] | None = None,
    wrapper: Sequence[str] = (),
) -> Outcome:
    """Run `python -m docker_envs` to its end."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "docker_envs", *map(str, arguments)],
        cwd=cwd or cache.parent,
        env=environment(cache, **(variables or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=umask,
        timeout=PATIENCE,
        preexec_fn=preexec,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def build_archive(output: Path, *arguments: str | Path, cache: Path, base: str = "scratch") -> Image:
    """Build for linux/amd64, or what the arguments say, into a file; the validated image that is in it."""
    platform = () if "--platform" in arguments else ("--platform", AMD64)
    done = docker_envs("build", "--base", base, *platform, "--output", output, "--json", *arguments, cache=cache)
    assert done.status == 0, done.stderr
    image = read_image_file(output)
    assert done.digest == image.digest
    return image


def read_image_file(path: Path) -> Image:
    """The one image of an archive, validated."""
    (named,) = read_archive(path)
    validate_image(named.image)
    return named.image
