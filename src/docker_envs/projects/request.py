"""From an image that is declared to what a builder is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.host import parse_target_platform
from docker_envs.builder.request import BuildRequest
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import Location
from docker_envs.projects.environment_files import (
    EnvironmentDeclaration,
    EnvironmentPart,
    merge_environment,
    read_environment_file,
)
from docker_envs.projects.model import EnvironmentFile, InlineEnvironment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform
    from docker_envs.projects.model import ImageDeclaration, Project, Scratch


def image_requests(
    project: Project,
    image: ImageDeclaration,
    *,
    cache: Path,
    platforms: Sequence[Platform] = (),
    base: Location | Scratch | None = None,
) -> list[BuildRequest]:
    """A request for each platform of an image, without destinations.

    Args:
        project: The image's project.
        image: What is declared.
        cache: Directory for packages, repodata and layers.
        platforms: Instead of those that are declared, when there are any.
        base: Instead of the one that is declared.

    Raises:
        InvalidInputError: No base is known, or the environment's file cannot be understood.
    """
    base = base or image.base
    if base is None:
        name = f"the image `{image.title}` of {project.path}" if image.title else str(project.path)
        raise InvalidInputError(f"{name} names no base", hint="declare it with `base`, or use `--base`")
    targets = platforms or image.platforms or (parse_target_platform(None),)
    declared = {target: environment_declaration(project, image, target) for target in targets}
    return [
        BuildRequest(
            base=base if isinstance(base, Location) else None,
            declaration=declared[target].conda,
            pypi=declared[target].pypi,
            apt=declared[target].apt,
            platform=target,
            cache=cache,
            prefix=image.prefix,
            python_layout=image.python_layout,
            build_sdists=image.build_sdists,
            virtual_packages=image.virtual_packages,
            container=image.config,
            compression=image.compression,
            max_layers=image.max_layers,
            grouping=image.grouping,
            epoch=image.epoch,
            filters=image.filters,
            compile=image.compile,
            keep_setuid=image.keep_setuid,
            activation=image.activation,
            files=image.files,
            users=image.users,
            groups=image.groups,
            strict=image.strict,
        )
        for target in targets
    ]


def environment_declaration(project: Project, image: ImageDeclaration, platform: Platform) -> EnvironmentDeclaration:
    """What the environment of an image holds on a platform.

    Raises:
        InvalidInputError: A file cannot be understood, or the parts of the environment do not go together.
    """
    parts = [_part(project, each, platform) for each in image.environments]
    merged = merge_environment([*parts, *([image.apt] if image.apt is not None else [])])
    if merged.conda is None:
        return merged
    return replace(merged, conda=merged.conda.completed(priority=image.channel_priority))


def _part(project: Project, part: EnvironmentFile | InlineEnvironment, platform: Platform) -> EnvironmentPart:
    if isinstance(part, InlineEnvironment):
        source = str(project.path)
        return Declaration(part.channels, part.dependencies, variables=part.variables, source=source, pip=part.pip)
    return read_environment_file(
        part.path,
        platform=platform,
        environment=part.environment,
        categories=part.categories,
        extras=part.extras,
        groups=part.groups,
    )
