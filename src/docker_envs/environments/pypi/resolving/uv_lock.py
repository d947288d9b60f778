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


def read_uv_lock(
    path: Path, *, extras: Collection[str] = (), groups: Collection[str] = (), settings: UvSettings | None = None
) -> PypiDeclaration:
    """Read the `uv.lock` of a project; the project is part of what it declares when uv would install it.

    Nothing is fetched. A lock that no longer fits the `pyproject.toml` beside it is refused.

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
    arguments = ["export", "--locked", "--offline", "--format", "pylock.toml", "--no-header", "--no-default-groups"]
    arguments += [f"--extra={name}" for name in extras] + [f"--group={name}" for name in groups]
    try:
        printed = run_uv([*arguments, *host_python()], directory=path.parent, settings=settings or UvSettings())
    except DockerEnvsError as error:
        raise InvalidDeclarationError(
            str(path), f"cannot be used: {error}", hint="bring it up to date with `uv lock`"
        ) from error
    lock = PypiLock(parse_lock(path, printed), str(path), path.parent)
    return PypiDeclaration(lock=lock, source=str(path), directory=path.parent)
