"""Documents as artifacts that refer to an image."""

from __future__ import annotations

import json

from docker_envs.oci.blob import Blob
from docker_envs.oci.document import document_artifact
from tests.images import make_image


def test_manifest() -> None:
    image = make_image({"a": b""})
    blob = Blob.of_bytes(b"text", "text/plain")
    made = [
        document_artifact(
            blob, artifact_type="a/b", title="a.txt", subject=image.manifest.descriptor, annotations={"x": "y"}
        )
        for _ in range(2)
    ]
    assert made[0].raw == made[1].raw
    assert json.loads(made[0].raw) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "a/b",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "text/plain",
                "digest": str(blob.digest),
                "size": 4,
                "annotations": {"org.opencontainers.image.title": "a.txt"},
            }
        ],
        "subject": image.manifest.descriptor.to_json(),
        "annotations": {"x": "y"},
    }
    assert not made[0].is_image
