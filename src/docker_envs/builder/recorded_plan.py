"""From the record in an image to the plan of its layers: everything is read anew, and nothing is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.packages.base_files import read_base_system
from docker_envs.builder.packages.debs import read_debs
from docker_envs.builder.packages.pythons import recorded_place
from docker_envs.builder.packages.resolve import read_packages
from docker_envs.builder.packages.wheels import read_wheels
from docker_envs.builder.recording import SYSTEM_TITLE, VENV_TITLE
from docker_envs.builder.updating.place import find_place
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.debian.architectures import debian_architecture
from docker_envs.environments.debian.package import DebianPackage
from docker_envs.environments.debian.plan_environment import DebianEnvironment, plan_system
from docker_envs.environments.filters import parse_filters
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.environments.pypi.plan_environment import plan_wheels
from docker_envs.errors import FormatError
from docker_envs.oci.descriptor import Platform
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.packages.fetching import Archives
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.oci.image import Image
    from docker_envs.planner.plan import Plan
    from docker_envs.records.record import FoundRecord, Record
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource

Package = TypeVar("Package")


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """What the layers of a record are made of.

    Attributes:
        plan: Those of packages.
        archives: Gets the packages.
        others: Entries of those without packages that are functions of packages, base and record, by their titles.
        place: Where distributions go; None when there are none.
    """

    plan: Plan
    archives: Archives
    others: Mapping[str, Sequence[Entry]]
    place: WheelPlace | None = None


def plan_recorded(
    image: Image,
    found: FoundRecord,
    lock: Sequence[AnyPackage],
    *,
    cache: CacheDirectory,
    known: CacheDirectory,
    open_url: Callable[[str], ByteSource],
    reporter: Reporter,
    caches: RemoteCaches | None = None,
    layers: Sequence[Sequence[str]] | None = None,
) -> RecordedPlan:
    """Plan the layers of a record.

    Args:
        image: The image with the record; where there are Debian packages, layers below those of the record are read.
        found: The record.
        lock: Where its packages can be had, or others that come in their place.
        cache: Where packages are kept.
        known: Where it is kept what was read of Debian packages and bases.
        open_url: Opens an http(s) URL.
        reporter: Hears what is done.
        caches: Remote caches that may have metadata of packages.
        layers: Qualified names of the packages of each layer, lowest first; by default as in the record.

    Raises:
        FormatError: A package, layer or the record is damaged.
        BuildError: There are Debian packages, and other layers than those of the record below it; or packages do not
            fit together.
        VerificationError: Something is not what its digest says.
        TransportError: Something cannot be had.
    """
    record, options = found.record, link_options(found.record)
    packages, archives = read_packages(
        _of_kind(lock, CondaPackage), cache=cache, caches=caches, open_url=open_url, reporter=reporter
    )
    conda = plan_environment(packages, options)
    debian = _plan_debian(image, found, _of_kind(lock, DebianPackage), archives, known, reporter)
    wheels = _of_kind(lock, PypiPackage)
    place = recorded_place(record, conda, image) if wheels or record.python is not None else None
    read = read_wheels(wheels, place, archives=archives, kept=None, reporter=reporter) if place is not None else ()
    beside = (*debian.packages, *conda.packages)
    owners = {} if place is None else place.owners
    pypi = plan_wheels(read, beside=beside, owners=owners, filters=options.filters, compiling=options.compile)
    if layers is None:
        layers = [layer.packages for layer in record.layers if layer.packages]
    plan = make_plan(
        PlannedEnvironment(conda, pypi, debian),
        budget=len(layers),
        compression=CompressionSetting.parse(record.settings.compression),
        layers=layers,
    )
    venv = place.environment.entries() if place is not None and place.environment is not None else ()
    return RecordedPlan(plan, archives, {SYSTEM_TITLE: debian.entries, VENV_TITLE: venv}, place)


def _of_kind(lock: Sequence[AnyPackage], kind: type[Package]) -> list[Package]:
    return [package for package in lock if isinstance(package, kind)]


def _plan_debian(
    image: Image,
    found: FoundRecord,
    packages: Sequence[DebianPackage],
    archives: Archives,
    known: CacheDirectory,
    reporter: Reporter,
) -> DebianEnvironment:
    if not packages:
        return DebianEnvironment()
    record = found.record
    # What packages change of a system, such as its accounts, depends on what is below.
    base = read_base_system(find_place(image, found).below, known, reporter)
    return plan_system(
        read_debs(packages, archives=archives, cache=known, reporter=reporter),
        base,
        architecture=debian_architecture(Platform.parse(record.platform)),
        filters=parse_filters(record.settings.filters),
        files=record.system_files,
    )


def link_options(record: Record) -> LinkOptions:
    """How the packages of a record were linked.

    Raises:
        FormatError: The record says what cannot be.
    """
    settings = record.settings
    try:
        compiling = CompilePolicy(settings.compile)
    except ValueError as error:
        raise FormatError(f"record of `{record.prefix}`", f"unknown `compile` {settings.compile!r}") from error
    return LinkOptions(
        prefix=record.prefix,
        filters=parse_filters(settings.filters),
        compile=compiling,
        keep_setuid=settings.keep_setuid,
    )
