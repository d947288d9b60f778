"""What an image is, as plain values for people and programs; no layer is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.fields import Fields

if TYPE_CHECKING:
    from docker_envs.oci.artifact import Artifact, NamedArtifact
    from docker_envs.oci.image import Image


def describe(named: NamedArtifact) -> dict[str, Any]:
    """A JSON document about an artifact; sizes in bytes, layers base layer first.

    Always there are `names`, `digest`, `media_type`, `size` (of all blobs, each once) and `annotations`. A container
    image has `platform`, `image_id`, `config` (the document as it is) and `layers`; an index has `manifests`; any other
    artifact has `artifact_type` and `blobs`.

    Raises:
        FormatError: A document is damaged.
        VerificationError: A config is not what its descriptor says.
    """
    artifact = named.artifact
    return {"names": [str(reference) for reference in named.references], **_describe(artifact)}


def _describe(artifact: Artifact) -> dict[str, Any]:
    fields = Fields.parse(artifact.raw, source=artifact.source)
    common = {
        "digest": artifact.digest,
        "media_type": artifact.media_type,
        "size": sum(blob.size for blob in artifact.all_blobs().values()),
        "annotations": fields.string_map("annotations"),
    }
    if artifact.is_index:
        return {**common, "manifests": [_describe_child(child) for child in artifact.children]}
    if artifact.is_image:
        return {**common, **_describe_image(artifact.image())}
    kind = fields.get("artifactType", str) or (artifact.blobs[0].media_type if artifact.blobs else None)
    blobs = [{"digest": blob.digest, "media_type": blob.media_type, "size": blob.size} for blob in artifact.blobs]
    return {**common, "artifact_type": kind, "blobs": blobs}


def _describe_child(child: Artifact) -> dict[str, Any]:
    platform = child.descriptor.platform
    return {
        "digest": child.digest,
        "media_type": child.media_type,
        "platform": str(platform) if platform else None,
        "size": sum(blob.size for blob in child.all_blobs().values()),
        "layers": max(len(child.blobs) - 1, 0),
        "annotations": child.descriptor.annotations,
    }


def _describe_image(image: Image) -> dict[str, Any]:
    filled = [entry for entry in image.config.history if not entry.get("empty_layer")]
    # A history that speaks of other layers says nothing about these.
    steps = filled if len(filled) == len(image.layers) else [{}] * len(image.layers)
    layers = [
        {
            "digest": layer.digest,
            "diff_id": layer.diff_id,
            "media_type": layer.media_type,
            "size": layer.size,
            "created_by": step.get("created_by"),
        }
        for layer, step in zip(image.layers, steps, strict=True)
    ]
    return {
        "platform": str(image.platform),
        "image_id": image.config.digest,
        "config": image.config.document,
        "layers": layers,
    }
