"""Images of a project with what its lock says."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.errors import NotFoundError
from docker_envs.projects.lock_file import lock_path, read_lock_file
from docker_envs.projects.lock_use import LockUse, use_lock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.cli.project_options import ImageJob
    from docker_envs.projects.lock_file import LockFile


def find_lock(path: Path) -> LockFile | None:
    """The lock of a path, if there is one.

    Raises:
        FormatError: It is damaged.
        StorageError: It cannot be read.
    """
    try:
        return read_lock_file(path)
    except NotFoundError:
        return None


def locked_jobs(jobs: Sequence[ImageJob], project: Path, use: LockUse) -> list[ImageJob]:
    """The images of a project, with its lock filled in; a note tells when it is stale.

    Raises:
        InvalidInputError: The lock must fit, and does not.
        FormatError: It is damaged.
        StorageError: It cannot be read.
    """
    path = lock_path(project)
    found = use_lock([target for job in jobs for target in job.targets], find_lock(path), path, use)
    if found.stale:
        print(
            f"note: `{path}` is stale: {'; '.join(found.stale)}; the rest stays as locked where it fits, "
            "and `docker-envs lock` locks it anew",
            file=sys.stderr,
        )
    requests = iter(found.requests)
    return [replace(job, requests=[next(requests) for _ in job.requests]) for job in jobs]
