"""From the lock back to requests: what is locked is neither solved nor looked up again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.pypi.declarations.declaration import LocalProject, PypiDeclaration
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import parse_location
from docker_envs.projects.inputs import inputs_of
from docker_envs.projects.locking import with_preferred

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest
    from docker_envs.images.location import Location
    from docker_envs.projects.lock_file import LockedImage, LockFile
    from docker_envs.projects.lock_inputs import LockInputs
    from docker_envs.projects.locking import Target


class LockUse(StrEnum):
    """What a build does with a lock.

    Attributes:
        PREFERRED: It is used as far as it fits what is declared.
        LOCKED: It must fit.
        FROZEN: It is used, whatever is declared.
    """

    PREFERRED = "preferred"
    LOCKED = "locked"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class LockedRequests:
    """What builds are asked for, with what is locked filled in.

    Attributes:
        requests: One for each target.
        stale: Why the lock does not fit, a phrase each; empty when it does, or when there is none.
    """

    requests: list[BuildRequest]
    stale: list[str]


def use_lock(targets: Sequence[Target], lock: LockFile | None, path: Path, use: LockUse) -> LockedRequests:
    """Fill a lock into requests.

    Args:
        targets: What is built.
        lock: The lock, if there is one.
        path: Where it is, or would be.
        use: What it is used for.

    Raises:
        InvalidInputError: There is no lock, or it does not fit, and it must.
    """
    folder = path.parent.resolve()
    if lock is None:
        if use is not LockUse.PREFERRED:
            raise InvalidInputError(f"there is no `{path}`", hint="write it with `docker-envs lock`")
        return LockedRequests([target.request for target in targets], [])
    stale = [] if use is LockUse.FROZEN else stale_reasons(targets, lock, folder)
    if stale and use is LockUse.LOCKED:
        raise InvalidInputError(
            f"`{path}` is stale: {'; '.join(stale)}", hint="lock what is declared now with `docker-envs lock`"
        )
    return LockedRequests([_locked(target, lock, folder, use) for target in targets], stale)


def stale_reasons(targets: Sequence[Target], lock: LockFile, folder: Path) -> list[str]:
    """Why a lock does not speak of images as they are declared now, a phrase each; empty when it does.

    Args:
        targets: The images.
        lock: The lock.
        folder: Where it is.
    """
    found = []
    for target in targets:
        locked = lock.image(target.title, target.platform)
        if locked is None:
            found.append(f"{target} is not locked")
        else:
            found += locked.inputs.changes(inputs_of(target.request, folder))
    return list(dict.fromkeys(found))


def _locked(target: Target, lock: LockFile, folder: Path, use: LockUse) -> BuildRequest:
    """What a build is asked for: each part that is locked as it is declared comes from the lock."""
    locked = lock.image(target.title, target.platform)
    if locked is None:
        if use is LockUse.FROZEN:
            raise InvalidInputError(f"the lock has no {target}", hint="add it with `docker-envs lock`")
        return target.request
    request, now = target.request, inputs_of(target.request, folder)
    if use is LockUse.FROZEN:
        now = locked.inputs
        request = replace(
            request,
            base=_base(locked, folder),
            apt=request.apt if now.apt is not None else None,
            pypi=request.pypi if now.pypi is not None else None,
        )
    if locked.base is not None and locked.inputs.base == now.base:
        request = replace(request, base_digest=Digest(locked.base.digest))
    return _with_packages(request, locked, folder, now)


def _base(locked: LockedImage, folder: Path) -> Location | None:
    """The base as it was declared when it was locked."""
    if locked.inputs.base is None:
        return None
    base = parse_location(locked.inputs.base)
    return base if base.path is None or base.is_stream else replace(base, path=folder / base.path)


def _with_packages(request: BuildRequest, locked: LockedImage, folder: Path, now: LockInputs) -> BuildRequest:
    """With the packages of a lock: of each kind these and no others, or where they fit."""
    preferred = with_preferred(request, locked.packages, folder)
    found = preferred
    if request.declaration is not None and now.has_conda_of(locked.inputs):
        found = replace(
            found, declaration=replace(request.declaration, packages=preferred.preferred, specs=()), preferred=()
        )
    if now.apt is not None and now.has_debs_of(locked.inputs):
        apt = replace(request.apt or AptDeclaration(), packages=preferred.preferred_debs)
        found = replace(found, apt=apt, preferred_debs=())
    if now.pypi is not None and now.has_packages_of(locked.inputs):
        pypi = request.pypi or PypiDeclaration()
        projects = tuple(LocalProject((folder / path).resolve(), (), "the lock") for path in locked.projects)
        pypi = replace(pypi, packages=preferred.preferred_wheels, projects=projects)
        found = replace(found, pypi=pypi, preferred_wheels=())
    return found
