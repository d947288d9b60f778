"""What a lock holds for one target: wheels by their tags, and projects of the building host.

Spec: PyPA specifications, "pylock.toml Specification", "Installation".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, PylockSelectError

from docker_envs.environments.pypi.declarations.declaration import LocalProject
from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
from docker_envs.environments.pypi.resolving.uv import source_hint
from docker_envs.errors import BuildError, InvalidDeclarationError, InvalidInputError, SolveError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.pylock import Package

    from docker_envs.environments.pypi.declarations.pylock import PypiLock
    from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
    from docker_envs.environments.pypi.target import PypiTarget

    Chosen = tuple[Package, PackageVcs | PackageDirectory | PackageArchive | PackageWheel | PackageSdist]


#: In place of a name: every distribution may be built.
ALL = "all"
_SHA256 = re.compile("[0-9a-f]{64}")

AnyFile = TypeVar("AnyFile", PypiPackage, PypiSdist)


@dataclass(frozen=True, slots=True)
class PypiResolution:
    """What an environment gets.

    Attributes:
        packages: Wheels, sorted by name.
        sources: Source distributions that are to be built, sorted by name.
        projects: Directories of the building host, to be built.
        provided: What was wanted and is there already, sorted by name.
        notes: What the user should know, one line each.
    """

    packages: tuple[PypiPackage, ...]
    projects: tuple[LocalProject, ...] = ()
    provided: tuple[InstalledDistribution, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[PypiSdist, ...] = ()


def select_packages(
    lock: PypiLock,
    target: PypiTarget,
    *,
    installed: Iterable[InstalledDistribution] = (),
    sdists: Collection[str] = (),
) -> PypiResolution:
    """Take from a lock what a target needs.

    Args:
        lock: The lock.
        target: What distributions will run on.
        installed: What is there already; it stays, and must be what the lock says.
        sdists: Normalised names of distributions whose source may be built, or `ALL`.

    Raises:
        InvalidDeclarationError: The lock is not for the target.
        BuildError: Something has no wheel for the target.
        SolveError: Something is installed in another version.
    """
    there, sdists = {each.name: each for each in installed}, frozenset(sdists)
    packages, projects, provided, sources = [], [], [], []
    for package, chosen in _chosen(lock, target):
        if package.name in there:
            provided.append(_agreed(package, there[package.name], lock))
        elif isinstance(chosen, PackageDirectory):
            root = (lock.directory / chosen.path / (chosen.subdirectory or "")).resolve()
            projects.append(LocalProject(root, (), lock.source))
        elif isinstance(chosen, PackageSdist) and not sdists.isdisjoint((package.name, ALL)):
            sources.append(_source(package, chosen, lock))
        else:
            packages.append(_package(package, chosen, lock, target))
    return PypiResolution(
        tuple(sorted(packages, key=lambda each: each.name)),
        tuple(sorted(projects, key=lambda each: str(each.root))),
        tuple(sorted(provided, key=lambda each: each.name)),
        sources=tuple(sorted(sources, key=lambda each: each.name)),
    )


def _chosen(lock: PypiLock, target: PypiTarget) -> list[Chosen]:
    try:
        return list(
            lock.content.select(
                environment=target.environment, tags=target.tags, extras=lock.extras, dependency_groups=lock.groups
            )
        )
    except PylockSelectError as error:
        for package in lock.content.packages:
            if repr(str(package.name)) in str(error) and "No wheel" in str(error):
                raise _no_wheel(package, target) from error
        raise InvalidDeclarationError(lock.source, f"is not for {target.described}: {error}") from error


def _no_wheel(package: Package, target: PypiTarget) -> BuildError:
    wheels = sorted(wheel.filename for wheel in package.wheels or ())
    shown = ", ".join(f"`{name}`" for name in wheels[:3]) + (f" and {len(wheels) - 3} more" if len(wheels) > 3 else "")
    return BuildError(
        f"`{package.name}` {package.version or ''} has no wheel for {target.described}, only "
        f"{shown or 'its source'}".replace("  ", " "),
        hint=source_hint(package.name),
    )


def _package(
    package: Package,
    chosen: PackageVcs | PackageArchive | PackageWheel | PackageSdist,
    lock: PypiLock,
    target: PypiTarget,
) -> PypiPackage:
    if isinstance(chosen, PackageVcs | PackageSdist):
        raise _no_wheel(package, target)
    name = chosen.name if isinstance(chosen, PackageWheel) else None
    sha256 = _sha256(package, chosen, lock)
    try:
        found = PypiPackage.from_url(
            _url(chosen.url, chosen.path, lock),
            file_name=name,
            sha256=sha256,
            size=chosen.size,
            direct=isinstance(chosen, PackageArchive),
        )
    except InvalidInputError as error:
        raise _no_wheel(package, target) from error
    if found.name != package.name or (package.version and found.version != str(package.version)):
        raise InvalidDeclarationError(
            lock.source, f"`{found.file_name}` is not {package.name} {package.version or ''}".rstrip()
        )
    return found


def _source(package: Package, chosen: PackageSdist, lock: PypiLock) -> PypiSdist:
    url = _url(chosen.url, chosen.path, lock)
    name = chosen.name or PurePosixPath(unquote(urlsplit(url).path)).name
    return PypiSdist(
        package.name,
        str(package.version or ""),
        url,
        name,
        _sha256(package, chosen, lock),
        chosen.size,
    )


def _sha256(package: Package, chosen: PackageArchive | PackageWheel | PackageSdist, lock: PypiLock) -> str | None:
    digest = (chosen.hashes.get("sha256") or "").lower()
    if digest and not _SHA256.fullmatch(digest):
        raise InvalidDeclarationError(lock.source, f"{package.name}: {digest[:80]!r} is no SHA-256 digest")
    return digest or None


def _url(url: str | None, path: str | None, lock: PypiLock) -> str:
    """An address; a path is relative to the lock."""
    return url if url and urlsplit(url).scheme else (lock.directory / (path or url or "")).resolve().as_uri()


def _agreed(package: Package, there: InstalledDistribution, lock: PypiLock) -> InstalledDistribution:
    if package.version is not None and str(package.version) != there.version:
        raise SolveError(
            f"{lock.source} wants `{package.name}` {package.version}, but {there.owner} has {there.version}",
            hint=f"take `{package.name}` from one of them alone, or pin the same version in both",
        )
    return there


def check_hashes(
    packages: Iterable[PypiPackage | PypiSdist], allowed: Mapping[str, tuple[str, ...]], *, source: str
) -> None:
    """See that wheels are among those that a declaration allows.

    Args:
        packages: What was chosen.
        allowed: Hashes by normalised name; when there are any, everything must be there.
        source: The declaration, for messages.

    Raises:
        InvalidDeclarationError: A wheel is not allowed.
    """
    for package in packages if allowed else ():
        if package.name not in allowed:
            raise InvalidDeclarationError(
                source, f"`{package.display_name}` is needed, but has no hash there, as all others have"
            )
        if f"sha256:{package.sha256}" not in allowed[package.name]:
            raise InvalidDeclarationError(
                source,
                f"`{package.file_name}`, which fits the target, has the hash `sha256:{package.sha256}`, "
                "which is not among those of its requirement",
            )


def with_requested(packages: Iterable[AnyFile], names: Iterable[str]) -> tuple[AnyFile, ...]:
    """The packages, with those marked that a declaration names itself."""
    wanted = frozenset(names)
    return tuple(replace(package, requested=package.name in wanted) for package in packages)
