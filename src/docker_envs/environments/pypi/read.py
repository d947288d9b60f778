"""One door for every file that declares distributions from PyPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.pypi.declarations.pylock import is_pylock, read_pylock
from docker_envs.environments.pypi.declarations.pyproject import read_pyproject
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.environments.pypi.resolving.uv_lock import UV_LOCK, read_uv_lock
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration
    from docker_envs.environments.pypi.resolving.uv import UvSettings


def is_pypi_declaration(path: Path) -> bool:
    """Whether a file's name says that it declares distributions from PyPI, and nothing else."""
    return path.suffix in (".txt", ".in") or path.name == UV_LOCK or is_pylock(path)


def read_pypi_declaration(
    path: Path,
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
    settings: UvSettings | None = None,
) -> PypiDeclaration:
    """Read a declaration; its kind shows in its name.

    Args:
        path: The file.
        extras: Those that are wanted of a project or lock.
        groups: Dependency groups that are wanted of a project or lock.
        settings: How uv works, which reads its lock.

    Raises:
        InvalidDeclarationError: It cannot be read or understood, or has no such extra or group.
    """
    if path.name == UV_LOCK:
        return read_uv_lock(path, extras=extras, groups=groups, settings=settings)
    if is_pylock(path):
        return read_pylock(path, read_text(path), extras=extras, groups=tuple(groups) or None)
    if path.name == "pyproject.toml":
        return read_pyproject(path, read_text(path), extras=extras, groups=groups)
    if path.suffix not in (".txt", ".in"):
        raise InvalidDeclarationError(
            str(path),
            "unknown kind of declaration",
            hint="use a `requirements.txt`, a `pyproject.toml`, a `uv.lock`, or a `pylock.toml`",
        )
    if extras or groups:
        raise InvalidDeclarationError(str(path), "a list of requirements has neither extras nor groups")
    return read_requirements_txt(path)
