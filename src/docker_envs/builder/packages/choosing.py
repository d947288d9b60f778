"""Which packages a build gets, of all kinds; each kind knows those before it: conda's, Debian's, those of PyPI."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.builder.packages.base_files import read_base_system
from docker_envs.builder.packages.debs import choose_debs, read_debs, system_files, wants_debs
from docker_envs.builder.packages.pythons import find_place
from docker_envs.builder.packages.resolve import DOWNLOADS, read_packages, resolve
from docker_envs.builder.packages.system_contents import SystemContents
from docker_envs.builder.packages.wheels import choose_wheels
from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment, plan_environment
from docker_envs.environments.debian.architectures import debian_architecture
from docker_envs.environments.debian.plan_environment import DebianEnvironment, plan_system
from docker_envs.oci.image import Image, scratch

if TYPE_CHECKING:
    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.deliver import Delivery
    from docker_envs.builder.packages.fetching import Archives
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.debian.package import DebianPackage
    from docker_envs.environments.pypi.declarations.declaration import LocalProject
    from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
    from docker_envs.report import Reporter


@dataclass(frozen=True, slots=True)
class ChosenPackages:
    """What a build is made from.

    Attributes:
        conda: Packages of conda.
        debian: Packages of Debian.
        pypi: Distributions of PyPI, each with its digest.
        projects: Projects of this host that become wheels.
    """

    conda: tuple[CondaPackage, ...] = ()
    debian: tuple[DebianPackage, ...] = ()
    pypi: tuple[PypiPackage | PypiSdist, ...] = ()
    projects: tuple[LocalProject, ...] = ()


@dataclass(frozen=True, slots=True)
class Below:
    """Packages of conda and Debian as they will be, their archives, and where wheels go beside them, if anywhere."""

    conda: CondaEnvironment
    debian: DebianEnvironment
    archives: Archives
    place: WheelPlace | None


def choose_packages(
    request: BuildRequest, cache: CacheDirectory, delivery: Delivery, reporter: Reporter
) -> ChosenPackages:
    """Choose the packages of all kinds.

    Args:
        request: What is wanted.
        cache: What is known already, and where more is kept.
        delivery: How base and packages are reached.
        reporter: Hears what is done.

    Raises:
        DockerEnvsError: See `docker_envs.builder.build.build`.

    Cost: packages of conda and Debian are fetched, unless they are known, where distributions of PyPI are chosen to
    fit these.
    """
    if request.pypi is not None and not request.pypi.is_empty:
        below = find_below(request, open_base(request, cache, delivery), cache, delivery, reporter)
        found = choose_wheels(request, below.place, cache=cache, reporter=reporter)
        return ChosenPackages(
            tuple(each.locked for each in below.conda.packages),
            tuple(each.locked for each in below.debian.packages),
            _proven((*found.packages, *found.sources), below.archives),
            found.projects,
        )
    conda = resolve(request, cache.repodata, reporter)
    if not wants_debs(request):
        return ChosenPackages(conda)
    system = read_base_system(open_base(request, cache, delivery), cache, reporter)
    return ChosenPackages(
        conda, choose_debs(request, system, cache=cache, open_url=delivery.open_url, reporter=reporter)
    )


def _proven(files: tuple[PypiPackage | PypiSdist, ...], archives: Archives) -> tuple[PypiPackage | PypiSdist, ...]:
    """All with a digest: an address alone proves nothing."""
    fetched = archives.fetch_packages([each for each in files if each.sha256 is None], workers=DOWNLOADS)
    proven = {each.package.url: each for each in fetched}
    return tuple(
        replace(each, sha256=proven[each.url].sha256, size=proven[each.url].size) if each.url in proven else each
        for each in files
    )


def open_base(request: BuildRequest, cache: CacheDirectory, delivery: Delivery) -> Image:
    """The base image of a request.

    Raises:
        TransportError: It cannot be had.
    """
    place = request.pinned_base
    return scratch(request.platform) if place is None else delivery.base(place, request.platform, cache)


def find_below(
    request: BuildRequest, base: Image, cache: CacheDirectory, delivery: Delivery, reporter: Reporter
) -> Below:
    """Choose, fetch as far as needed, and read packages of conda and Debian, and find where wheels go.

    Raises:
        DockerEnvsError: See `docker_envs.builder.build.build`.
    """
    lock = resolve(request, cache.repodata, reporter)
    packages, archives = read_packages(
        lock, cache=cache, caches=delivery.caches, open_url=delivery.open_url, reporter=reporter
    )
    debian = _find_debian(request, base, cache, delivery, archives, reporter)
    conda = plan_environment(packages, request.link_options)
    system = SystemContents.of_packages(debian)
    place = find_place(request, conda, base, cache=cache, reporter=reporter, system=system)
    return Below(conda, debian, archives, place)


def _find_debian(
    request: BuildRequest,
    base: Image,
    cache: CacheDirectory,
    delivery: Delivery,
    archives: Archives,
    reporter: Reporter,
) -> DebianEnvironment:
    if not wants_debs(request):
        return DebianEnvironment()
    system = read_base_system(base, cache, reporter)
    chosen = choose_debs(request, system, cache=cache, open_url=delivery.open_url, reporter=reporter)
    read = read_debs(chosen, archives=archives, cache=cache, reporter=reporter)
    return plan_system(
        read,
        system,
        architecture=debian_architecture(request.platform),
        filters=request.filters,
        files=system_files(request, chosen, system),
    )
