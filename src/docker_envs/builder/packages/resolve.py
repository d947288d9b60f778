"""From a declaration to its packages, in topological order, with what they say about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.caches.metadata_store import KeptMetadata, MetadataStore, read_kept
from docker_envs.builder.packages.fetching import Archives, PackageFetcher
from docker_envs.builder.parallel import map_parallel
from docker_envs.environments.conda.planned import ReadPackage
from docker_envs.environments.conda.solving.solve import solve, topological_order
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.environments.conda.subdirs import KNOWN_SUBDIRS, NOARCH, subdir_of
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.report import Reporter, counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.streams import ByteSource

#: Packages that are downloaded at once.
DOWNLOADS = 8


def resolve(request: BuildRequest, repodata: Path, reporter: Reporter) -> tuple[CondaPackage, ...]:
    """The packages of an environment: those of a lock, or those that the solver chooses.

    Args:
        request: Says what is wanted.
        repodata: Directory where indexes of channels are kept.
        reporter: Hears about the solve.

    Raises:
        InvalidInputError: A match spec or channel is malformed, or a package is for another platform.
        SolveError: No set of packages fits.
        TransportError: A channel cannot be reached.
    """
    declaration = request.declaration
    if declaration is None:
        return ()
    for note in declaration.notes:
        reporter.message(f"note: {note}")
    if declaration.packages is not None:
        _check_subdirs(declaration.packages, subdir_of(request.platform), declaration.source)
        return declaration.packages
    if not declaration.specs:
        return ()
    task = reporter.start("solve", counted(len(declaration.specs), "spec"))
    lock = solve(
        declaration.channels,
        declaration.specs,
        platform=request.platform,
        virtual_packages=virtual_packages(request.platform, (*declaration.virtual_packages, *request.virtual_packages)),
        cache=repodata,
        settings=declaration.settings,
        access=request.access,
        preferred=request.preferred,
    )
    task.finish(counted(len(lock), "package"))
    return lock


def _check_subdirs(packages: Sequence[CondaPackage], wanted: str, source: str) -> None:
    """An installed environment, unlike other locks, has not been asked for a platform."""
    for package in packages:
        if package.subdir in KNOWN_SUBDIRS - {wanted, NOARCH}:
            raise InvalidInputError(
                f"{source}: `{package.display_name}` is for `{package.subdir}`, but the image is for `{wanted}`",
                hint="choose its platform with `--platform`, or declare the environment by its specs",
            )


def read_packages(
    lock: Sequence[CondaPackage],
    *,
    cache: CacheDirectory,
    caches: RemoteCaches | None,
    open_url: Callable[[str], ByteSource],
    reporter: Reporter,
) -> tuple[list[ReadPackage], Archives]:
    """The packages with their metadata; those whose metadata are known nowhere are fetched and verified.

    Args:
        lock: The packages.
        cache: Where archives and metadata are kept.
        caches: Who else may know metadata; None asks nobody but the packages, not even what is kept here.
        open_url: Opens an http(s) URL.
        reporter: Hears what is done.

    Returns:
        The packages in topological order, and the archives.

    Raises:
        InvalidInputError: The lock names a package twice.
        FormatError: A package is damaged.
        VerificationError: A package is not what the lock says.
        TransportError: A package cannot be had.
        BuildError: A package holds another one than the lock says.
    """
    fetcher = PackageFetcher(cache, open_url=open_url, reporter=reporter)
    archives = Archives(fetcher, {package.sha256: package for package in lock if package.sha256})
    store = MetadataStore(cache)
    task = reporter.start("read", counted(len(lock), "package"), sum(package.size or 0 for package in lock) or None)

    known: dict[str | None, KeptMetadata] = {}
    if caches is not None:
        known = {package.sha256: kept for package in lock if (kept := store.get(package)) is not None}
        # Not kept here: what nobody has compared with the package is for builds that trust the cache.
        known.update(caches.find_metadata([package for package in lock if package.sha256 not in known]))

    def read(package: CondaPackage, cancelled: threading.Event) -> ReadPackage:
        kept, sha256 = known.get(package.sha256), package.sha256
        if kept is None or sha256 is None:
            fetched = fetcher.fetch(package, cancelled)
            archives.add(fetched)
            sha256 = fetched.sha256
            kept = read_kept(fetched.host_path, fetched.size)
            store.add(sha256, package.file_name, kept)
        _check_identity(package, kept.metadata.name)
        if caches is not None:
            caches.remember(sha256, kept)
        task.advance(kept.size)
        return ReadPackage(package, kept.metadata, sha256, kept.size, kept.activation_files)

    found = map_parallel(read, lock, workers=DOWNLOADS, cost=lambda package: package.size or 0)
    task.finish()
    return _in_order(found), archives


def _in_order(packages: Sequence[ReadPackage]) -> list[ReadPackage]:
    by_name = {planned.metadata.name: planned for planned in packages}
    if len(by_name) != len(packages):
        names = [planned.metadata.name for planned in packages]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"the lock names the package `{twice}` twice")
    return [by_name[name] for name in topological_order([planned.metadata for planned in packages])] if packages else []


def _check_identity(package: CondaPackage, name: str) -> None:
    if package.name.lower() != name.lower():
        raise BuildError(f"`{package.file_name}` holds the package `{name}` instead of `{package.name}`")
