"""What only py-rattler knows: solving, lock files in pixi's format, and the topological order of packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.subdirs import NOARCH, subdir_of
from docker_envs.errors import InvalidDeclarationError, InvalidInputError, SolveError, TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.virtual_packages import VirtualPackage
    from docker_envs.oci.descriptor import Platform

# What `defaults` stands for, as conda has it in its own configuration.
_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_NO_DEFAULTS = "nodefaults"


def solve(
    channels: Sequence[str],
    specs: Sequence[str],
    *,
    platform: Platform,
    virtual_packages: Sequence[VirtualPackage],
    cache: Path,
) -> tuple[CondaPackage, ...]:
    """Choose the packages of an environment, sorted by name.

    Args:
        channels: Names or URLs, highest priority first; priority is strict.
        specs: Match specs.
        platform: What they shall run on.
        virtual_packages: What the target offers.
        cache: Directory for repodata.

    Raises:
        InvalidInputError: A match spec or channel is malformed.
        SolveError: No set of packages fits; the message is the solver's explanation.
        TransportError: A channel cannot be reached.
    """
    import asyncio

    import rattler
    from rattler import exceptions

    subdir = subdir_of(platform)
    parsed = [_match_spec(spec) for spec in specs]
    virtual = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(package.name), rattler.Version(package.version), rattler.BuildString(package.build)
        )
        for package in virtual_packages
    ]
    gateway = rattler.Gateway(cache_dir=cache)
    try:
        records = asyncio.run(
            rattler.solve(
                [_channel(name) for name in _expand(channels)],
                parsed,
                gateway=gateway,
                platforms=[rattler.Subdir(subdir), rattler.Subdir(NOARCH)],
                virtual_packages=virtual,
            )
        )
    except exceptions.SolverError as error:
        raise SolveError(f"no set of packages for `{platform}` fits the specs:\n{_explanation(error)}") from error
    except (exceptions.GatewayError, exceptions.FetchRepoDataError, exceptions.IoError) as error:
        raise TransportError(
            f"cannot read the index of a channel: {_explanation(error)}",
            hint="check the channels' names and the network",
        ) from error
    return tuple(sorted((_package(record) for record in records), key=lambda package: package.name))


def read_pixi_lock(path: Path, *, environment: str, platform: Platform) -> tuple[CondaPackage, ...]:
    """The packages that a `pixi.lock` holds for one environment and platform, sorted by name.

    Raises:
        InvalidDeclarationError: It cannot be read, or has no such environment or platform, or holds packages from PyPI.
    """
    import rattler
    from rattler import exceptions

    try:
        lock = rattler.LockFile.from_path(path)
    except (exceptions.ParseCondaLockError, exceptions.IoError) as error:
        raise InvalidDeclarationError(str(path), f"cannot read the lock file: {_explanation(error)}") from error
    found = lock.environment(environment)
    if found is None:
        names = ", ".join(sorted(f"`{name}`" for name, _ in lock.environments()))
        raise InvalidDeclarationError(str(path), f"has no environment `{environment}`, only {names}")
    subdir = subdir_of(platform)
    place = next((candidate for candidate in found.platforms() if str(candidate.subdir) == subdir), None)
    if place is None:
        names = ", ".join(sorted(f"`{candidate.name}`" for candidate in found.platforms()))
        raise InvalidDeclarationError(
            str(path), f"environment `{environment}` is not locked for `{subdir}`, only {names}"
        )
    pypi = found.pypi_packages_for_platform(place) or []
    if pypi:
        raise InvalidDeclarationError(
            str(path),
            f"environment `{environment}` holds packages from PyPI (`{pypi[0].name}`), which are not supported yet",
            hint="move them to conda `dependencies`, most of PyPI is on conda-forge",
        )
    records = found.conda_repodata_records_for_platform(place) or []
    return tuple(sorted((_package(record) for record in records), key=lambda package: package.name))


def topological_order(packages: Sequence[PackageMetadata]) -> list[str]:
    """Names of packages, dependencies first: rattler's own order, since it decides who wins a clobber."""
    import rattler

    records = [
        rattler.PackageRecord(
            name=metadata.name,
            version=rattler.VersionWithSource(metadata.version),
            build=rattler.BuildString(metadata.build),
            build_number=int(metadata.index.get("build_number") or 0),
            subdir=NOARCH,
            depends=metadata.depends,
        )
        for metadata in packages
    ]
    return [record.name.source for record in rattler.PackageRecord.sort_topologically(records)]


def _match_spec(text: str) -> Any:
    import rattler
    from rattler import exceptions

    try:
        return rattler.MatchSpec(text)
    except exceptions.InvalidMatchSpecError as error:
        raise InvalidInputError(f"invalid match spec {text!r}: {_explanation(error)}") from error


def _channel(name: str) -> Any:
    import rattler
    from rattler import exceptions

    try:
        return rattler.Channel(name)
    except (exceptions.InvalidChannelError, exceptions.InvalidUrlError) as error:
        raise InvalidInputError(f"invalid channel: {_explanation(error)}") from error


def _expand(channels: Sequence[str]) -> list[str]:
    expanded: list[str] = []
    for channel in channels:
        expanded += _DEFAULTS if channel == "defaults" else [] if channel == _NO_DEFAULTS else [channel]
    return expanded


def _package(record: Any) -> CondaPackage:
    return CondaPackage(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        subdir=str(record.subdir),
        url=record.url,
        sha256=record.sha256.hex() if record.sha256 else None,
        md5=record.md5.hex() if record.md5 else None,
        size=record.size,
    )


def _explanation(error: Exception) -> str:
    """Rattler's text: trailing blanks and repeated `Caused by` removed."""
    lines = [line.rstrip() for line in str(error).splitlines()]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()
