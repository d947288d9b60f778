"""Artifacts that are no images, and blobs whose content is in the manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import DockerEnvsError
from docker_envs.fields import Fields
from docker_envs.oci.artifact import Links
from docker_envs.oci.artifact_manifest import embedded_blob, make_artifact, read_blob
from docker_envs.oci.blob import Blob

if TYPE_CHECKING:
    from docker_envs.streams import ByteSource

#: OCI image-spec 1.1, manifest.md, "Guidance for an Empty Descriptor".
EMPTY = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
    "data": "e30=",
}


def not_opened() -> ByteSource:
    raise AssertionError


def test_an_artifact_is_as_the_specification_has_it() -> None:
    blob = Blob.of_bytes(b"content", "text/plain")
    artifact = make_artifact("application/x-test", [blob], {"b": "2", "a": "1"})
    fields = Fields.parse(artifact.raw, source="test")
    assert fields.document["config"] == EMPTY
    assert fields.document["artifactType"] == "application/x-test"
    assert fields.document["annotations"] == {"a": "1", "b": "2"}
    links, media_type = Links.parse(artifact.raw, source="test")
    assert links.blobs == tuple(each.descriptor for each in artifact.blobs)
    assert media_type == artifact.media_type
    assert not artifact.is_image
    assert make_artifact("application/x-test", [blob], {"a": "1", "b": "2"}).digest == artifact.digest


def test_embedded_content_needs_no_request() -> None:
    blob = replace(embedded_blob(b"content", "text/plain"), opener=not_opened)
    assert read_blob(blob, limit=7) == b"content"
    assert read_blob(Blob.of_bytes(b"content", "text/plain"), limit=7) == b"content"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("no base64!", "its embedded content is no base64"),
        (7, "its embedded content is no base64"),
        ("Y29udGVu", "wrong size"),
        ("Y29udGVudA==" * 2, "its embedded content is no base64"),
        ("Y29udGVuVA==", "wrong digest"),
    ],
)
def test_what_is_embedded_is_verified(data: object, message: str) -> None:
    blob = embedded_blob(b"content", "text/plain")
    wrong = replace(blob, descriptor=replace(blob.descriptor, extra={"data": data}))
    with pytest.raises(DockerEnvsError, match=message):
        read_blob(wrong, limit=100)


def test_large_blobs_are_not_read() -> None:
    blob = replace(Blob.of_bytes(b"content", "text/plain"), opener=not_opened)
    with pytest.raises(DockerEnvsError, match="has 7 bytes, more than the limit of 6"):
        read_blob(blob, limit=6)
