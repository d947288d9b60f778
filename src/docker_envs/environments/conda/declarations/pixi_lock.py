"""`pixi.lock`: the packages of each environment and platform of a workspace.

Spec: pixi docs, "Lock file". All versions that py-rattler reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from docker_envs.environments.base import PipLine
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


def read_pixi_lock(path: Path, *, environment: str, platform: Platform, with_pip: bool = False) -> Declaration:
    """The packages that a `pixi.lock` holds for one environment and platform, sorted by name.

    Args:
        path: The file.
        environment: The one that is wanted.
        platform: The one that it is wanted for.
        with_pip: Whether packages from PyPI are handed on, and not refused.

    Raises:
        InvalidDeclarationError: It cannot be read, has no such environment or platform, or holds packages that have to
            be built, or come from PyPI and are not wanted.
    """
    found = _environment(path, _open(path), environment)
    place = _platform(path, found, environment, platform)
    wheels = _wheels(found, place)
    if wheels and not with_pip:
        raise InvalidDeclarationError(
            str(path),
            f"environment `{environment}` holds packages from PyPI (`{wheels[0].name}`), which are not supported yet",
            hint=PYPI_HINT,
        )
    packages = [package_of(record, url=url) for record, url in _records(path, found, environment, place)]
    return Declaration(
        packages=tuple(sorted(packages, key=lambda package: package.name)),
        source=str(path),
        virtual_packages=tuple(_virtual_packages(place)),
        pip=tuple(PipLine(_pip_line(path, wheel), f"{path}: `{wheel.name}`", path.parent) for wheel in wheels),
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
    return _lacking_wheel(declared.pip, _wheels(found, place))


def _lacking_wheel(lines: Sequence[PipLine], wheels: Sequence[Any]) -> str | None:
    """What is declared from PyPI that no wheel of a lock satisfies; conditions and addresses are not looked at."""
    versions = {canonicalize_name(wheel.name): str(wheel.version) for wheel in wheels}
    for line in lines:
        if line.text.startswith("-") or " @ " in line.text or ";" in line.text:
            continue
        try:
            wanted = Requirement(line.text)
        except InvalidRequirement:
            return f"`{line.text}` cannot be understood"
        version = versions.get(canonicalize_name(wanted.name))
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            return f"nothing from PyPI in it satisfies `{line.text}`"
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
            continue
        if not isinstance(package, rattler.CondaLockedBinaryPackage):
            raise InvalidDeclarationError(
                str(path),
                f"environment `{environment}` holds `{package.name}`, which has to be built from its source",
                hint="build it, put it into a channel, and depend on it there",
            )
        records.append((package.package_record, _url(path, package.location)))
    return records


def _wheels(found: Any, place: Any) -> list[Any]:
    """Rattler's packages from PyPI, sorted by name."""
    import rattler

    packages = [each for each in found.packages(place) or () if isinstance(each, rattler.PypiLockedPackage)]
    return sorted(packages, key=lambda package: str(package.name))


def _pip_line(path: Path, package: Any) -> str:
    """A package by its address, and its hash unless it is a project of this machine."""
    # Hashes that are not there have no attributes.
    sha256 = getattr(package.hashes, "sha256", None)
    return f"{package.name} @ {_url(path, package.location)}" + (f" --hash=sha256:{sha256.hex()}" if sha256 else "")


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
