from __future__ import annotations

import json
from typing import Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import FormatError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.manifest import Index, Manifest

DIGEST = str(Digest.of(b"blob"))
CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": DIGEST, "size": 7}
LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": DIGEST, "size": 8}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER],
    "annotations": {"k": "v"}, "subject": {**LAYER, "x": 1}, "x-own": [1, {"y": None}],
}  # fmt: skip


def encode(document: Any) -> bytes:
    """As others write it: not in our canonical form."""
    return json.dumps(document, indent=3).encode()


def parse(document: Any, media_type: str | None = None) -> Manifest:
    return Manifest.parse(encode(document), source="url", media_type=media_type)


def test_bytes_received_are_kept() -> None:
    raw = encode(MANIFEST)
    manifest = Manifest.parse(raw, source="url")
    assert manifest.raw == raw
    assert manifest.descriptor == Descriptor(media_types.OCI_MANIFEST, Digest.of(raw), len(raw))
    assert manifest.config.size == 7
    assert [layer.size for layer in manifest.layers] == [8]
    assert manifest.annotations == {"k": "v"}


def test_unknown_fields_survive_a_change() -> None:
    manifest = parse({**MANIFEST, "layers": [{**LAYER, "x-layer": True}]})
    changed = Manifest.make(
        media_type=manifest.media_type,
        config=manifest.config,
        layers=manifest.layers * 2,
        annotations={"new": "n"},
        template=manifest.document,
    )
    layers = [{**LAYER, "x-layer": True}] * 2
    assert json.loads(changed.raw) == {**MANIFEST, "layers": layers, "annotations": {"new": "n"}}
    assert Manifest.parse(changed.raw, source="test").document == changed.document


def test_annotations_can_go_away() -> None:
    manifest = parse(MANIFEST)
    changed = Manifest.make(
        media_type=manifest.media_type, config=manifest.config, layers=[], annotations={}, template=manifest.document
    )
    assert "annotations" not in changed.document


@pytest.mark.parametrize(
    ("own", "beside", "expected"),
    [
        (media_types.DOCKER_MANIFEST, None, media_types.DOCKER_MANIFEST),
        (None, media_types.DOCKER_MANIFEST, media_types.DOCKER_MANIFEST),
        (None, None, media_types.OCI_MANIFEST),
        (None, "application/json", media_types.OCI_MANIFEST),
        (media_types.DOCKER_MANIFEST, media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST),
    ],
)
def test_media_type(own: str | None, beside: str | None, expected: str) -> None:
    assert parse({**MANIFEST, "mediaType": own}, beside).media_type == expected


NOT_ALLOWED = "not allowed in a document of media type"
SCHEMA_1 = "a schema 1 manifest, a format that was deprecated in 2017 and has no content digests"


@pytest.mark.parametrize(
    ("document", "beside", "message"),
    [
        ([], None, "top level: expected an object"),
        ({"schemaVersion": 1, "fsLayers": []}, None, SCHEMA_1),
        ({}, media_types.DOCKER_MANIFEST_V1_SIGNED, SCHEMA_1),
        ({}, media_types.DOCKER_MANIFEST_V1, SCHEMA_1),
        ({"schemaVersion": 2}, None, "config: missing, expected dict"),
        ({**MANIFEST, "config": "x"}, None, "config: expected dict, got str"),
        ({**MANIFEST, "config": {**CONFIG, "size": -7}}, None, "config.size: expected a size in bytes, got -7"),
        ({**MANIFEST, "layers": {}}, None, "layers: expected list, got dict"),
        ({**MANIFEST, "layers": [LAYER, 5]}, None, "layers[1]: expected an object"),
        ({**MANIFEST, "layers": [LAYER, {}]}, None, "layers[1].mediaType: missing, expected str"),
        ({**MANIFEST, "layers": [{**LAYER, "digest": "md5:0"}]}, None, "layers[0].digest: invalid digest 'md5:0'"),
        ({**MANIFEST, "annotations": {"a": None}}, None, "annotations['a']: expected str, got NoneType"),
        ({**MANIFEST, "mediaType": 5}, None, "mediaType: expected str, got int"),
        ({**MANIFEST, "mediaType": "text/html"}, None, "expected an image manifest, got media type `text/html`"),
        ({**MANIFEST, "manifests": []}, None, f"manifests: {NOT_ALLOWED} `{media_types.OCI_MANIFEST}`"),
        ({**MANIFEST, "mediaType": media_types.OCI_INDEX}, None, f"layers: {NOT_ALLOWED} `{media_types.OCI_INDEX}`"),
        ({"manifests": []}, None, f"expected an image manifest, got media type `{media_types.OCI_INDEX}`"),
    ],
)  # fmt: skip
def test_malformed(document: Any, beside: str | None, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(document, beside)
    assert str(caught.value) == f"url: {message}"
    assert (caught.value.hint is not None) == (message == SCHEMA_1)


def test_no_json_and_deep_nesting() -> None:
    with pytest.raises(FormatError, match="url: no valid JSON"):
        Manifest.parse(b"<html>", source="url")
    with pytest.raises(FormatError, match="url: nested too deeply"):
        Manifest.parse(b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", source="url")


def item(platform: str | None, size: int, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"mediaType": media_types.OCI_MANIFEST, "digest": DIGEST, "size": size, **changes}
    if platform is not None:
        document["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return document


def index(*items: dict[str, Any], kind: str | None = media_types.OCI_INDEX) -> Index:
    return Index.parse(encode({"schemaVersion": 2, "mediaType": kind, "manifests": items}), source="url")


MANY = index(
    item("unknown/unknown", 1),
    item("linux/amd64", 2, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
    item(None, 3),
    item("linux/amd64", 4, mediaType="application/vnd.in-toto+json"),
    item("windows/amd64", 5),
    item("linux/amd64", 6, mediaType=media_types.DOCKER_MANIFEST),
    item("linux/arm/v5", 7),
    item("linux/arm/v7", 8),
    item("linux/arm64/v8", 9),
    item("linux/amd64", 10),
)


@pytest.mark.parametrize(
    ("platform", "size"),
    [("linux/amd64", 6), ("windows/amd64", 5), ("linux/arm/v7", 8), ("linux/arm", 7), ("linux/arm64", 9),
     ("linux/arm64/v8", 9), ("linux/s390x", None), ("unknown/unknown", None)],
)  # fmt: skip
def test_selection_by_platform(platform: str, size: int | None) -> None:
    chosen = MANY.select(Platform.parse(platform))
    assert (chosen.size if chosen else None) == size


def test_exact_variant_wins_wherever_it_stands() -> None:
    both = index(item("linux/arm64/v8", 1), item("linux/arm64", 2))
    chosen = [both.select(Platform.parse(text)) for text in ("linux/arm64", "linux/arm64/v8")]
    assert [descriptor.size for descriptor in chosen if descriptor] == [2, 1]


def test_attestations_are_no_images() -> None:
    assert [descriptor.size for descriptor in MANY.image_manifests()] == [3, 5, 6, 7, 8, 9, 10]


def test_index_keeps_its_bytes_and_writes_canonical_ones() -> None:
    raw = encode({"manifests": [item("linux/amd64", 1)], "annotations": {"a": "b"}})
    received = Index.parse(raw, source="url")
    assert received.descriptor == Descriptor(media_types.OCI_INDEX, Digest.of(raw), len(raw))
    made = Index.make(received.manifests, template=received.document)
    assert json.loads(made.raw) == {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, **json.loads(raw)}
    assert Index.parse(made.raw, source="test") == made


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"config": CONFIG}, f"expected an image index, got media type `{media_types.OCI_MANIFEST}`"),
        ({"manifests": [item("linux", 1)]}, "manifests[0].platform.architecture: missing, expected str"),
        ({"manifests": [{}]}, "manifests[0].mediaType: missing, expected str"),
        ({"manifests": [], "layers": []}, f"layers: not allowed in a document of media type `{media_types.OCI_INDEX}`"),
        ({"schemaVersion": 1}, SCHEMA_1),
    ],
)
def test_malformed_index(document: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        Index.parse(encode(document), source="url")
    assert str(caught.value) == f"url: {message}"
