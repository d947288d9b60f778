"""All that is known before a layer is made: base, packages, plan, activation and accounts, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME
from docker_envs.builder.activate import PlannedActivation, plan_activation
from docker_envs.builder.application.layer import owners_of
from docker_envs.builder.application.planned_accounts import BaseAccounts, PlannedAccounts, plan_accounts
from docker_envs.builder.configure import DEFAULT_PATH, environment_variables
from docker_envs.builder.packages.base_system import CLibrary, check_library, find_library, required_glibc
from docker_envs.builder.packages.choosing import find_below, open_base
from docker_envs.builder.packages.debs import wants_debs
from docker_envs.builder.packages.wheels import Wheels, resolve_wheels
from docker_envs.builder.recording import check_packages
from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.plan_environment import PypiEnvironment, plan_wheels
from docker_envs.errors import BuildError
from docker_envs.images.location import Transport
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.deliver import Delivery
    from docker_envs.builder.packages.fetching import Archives
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment
    from docker_envs.environments.debian.plan_environment import DebianEnvironment
    from docker_envs.environments.planned import PlannedPackage
    from docker_envs.oci.image import Image
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before a layer is made.

    Attributes:
        base: The base image, of which only manifest and config were read.
        plan: What will be made.
        archives: Host path of each package's archive, by its sha256.
        env: Variables that make the environment known, before its scripts.
        activation: How the environment is activated.
        caches: Remote caches that may have layers.
        accounts: Users and groups.
        prefix: Absolute path of the environment in the image.
        place: Where distributions go; None when there are none.
        python: Where projects of this host go; None when the environment has no Python.
        projects: Layers of projects that distributions are declared with; below those of files.
    """

    base: Image
    plan: Plan
    archives: Archives
    env: dict[str, str]
    activation: PlannedActivation
    caches: RemoteCaches
    accounts: PlannedAccounts
    prefix: str
    place: WheelPlace | None = None
    python: Installation | None = None
    projects: tuple[FilesLayer, ...] = ()


def prepare(request: BuildRequest, cache: CacheDirectory, delivery: Delivery, reporter: Reporter) -> Prepared:
    """Read base, lock and packages, and plan what will be made.

    Args:
        request: What is wanted.
        cache: What is known already, and where more is kept.
        delivery: How base, packages and caches are reached.
        reporter: Hears what is done.

    Raises:
        DockerEnvsError: See `docker_envs.builder.build.build`.
    """
    base = open_base(request, cache, delivery)
    found = _find_environment(request, base, cache, delivery, reporter)
    environment, place = found.environment, found.place
    prefix = request.record_prefix if place is None else place.prefix
    mtime = DIRECTORY_MTIME if request.epoch is None else request.epoch
    owners = owners_of(request.files)
    below = BaseAccounts(base, environment.debian.entries)
    accounts = plan_accounts(below, request.users, request.groups, owners=owners, mtime=mtime, reporter=reporter)
    budget = request.max_layers - len(base.layers) - _other_layers(request, found, accounts)
    plan = _plan(request, environment, budget)
    if has_record(request):
        check_packages(environment.packages, prefix=prefix)
    for group in _unused_groups(request, plan):
        reporter.warning(f"no package is in the group `{group}`")
    _check_base(request, base, environment, reporter)
    env = _variables(request, base, found)
    before = {**base.config.env, **env}
    activation = plan_activation(
        environment.conda, found.archives, prefix=request.link_options.prefix, env=before, mode=request.activation
    )
    for left in activation.activation.unresolved:
        reporter.message(f"note: `{left.path}` of `{left.package}` is left to an entrypoint: {left.reason}")
    if activation.entrypoint and request.base is None and "bin/sh" not in environment.debian.links():
        reporter.warning("the entrypoint needs `/bin/sh`, which `scratch` does not have")
    if activation.entrypoint and len(plan.layers) == budget:
        # The entrypoint is a layer as well; what activates the environment does not depend on how packages are grouped.
        plan = _plan(request, environment, budget - 1)
    return Prepared(
        base=base,
        plan=plan,
        archives=found.archives,
        env=env,
        activation=activation,
        caches=delivery.caches,
        accounts=accounts,
        prefix=prefix,
        place=place,
        python=_installation(environment.conda, place, prefix),
        projects=found.projects,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The packages of all kinds, where their archives are, where wheels go, and layers of projects beside these."""

    environment: PlannedEnvironment
    archives: Archives
    place: WheelPlace | None
    projects: tuple[FilesLayer, ...]


def _find_environment(
    request: BuildRequest, base: Image, cache: CacheDirectory, delivery: Delivery, reporter: Reporter
) -> _Found:
    """Choose, fetch as far as needed, and read all packages; each kind knows those before it."""
    below = find_below(request, base, cache, delivery, reporter)
    conda, debian, archives, place = below.conda, below.debian, below.archives, below.place
    _check_scripts(request, conda, debian)
    wheels = resolve_wheels(request, place, archives=archives, cache=cache, reporter=reporter)
    pypi = _plan_wheels(request, wheels, (*debian.packages, *conda.packages), place)
    return _Found(PlannedEnvironment(conda, pypi, debian), archives, place, wheels.projects)


def _other_layers(request: BuildRequest, found: _Found, accounts: PlannedAccounts) -> int:
    """How many layers there are besides those of packages."""
    has_venv = found.place is not None and found.place.environment is not None
    own = (bool(found.environment.debian.entries), bool(accounts.entries), has_record(request), has_venv)
    return len(found.projects) + len(request.files) + sum(own)


def has_record(request: BuildRequest) -> bool:
    """Whether the image gets a record of its environment."""
    return request.record and (request.declaration is not None or request.pypi is not None or wants_debs(request))


def _variables(request: BuildRequest, base: Image, found: _Found) -> dict[str, str]:
    declared = {} if request.declaration is None else request.declaration.variables
    # Engines have a default, but other programs that start containers do not.
    lacks_path = found.environment.debian.packages and "PATH" not in base.config.env
    path = {"PATH": DEFAULT_PATH} if lacks_path else {}
    if found.place is not None and found.place.python is not None:
        return {**path, **found.place.variables(base.config.env), **declared}
    if request.declaration is None:
        return path
    return environment_variables(base.config.env, prefix=request.link_options.prefix, variables=declared)


def _plan_wheels(
    request: BuildRequest, wheels: Wheels, beside: Sequence[PlannedPackage], place: WheelPlace | None
) -> PypiEnvironment:
    if place is None:
        return PypiEnvironment()
    return plan_wheels(
        wheels.read,
        beside=beside,
        owners=place.owners,
        taken=place.taken,
        filters=request.filters,
        compiling=request.compile,
    )


def _installation(conda: CondaEnvironment, place: WheelPlace | None, prefix: str) -> Installation | None:
    """Where projects of this host go."""
    if place is not None:
        return place.installation
    python = conda.python
    return None if python is None else Installation(prefix, python.version, python.site_packages, DIRECTORY_MTIME)


def _plan(request: BuildRequest, environment: PlannedEnvironment, budget: int) -> Plan:
    return make_plan(environment, budget=budget, compression=request.compression, grouping=request.grouping)


def _unused_groups(request: BuildRequest, plan: Plan) -> list[str]:
    used = {layer.group.group for layer in plan.layers}
    return [group.name for group in request.grouping.groups if group.name not in used]


def _check_scripts(request: BuildRequest, conda: CondaEnvironment, debian: DebianEnvironment) -> None:
    if request.strict and conda.unhandled_scripts:
        scripts = ", ".join(f"`{script.path}` of `{script.package}`" for script in conda.unhandled_scripts)
        raise BuildError(
            f"scripts that an installer would run are not run here: {scripts}", hint="build without `--strict`"
        )
    if request.strict and debian.scripts:
        raise BuildError(
            f"commands of maintainer scripts are left out: {'; '.join(map(str, debian.scripts))}",
            hint="build without `--strict`",
        )


def _check_base(request: BuildRequest, base: Image, environment: PlannedEnvironment, reporter: Reporter) -> None:
    wanted = required_glibc(environment.conda.metadata)
    if wanted is None or request.force:
        return
    if (version := environment.debian.glibc) is not None:
        library = CLibrary("glibc", version, "by the package `libc6`")
        check_library(library, wanted, base=str(request.base or "scratch"))
        return
    if request.base is None:
        reporter.warning(f"`scratch` has no C library, but `{wanted[1]}` and others need glibc to run")
        return
    destinations = request.destinations
    home = home_of(request)
    reads_layers = bool(
        home is None
        or destinations.archive
        or destinations.layout
        or destinations.load
        or any(target.registry != home.registry for target in destinations.push)
    )
    found = find_library(base, wanted, reads_layers=reads_layers)
    if found is not None:
        check_library(found, wanted, base=str(request.base))


def home_of(request: BuildRequest) -> Reference | None:
    """The name of a base in its registry; None of one from elsewhere."""
    if request.base is None or request.base.transport is not Transport.REGISTRY:
        return None
    return request.base.reference
