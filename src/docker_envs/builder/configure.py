"""The config and annotations of a new image: the base's, and what the environment needs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from docker_envs.images.container import container_changes
from docker_envs.oci.edit import append_layer, to_oci, with_annotations, with_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.images.container import ContainerSettings
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.oci.reference import Reference
    from docker_envs.planner.plan import Plan

#: What engines search when an image does not say it.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIRST_VARIABLES = ("PATH", "CONDA_PREFIX", "VIRTUAL_ENV")
_ANNOTATION = "org.opencontainers.image."
#: What an image says of its base, in annotations and labels.
BASE_NAME, BASE_DIGEST = f"{_ANNOTATION}base.name", f"{_ANNOTATION}base.digest"


def timestamp_text(seconds: int) -> str:
    """RFC 3339 in UTC, as configs have it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment_variables(base: Mapping[str, str], *, prefix: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What makes a conda environment active in every process of a container, `docker exec` included."""
    return {"PATH": search_path(base, prefix=prefix), "CONDA_PREFIX": prefix, **variables}


def search_path(base: Mapping[str, str], *, prefix: str) -> str:
    """The `PATH` of a base with an environment's programs before all others, unless they are in it."""
    path = base.get("PATH") or DEFAULT_PATH
    own = f"{prefix}/bin"
    return path if own in path.split(":") else f"{own}:{path}"


def add_layers(image: Image, plan: Plan, layers: Sequence[Layer], *, created: str) -> Image:
    """The planned layers on top of the base, each with its history."""
    image = to_oci(image)
    for planned, layer in zip(plan.layers, layers, strict=True):
        history = {"created": created, "created_by": f"docker-envs build: {planned.title}"}
        image = append_layer(image, layer, history=history)
    return image


def configure(
    image: Image,
    settings: ContainerSettings,
    *,
    env: Mapping[str, str],
    wrapper: str | None = None,
    removed: Sequence[str] = (),
) -> Image:
    """Apply settings over what the base says; an entrypoint resets the command, as in a Dockerfile.

    Args:
        image: The image.
        settings: What was asked for.
        env: What the environment needs.
        removed: Variables of the base that the environment takes away.
        wrapper: A program that runs before the entrypoint, whichever that is, and executes it.
    """
    config = image.config.without_env(removed)
    if variables := {**env, **settings.env}:
        # By name: neither the order in a declaration nor whether an option sets them changes the image.
        first = {name: value for name, value in variables.items() if name in _FIRST_VARIABLES}
        config = config.with_env({**first, **dict(sorted(variables.items()))})
    changes = container_changes(config, settings)
    if wrapper is not None:
        entrypoint = settings.entrypoint if settings.entrypoint is not None else config.container.get("Entrypoint")
        changes["Entrypoint"] = [wrapper, *(entrypoint or ())]
    if changes:
        config = config.with_container(**changes)
    if settings.labels:
        config = config.with_labels(settings.labels)
    return with_config(image, config)


def annotate(image: Image, own: Mapping[str, str], *, base: Reference | None, base_image: Image, created: str) -> Image:
    """The standard annotations and our own, as labels as well, since engines show only those.

    Spec: OCI image-spec 1.1, annotations.md, "Pre-Defined Annotation Keys".
    """
    annotations = {f"{_ANNOTATION}created": created, **own, **base_annotations(base, base_image)}
    image = with_config(image, image.config.with_created(created).with_labels(annotations))
    return with_annotations(image, annotations)


def base_annotations(base: Reference | None, base_image: Image) -> dict[str, str]:
    """What names a base; nothing for one that is in no registry."""
    if base is None:
        return {}
    name = str(base.with_tag(base.tag)) if base.tag else str(base)
    return {BASE_NAME: name, BASE_DIGEST: str(base_image.digest)}
