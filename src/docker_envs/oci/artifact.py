"""Artifacts: a manifest or index of any media type, with the bytes received, and everything that it names.

Every source of images gives artifacts and every destination takes them, so that what nobody wants to change passes
through untouched: signatures, attestations, Helm charts, and fields that we do not know.

Spec: OCI image-spec 1.1, manifest.md (with "Guidelines for Artifact Usage") and image-index.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from docker_envs.digest import VerifyingReader
from docker_envs.errors import FormatError
from docker_envs.fields import Fields
from docker_envs.oci import media_types
from docker_envs.oci.blob import Blob
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import image_from_parts
from docker_envs.oci.layer import Layer
from docker_envs.oci.manifest import Index, Manifest, is_image_manifest, manifest_media_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image, NamedImage
    from docker_envs.oci.reference import Reference

#: How deep indexes may stand inside one another.
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Links:
    """What a manifest or index names: other documents, and blobs."""

    documents: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, raw: bytes, *, source: str, media_type: str | None = None) -> tuple[Links, str]:
        """The links in a document, and its media type: what it says itself, or else what came beside it.

        Raises:
            FormatError: It is no JSON object, a schema 1 manifest, or has a descriptor that is none.
        """
        fields = Fields.parse(raw, source=source)
        kind = manifest_media_type(fields, media_type)
        if kind in media_types.INDEXES:
            return cls(tuple(Descriptor.from_fields(entry) for entry in fields.objects("manifests")), ()), kind
        config = [Descriptor.from_fields(fields.object("config"))] if "config" in fields.document else []
        # `blobs` is what the artifact manifest of OCI 1.1's release candidates has instead of layers.
        others = [Descriptor.from_fields(entry) for name in ("layers", "blobs") for entry in fields.objects(name)]
        return cls((), (*config, *others)), kind


@dataclass(frozen=True)
class Artifact:
    """A manifest or index with all that is below it; documents are in memory, blobs are opened when they are wanted.

    Attributes:
        descriptor: Of the document itself, with the platform and annotations that the index above gives it.
        raw: The document as received, or canonical bytes of ours.
        blobs: Of a manifest: config, then layers, base layer first.
        children: Of an index: what it names, in its order, and what of that is there.
        source: Where it comes from, for messages.
        made: Whether the document is ours, for an image that came without one.
    """

    descriptor: Descriptor
    raw: bytes
    blobs: tuple[Blob, ...] = ()
    children: tuple[Artifact, ...] = ()
    source: str = field(default="manifest", compare=False)
    made: bool = field(default=False, compare=False)

    @classmethod
    def of_image(cls, image: Image) -> Artifact:
        """The artifact of one image."""
        descriptor = replace(image.manifest.descriptor, platform=image.platform)
        config = Blob.of_bytes(image.config.raw, image.config_descriptor.media_type)
        return cls(descriptor, image.manifest.raw, (config, *image.layers), made=image.received is None)

    @classmethod
    def of_named(cls, named: NamedImage) -> Artifact:
        """The artifact of an image, or of the index of one for several platforms."""
        if named.index is None:
            return cls.of_image(named.image)
        children = tuple(cls.of_image(image) for image in named.images)
        return cls(named.index.descriptor, named.index.raw, (), children)

    @property
    def digest(self) -> Digest:
        """Digest of the document."""
        return self.descriptor.digest

    @property
    def media_type(self) -> str:
        """Media type of the document."""
        return self.descriptor.media_type

    @property
    def is_index(self) -> bool:
        """Whether it is a list of manifests."""
        return self.media_type in media_types.INDEXES

    @property
    def is_image(self) -> bool:
        """Whether it is the manifest of a container image, rather than of a signature, an attestation or a chart."""
        configs = (media_types.OCI_CONFIG, media_types.DOCKER_CONFIG)
        return bool(is_image_manifest(self.descriptor) and self.blobs and self.blobs[0].media_type in configs)

    @cached_property
    def index(self) -> Index:
        """The document as an index.

        Raises:
            FormatError: It is none.
        """
        return Index.parse(self.raw, source=self.source, media_type=self.media_type)

    def walk(self) -> Iterator[Artifact]:
        """All documents, children before the index that names them: the order in which they can be stored."""
        for child in self.children:
            yield from child.walk()
        yield self

    def images(self) -> list[Artifact]:
        """The manifests of container images in it, each once, in order."""
        return list({each.digest: each for each in self.walk() if each.is_image}.values())

    def all_blobs(self) -> dict[Digest, Blob]:
        """Every blob below it once."""
        return {blob.digest: blob for each in self.walk() for blob in each.blobs}

    def select(self, platform: Platform) -> Artifact | None:
        """The image for a platform: an exact match first, then the first one that serves it.

        An image that no index says the platform of serves any: its config tells.
        """
        if not self.is_index:
            return self
        images = self.images()
        known = [each for each in images if each.descriptor.platform is not None]
        serving = [each for each in known if platform.accepts(_platform(each))]
        exact = [each for each in serving if _platform(each) == platform]
        lone = images if len(images) == 1 and not known else []
        return next(iter(exact or serving or lone), None)

    @cached_property
    def config(self) -> ImageConfig:
        """The config of a container image; reads its blob.

        Raises:
            FormatError: It is no container image, or its config is damaged or too long.
            VerificationError: The config is not what its descriptor says.
        """
        if not self.is_image:
            kind = self.blobs[0].media_type if self.blobs else self.media_type
            raise FormatError(self.source, f"no container image, but `{kind}`")
        blob, source = self.blobs[0], f"{self.source}: config"
        if blob.size > MAX_CONFIG_SIZE:
            raise FormatError(source, f"has {blob.size:,} bytes, more than the limit of {MAX_CONFIG_SIZE:,}")
        with VerifyingReader(blob.opener(), source=source, digest=blob.digest, size=blob.size) as stream:
            return ImageConfig.parse(stream.read(), source=source)

    def image(self) -> Image:
        """The container image of a manifest; reads its config.

        Raises:
            FormatError: It is no container image, or manifest and config disagree.
            VerificationError: The config is not what its descriptor says.
        """
        manifest = Manifest.parse(self.raw, source=self.source, media_type=self.media_type)
        # By position: two layers may be the same blob.
        blobs = iter(self.blobs[1:])
        return image_from_parts(
            manifest, self.config, lambda _, diff_id: Layer.of_blob(next(blobs), diff_id), source=self.source
        )


def _platform(artifact: Artifact) -> Platform:
    assert artifact.descriptor.platform is not None
    return artifact.descriptor.platform


@dataclass(frozen=True, slots=True)
class NamedArtifact:
    """An artifact with the names it has or shall have in an archive, layout, engine or registry."""

    artifact: Artifact
    references: tuple[Reference, ...] = ()

    @classmethod
    def of(cls, named: NamedImage) -> NamedArtifact:
        """An image's artifact with its names."""
        return cls(Artifact.of_named(named), named.references)


def with_children(index: Artifact, children: tuple[Artifact, ...]) -> Artifact:
    """An index of other documents; its own annotations and unknown fields stay."""
    made = Index.make(
        [child.descriptor for child in children], media_type=index.media_type, template=index.index.document
    )
    return Artifact(_renewed(index, made.descriptor), made.raw, (), children, index.source)


def edit_images(artifact: Artifact, change: Callable[[Image], Image]) -> Artifact:
    """Another artifact whose container images are changed, for every platform.

    What an index has beside images is left out if it speaks of an image that changed, as attestations do.
    """
    if artifact.is_image:
        image = artifact.image()
        changed = change(image)
        if changed == image:
            return artifact
        descriptor = _renewed(artifact, changed.manifest.descriptor)
        if changed.platform != image.platform:
            descriptor = replace(descriptor, platform=changed.platform)
        return replace(Artifact.of_image(changed), descriptor=descriptor)
    if not artifact.is_index:
        return artifact
    pairs = [(child, edit_images(child, change)) for child in artifact.children]
    gone = {old.digest for old, new in pairs if old.digest != new.digest}
    kept = tuple(new for old, new in pairs if old.descriptor.annotations.get(_ATTESTED) not in gone)
    return artifact if kept == artifact.children else with_children(artifact, kept)


# BuildKit, "Image attestation storage".
_ATTESTED = "vnd.docker.reference.digest"


def to_oci(artifact: Artifact) -> Artifact:
    """The same with OCI's media types instead of Docker's; blobs stay as they are, other documents too."""
    if artifact.is_index:
        return _index_to_oci(artifact)
    if artifact.media_type != media_types.DOCKER_MANIFEST:
        return artifact
    manifest = Manifest.parse(artifact.raw, source=artifact.source, media_type=artifact.media_type)
    blobs = tuple(blob.with_media_type(media_types.to_oci(blob.media_type)) for blob in artifact.blobs)
    made = Manifest.make(
        media_type=media_types.OCI_MANIFEST,
        config=blobs[0].descriptor,
        layers=[blob.descriptor for blob in blobs[1:]],
        annotations=manifest.annotations,
        template=manifest.document,
    )
    return replace(artifact, descriptor=_renewed(artifact, made.descriptor), raw=made.raw, blobs=blobs)


def _index_to_oci(index: Artifact) -> Artifact:
    children = tuple(to_oci(child) for child in index.children)
    if not media_types.is_docker(index.media_type) and children == index.children:
        return index
    converted = {old.digest: new.descriptor for old, new in zip(index.children, children, strict=True)}
    # Entries that are not there stay in the index as they are.
    entries = [converted.get(entry.digest, entry) for entry in index.index.manifests]
    made = Index.make(entries, template=index.index.document)
    return Artifact(_renewed(index, made.descriptor), made.raw, (), children, index.source)


def _renewed(artifact: Artifact, made: Descriptor) -> Descriptor:
    """Another document's descriptor with what the index above says of this one."""
    return replace(artifact.descriptor, media_type=made.media_type, digest=made.digest, size=made.size)
