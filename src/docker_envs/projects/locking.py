"""From a project's requests to its lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.base_store import BaseStore
from docker_envs.builder.cache import open_cache
from docker_envs.builder.resolve import resolve
from docker_envs.digest import Digest
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import channel_url, expand_channels
from docker_envs.environments.conda.solving.solve_settings import SolveSettings
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.errors import InvalidInputError
from docker_envs.fields import canonical_json
from docker_envs.images.location import Transport
from docker_envs.projects.lock_file import (
    LockedBase,
    LockedImage,
    LockedPackage,
    LockFile,
    LockInputs,
    locked_packages,
    make_lock,
    packages_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.declarations.declaration import Declaration
    from docker_envs.images.location import Location
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
        packages: Names of packages.
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
    known = {
        package.name for platforms in lock.images.values() for image in platforms.values() for package in image.packages
    }
    for name in sorted(names):
        if name not in known:
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
    if before is not None and inputs.has_packages_of(before.inputs) and not upgrade.of_packages:
        packages = before.packages
    else:
        packages = _lock_packages(request, before, folder, upgrade, reporter)
    return LockedImage(declaration=str(inputs.digest), inputs=inputs, base=base, packages=packages)


def _lock_packages(
    request: BuildRequest, before: LockedImage | None, folder: Path, upgrade: Upgrade, reporter: Reporter
) -> tuple[LockedPackage, ...]:
    if request.declaration is None:
        return ()
    kept: tuple[CondaPackage, ...] = ()
    if before is not None and not upgrade.everything:
        known = packages_of(before, folder, request.declaration.channels)
        kept = tuple(package for package in known if package.name not in upgrade.packages)
    with open_cache(request.cache, reporter=reporter) as cache:
        packages = resolve(replace(request, preferred=kept), cache.repodata, reporter)
    return locked_packages(packages, folder)


def _lock_base(request: BuildRequest, transports: Transports, reporter: Reporter) -> LockedBase | None:
    if request.base is None or request.base.transport is not Transport.REGISTRY:
        return None
    with open_cache(request.cache, reporter=reporter) as cache:
        # What is found stays in the cache, so that a build needs no network for it.
        image = BaseStore(cache, transports, offline=request.access.offline).open(request.base, request.platform)
    return LockedBase(name=request.base.registry_reference.familiar, digest=str(image.digest))


def inputs_of(request: BuildRequest, folder: Path) -> LockInputs:
    """What of a request a lock in a folder depends on.

    Raises:
        InvalidInputError: Something is wanted that no lock of ours holds.
    """
    _check_kinds(request)
    declaration = request.declaration
    base = str(_below(request.base, folder)) if request.base is not None else None
    if declaration is None:
        return LockInputs(base=base)
    if declaration.packages is not None:
        listed = sorted([package.public_url, package.sha256 or package.md5 or ""] for package in declaration.packages)
        return LockInputs(base=base, packages=str(Digest.of(canonical_json(listed))))
    overrides = (*declaration.virtual_packages, *request.virtual_packages)
    return LockInputs(
        base=base,
        channels=tuple(_public_channel(channel) for channel in expand_channels(declaration.channels)),
        specs=tuple(sorted(declaration.specs)),
        virtual_packages=tuple(str(package) for package in virtual_packages(request.platform, overrides)),
        settings=_settings(declaration),
    )


def _check_kinds(request: BuildRequest) -> None:
    if request.pypi is not None and not request.pypi.is_empty and request.pypi.lock is None:
        raise InvalidInputError(
            f"{request.pypi.source}: what it wants from PyPI cannot be locked here",
            hint="lock it with uv, and declare its `uv.lock` or `pylock.toml` instead",
        )


def _below(base: Location, folder: Path) -> Location:
    """A base in the folder by its path from there, which is the same on other machines."""
    path = base.path.absolute() if base.path is not None else None
    return base if path is None or not path.is_relative_to(folder) else replace(base, path=path.relative_to(folder))


def _public_channel(channel: str) -> str:
    if "://" not in channel:
        return channel
    url = channel_url(channel)
    return CondaPackage.from_url(f"{url}noarch/a-0-0.conda").public_channel.removesuffix("noarch/")


def _settings(declaration: Declaration) -> dict[str, str]:
    found, usual = declaration.settings, SolveSettings()
    return {
        name: str(getattr(found, name))
        for name in ("channel_priority", "strategy", "constraints", "exclude_newer")
        if getattr(found, name) != getattr(usual, name)
    }


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
            found |= {(title, platform, each.name): f"{each.version} {each.build}" for each in image.packages}
            if image.base is not None:
                found[title, platform, image.base.name] = Digest(image.base.digest).short
    return found
