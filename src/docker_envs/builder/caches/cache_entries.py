"""The entries of a remote layer cache: what stands in a repository for a layer, and for the metadata of a package.

An entry is an artifact under a tag of its own. That of a layer has the layer as its only blob and the facts as
annotations; that of a package has compressed JSON, inside of the manifest when it is small. Entries depend on nothing
but what they describe, so that two builders write the same bytes. All rules are in docs/cache.md, "Remote layer cache".
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.compression import Compression, CompressionSetting, open_decompressed
from docker_envs.archive.layer_writer import LayerFacts
from docker_envs.builder.caches.metadata_store import METADATA_FORMAT, KeptMetadata
from docker_envs.builder.layers import LAYER_MEDIA_TYPES
from docker_envs.digest import Digest
from docker_envs.environments.conda.metadata import check_metadata
from docker_envs.environments.findings import Finding
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.fields import Fields, canonical_json
from docker_envs.oci.artifact_manifest import embedded_blob, make_artifact, read_blob
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.oci.artifact import Artifact

LAYER_TYPE = "application/vnd.docker-envs.layer.v1"
METADATA_TYPE = "application/vnd.docker-envs.package-metadata.v1"
METADATA_MEDIA_TYPE = "application/vnd.docker-envs.package-metadata.v1+json+zstd"

_KEY = "io.docker-envs.layer.key"
_DIFF_ID = "io.docker-envs.layer.diff-id"
_TAR_SIZE = "io.docker-envs.layer.tar-size"
_FINDINGS = "io.docker-envs.layer.findings"
_TITLE = "org.opencontainers.image.title"

#: Manifests that are written, in bytes; registries take 4 MB, some of them less.
_MAX_MANIFEST = 1 << 20
#: Compressed metadata that are put into the manifest, in bytes; base64 makes a third more of them.
_MAX_EMBEDDED = 512 << 10
#: Compressed and other metadata that are read, in bytes.
_MAX_COMPRESSED = 16 << 20
_MAX_METADATA = 256 << 20
#: The largest layer that is believed in, in bytes.
_MAX_LAYER = 1 << 40
#: Blocks of a tar (POSIX.1-1988, "ustar"), in bytes.
_TAR_BLOCK = 512

_ZSTD = CompressionSetting(Compression.ZSTD, 3).block_compressor()
# Made here, for msgspec may crash when several threads are the first to use a type.
_FINDINGS_DECODER = msgspec.json.Decoder(list[Finding])
_METADATA_DECODER = msgspec.json.Decoder(KeptMetadata)


@dataclass(frozen=True, slots=True)
class KnownLayer:
    """A layer that was made before, here or elsewhere.

    Attributes:
        blob: Its bytes as stored; opened only when they are needed.
        facts: Digests and sizes.
        findings: What was found while it was made.
        title: What it holds, for people.
    """

    blob: Blob
    facts: LayerFacts
    findings: tuple[Finding, ...]
    title: str


def layer_tag(key: Digest) -> str:
    """The tag of a layer's entry."""
    return f"layer-{key.hex}"


def metadata_tag(sha256: str) -> str:
    """The tag of a package's entry; the format is in it, so that releases with another one do not disturb."""
    return f"metadata-{sha256}-{METADATA_FORMAT}"


def layer_entry(key: Digest, layer: KnownLayer) -> Artifact | None:
    """The entry of a layer; None when there was too much to find in it for a manifest."""
    annotations = {
        _KEY: str(key),
        _DIFF_ID: str(layer.facts.diff_id),
        _TAR_SIZE: str(layer.facts.tar_size),
        _TITLE: layer.title,
        _FINDINGS: canonical_json(msgspec.to_builtins(sorted(layer.findings))).decode(),
    }
    artifact = make_artifact(LAYER_TYPE, [layer.blob], annotations)
    return artifact if len(artifact.raw) <= _MAX_MANIFEST else None


def read_layer_entry(artifact: Artifact, key: Digest, compression: Compression) -> KnownLayer:
    """What an entry says of a layer.

    Raises:
        FormatError: It is no such entry, is one of another layer, or contradicts itself.
    """
    blob, fields = _only_blob(artifact, LAYER_TYPE)
    annotations = fields.string_map("annotations")
    if annotations.get(_KEY) != str(key):
        raise fields.error(f"annotations.{_KEY}", f"expected {key}, got {annotations.get(_KEY)!r}")
    if blob.media_type != LAYER_MEDIA_TYPES[compression]:
        raise fields.error("layers[0].mediaType", f"expected a layer with {compression}, got `{blob.media_type}`")
    try:
        diff_id = Digest(annotations.get(_DIFF_ID, ""))
        findings = tuple(_FINDINGS_DECODER.decode(annotations.get(_FINDINGS, "[]")))
    except (InvalidInputError, msgspec.DecodeError, RecursionError) as error:
        raise fields.error("annotations", str(error)) from error
    facts = LayerFacts(blob.digest, blob.size, diff_id, _tar_size(annotations, fields))
    if not 0 < facts.size <= _MAX_LAYER:
        raise fields.error("layers[0].size", f"{facts.size:,} bytes are no layer's size")
    is_plain = compression is Compression.NONE
    if is_plain and (facts.digest, facts.size) != (facts.diff_id, facts.tar_size):
        raise fields.error(f"annotations.{_DIFF_ID}", "not the digest of a layer that is not compressed")
    # What else the descriptor says is no part of the layer.
    plain = replace(blob, descriptor=Descriptor(blob.media_type, blob.digest, blob.size))
    return KnownLayer(plain, facts, findings, annotations.get(_TITLE, ""))


def _tar_size(annotations: dict[str, str], fields: Fields) -> int:
    text = annotations.get(_TAR_SIZE, "")
    size = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    if not 0 < size <= _MAX_LAYER or size % _TAR_BLOCK:
        raise fields.error(f"annotations.{_TAR_SIZE}", f"{text[:40]!r} is no tar's size")
    return size


def metadata_entry(kept: KeptMetadata) -> Artifact | None:
    """The entry of a package; None when it has too many metadata, or some that JSON cannot hold."""
    metadata = replace(kept.metadata, source="")
    content = bytes(_ZSTD(msgspec.json.encode(KeptMetadata(kept.size, metadata, kept.activation_files))))
    if len(content) > _MAX_COMPRESSED:
        return None
    make = embedded_blob if len(content) <= _MAX_EMBEDDED else Blob.of_bytes
    title = f"{metadata.name}-{metadata.version}-{metadata.build}"
    return make_artifact(METADATA_TYPE, [make(content, METADATA_MEDIA_TYPE)], {_TITLE: title})


def read_metadata_entry(artifact: Artifact, package: CondaPackage) -> KeptMetadata:
    """The metadata in an entry, checked like those of an archive.

    Raises:
        FormatError: It is no such entry, or speaks of another package.
        VerificationError: Its blob is not what the descriptor says.
        TransportError: Its blob cannot be read.

    Cost: no request when the manifest holds the metadata.
    """
    blob, fields = _only_blob(artifact, METADATA_TYPE)
    source = f"{fields.source}: {package.display_name}"
    compressed = io.BytesIO(read_blob(blob, limit=_MAX_COMPRESSED))
    content = bytearray()
    with open_decompressed(compressed, source=source) as stream:
        while chunk := stream.read(1 << 18):
            content += chunk
            if len(content) > _MAX_METADATA:
                raise FormatError(source, f"more than {_MAX_METADATA:,} bytes of metadata")
    try:
        kept = _METADATA_DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(source, f"damaged metadata ({error})") from error
    metadata = replace(kept.metadata, source=package.file_name)
    check_metadata(metadata)
    if metadata.name.lower() != package.name.lower() or package.size not in (None, kept.size):
        raise FormatError(source, "the metadata are of another package")
    return KeptMetadata(kept.size, metadata, kept.activation_files)


def _only_blob(artifact: Artifact, artifact_type: str) -> tuple[Blob, Fields]:
    fields = Fields.parse(artifact.raw, source=artifact.source)
    if (actual := fields.get("artifactType", str)) != artifact_type:
        raise fields.error("artifactType", f"expected `{artifact_type}`, got `{actual}`")
    if artifact.is_index or len(artifact.blobs) != 2:
        raise fields.error("layers", "expected one")
    return artifact.blobs[1], fields
