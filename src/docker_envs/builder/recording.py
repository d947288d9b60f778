"""The record of a build: what the image will say about its environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.builder.packages.base_system import required_glibc
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.errors import BuildError
from docker_envs.paths import parent_paths
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS
from docker_envs.records.record import (
    RECORD_PATH,
    Record,
    RecordedContainer,
    RecordedDistribution,
    RecordedLayer,
    RecordedSettings,
    make_record,
)
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.activating.activation import Activation
    from docker_envs.environments.planned import PlannedPackage
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import Plan

#: What the layer of what Debian packages have together is called.
SYSTEM_TITLE = "system of the Debian packages"
#: What the layer of a virtual environment without its distributions is called.
VENV_TITLE = "virtual environment"
#: What must be a directory, or the record itself; relative to the prefix.
_PLACES = {RECORD_PATH, *parent_paths(RECORD_PATH)}
#: What `ID` and `VERSION_ID` of an `os-release` may be. Spec: os-release(5).
_IDENTIFIER = re.compile(r"[a-z0-9._-]{1,64}")


def check_packages(packages: Iterable[PlannedPackage], *, prefix: str) -> None:
    """Find out whether the record would hide something of a package.

    Raises:
        BuildError: A package has a file or link where the record goes, or where it needs a directory.
    """
    for package in packages:
        _check(f"package `{package.name}`", package.files(), prefix)


def check_files(title: str, entries: Iterable[Entry], *, prefix: str) -> None:
    """Find out whether the record would hide something of a layer of files.

    Raises:
        BuildError: A file or link is where the record goes, or where it needs a directory.
    """
    _check(title, (entry.path for entry in entries if entry.kind is not Kind.DIRECTORY), prefix)


def _check(what: str, files: Iterable[str], prefix: str) -> None:
    above = f"{prefix[1:]}/"
    if taken := _PLACES.intersection(path.removeprefix(above) for path in files if path.startswith(above)):
        raise BuildError(
            f"{what} has `{min(taken)}`, but the record of the environment goes to `{RECORD_PATH}`",
            hint="build without a record: `--no-record`",
        )


def record_build(
    request: BuildRequest,
    plan: Plan,
    activation: Activation,
    layers: Sequence[Layer],
    titles: Sequence[str],
    *,
    prefix: str,
    place: WheelPlace | None = None,
) -> Record:
    """The record of an image's environment.

    Args:
        request: What was asked for.
        plan: What it was made from.
        activation: What activates it.
        layers: The layers made, lowest first; those of the plan first.
        titles: What the others hold.
        prefix: Of the environment.
        place: Where distributions are.
    """
    count = len(plan.layers)
    environment = plan.environment
    names = {package.qualified_name for package in environment.packages}
    members = sorted(environment.packages, key=lambda package: (package.kind, package.name))
    of_packages = [
        RecordedLayer(diff_id=str(layer.diff_id), packages=tuple(each.qualified_name for each in planned.packages))
        for planned, layer in zip(plan.layers, layers[:count], strict=True)
    ]
    others = [
        RecordedLayer(diff_id=str(layer.diff_id), title=title)
        for layer, title in zip(layers[count:], titles, strict=True)
    ]
    variables, overriding = _variables(request, activation)
    return make_record(
        digest_format=DIGEST_FORMAT,
        platform=str(request.platform),
        prefix=prefix,
        packages=tuple(each.recorded(names) for each in members),
        layers=(*of_packages, *others),
        settings=_settings(request, plan),
        python=None if place is None else place.recorded,
        variables=variables,
        requires={"glibc": wanted[0]} if (wanted := required_glibc(environment.conda.metadata)) else {},
        container=_container(request, overriding),
        system_files=dict(environment.debian.files),
        distribution=_distribution(environment.debian.release),
    )


def _distribution(release: Mapping[str, str]) -> RecordedDistribution | None:
    name, version = release.get("ID", ""), release.get("VERSION_ID", "")
    if not _IDENTIFIER.fullmatch(name):
        return None
    return RecordedDistribution(id=name, version=version if _IDENTIFIER.fullmatch(version) else "")


def _settings(request: BuildRequest, plan: Plan) -> RecordedSettings:
    grouping, environment = request.grouping, plan.environment
    is_compiled = environment.conda.is_compiled or environment.pypi.is_compiled
    compiling = CompilePolicy.ALWAYS if is_compiled else CompilePolicy.NEVER
    return RecordedSettings(
        filters=tuple(sorted(each.value for each in request.filters)),
        compile=compiling.value,
        keep_setuid=request.keep_setuid,
        activation=request.activation.value,
        compression=str(request.compression),
        max_layers=None if request.max_layers == DEFAULT_MAX_LAYERS else request.max_layers,
        layers=grouping.strategy.value,
        groups=tuple(str(group) for group in grouping.groups),
    )


def _variables(request: BuildRequest, activation: Activation) -> tuple[dict[str, str], dict[str, str]]:
    """What is set by declaration or option alike, and what only an option can, for activation has it otherwise."""
    declared = request.declaration.variables if request.declaration is not None else {}
    activated = {*activation.variables, *activation.removed}
    asked = request.container.env
    overriding = {name: value for name, value in asked.items() if name in activated}
    return {**declared, **{name: value for name, value in asked.items() if name not in activated}}, overriding


def _container(request: BuildRequest, env: dict[str, str]) -> RecordedContainer:
    settings = request.container
    return RecordedContainer(
        entrypoint=_optional(settings.entrypoint),
        cmd=_optional(settings.cmd),
        user=settings.user,
        workdir=settings.workdir,
        env=env,
        labels=dict(settings.labels),
        ports=tuple(settings.ports),
        volumes=tuple(settings.volumes),
        stop_signal=settings.stop_signal,
        healthcheck=settings.healthcheck,
        shell=_optional(settings.shell),
    )


def _optional(items: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)
