"""The record of a build: what the image will say about its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.base_system import required_glibc
from docker_envs.environments.conda.linking.bytecode import CompilePolicy
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS
from docker_envs.records.record import (
    Record,
    RecordedContainer,
    RecordedLayer,
    RecordedPackage,
    RecordedSettings,
    make_record,
)
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.request import BuildRequest
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import Plan, PlannedPackage


def record_build(request: BuildRequest, plan: Plan, layers: Sequence[Layer], titles: Sequence[str]) -> Record:
    """The record of an image's environment.

    Args:
        request: What was asked for.
        plan: What it was made from.
        layers: The layers made, lowest first; those of the plan first.
        titles: What the others hold.
    """
    count = len(plan.layers)
    members = [planned for layer in plan.layers for planned in layer.packages]
    names = {planned.metadata.name for planned in members}
    of_packages = [
        RecordedLayer(diff_id=str(layer.diff_id), packages=tuple(each.metadata.name for each in planned.packages))
        for planned, layer in zip(plan.layers, layers[:count], strict=True)
    ]
    others = [
        RecordedLayer(diff_id=str(layer.diff_id), title=title)
        for layer, title in zip(layers[count:], titles, strict=True)
    ]
    declaration = request.declaration
    return make_record(
        digest_format=DIGEST_FORMAT,
        platform=str(request.platform),
        prefix=request.link_options.prefix,
        packages=tuple(_package(each, names) for each in sorted(members, key=lambda each: each.metadata.name)),
        layers=(*of_packages, *others),
        settings=_settings(request, plan),
        variables=dict(declaration.variables) if declaration is not None else {},
        requires={"glibc": wanted[0]} if (wanted := required_glibc(each.metadata for each in members)) else {},
        container=_container(request),
    )


def _package(planned: PlannedPackage, names: set[str]) -> RecordedPackage:
    package, metadata = planned.package, planned.metadata
    return RecordedPackage(
        kind="conda",
        name=metadata.name,
        version=metadata.version,
        build=metadata.build,
        subdir=package.subdir,
        url=package.public_url,
        sha256=planned.sha256,
        size=planned.size,
        license=str(metadata.index.get("license") or ""),
        depends=tuple(sorted(names.intersection(metadata.needs))),
    )


def _settings(request: BuildRequest, plan: Plan) -> RecordedSettings:
    grouping = request.grouping
    compiled = any(link.interpreter for layer in plan.layers for link in layer.links)
    compiling = CompilePolicy.ALWAYS if compiled else CompilePolicy.NEVER
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


def _container(request: BuildRequest) -> RecordedContainer:
    settings = request.container
    return RecordedContainer(
        entrypoint=_optional(settings.entrypoint),
        cmd=_optional(settings.cmd),
        user=settings.user,
        workdir=settings.workdir,
        env=dict(settings.env),
        labels=dict(settings.labels),
        ports=tuple(settings.ports),
        volumes=tuple(settings.volumes),
        stop_signal=settings.stop_signal,
        healthcheck=settings.healthcheck,
        shell=_optional(settings.shell),
    )


def _optional(items: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)
