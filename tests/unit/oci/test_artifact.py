"""Manifests of any media type, with what they name."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError
from docker_envs.fields import JsonObject, canonical_json, parse_json
from docker_envs.oci import edit, media_types
from docker_envs.oci.artifact import Artifact, Links, NamedArtifact, edit_images, to_oci, with_children
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.manifest import Index
from tests.images import AMD64, ARM64, foreign, make_image, make_layer, named

LAYER = make_layer({"a": b"a"})
ONE = make_image(LAYER, {"b": b"b"})
OTHER = make_image(LAYER, {"b": b"arm"}, platform=ARM64)
BOTH = NamedImage(ONE, (), (OTHER,))


def signature(subject: Digest) -> Artifact:
    """An artifact that is no image, with a field that nobody knows."""
    payload = Blob.of_bytes(b"signed", "application/vnd.example.signature")
    config = Blob.of_bytes(b"{}", "application/vnd.oci.empty.v1+json")
    raw = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature.v1",
            "config": config.descriptor.to_json(),
            "layers": [payload.descriptor.to_json()],
            "subject": {"mediaType": media_types.OCI_MANIFEST, "digest": subject, "size": 7},
            "x-unknown": [1, 2],
        }
    )
    return Artifact(Descriptor(media_types.OCI_MANIFEST, Digest.of(raw), len(raw)), raw, (config, payload))


def attestation(image: Image) -> Artifact:
    """What BuildKit puts beside an image in its index."""
    artifact = signature(image.digest)
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(image.digest)}
    descriptor = replace(artifact.descriptor, platform=Platform("unknown", "unknown"), annotations=notes)
    return replace(artifact, descriptor=descriptor)


def index_of(*children: Artifact, **template: object) -> Artifact:
    made = Index.make([child.descriptor for child in children], template=template)
    return Artifact(made.descriptor, made.raw, (), children)


def document(artifact: Artifact) -> JsonObject:
    found = parse_json(artifact.raw, source="test")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("image", [ONE, make_image(LAYER, LAYER), make_image(foreign(LAYER)), make_image()])
def test_an_image_comes_back(image: Image) -> None:
    artifact = Artifact.of_image(image)
    assert artifact.is_image
    assert artifact.image().digest == image.digest == artifact.digest == Digest.of(artifact.raw)
    assert artifact.image().layers == image.layers


def test_links_of_manifests_and_indexes() -> None:
    links, kind = Links.parse(ONE.manifest.raw, source="test")
    assert (links.documents, kind) == ((), media_types.OCI_MANIFEST)
    assert [blob.digest for blob in links.blobs] == [ONE.config.digest, *(layer.digest for layer in ONE.layers)]
    index = Artifact.of_named(BOTH)
    links, kind = Links.parse(index.raw, source="test")
    assert [entry.digest for entry in links.documents] == [ONE.digest, OTHER.digest]
    assert (links.blobs, kind) == ((), media_types.OCI_INDEX)


def test_links_of_artifact_manifests() -> None:
    raw = canonical_json(
        {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": [LAYER.descriptor.to_json()]}
    )
    links, kind = Links.parse(raw, source="test")
    assert links.blobs == (LAYER.descriptor,)
    assert kind == "application/vnd.oci.artifact.manifest.v1+json"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"schemaVersion": 1}',
        b'{"config": 3}',
        b'{"layers": [{}]}',
        b'{"manifests": [{"size": -1}]}',
    ],
)
def test_links_of_nonsense(raw: bytes) -> None:
    with pytest.raises(FormatError, match=r"^test"):
        Links.parse(raw, source="test")


def test_documents_come_before_what_names_them() -> None:
    inner = index_of(Artifact.of_image(OTHER))
    outer = index_of(Artifact.of_image(ONE), inner)
    assert [each.digest for each in outer.walk()] == [ONE.digest, OTHER.digest, inner.digest, outer.digest]
    assert [each.digest for each in outer.images()] == [ONE.digest, OTHER.digest]
    assert set(outer.all_blobs()) == {
        ONE.config.digest,
        OTHER.config.digest,
        *(each.digest for each in ONE.layers + OTHER.layers),
    }


def test_images_are_selected_by_platform() -> None:
    index = index_of(attestation(ONE), Artifact.of_image(OTHER), Artifact.of_image(ONE))
    assert (found := index.select(AMD64)) is not None
    assert found.digest == ONE.digest
    assert (found := index.select(Platform("linux", "arm64"))) is not None
    assert found.digest == OTHER.digest
    assert index.select(Platform("linux", "s390x")) is None


def test_a_lone_image_without_platform_serves_any() -> None:
    artifact = Artifact.of_image(ONE)
    index = index_of(replace(artifact, descriptor=replace(artifact.descriptor, platform=None)))
    assert index.select(Platform("linux", "s390x")) is not None


def test_what_is_no_image() -> None:
    artifact = signature(ONE.digest)
    assert not artifact.is_image
    assert not index_of(artifact).images()
    with pytest.raises(FormatError, match=r"no container image, but `application/vnd\.oci\.empty"):
        artifact.image()
    with pytest.raises(FormatError, match="expected an image manifest"):
        Artifact.of_named(BOTH).image()


def test_configs_are_verified() -> None:
    artifact = Artifact.of_image(ONE)
    wrong = Blob(artifact.blobs[0].descriptor, lambda: io.BytesIO(b" " * artifact.blobs[0].size))
    with pytest.raises(DigestMismatchError, match="config: wrong digest"):
        replace(artifact, blobs=(wrong, *artifact.blobs[1:])).image()


def test_edits_reach_every_platform_and_drop_what_speaks_of_the_old() -> None:
    kept = signature(Digest.of(b"else"))
    before = index_of(
        Artifact.of_image(ONE), attestation(ONE), Artifact.of_image(OTHER), kept, annotations={"a": "b"}, more=1
    )
    after = edit_images(before, lambda image: edit.with_annotations(image, {"x": "y"}))
    assert [child.image().annotations for child in after.images()] == [{"x": "y"}] * 2
    assert [child.descriptor.platform for child in after.children[:2]] == [AMD64, ARM64]
    assert after.children[2] == kept
    assert len(after.children) == 3
    assert document(after)["annotations"] == {"a": "b"}
    assert document(after)["more"] == 1
    assert after.index.manifests == tuple(child.descriptor for child in after.children)


def test_edits_that_change_nothing_keep_the_bytes() -> None:
    before = index_of(Artifact.of_image(ONE), attestation(ONE))
    assert edit_images(before, lambda image: image) is before
    artifact = signature(ONE.digest)
    assert edit_images(artifact, lambda image: edit.with_annotations(image, {"x": "y"})) is artifact


def test_docker_format_becomes_oci() -> None:
    docker = make_image(LAYER, docker=True)
    made = to_oci(Artifact.of_image(docker))
    assert made.image().digest == edit.to_oci(docker).digest
    assert made.blobs[0].digest == docker.config.digest
    listed = Index.make([Artifact.of_image(docker).descriptor], media_type=media_types.DOCKER_MANIFEST_LIST)
    whole = to_oci(Artifact(listed.descriptor, listed.raw, (), (Artifact.of_image(docker),)))
    assert whole.media_type == media_types.OCI_INDEX == document(whole)["mediaType"]
    assert whole.index.manifests[0].digest == made.digest
    assert whole.index.manifests[0].platform == AMD64


def test_oci_stays_as_it_is() -> None:
    for artifact in (Artifact.of_named(BOTH), Artifact.of_image(ONE), signature(ONE.digest)):
        assert to_oci(artifact) is artifact


def test_entries_that_are_missing_stay_in_a_converted_index() -> None:
    docker = Artifact.of_image(make_image(LAYER, docker=True))
    absent = replace(docker.descriptor, digest=Digest.of(b"absent"), platform=ARM64)
    listed = Index.make([docker.descriptor, absent], media_type=media_types.DOCKER_MANIFEST_LIST)
    made = to_oci(Artifact(listed.descriptor, listed.raw, (), (docker,)))
    assert made.index.manifests[1] == absent


def test_an_index_can_have_other_children() -> None:
    before = index_of(Artifact.of_image(ONE), Artifact.of_image(OTHER), annotations={"a": "b"})
    after = with_children(before, before.children[:1])
    assert [entry.digest for entry in after.index.manifests] == [ONE.digest]
    assert after.digest == Digest.of(after.raw) != before.digest
    assert document(after)["annotations"] == {"a": "b"}


def test_names_stay() -> None:
    found = NamedArtifact.of(named(ONE, "app:1"))
    assert [str(reference) for reference in found.references] == ["docker.io/library/app:1"]
    assert found.artifact.digest == ONE.digest
