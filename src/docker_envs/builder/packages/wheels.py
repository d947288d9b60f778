"""From a declaration of distributions to their wheels, chosen for the environment's Python, fetched and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import FilesLayer, ProjectWheel
from docker_envs.builder.caches.kept_documents import KeptDocuments
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.packages.sdists import build_wheels
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.environments.pypi.kept_wheel import WHEEL_FORMAT, decode_wheel, encode_wheel, wheel_key
from docker_envs.environments.pypi.planned import ReadWheel, read_wheel
from docker_envs.environments.pypi.resolving.pip_configuration import indexes_of_pip
from docker_envs.environments.pypi.resolving.resolve import resolve_pypi
from docker_envs.environments.pypi.resolving.select import PypiResolution
from docker_envs.environments.pypi.resolving.uv import UvSettings
from docker_envs.errors import SolveError
from docker_envs.report import Reporter, Task, counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Sequence

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.packages.fetching import Archives, FetchedPackage
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.pypi.package import PypiPackage


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of an environment.

    Attributes:
        read: What was read of them.
        projects: Layers of projects of this host that are wanted with them.
    """

    read: tuple[ReadWheel, ...] = ()
    projects: tuple[FilesLayer, ...] = ()


def resolve_wheels(
    request: BuildRequest,
    place: WheelPlace | None,
    *,
    archives: Archives,
    cache: CacheDirectory,
    reporter: Reporter,
) -> Wheels:
    """Choose, fetch and read the wheels that a build wants.

    Args:
        request: Says what is wanted.
        place: Where they go; None when there are none.
        archives: Gets the wheels.
        cache: Where indexes and wheels are kept that were built here.
        reporter: Hears what is done.

    Raises:
        BuildError: Something has no wheel.
        SolveError: Nothing fits, or not to what is there already.
        FormatError: A wheel is damaged.
        VerificationError: A wheel is not what the index or lock says.
        TransportError: An index or wheel cannot be had.
    """
    found = choose_wheels(request, place, cache=cache, reporter=reporter)
    if place is None or request.pypi is None:
        return Wheels()
    settings = _settings(request, cache)
    built = build_wheels(
        found.sources,
        place,
        indexes=indexes_of_pip(settings.environ).merged(request.pypi.indexes),
        settings=settings,
        archives=archives,
        cache=cache,
        reporter=reporter,
    )
    wanted = (*found.packages, *built)
    read = read_wheels(wanted, place, archives=archives, kept=cache, reporter=reporter)
    projects = (FilesLayer(f"project {each.root.name}", (ProjectWheel(each.root),)) for each in found.projects)
    return Wheels(read, tuple(projects))


def choose_wheels(
    request: BuildRequest, place: WheelPlace | None, *, cache: CacheDirectory, reporter: Reporter
) -> PypiResolution:
    """Choose the wheels that a build wants, and what it builds itself: those of a lock, or those that uv chooses.

    Args:
        request: Says what is wanted.
        place: Where they go; None when there are none.
        cache: Where indexes are kept.
        reporter: Hears what is done.

    Raises:
        BuildError: Something has no wheel.
        SolveError: Nothing fits, or not to what is there already.
        TransportError: An index cannot be read.
    """
    declaration = request.pypi
    if place is None or declaration is None or declaration.is_empty:
        return PypiResolution(())
    for note in declaration.notes:
        reporter.message(f"note: {note}")
    wanted = len(declaration.requirements) + len(declaration.projects) if declaration.packages is None else 0
    task = reporter.start("resolve", counted(wanted, "requirement") if wanted else declaration.source)
    try:
        found = resolve_pypi(
            declaration,
            place.target,
            installed=place.installed,
            sdists=request.build_sdists,
            preferred={each.name: each.version for each in request.preferred_wheels},
            settings=_settings(request, cache),
        )
    except SolveError as error:
        if place.python is None or not place.installed:
            raise
        hint = f"{error.hint}; " if error.hint else ""
        raise SolveError(str(error), hint=f"{hint}`--python-layout venv` leaves out what the base has") from error
    task.finish(counted(len(found.packages) + len(found.sources), "wheel"))
    for note in found.notes:
        reporter.message(f"note: {note}")
    return found


def _settings(request: BuildRequest, cache: CacheDirectory) -> UvSettings:
    return UvSettings(offline=request.access.offline, cache=cache.repodata / "uv")


def read_wheels(
    packages: Sequence[PypiPackage],
    place: WheelPlace,
    *,
    archives: Archives,
    kept: CacheDirectory | None,
    reporter: Reporter,
) -> tuple[ReadWheel, ...]:
    """What a plan needs of wheels that were chosen; those of which that is not known here are fetched and verified.

    Args:
        packages: The wheels.
        place: Where they go.
        archives: Gets them.
        kept: Where what was read is kept; None reads all of them.
        reporter: Hears what is done.

    Raises:
        FormatError: A wheel is damaged.
        VerificationError: A wheel is not what it should be.
        TransportError: A wheel cannot be had.
    """
    task = reporter.start("read", counted(len(packages), "wheel"), sum(each.size or 0 for each in packages) or None)
    documents = KeptDocuments(kept, f"wheel{WHEEL_FORMAT}") if kept is not None else None
    known: dict[PypiPackage, ReadWheel] = {}
    if documents is not None:
        found = ((package, _known(package, place, documents)) for package in packages)
        known = {package: each for package, each in found if each is not None}
    archives.expect(known)
    new = _read(dict.fromkeys(package for package in packages if package not in known), place, archives, task)
    if documents is not None:
        for each in new.values():
            _keep(each, place, documents)
    task.finish()
    return tuple(known.get(package) or new[package] for package in packages)


def _read(
    packages: Collection[PypiPackage], place: WheelPlace, archives: Archives, task: Task
) -> dict[PypiPackage, ReadWheel]:
    def read(item: tuple[PypiPackage, FetchedPackage], _: threading.Event) -> ReadWheel:
        package, each = item
        task.advance(each.size)
        return read_wheel(
            each.host_path,
            package,
            place.installation,
            sha256=each.sha256,
            size=each.size,
            environment=place.target.environment,
        )

    listed = list(packages)
    pairs = list(zip(listed, archives.fetch_packages(listed, workers=DOWNLOADS), strict=True))
    return dict(zip(listed, map_parallel(read, pairs, workers=cores(), cost=lambda pair: pair[1].size), strict=True))


def _keep(read: ReadWheel, place: WheelPlace, documents: KeptDocuments) -> None:
    key = wheel_key(read.package, place.installation, place.target.environment)
    content = encode_wheel(read)
    if key is not None and content is not None:
        documents.add(key, read.package.file_name, content)


def _known(package: PypiPackage, place: WheelPlace, documents: KeptDocuments) -> ReadWheel | None:
    key = wheel_key(package, place.installation, place.target.environment)
    content = None if key is None else documents.get(key, package.file_name)
    return None if content is None else decode_wheel(content, package, place.installation)
