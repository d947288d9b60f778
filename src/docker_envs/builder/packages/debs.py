"""From a declaration of Debian packages to the packages: chosen for the base, fetched, verified and read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.caches.kept_documents import KeptDocuments
from docker_envs.builder.packages.apt_archives import debian_sources_of, read_archives
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.parallel import map_parallel
from docker_envs.environments.debian.architectures import ALL, debian_architecture
from docker_envs.environments.debian.archives.deb_archive import DebArchive
from docker_envs.environments.debian.archives.kept_metadata import (
    METADATA_FORMAT,
    decode_metadata,
    encode_metadata,
)
from docker_envs.environments.debian.archives.metadata import read_control
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.debian.planned import ReadDeb
from docker_envs.environments.debian.system.apt_sources import apt_files
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.report import Reporter, counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.packages.fetching import Archives
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.debian.archives.metadata import DebianMetadata
    from docker_envs.environments.debian.package import DebianPackage
    from docker_envs.environments.debian.system.base import BaseSystem
    from docker_envs.streams import ByteSource


def wants_debs(request: BuildRequest) -> bool:
    """Whether a build has anything to do with Debian packages; only then, the base's own are of interest."""
    return request.apt is not None and not request.apt.is_empty


def choose_debs(
    request: BuildRequest,
    system: BaseSystem,
    *,
    cache: CacheDirectory,
    open_url: Callable[[str], ByteSource],
    reporter: Reporter,
) -> tuple[DebianPackage, ...]:
    """The packages that a build puts onto its base: those of a lock, or those that the solver chooses.

    Args:
        request: Says what is wanted.
        system: What the base has.
        cache: Where indexes are kept.
        open_url: Opens an http(s) URL.
        reporter: Hears what is done.

    Raises:
        InvalidInputError: The base says nothing of where its packages come from, or a package is for another platform.
        SolveError: A package is not known, or nothing fits.
        VerificationError: An index is not signed by its archive, or too old.
        FormatError: An index is malformed.
        TransportError: An archive cannot be reached.
    """
    declaration = request.apt
    if declaration is None or declaration.is_empty:
        return ()
    architecture = debian_architecture(request.platform)
    for note in declaration.notes:
        reporter.message(f"note: {note}")
    if declaration.packages is not None:
        _check_architectures(declaration.packages, architecture, declaration.source)
        return declaration.packages
    # Needs asyncio, which is slow to import, and not needed where nothing is solved for.
    from docker_envs.environments.debian.solving.solve import solve

    index = read_archives(
        declaration,
        system,
        architecture=architecture,
        cache=cache.apt,
        open_url=None if request.access.offline else open_url,
        reporter=reporter,
    )
    task = reporter.start("solve", counted(len(declaration.requests), "Debian package"))
    found = solve(
        declaration.requests,
        index,
        installed=system.installed(architecture),
        seed=Seed.NONE if system.versions else declaration.seed or Seed.BASE,
        recommends=declaration.recommends,
        locked={package.name: package.version for package in request.preferred_debs},
    )
    task.finish(counted(len(found.packages), "package"))
    return tuple(replace(package, requested=package.name in found.requested) for package in found.packages)


def _check_architectures(packages: Sequence[DebianPackage], wanted: str, source: str) -> None:
    for package in packages:
        if package.architecture not in (wanted, ALL):
            raise InvalidInputError(
                f"{source}: `{package.display_name}` is for `{package.architecture}`, but the image for `{wanted}`",
                hint="choose its platform with `--platform`, or lock the packages anew",
            )


def read_debs(
    packages: Sequence[DebianPackage], *, archives: Archives, cache: CacheDirectory, reporter: Reporter
) -> tuple[ReadDeb, ...]:
    """What packages say about themselves; those of which that is not known here are fetched and verified.

    Args:
        packages: The packages.
        archives: Gets them.
        cache: Where what was read is kept.
        reporter: Hears what is done.

    Raises:
        FormatError: A package is damaged.
        VerificationError: A package is not what the index or lock says.
        TransportError: A package cannot be had.
        BuildError: A package holds another one than it should.
    """
    if not packages:
        return ()
    archives.expect(packages)
    documents = KeptDocuments(cache, f"deb{METADATA_FORMAT}")
    task = reporter.start("read", counted(len(packages), "Debian package"), sum(each.size for each in packages))

    def read(package: DebianPackage, _: threading.Event) -> ReadDeb:
        metadata = _read(package, archives, documents)
        control = metadata.control
        found = (control.name, control.version, control.architecture)
        if found != (package.name, package.version, package.architecture):
            raise BuildError(
                f"`{package.file_name}` holds `{found[0]}:{found[2]}={found[1]}` instead of what it should"
            )
        task.advance(package.size)
        return ReadDeb(package, metadata, package.sha256, package.size)

    found = map_parallel(read, packages, workers=DOWNLOADS, cost=lambda package: package.size)
    task.finish()
    return tuple(found)


def system_files(request: BuildRequest, packages: Sequence[DebianPackage], system: BaseSystem) -> dict[str, bytes]:
    """Contents of files that the system of a build gets besides those of packages, by path; see `apt_files`.

    Raises:
        InvalidInputError: A keyring cannot be read, or an archive has no snapshots.
    """
    if request.apt is None or not packages:
        return {}
    sources = request.apt.sources or debian_sources_of(system)
    archives = replace(request.apt, sources=sources).archives()
    return apt_files(archives, [package.name for package in packages], system)


def _read(package: DebianPackage, archives: Archives, documents: KeptDocuments) -> DebianMetadata:
    content = documents.get(package.sha256, package.file_name)
    metadata = None if content is None else decode_metadata(content, source=package.file_name)
    if metadata is None:
        metadata = read_control(DebArchive(archives[package.sha256]))
        encoded = encode_metadata(metadata)
        if encoded is not None:
            documents.add(package.sha256, package.file_name, encoded)
    return metadata
