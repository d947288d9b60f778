"""The activation of a planned environment: the scripts of its packages are evaluated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, file_entry
from docker_envs.builder.request import ActivationMode
from docker_envs.environments.conda.activating.activation import (
    Activation,
    ActivationFile,
    Unresolved,
    evaluate_activation,
    is_activation_file,
)
from docker_envs.environments.conda.activating.entrypoint import entrypoint_script
from docker_envs.environments.conda.activating.packaged import linked_content, read_activation_files
from docker_envs.environments.conda.activating.shell.conditions import PathKind, prefix_lookup
from docker_envs.environments.conda.package_archive import PackageArchive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment

#: Where the entrypoint is, relative to the prefix.
ENTRYPOINT = "etc/conda/docker-envs-entrypoint.sh"


class PlannedActivation:
    """How an environment is activated.

    Attributes:
        activation: What was evaluated.
        entrypoint: The script for what could not be; empty when there is nothing.
    """

    def __init__(self, activation: Activation, entrypoint: bytes) -> None:
        self.activation = activation
        self.entrypoint = entrypoint

    def entries(self, prefix: str) -> list[Entry]:
        """The entrypoint as entries of a layer."""
        if not self.entrypoint:
            return []
        return [file_entry(f"{prefix[1:]}/{ENTRYPOINT}", self.entrypoint, mode=0o755, mtime=DIRECTORY_MTIME)]


def plan_activation(
    environment: CondaEnvironment,
    archives: Mapping[str, Path],
    *,
    prefix: str,
    env: Mapping[str, str],
    mode: ActivationMode,
) -> PlannedActivation:
    """Evaluate what activates an environment.

    Args:
        environment: The environment.
        archives: Host path of each package's archive, by its sha256; for packages whose activation files are not known.
        prefix: Absolute path of the environment.
        env: Variables before, with `CONDA_PREFIX`, and the environment's `bin` in `PATH`.
        mode: What is wanted.

    Raises:
        FormatError: A package is damaged.
    """
    nothing = Activation({}, (), {}, ())
    if mode is ActivationMode.NONE:
        return PlannedActivation(nothing, b"")
    files = list(_activation_files(environment, archives))
    scripts = sorted((file for file in files if file.is_script), key=lambda file: file.path)
    # What is no script can only be known here.
    known = files if mode is ActivationMode.ENV else [file for file in files if file not in scripts]
    activation = evaluate_activation(known, prefix=prefix, env=env, lookup=prefix_lookup(prefix, _paths(environment)))
    if mode is ActivationMode.ENTRYPOINT:
        left = [Unresolved(file.package, file.path, 1, "as asked for") for file in scripts]
        activation = replace(activation, unresolved=(*activation.unresolved, *left))
    return PlannedActivation(activation, entrypoint_script(activation, files, prefix=prefix))


def _activation_files(environment: CondaEnvironment, archives: Mapping[str, Path]) -> Iterator[ActivationFile]:
    for package in environment.packages:
        link, files = package.link, package.read.activation_files
        entries = {
            entry.path: entry
            for entry in link.metadata.paths
            if is_activation_file(link.target(entry))
            and entry.path_type != "directory"
            and not link.is_omitted(link.target(entry))
        }
        if not entries:
            continue
        if files is None:
            files = read_activation_files(PackageArchive(archives[package.sha256]), link.metadata)
        for file in files:
            if (entry := entries.get(file.path)) is not None:
                content = linked_content(file, entry, link.metadata.paths, prefix=link.prefix)
                yield ActivationFile(link.metadata.name, link.target(entry), content)


def _paths(environment: CondaEnvironment) -> dict[str, PathKind | None]:
    """What is in the prefix; what a symbolic link leads to is not followed."""
    paths: dict[str, PathKind | None] = {}
    for link in (package.link for package in environment.packages):
        for entry in link.metadata.paths:
            target = link.target(entry)
            if not link.is_omitted(target) and entry.path_type != "directory":
                kind = PathKind.EXECUTABLE if target.startswith("bin/") else PathKind.FILE
                paths[target] = None if entry.path_type == "softlink" else kind
        paths |= dict.fromkeys(link.scripts(), PathKind.EXECUTABLE)
    return paths
