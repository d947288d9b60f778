"""`uv.lock`: read by uv itself, which knows all its versions, as the standard's `pylock.toml`.

Spec: uv docs, "Locking and syncing", "Exporting a lockfile".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration
from docker_envs.environments.pypi.declarations.pylock import PypiLock, parse_lock
from docker_envs.environments.pypi.resolving.uv import UvSettings, host_python, run_uv
from docker_envs.errors import DockerEnvsError, InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

UV_LOCK = "uv.lock"

_OTHER_PYTHON = "incompatible with the project's Python requirement"


def read_uv_lock(
    path: Path, *, extras: Collection[str] = (), groups: Collection[str] = (), settings: UvSettings | None = None
) -> PypiDeclaration:
    """Read the `uv.lock` of a project; the project is part of what it declares when uv would install it.

    Nothing is fetched. A lock that no longer fits the `pyproject.toml` beside it is refused, as far as uv can tell.

    Args:
        path: The file.
        extras: Of the project.
        groups: Of the project; without them not even `dev`, which uv has by default.
        settings: How uv works.

    Raises:
        InvalidDeclarationError: It cannot be understood, does not fit the project, or has no such extra or group.
    """
    if path.name != UV_LOCK:
        raise InvalidDeclarationError(str(path), f"uv knows its lock only by the name `{UV_LOCK}`")
    if not path.is_file():
        raise InvalidDeclarationError(str(path), "no such file")
    if not (path.parent / "pyproject.toml").is_file():
        raise InvalidDeclarationError(str(path), "there is no `pyproject.toml` beside it, which it is the lock of")
    arguments = ["export", "--offline", "--format", "pylock.toml", "--no-header", "--no-default-groups"]
    arguments += [f"--extra={name}" for name in extras] + [f"--group={name}" for name in groups]
    printed, notes = _exported(path, arguments, settings or UvSettings())
    lock = PypiLock(parse_lock(path, printed), str(path), path.parent)
    return PypiDeclaration(lock=lock, directory=path.parent, source=str(path), notes=notes)


def _exported(path: Path, arguments: list[str], settings: UvSettings) -> tuple[str, tuple[str, ...]]:
    """What uv makes of the lock, and notes."""
    try:
        return run_uv([*arguments, "--locked", *host_python()], directory=path.parent, settings=settings), ()
    except DockerEnvsError as error:
        if _OTHER_PYTHON not in str(error):
            raise _unusable(path, error) from error
    # uv compares a lock with its project only where a Python is that the project is for.
    try:
        printed = run_uv([*arguments, "--frozen"], directory=path.parent, settings=settings)
    except DockerEnvsError as error:
        raise _unusable(path, error) from error
    note = f"{path}: is not compared with `pyproject.toml`, which is for another Python than this machine's"
    return printed, (note,)


def _unusable(path: Path, error: DockerEnvsError) -> InvalidDeclarationError:
    return InvalidDeclarationError(str(path), f"cannot be used: {error}", hint="bring it up to date with `uv lock`")
