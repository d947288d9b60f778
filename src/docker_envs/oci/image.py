"""An image: layers base first, a config, and a manifest that is derived on demand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from docker_envs.oci import media_types
from docker_envs.oci.config import ImageConfig, check_layer_count
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.manifest import Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.digest import Digest
    from docker_envs.oci.layer import Layer
    from docker_envs.oci.reference import Reference


@dataclass(frozen=True)
class Image:
    """An immutable image; edits (`oci.edit`) give a new one.

    Attributes:
        config: The config.
        layers: Base layer first, topmost last.
        media_type: Media type of the manifest; decides between OCI's and Docker's types for all parts.
        annotations: Of the manifest.
        received: The manifest as it came, for an image that nobody changed.
        template: Unknown fields of the manifest it came from.
    """

    config: ImageConfig
    layers: tuple[Layer, ...]
    media_type: str = media_types.OCI_MANIFEST
    annotations: dict[str, str] = field(default_factory=dict)
    received: Manifest | None = None
    template: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest: the bytes received, or canonical bytes for a new or changed image."""
        if self.received is not None:
            return self.received
        return Manifest.make(
            media_type=self.media_type,
            config=self.config_descriptor,
            layers=[layer.descriptor for layer in self.layers],
            annotations=self.annotations,
            template=self.template,
        )

    @property
    def config_descriptor(self) -> Descriptor:
        """Descriptor of the config."""
        if self.received is not None:
            return self.received.config
        kind = media_types.DOCKER_CONFIG if media_types.is_docker(self.media_type) else media_types.OCI_CONFIG
        return Descriptor(kind, self.config.digest, len(self.config.raw))

    @property
    def digest(self) -> Digest:
        """Digest of the manifest: what `name@digest` means."""
        return self.manifest.descriptor.digest

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return self.config.platform


@dataclass(frozen=True)
class NamedImage:
    """An image with the names it has or shall have in an archive, layout, engine or registry.

    Attributes:
        image: The image.
        references: Its names.
        variants: The same for other platforms; with any, the names stand for an index of all.
    """

    image: Image
    references: tuple[Reference, ...] = ()
    variants: tuple[Image, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """All platforms' images."""
        return (self.image, *self.variants)

    def image_for(self, platform: Platform | None) -> Image:
        """The first image that serves a platform, or the first at all."""
        fitting = (image for image in self.images if platform is not None and platform.accepts(image.platform))
        return next(fitting, self.image)

    @cached_property
    def index(self) -> Index | None:
        """The index of all platforms' images; None for a single one."""
        if not self.variants:
            return None
        return Index.make([replace(image.manifest.descriptor, platform=image.platform) for image in self.images])

    @property
    def descriptor(self) -> Descriptor:
        """Descriptor of what the names stand for: index or manifest."""
        if self.index is not None:
            return self.index.descriptor
        return replace(self.image.manifest.descriptor, platform=self.image.platform)


def scratch(platform: Platform) -> Image:
    """The image without layers."""
    return Image(config=ImageConfig.empty(platform), layers=())


def image_from_parts(
    manifest: Manifest, config: ImageConfig, layer: Callable[[Descriptor, Digest], Layer], *, source: str
) -> Image:
    """An image from what a source received; every source of images ends here.

    Args:
        manifest: As received.
        config: As received.
        layer: Makes a layer from its descriptor and diff_id.
        source: Where they come from, for messages.

    Raises:
        FormatError: Manifest and config disagree on the number of layers.
    """
    check_layer_count(config, manifest.layers, source=source)
    layers: Sequence[Layer] = [
        layer(descriptor, diff_id) for descriptor, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    return Image(
        config=config,
        layers=tuple(layers),
        media_type=manifest.media_type,
        annotations=manifest.annotations,
        received=manifest,
        template=manifest.document,
    )
