from __future__ import annotations

from typing import Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.fields import Fields
from docker_envs.oci.descriptor import Descriptor, Platform

DIGEST = Digest.of(b"blob")
FULL: dict[str, Any] = {
    "mediaType": "application/x", "digest": str(DIGEST), "size": 4, "urls": ["https://host/blob"],
    "annotations": {"a": "b"}, "data": "YmxvYg==", "artifactType": "application/y", "x-own": {"deep": [1, None]},
    "platform": {"os": "windows", "architecture": "amd64", "variant": "v8", "os.version": "10.0", "features": ["sse4"]},
}  # fmt: skip
SMALL: dict[str, Any] = {"mediaType": "application/x", "digest": str(DIGEST), "size": 0}


def parse(document: dict[str, Any]) -> Descriptor:
    return Descriptor.from_fields(Fields.of(document, source="url", location="layers[1]."))


@pytest.mark.parametrize("document", [FULL, SMALL], ids=["full", "small"])
def test_everything_survives(document: dict[str, Any]) -> None:
    assert parse(document).to_json() == document


def test_media_type_changes_alone() -> None:
    changed = parse(FULL).with_media_type("application/z")
    assert changed.to_json() == {**FULL, "mediaType": "application/z"}


def test_descriptors_are_values() -> None:
    assert parse(FULL) == parse(FULL)
    assert len({parse(FULL), parse(FULL), parse(SMALL)}) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mediaType": None}, "layers[1].mediaType: missing, expected str"),
        ({"mediaType": 5}, "layers[1].mediaType: expected str, got int"),
        ({"digest": None}, "layers[1].digest: missing, expected str"),
        ({"digest": "sha256:x"}, "layers[1].digest: invalid digest 'sha256:x'"),
        ({"size": None}, "layers[1].size: missing, expected int"),
        ({"size": -1}, "layers[1].size: expected a size in bytes, got -1"),
        ({"size": "4"}, "layers[1].size: expected int, got str"),
        ({"size": True}, "layers[1].size: expected int, got bool"),
        ({"urls": "https://host"}, "layers[1].urls: expected list, got str"),
        ({"urls": [1]}, "layers[1].urls[0]: expected str, got int"),
        ({"annotations": {"a": 1}}, "layers[1].annotations['a']: expected str, got int"),
        ({"platform": "linux"}, "layers[1].platform: expected dict, got str"),
        ({"platform": {"os": "linux"}}, "layers[1].platform.architecture: missing, expected str"),
        ({"platform": {"os": 1, "architecture": "x"}}, "layers[1].platform.os: expected str, got int"),
    ],
)
def test_malformed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse({**SMALL, **changes})
    assert str(caught.value) == f"url: {message}"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("linux/amd64", "linux/amd64"), ("Linux/X86_64", "linux/amd64"), ("linux/aarch64", "linux/arm64"),
     ("linux/arm64/v8", "linux/arm64/v8"), ("linux/i386", "linux/386"), ("windows/amd64", "windows/amd64")],
)  # fmt: skip
def test_platforms(text: str, canonical: str) -> None:
    platform = Platform.parse(text)
    assert str(platform) == canonical
    assert Platform.parse(canonical) == platform
    assert Platform.from_fields(Fields.of(platform.to_json(), source="url")) == platform


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/arm64/v8/x", "linux//v8"])
def test_no_platforms(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Platform.parse(text)
    assert str(caught.value) == f"invalid platform {text!r}"
    assert caught.value.hint == "write it as `linux/amd64` or `linux/arm64`"


@pytest.mark.parametrize(
    ("asked", "offered", "expected"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64/v9", "linux/arm64/v8", False),
        ("linux/arm", "linux/arm/v5", True),
        ("linux/arm/v7", "linux/arm/v7", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm/v7", "linux/arm", False),
    ],
)
def test_who_serves_whom(asked: str, offered: str, *, expected: bool) -> None:
    assert Platform.parse(asked).accepts(Platform.parse(offered)) is expected
