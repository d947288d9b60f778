"""The project that `build`, `plan` and their like are about, as options and the working directory say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError
from docker_envs.projects.find import declares_project, find_project
from docker_envs.projects.locking import Target
from docker_envs.projects.read_project import read_project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.builder.request import BuildRequest
    from docker_envs.oci.reference import Reference
    from docker_envs.projects.model import Project


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One image to build.

    Attributes:
        title: Its name in the project's file; empty when that has none for it, or there is no such file.
        requests: One for each platform, without destinations.
        files: Those that declare it.
        references: The names that the project's file gives it.
        project: The project's file; None when options alone declare the image.
        any_platform: Whether the file leaves open what it runs on.
    """

    title: str
    requests: list[BuildRequest]
    files: tuple[Path, ...] = ()
    references: tuple[Reference, ...] = ()
    project: Path | None = None
    any_platform: bool = False

    @property
    def targets(self) -> list[Target]:
        """What a lock speaks of."""
        return [Target(self.title, request) for request in self.requests]


def chosen_project(files: Sequence[Path], *, implied: bool, others: Mapping[str, object]) -> Project | None:
    """The project of the only file, or of the working directory; None when neither declares one.

    Args:
        files: Those of `--file`.
        implied: Whether the working directory's project is meant when no file is named.
        others: Options and arguments that declare an environment, by name; a project's file takes none of them.

    Raises:
        InvalidInputError: The file cannot be understood, or does not go with other files or options.
    """
    path = next((file for file in files if declares_project(file)), None)
    if path is None and not files and implied:
        path = find_project(Path())
    if path is None:
        return None
    if len(files) > 1:
        raise InvalidInputError(
            f"`{path}` declares images, and cannot be merged with other files",
            hint="list these in it, as `environment: [FILE, FILE]`",
        )
    given = [name for name, value in others.items() if value]
    if given:
        raise InvalidInputError(
            f"{given[0]} cannot be added to `{path}`, which declares the environment itself",
            hint="write it there, or name another file with `--file`",
        )
    return read_project(path, variables=os.environ)
