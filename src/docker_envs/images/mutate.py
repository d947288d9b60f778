"""What a container of an image runs, its labels and annotations, changed without touching layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.images.container import ContainerSettings, container_changes
from docker_envs.oci import edit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation(ContainerSettings):
    """Changes of a config and manifest; None, or nothing in a collection, leaves a field as it is.

    Attributes:
        removed_labels: To remove; `labels` may set them again.
        annotations: To set on the manifest.
        removed_env: To remove; `env` may set them again.
        platform: What the image shall say that it runs on.
    """

    removed_labels: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    removed_env: Sequence[str] = ()
    platform: Platform | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self == Mutation()


def mutate_image(image: Image, mutation: Mutation) -> Image:
    """The image with changes; layers and history stay. Annotations make an image in Docker's format OCI's."""
    config = image.config
    if mutation.removed_env or mutation.env:
        config = config.without_env(mutation.removed_env).with_env(mutation.env)
    config = config.without_labels(mutation.removed_labels)
    if mutation.labels:
        config = config.with_labels(mutation.labels)
    if changes := container_changes(config, mutation):
        config = config.with_container(**changes)
    if mutation.platform is not None:
        config = config.with_platform(mutation.platform)
    return edit.with_annotations(edit.with_config(image, config), mutation.annotations)
