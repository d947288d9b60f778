"""From a project's requests to its lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.caches.base_store import BaseStore
from docker_envs.builder.caches.cache import open_cache
from docker_envs.builder.deliver import Delivery
from docker_envs.builder.packages.choosing import choose_packages
from docker_envs.builder.request import Destinations
from docker_envs.digest import Digest
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import Transport
from docker_envs.projects.inputs import inputs_of, relative_path
from docker_envs.projects.lock_file import LockedBase, LockedImage, LockFile, make_lock
from docker_envs.projects.locked_packages import (
    LockedPackage,
    conda_packages,
    debian_packages,
    locked_packages,
    pypi_packages,
)
from docker_envs.records.record import CONDA, DEB

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest
    from docker_envs.images.transports import Transports
    from docker_envs.report import Reporter


@dataclass(frozen=True, slots=True)
class Target:
    """An image of a project for one platform: its `title` in the file, and what a build of it is asked for."""

    title: str
    request: BuildRequest

    @property
    def platform(self) -> str:
        """The platform as a lock names it."""
        return str(self.request.platform)

    def __str__(self) -> str:
        return f"`{self.title}` for `{self.platform}`" if self.title else f"`{self.platform}`"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What may become newer than a lock has it; all else stays as far as it fits.

    Attributes:
        packages: Names of packages, of any kind or qualified: `flask`, `pypi:flask`.
        everything: Whether all packages may.
        base: Whether base images may.
    """

    packages: frozenset[str] = frozenset()
    everything: bool = False
    base: bool = False

    @property
    def of_packages(self) -> bool:
        """Whether any package may."""
        return self.everything or bool(self.packages)


def lock_targets(
    targets: Sequence[Target],
    previous: LockFile | None,
    *,
    folder: Path,
    upgrade: Upgrade,
    transports: Transports,
    reporter: Reporter,
) -> LockFile:
    """Lock images; what a lock says already stays, as far as it still fits.

    Args:
        targets: What to lock.
        previous: The lock there was; images that are not among the targets are dropped.
        folder: Where the lock is.
        upgrade: What may become newer.
        transports: How registries are reached.
        reporter: Hears what is done.

    Raises:
        InvalidInputError: A package that shall be upgraded is in no image.
        SolveError: No set of packages fits.
        NotFoundError: There is no such base.
        TransportError: A channel or registry cannot be reached.
    """
    images: dict[str, dict[str, LockedImage]] = {}
    for target in targets:
        before = previous.image(target.title, target.platform) if previous is not None else None
        locked = _lock(target, before, folder, upgrade, transports, reporter)
        images.setdefault(target.title, {})[target.platform] = locked
    lock = make_lock(images)
    _check_upgraded(lock, upgrade.packages)
    return lock


def _check_upgraded(lock: LockFile, names: Collection[str]) -> None:
    packages = [
        package for platforms in lock.images.values() for image in platforms.values() for package in image.packages
    ]
    for name in sorted(names):
        if not any(package.is_among([name]) for package in packages):
            raise InvalidInputError(f"no image has a package `{name}` that could be upgraded")


def _lock(
    target: Target,
    before: LockedImage | None,
    folder: Path,
    upgrade: Upgrade,
    transports: Transports,
    reporter: Reporter,
) -> LockedImage:
    request, inputs = target.request, inputs_of(target.request, folder)
    base = before.base if before is not None and before.inputs.base == inputs.base and not upgrade.base else None
    if base is None:
        base = _lock_base(request, transports, reporter)
    digest = str(inputs.digest)
    same_base = before is not None and (before.base == base or not inputs.depends_on_base)
    if before is not None and same_base and inputs.has_packages_of(before.inputs) and not upgrade.of_packages:
        return LockedImage(
            declaration=digest, inputs=inputs, base=base, packages=before.packages, projects=before.projects
        )
    pinned = replace(request, base_digest=Digest(base.digest)) if base is not None else request
    if before is not None and not upgrade.everything:
        kept = tuple(package for package in before.packages if not package.is_among(upgrade.packages))
        changed = {package.kind for package in before.packages if package not in kept}
        pinned = with_preferred(pinned, kept, folder)
        if CONDA not in changed and inputs.has_conda_of(before.inputs) and request.declaration is not None:
            # Nothing decides about conda packages but what is asked of their channels.
            pinned = replace(pinned, declaration=replace(request.declaration, packages=pinned.preferred, specs=()))
        if DEB not in changed and same_base and request.apt is not None and inputs.has_debs_of(before.inputs):
            pinned = replace(pinned, apt=replace(request.apt, packages=pinned.preferred_debs))
    delivery = Delivery(Destinations(), transports, access=request.access)
    with open_cache(request.cache, reporter=reporter) as cache:
        chosen = choose_packages(pinned, cache, delivery, reporter)
    return LockedImage(
        declaration=digest,
        inputs=inputs,
        base=base,
        packages=locked_packages((*chosen.conda, *chosen.debian, *chosen.pypi), folder),
        projects=tuple(sorted(relative_path(each.root, folder) for each in chosen.projects)),
    )


def with_preferred(request: BuildRequest, packages: Sequence[LockedPackage], folder: Path) -> BuildRequest:
    """A request that prefers packages of a lock in a folder wherever they fit."""
    channels = request.declaration.channels if request.declaration is not None else ()
    return replace(
        request,
        preferred=conda_packages(packages, folder, channels),
        preferred_debs=debian_packages(packages, folder, archive_places(request)),
        preferred_wheels=pypi_packages(packages, folder),
    )


def archive_places(request: BuildRequest) -> tuple[str, ...]:
    """Addresses of the archives that a request names, credentials included."""
    return tuple(source.uri for source in request.apt.sources) if request.apt is not None else ()


def _lock_base(request: BuildRequest, transports: Transports, reporter: Reporter) -> LockedBase | None:
    if request.base is None or request.base.transport is not Transport.REGISTRY:
        return None
    with open_cache(request.cache, reporter=reporter) as cache:
        # What is found stays in the cache, so that a build needs no network for it.
        image = BaseStore(cache, transports, offline=request.access.offline).open(request.base, request.platform)
    return LockedBase(name=request.base.registry_reference.familiar, digest=str(image.digest))


class PackageChange(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a lock has otherwise than the one before; None where one of both does not have it."""

    image: str
    platform: str
    name: str
    before: str | None
    after: str | None


def lock_changes(before: LockFile | None, after: LockFile) -> list[PackageChange]:
    """What changed from one lock to another: packages by version and build, bases by digest; sorted."""
    old, new = _versions(before), _versions(after)
    return [
        PackageChange(image=title, platform=platform, name=name, before=old.get(key), after=new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
        for title, platform, name in [key]
    ]


def _versions(lock: LockFile | None) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for title, platforms in (lock.images if lock is not None else {}).items():
        for platform, image in platforms.items():
            found |= {
                (title, platform, each.qualified_name): f"{each.version} {each.build}".rstrip()
                for each in image.packages
            }
            if image.base is not None:
                found[title, platform, image.base.name] = Digest(image.base.digest).short
    return found
