"""CycloneDX documents: valid by the official schema, and always the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docker_envs.records.bill import make_bill
from docker_envs.records.cyclonedx import cyclonedx_json
from tests.recorded import BASE_DIGEST, image, image_on_base
from tests.unit.records.test_spdx import VARIED


def documents() -> list[bytes]:
    images = [image(), image(created=None, title="My Image"), image_on_base()]
    return [cyclonedx_json(make_bill(each, records)) for each in images for records in ([], [VARIED, VARIED])]


@pytest.mark.parametrize("document", documents())
def test_valid(document: bytes) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None


def test_content() -> None:
    document: dict[str, Any] = json.loads(cyclonedx_json(make_bill(image_on_base(), [VARIED])))
    components = {each["name"]: each for each in document["components"]}
    assert len(components) == len(VARIED.packages)
    python = components["python"]
    assert python["licenses"] == [{"license": {"acknowledgement": "declared", "id": "Python-2.0"}}]
    assert python["hashes"] == [{"alg": "SHA-256", "content": VARIED.packages[0].sha256}]
    assert python["externalReferences"][0]["url"] == VARIED.packages[0].url
    assert {each["name"]: each["value"] for each in python["properties"]} == {
        "docker-envs:environment": "/opt/conda",
        "docker-envs:layer": VARIED.layers[0].diff_id,
        "docker-envs:size": "100",
    }
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert needs[python["bom-ref"]] == [components["a-b"]["bom-ref"], components["a_b"]["bom-ref"]]
    assert len(needs["image"]) == len(VARIED.packages)
    described = document["metadata"]["component"]
    assert described["type"] == "container"
    assert described["pedigree"]["ancestors"][0]["version"] == BASE_DIGEST
    assert document["metadata"]["timestamp"] == "2024-05-06T05:08:09+00:00"


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("a_b", {"acknowledgement": "declared", "expression": "MIT AND (BSD-3-Clause OR ISC)"}),
        ("a-b", {"license": {"acknowledgement": "declared", "name": "Public Domain, see https://x.example/<a>"}}),
    ],
)
def test_licenses(name: str, choice: dict[str, Any]) -> None:
    document = json.loads(cyclonedx_json(make_bill(image(), [VARIED])))
    (component,) = [each for each in document["components"] if each["name"] == name]
    assert component["licenses"] == [choice]


def test_debian_packages() -> None:
    document = json.loads(cyclonedx_json(make_bill(image(), [VARIED])))
    components = {each["name"]: each for each in document["components"]}
    made = components["libstdc++6"]
    assert made["purl"].startswith(
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12&upstream="
    )
    assert "licenses" not in made
    assert {"name": "docker-envs:source", "value": "gcc-12 12.2.0-14"} in made["properties"]
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert needs[made["bom-ref"]] == [components["libc6"]["bom-ref"]]
    assert "externalReferences" not in components["python3"]


def test_same_bytes() -> None:
    assert cyclonedx_json(make_bill(image(), [VARIED])) == cyclonedx_json(make_bill(image(), [VARIED]))
