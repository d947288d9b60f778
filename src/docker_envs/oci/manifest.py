"""Manifests and indexes: parsed, with the bytes received kept.

Spec: OCI image-spec 1.1, manifest.md and image-index.md; Docker, "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from docker_envs.digest import Digest
from docker_envs.errors import FormatError
from docker_envs.fields import Fields, canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The largest manifest or index that is read, in bytes (distribution-spec asks registries for at least 4 MiB).
MAX_MANIFEST_SIZE = 8 << 20


@dataclass(frozen=True)
class Manifest:
    """One image's manifest.

    Attributes:
        raw: The bytes as received or as we write them; their digest names the image.
        media_type: Of the manifest itself.
        config: Descriptor of the config.
        layers: Descriptors, base layer first.
        annotations: Arbitrary strings.
        document: The decoded JSON, fields that we do not know included.
    """

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str]
    document: dict[str, Any]

    @classmethod
    def parse(cls, raw: bytes, *, source: str, media_type: str | None = None) -> Manifest:
        """Parse a manifest.

        Args:
            raw: The bytes.
            source: Where they come from, for messages.
            media_type: Type given beside the bytes, for those that do not say it themselves.

        Raises:
            FormatError: `raw` is no schema 2 or OCI image manifest.
        """
        fields = Fields.parse(raw, source=source)
        kind = manifest_media_type(fields, media_type)
        if kind not in media_types.MANIFESTS:
            raise FormatError(source, f"expected an image manifest, got media type `{kind}`")
        return cls(
            raw=raw,
            media_type=kind,
            config=Descriptor.from_fields(fields.object("config")),
            layers=tuple(Descriptor.from_fields(layer) for layer in fields.objects("layers")),
            annotations=fields.string_map("annotations"),
            document=fields.document,
        )

    @classmethod
    def make(
        cls,
        *,
        media_type: str,
        config: Descriptor,
        layers: Iterable[Descriptor],
        annotations: dict[str, str],
        template: dict[str, Any],
    ) -> Manifest:
        """A manifest in canonical bytes; unknown fields are taken over from `template`."""
        layers = tuple(layers)
        document = {
            **template,
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        document.pop("annotations", None)
        if annotations:
            document["annotations"] = dict(annotations)
        return cls(canonical_json(document), media_type, config, layers, dict(annotations), document)

    @cached_property
    def descriptor(self) -> Descriptor:
        """Descriptor of the manifest itself."""
        return Descriptor(self.media_type, Digest.of(self.raw), len(self.raw))


@dataclass(frozen=True)
class Index:
    """A list of manifests, usually one per platform; attributes as in `Manifest`."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str]
    document: dict[str, Any]

    @classmethod
    def parse(cls, raw: bytes, *, source: str, media_type: str | None = None) -> Index:
        """Parse an OCI index or a Docker manifest list.

        Raises:
            FormatError: `raw` is neither.
        """
        fields = Fields.parse(raw, source=source)
        kind = manifest_media_type(fields, media_type)
        if kind not in media_types.INDEXES:
            raise FormatError(source, f"expected an image index, got media type `{kind}`")
        manifests = tuple(Descriptor.from_fields(manifest) for manifest in fields.objects("manifests"))
        return cls(raw, kind, manifests, fields.string_map("annotations"), fields.document)

    @classmethod
    def make(
        cls,
        manifests: Iterable[Descriptor],
        *,
        media_type: str = media_types.OCI_INDEX,
        template: Mapping[str, Any] = MappingProxyType({}),
    ) -> Index:
        """An index in canonical bytes; annotations and unknown fields are taken over from `template`."""
        manifests = tuple(manifests)
        document: dict[str, Any] = {
            **template,
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        return cls(canonical_json(document), media_type, manifests, document.get("annotations", {}), document)

    @cached_property
    def descriptor(self) -> Descriptor:
        """Descriptor of the index itself."""
        return Descriptor(self.media_type, Digest.of(self.raw), len(self.raw))

    def image_manifests(self) -> list[Descriptor]:
        """Manifests of images; attestations (`unknown/unknown`) and nested artefacts are left out."""
        return [manifest for manifest in self.manifests if is_image_manifest(manifest)]

    def select(self, platform: Platform) -> Descriptor | None:
        """The manifest for a platform: an exact match first, then the first one that serves it."""
        candidates = [
            manifest
            for manifest in self.image_manifests()
            if manifest.platform is not None and platform.accepts(manifest.platform)
        ]
        exact = [manifest for manifest in candidates if manifest.platform == platform]
        return next(iter(exact or candidates), None)


def is_image_manifest(descriptor: Descriptor) -> bool:
    """Whether an index's entry is the manifest of an image, rather than an attestation or another index."""
    return (
        descriptor.media_type in media_types.MANIFESTS
        and (descriptor.platform is None or descriptor.platform.os != "unknown")
        and "vnd.docker.reference.type" not in descriptor.annotations
    )


def manifest_media_type(fields: Fields, declared: str | None) -> str:
    """The type of a manifest or index: what it says itself, else what came beside it, else what its fields show.

    Raises:
        FormatError: It is a schema 1 manifest, or its own type contradicts its fields.
    """
    if fields.get("schemaVersion", int) == 1 or declared in media_types.SCHEMA_1:
        raise FormatError(
            fields.source,
            "a schema 1 manifest, a format that was deprecated in 2017 and has no content digests",
            hint="pull and push the image once with a recent Docker to convert it",
        )
    own = fields.get("mediaType", str)
    known = media_types.MANIFESTS | media_types.INDEXES
    shown = media_types.OCI_INDEX if "manifests" in fields.document else media_types.OCI_MANIFEST
    kind = own or (declared if declared in known else shown)
    if kind in media_types.MANIFESTS and "manifests" in fields.document:
        raise fields.error("manifests", f"not allowed in a document of media type `{kind}`")
    if kind in media_types.INDEXES and ("layers" in fields.document or "config" in fields.document):
        raise fields.error("layers", f"not allowed in a document of media type `{kind}`")
    return kind
