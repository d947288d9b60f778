"""`pixi.lock`: the packages of each environment and platform of a workspace.

Spec: pixi docs, "Lock file". All versions that py-rattler reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.declarations.environment_yml import PYPI_HINT
from docker_envs.environments.conda.solving.channels import channel_url, expand_channels
from docker_envs.environments.conda.solving.match_specs import explanation, parse_match_spec
from docker_envs.environments.conda.solving.solve import package_of
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

DEFAULT_ENVIRONMENT = "default"


def read_pixi_lock(path: Path, *, environment: str, platform: Platform) -> Declaration:
    """The packages that a `pixi.lock` holds for one environment and platform, sorted by name.

    Raises:
        InvalidDeclarationError: It cannot be read, has no such environment or platform, or holds packages that have to
            be built or come from PyPI.
    """
    found = _environment(path, _open(path), environment)
    place = _platform(path, found, environment, platform)
    packages = [package_of(record, url=url) for record, url in _records(path, found, environment, place)]
    return Declaration(
        packages=tuple(sorted(packages, key=lambda package: package.name)),
        source=str(path),
        virtual_packages=tuple(_virtual_packages(place)),
    )


def environment_names(path: Path) -> tuple[str, ...]:
    """The environments that a `pixi.lock` holds, sorted.

    Raises:
        InvalidDeclarationError: It cannot be read.
    """
    return tuple(sorted(name for name, _ in _open(path).environments()))


def staleness(path: Path, declared: Declaration, *, environment: str, platform: Platform) -> str | None:
    """Why a lock does not satisfy what the manifest beside it declares; None when it does.

    Raises:
        InvalidDeclarationError: The lock cannot be read.
    """
    try:
        found = _environment(path, _open(path), environment)
        place = _platform(path, found, environment, platform)
    except InvalidDeclarationError as error:
        return error.reason
    locked = [channel_url(str(channel)) for channel in found.channels()]
    if locked != [channel_url(channel) for channel in expand_channels(declared.channels)]:
        return "its channels are others"
    records = _records(path, found, environment, place)
    for text in declared.specs:
        spec = parse_match_spec(text)
        if not any(_satisfies(record, url, spec) for record, url in records):
            return f"no package in it satisfies `{text}`"
    return None


def _satisfies(record: Any, url: str, spec: Any) -> bool:
    in_channel = spec.channel is None or url.startswith(spec.channel.base_url)
    return bool(in_channel and spec.matches(record))


def _open(path: Path) -> Any:
    import rattler
    from rattler import exceptions

    try:
        return rattler.LockFile.from_path(path)
    except (exceptions.ParseCondaLockError, exceptions.IoError) as error:
        raise InvalidDeclarationError(str(path), f"cannot read the lock file: {explanation(error)}") from error


def _environment(path: Path, lock: Any, name: str) -> Any:
    found = lock.environment(name)
    if found is None:
        raise InvalidDeclarationError(
            str(path), f"has no environment `{name}`", hint=suggest(name, [each for each, _ in lock.environments()])
        )
    return found


def _platform(path: Path, found: Any, environment: str, platform: Platform) -> Any:
    """The platform of the lock; some locks have several for one subdir, with names of their own."""
    subdir = subdir_of(platform)
    places = [place for place in found.platforms() if str(place.subdir) == subdir]
    plain = [place for place in places if place.name == subdir]
    if len(plain or places) == 1:
        return (plain or places)[0]
    names = ", ".join(sorted(f"`{place.name}`" for place in places or found.platforms()))
    if places:
        raise InvalidDeclarationError(
            str(path), f"environment `{environment}` is locked for `{subdir}` in several ways: {names}"
        )
    raise InvalidDeclarationError(
        str(path), f"environment `{environment}` is not locked for `{subdir}`, only for {names or 'nothing'}"
    )


def _records(path: Path, found: Any, environment: str, place: Any) -> Sequence[tuple[Any, str]]:
    """Rattler's records, and the URL of each package."""
    import rattler

    records = []
    for package in found.packages(place) or ():
        if isinstance(package, rattler.PypiLockedPackage):
            raise InvalidDeclarationError(
                str(path),
                f"environment `{environment}` holds packages from PyPI (`{package.name}`), which are not supported yet",
                hint=PYPI_HINT,
            )
        if not isinstance(package, rattler.CondaLockedBinaryPackage):
            raise InvalidDeclarationError(
                str(path),
                f"environment `{environment}` holds `{package.name}`, which has to be built from its source",
                hint="build it, put it into a channel, and depend on it there",
            )
        records.append((package.package_record, _url(path, package.location)))
    return records


def _url(path: Path, location: str) -> str:
    """A URL; a path is relative to the lock."""
    return location if urlsplit(location).scheme else (path.parent / location).resolve().as_uri()


def _virtual_packages(place: Any) -> list[VirtualPackage]:
    """Those that a lock names for a platform; texts that are no exact versions say nothing about a target."""
    found = []
    for text in place.virtual_packages:
        try:
            found.append(VirtualPackage.parse(text))
        except InvalidInputError:
            continue
    return found
