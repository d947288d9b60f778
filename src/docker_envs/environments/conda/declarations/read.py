"""One door for every file that can declare a conda environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY, is_conda_lock, read_conda_lock
from docker_envs.environments.conda.declarations.declaration import Declaration, merge_declarations
from docker_envs.environments.conda.declarations.environment_yml import read_environment_yml
from docker_envs.environments.conda.declarations.explicit import is_explicit, read_explicit
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT, environment_names, read_pixi_lock
from docker_envs.environments.conda.declarations.pixi_manifest import (
    declared_environments,
    is_pixi_pyproject,
    read_pixi_manifest,
)
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

#: What is looked for when nothing was named.
DEFAULT_FILE = "environment.yml"

_HINT = (
    "use an `environment.yml`, an `@EXPLICIT` list, a `conda-lock.yml`, a `pixi.lock`, a `pixi.toml`, "
    "or a `pyproject.toml` with `[tool.pixi]`"
)


def read_declaration(
    path: Path,
    *,
    platform: Platform,
    environment: str = DEFAULT_ENVIRONMENT,
    categories: Collection[str] = (DEFAULT_CATEGORY,),
    with_pip: bool = False,
) -> Declaration:
    """Read a declaration; its kind shows in its name and content.

    Args:
        path: The file.
        platform: The one whose packages are taken from a lock for several.
        environment: The one that is taken from a `pixi.lock` or manifest with several.
        categories: Those whose packages are taken from a `conda-lock.yml`.
        with_pip: Whether what is wanted from PyPI is handed on, and not refused.

    Raises:
        InvalidDeclarationError: It cannot be read or understood.
        InvalidInputError: conda has no packages for the platform.
    """
    text = read_text(path)
    if is_explicit(text):
        return read_explicit(path, text, platform=platform)
    if _is_pixi_lock(path, text):
        return read_pixi_lock(path, environment=environment, platform=platform, with_pip=with_pip)
    if path.suffix == ".toml" and (path.name != "pyproject.toml" or is_pixi_pyproject(text)):
        return read_pixi_manifest(path, text, environment=environment, platform=platform, with_pip=with_pip)
    if path.suffix in (".yml", ".yaml"):
        if is_conda_lock(text):
            return read_conda_lock(path, text, platform=platform, categories=categories, with_pip=with_pip)
        return read_environment_yml(path, text, with_pip=with_pip)
    if path.name == "pyproject.toml":
        raise InvalidDeclarationError(str(path), "has no `[tool.pixi]`", hint=_HINT)
    raise InvalidDeclarationError(str(path), "unknown kind of declaration", hint=_HINT)


def read_declarations(
    paths: Sequence[Path],
    *,
    platform: Platform,
    environment: str = DEFAULT_ENVIRONMENT,
    categories: Collection[str] = (DEFAULT_CATEGORY,),
    with_pip: bool = False,
) -> Declaration:
    """Read several declarations as one; see `merge_declarations`.

    Args:
        paths: The files, at least one.
        platform: As for `read_declaration`.
        environment: Likewise.
        categories: Likewise.
        with_pip: Likewise.

    Raises:
        InvalidDeclarationError: One cannot be read or understood.
        InvalidInputError: They cannot be merged.
    """
    return merge_declarations(
        [
            read_declaration(path, platform=platform, environment=environment, categories=categories, with_pip=with_pip)
            for path in paths
        ]
    )


def environments_of(path: Path) -> tuple[str, ...]:
    """The names of the environments that a file declares, sorted; `default` alone where they have none.

    Raises:
        InvalidDeclarationError: It cannot be read or understood.
    """
    text = read_text(path)
    if _is_pixi_lock(path, text):
        return environment_names(path)
    if path.suffix == ".toml":
        return declared_environments(path, text)
    return (DEFAULT_ENVIRONMENT,)


def _is_pixi_lock(path: Path, text: str) -> bool:
    return path.name == "pixi.lock" or (path.suffix == ".lock" and "\nenvironments:" in f"\n{text}")
