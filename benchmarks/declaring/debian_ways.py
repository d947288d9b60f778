"""The ways from nothing to an image of Debian packages: docker-envs, and mmdebstrap, with or without a registry."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.declaring.base import SUITE, mmdebstrap

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.building.services import RunningEngine
    from benchmarks.declaring.debian import Archives, PackageSet
    from benchmarks.measure import Measured

MMDEBSTRAP = "mmdebstrap"
IMPORTED = "mmdebstrap, docker import + push"


@dataclass(frozen=True)
class Ours:
    """docker-envs, with a folder of its own for what it keeps.

    Attributes:
        packages: What is built.
        folder: For everything.
    """

    packages: PackageSet
    folder: Path

    def tar(self, lines: tuple[str, ...]) -> Measured:
        """Write an archive that engines load."""
        (self.folder / "image.tar").unlink(missing_ok=True)
        return self._build(lines, "--output", str(self.folder / "image.tar"), "--image", "image:1")

    def push(self, lines: tuple[str, ...], target: str) -> Measured:
        """Push to a registry."""
        return self._build(lines, "--push", target)

    def forget_layers(self) -> None:
        """Keep downloads only."""
        shutil.rmtree(self.folder / "cache/layers")

    def _build(self, lines: tuple[str, ...], *more: str) -> Measured:
        command = [sys.executable, "-m", "docker_envs", "build", "--base", "scratch", "--quiet"]
        command += ["--cache-dir", str(self.folder / "cache"), "--apt-seed", self.packages.seed]
        command += [option for name in self.packages.packages for option in ("--apt", name)]
        command += [option for line in lines for option in ("--apt-source", line)]
        return measure.run([*command, *more])


@dataclass(frozen=True)
class Bootstrap:
    """mmdebstrap.

    Attributes:
        packages: What is built.
        folder: For everything.
    """

    packages: PackageSet
    folder: Path

    def tar(self, lines: tuple[str, ...], kept: Archives | None = None) -> Measured:
        """Write a system as a tar.

        Args:
            lines: Where packages come from.
            kept: What apt has in its cache before.
        """
        options = [f"--variant={self.packages.variant}", f"--include={','.join(self.packages.packages)}"]
        if kept:
            script = 'mkdir -p "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists\n'
            script += f'cp {kept.downloads}/archives/*.deb "$1"/var/cache/apt/archives/\n'
            script += f'cp -a {kept.downloads}/lists/. "$1"/var/lib/apt/lists/'
            options.append(f"--setup-hook={script}")
        return measure.run(mmdebstrap(*options, SUITE, str(self._tar), *lines))

    def push(self, engine: RunningEngine, target: str) -> Measured:
        """Push the tar that was written last."""
        script = f"docker import {shlex.quote(str(self._tar))} {target} && docker push --quiet {target}"
        return measure.run(["sh", "-c", script], env={"DOCKER_HOST": engine.host}, others=engine.processes)

    @property
    def _tar(self) -> Path:
        return self.folder / "system.tar"
