"""The activation of a planned environment: its scripts are read out of the packages and evaluated."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, file_entry
from docker_envs.builder.request import ActivationMode
from docker_envs.environments.conda.activating.activation import (
    Activation,
    ActivationFile,
    Unresolved,
    evaluate_activation,
    is_activation_file,
)
from docker_envs.environments.conda.activating.entrypoint import entrypoint_script
from docker_envs.environments.conda.activating.shell.conditions import PathKind, prefix_lookup
from docker_envs.environments.conda.linking.placeholder import replace_binary, replace_text
from docker_envs.environments.conda.package_archive import PackageArchive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from docker_envs.environments.conda.linking.link_plan import LinkPlan
    from docker_envs.environments.conda.metadata import PathsEntry
    from docker_envs.planner.plan import Plan

#: Where the entrypoint is, relative to the prefix.
ENTRYPOINT = "etc/conda/docker-envs-entrypoint.sh"

#: The largest activation script that is read, in bytes.
_MAX_SCRIPT = 4 << 20


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
    plan: Plan, archives: Mapping[str, Path], *, prefix: str, env: Mapping[str, str], mode: ActivationMode
) -> PlannedActivation:
    """Evaluate what activates an environment.

    Args:
        plan: The environment.
        archives: Host path of each package's archive, by its sha256.
        prefix: Absolute path of the environment.
        env: Variables before, with `CONDA_PREFIX`, and the environment's `bin` in `PATH`.
        mode: What is wanted.

    Raises:
        FormatError: A package is damaged.
    """
    nothing = Activation({}, (), {}, ())
    if mode is ActivationMode.NONE:
        return PlannedActivation(nothing, b"")
    files = list(_activation_files(plan, archives))
    scripts = [file for file in files if file.is_script]
    # What is no script can only be known here.
    known = files if mode is ActivationMode.ENV else [file for file in files if file not in scripts]
    activation = evaluate_activation(known, prefix=prefix, env=env, lookup=prefix_lookup(prefix, _paths(plan)))
    if mode is ActivationMode.ENTRYPOINT:
        left = [Unresolved(file.package, file.path, 1, "as asked for") for file in scripts]
        activation = replace(activation, unresolved=(*activation.unresolved, *left))
    return PlannedActivation(activation, entrypoint_script(activation, files, prefix=prefix))


def _links(plan: Plan) -> Iterator[tuple[LinkPlan, str]]:
    for layer in plan.layers:
        for link, package in zip(layer.links, layer.packages, strict=True):
            yield link, package.sha256


def _activation_files(plan: Plan, archives: Mapping[str, Path]) -> Iterator[ActivationFile]:
    for link, sha256 in _links(plan):
        for entry in link.metadata.paths:
            target = link.target(entry)
            if is_activation_file(target) and entry.path_type != "directory" and not link.is_omitted(target):
                content = _read_followed(PackageArchive(archives[sha256]), entry, link)
                yield ActivationFile(link.metadata.name, target, content)


def _read_followed(archive: PackageArchive, entry: PathsEntry, link: LinkPlan) -> bytes:
    """What a shell reads there; of a symbolic link out of the package, a script that says the same."""
    found = next((found for found in archive.iter_entries() if found.path == entry.path), None)
    if found is None or found.kind is not Kind.SYMLINK:
        return _read_linked(archive, entry, link.prefix)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), found.link))
    followed = next((each for each in link.metadata.paths if each.path == path), None)
    if followed is None or followed.path_type != "hardlink":
        return f". {shlex.quote(posixpath.join(link.prefix, path))}\n".encode()
    return _read_linked(archive, followed, link.prefix)


def _read_linked(archive: PackageArchive, entry: PathsEntry, prefix: str) -> bytes:
    content = archive.read_content(entry.path, limit=_MAX_SCRIPT)
    if entry.prefix_placeholder is None:
        return content
    replace = replace_binary if entry.file_mode == "binary" else replace_text
    return replace(content, entry.prefix_placeholder.encode(), prefix.encode())


def _paths(plan: Plan) -> dict[str, PathKind | None]:
    """What is in the prefix; what a symbolic link leads to is not followed."""
    paths: dict[str, PathKind | None] = {}
    for link, _ in _links(plan):
        for entry in link.metadata.paths:
            target = link.target(entry)
            if not link.is_omitted(target) and entry.path_type != "directory":
                kind = PathKind.EXECUTABLE if target.startswith("bin/") else PathKind.FILE
                paths[target] = None if entry.path_type == "softlink" else kind
        paths |= dict.fromkeys(link.scripts(), PathKind.EXECUTABLE)
    return paths
