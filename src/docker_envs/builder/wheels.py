"""From a declaration of distributions to their wheels, chosen for the environment's Python, fetched and read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME
from docker_envs.builder.application.contents import FilesLayer, ProjectWheel
from docker_envs.builder.base_system import library_of_config
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.resolve import DOWNLOADS
from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.planned import ReadWheel, read_wheel
from docker_envs.environments.pypi.resolving.installed import installed_distributions
from docker_envs.environments.pypi.resolving.resolve import resolve_pypi
from docker_envs.environments.pypi.resolving.uv import UvSettings
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.errors import BuildError
from docker_envs.report import Reporter, counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from docker_envs.builder.fetching import Archives, FetchedPackage
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment
    from docker_envs.environments.pypi.package import PypiPackage
    from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
    from docker_envs.oci.image import Image

_FREE_THREADED = re.compile(r"_cp\d+t\Z")


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of an environment.

    Attributes:
        read: What was read of them.
        owners: Names of conda packages that bring distributions, by the distributions' names.
        projects: Layers of projects of this host that are wanted with them.
    """

    read: tuple[ReadWheel, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    projects: tuple[FilesLayer, ...] = ()


def resolve_wheels(
    request: BuildRequest,
    conda: CondaEnvironment,
    base: Image,
    *,
    archives: Archives,
    repodata: Path,
    reporter: Reporter,
) -> Wheels:
    """Choose, fetch and read the wheels that a build wants.

    Args:
        request: Says what is wanted.
        conda: What is there already, Python above all.
        base: The base image; its config may say what C library it has.
        archives: Gets the wheels.
        repodata: Directory where indexes are kept.
        reporter: Hears what is done.

    Raises:
        BuildError: There is no Python that wheels are made for, or something has no wheel.
        SolveError: Nothing fits, or not to conda's packages.
        FormatError: A wheel is damaged.
        VerificationError: A wheel is not what the index or lock says.
        TransportError: An index or wheel cannot be had.
    """
    declaration = request.pypi
    if declaration is None or declaration.is_empty:
        return Wheels()
    for note in declaration.notes:
        reporter.message(f"note: {note}")
    place = WheelPlace.of(conda, base, prefix=request.link_options.prefix)
    installed, owners = _installed(conda)
    wanted = len(declaration.requirements) + len(declaration.projects)
    task = reporter.start("resolve", counted(wanted, "requirement") if wanted else declaration.source)
    settings = UvSettings(offline=request.access.offline, cache=repodata / "uv")
    found = resolve_pypi(declaration, place.target, installed=installed, settings=settings)
    task.finish(counted(len(found.packages), "wheel"))
    for note in found.notes:
        reporter.message(f"note: {note}")
    read = read_wheels(found.packages, place, archives=archives, reporter=reporter)
    projects = (FilesLayer(f"project {each.root.name}", (ProjectWheel(each.root),)) for each in found.projects)
    return Wheels(read, owners, tuple(projects))


@dataclass(frozen=True, slots=True)
class WheelPlace:
    """Where wheels are installed.

    Attributes:
        target: What they are chosen for.
        installation: Where their files go.
    """

    target: PypiTarget
    installation: Installation

    @classmethod
    def of(cls, conda: CondaEnvironment, base: Image, *, prefix: str) -> WheelPlace:
        """The place in a conda environment.

        Args:
            conda: The environment.
            base: Its config may say what C library there is.
            prefix: Of the environment.

        Raises:
            BuildError: The environment has no CPython.
        """
        package = next((package for package in conda.packages if package.name == "python"), None)
        python = conda.python
        if package is None or python is None:
            raise BuildError(
                "distributions from PyPI are declared, but the environment has no Python",
                hint="add `python` to its conda packages",
            )
        if python.implementation != "cpython":
            raise BuildError(f"`{package.display_name}` is no CPython, which wheels from PyPI are chosen for")
        library = library_of_config(base.config)
        version = library.version_tuple[:2] if library is not None else ()
        target = PypiTarget(
            base.platform,
            package.metadata.version,
            library.name if library is not None else "glibc",
            (version[0], version[1]) if len(version) == 2 else None,
            free_threaded=_FREE_THREADED.search(package.metadata.build) is not None,
        )
        return cls(target, Installation(prefix, target.minor, python.site_packages, DIRECTORY_MTIME))


def read_wheels(
    packages: Sequence[PypiPackage], place: WheelPlace, *, archives: Archives, reporter: Reporter
) -> tuple[ReadWheel, ...]:
    """Fetch wheels that were chosen, and read what a plan needs of them.

    Raises:
        FormatError: A wheel is damaged.
        VerificationError: A wheel is not what it should be.
        TransportError: A wheel cannot be had.
    """
    task = reporter.start("read", counted(len(packages), "wheel"), sum(each.size or 0 for each in packages) or None)
    fetched = archives.fetch_packages(packages, workers=DOWNLOADS)

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

    pairs = list(zip(packages, fetched, strict=True))
    found = map_parallel(read, pairs, workers=cores(), cost=lambda pair: pair[1].size)
    task.finish()
    return tuple(found)


def _installed(conda: CondaEnvironment) -> tuple[list[InstalledDistribution], dict[str, str]]:
    """The distributions that conda packages bring, and the packages' names by those of the distributions."""
    found: dict[str, InstalledDistribution] = {}
    owners: dict[str, str] = {}
    for package in conda.packages:
        for each in installed_distributions(package.files(), owner=f"`{package.display_name}`"):
            found[each.name] = each
            owners[each.name] = package.qualified_name
    return [found[name] for name in sorted(found)], owners
