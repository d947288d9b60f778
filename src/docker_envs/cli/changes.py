"""Which files of this host have changed.

They are looked at again and again. What kernels tell of changes is lost on network file systems and when it is too
much, includes all that is ignored, and would have to be followed by such a look all the same.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.application.sources import look_at, look_at_file
from docker_envs.errors import DockerEnvsError
from docker_envs.projects.lock_file import lock_path

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.builder.application.sources import Look
    from docker_envs.cli.project_options import ImageJob

#: Seconds between two looks, and the share of all time that they may take.
_INTERVAL, _SHARE = 0.1, 0.1


@dataclass(frozen=True, slots=True)
class Watched:
    """What decides about an image on this host.

    Attributes:
        files: Files that declare it.
        layers: Layers of files.
    """

    files: tuple[Path, ...]
    layers: tuple[FilesLayer, ...]

    @classmethod
    def of(cls, job: ImageJob) -> Watched:
        """What decides about the image of a job."""
        project = () if job.project is None else (job.project, lock_path(job.project))
        return cls((*job.files, *project), job.requests[0].files)

    def look(self) -> Look:
        """What it looks like now."""
        found: dict[str, tuple[int, ...]] = {}
        for file in self.files:
            found |= look_at_file(file)
        for layer in self.layers:
            # What is malformed is told by the build.
            with contextlib.suppress(DockerEnvsError):
                found |= look_at(layer)
        return found

    def wait(self, before: Look) -> set[str]:
        """Wait a moment; the paths that look otherwise than before then."""
        start = time.monotonic()
        now = self.look()
        time.sleep(max(_INTERVAL, (time.monotonic() - start) / _SHARE))
        return {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
