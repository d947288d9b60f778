"""SPDX documents: valid by SPDX's own schema and validator, and always the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from docker_envs.records.bill import make_bill
from docker_envs.records.record import RecordedDistribution
from docker_envs.records.spdx import spdx_json
from tests.recorded import debian_package, image, image_on_base, package, record

SCHEMA = Path(__file__).parents[2] / "schemas" / "spdx-2.3.json"
VARIED = record(
    package("python", license="Python-2.0", depends=("a-b", "a_b")),
    package("a-b", license="Public Domain, see https://x.example/<a>"),
    package("a_b", license="MIT AND (BSD-3-Clause OR ISC)"),
    package("unlicensed", license=""),
    package("scancode", license="LicenseRef-scancode-public-domain"),
    package("local", channel="file:///local"),
    package("unknown", url="", sha256="", size=0, build="", subdir=""),
    package("wörld", version="1!2.0+x"),
    debian_package("libstdc++6", "1:12.2.0-14+b1", source="gcc-12", source_version="12.2.0-14", depends=("deb:libc6",)),
    debian_package("libc6", source="glibc"),
    debian_package("python3", "3.11.2-1", url="file:///python3_3.11.2-1_amd64.deb"),
    distribution=RecordedDistribution(id="debian", version="12"),
)


def documents() -> list[Any]:
    images = [image(), image(created=None, title="My Image"), image_on_base()]
    return [json.loads(spdx_json(make_bill(each, records))) for each in images for records in ([], [VARIED, VARIED])]


@pytest.mark.parametrize("document", documents())
def test_valid(document: dict[str, Any]) -> None:
    Draft7Validator(json.loads(SCHEMA.read_bytes())).validate(document)
    parsed = JsonLikeDictParser().parse(document)  # type: ignore[no-untyped-call]
    assert validate_full_spdx_document(parsed) == []


def test_content() -> None:
    document = json.loads(spdx_json(make_bill(image_on_base(), [VARIED])))
    packages = {each["name"]: each for each in document["packages"]}
    ids = {each["SPDXID"]: each["name"] for each in document["packages"]}
    assert len(ids) == len(packages) == 2 + len(VARIED.packages)
    python = packages["python"]
    assert python["versionInfo"] == "1.3.1"
    assert python["licenseDeclared"] == "Python-2.0"
    assert python["downloadLocation"].startswith("https://conda.anaconda.org/conda-forge/linux-64/python-")
    assert python["checksums"][0]["checksumValue"] == VARIED.packages[0].sha256
    assert python["externalRefs"][0]["referenceLocator"].startswith("pkg:conda/python@1.3.1?")
    assert f"layer: {VARIED.layers[0].diff_id}" in python["sourceInfo"]
    assert packages["local"]["downloadLocation"] == "NOASSERTION"
    assert document["creationInfo"]["created"] == "2024-05-06T05:08:09Z"
    related = {
        (ids.get(each["spdxElementId"]), each["relationshipType"], ids[each["relatedSpdxElement"]])
        for each in document["relationships"]
    }
    assert {
        (None, "DESCRIBES", "image"),
        ("image", "DESCENDANT_OF", "docker.io/library/debian:12"),
        ("image", "CONTAINS", "a_b"),
        ("python", "DEPENDS_ON", "a_b"),
    } <= related


def test_debian_packages() -> None:
    document = json.loads(spdx_json(make_bill(image(), [VARIED])))
    packages = {each["name"]: each for each in document["packages"]}
    made = packages["libstdc++6"]
    assert made["versionInfo"] == "1:12.2.0-14+b1"
    assert made["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0-14"
    )
    assert made["licenseDeclared"] == "NOASSERTION"
    assert "source: gcc-12 12.2.0-14" in made["sourceInfo"].splitlines()
    assert made["downloadLocation"].startswith("http://deb.debian.org/debian/pool/")
    assert packages["python3"]["downloadLocation"] == "NOASSERTION"
    needed = {(each["spdxElementId"], each["relatedSpdxElement"]) for each in document["relationships"]}
    assert (made["SPDXID"], packages["libc6"]["SPDXID"]) in needed


def test_texts_that_are_no_expressions_are_kept() -> None:
    document = json.loads(spdx_json(make_bill(image(), [VARIED])))
    texts = {each["licenseId"]: each["extractedText"] for each in document["hasExtractedLicensingInfos"]}
    (listed,) = [each for each in document["packages"] if each["name"] == "a-b"]
    assert texts[listed["licenseDeclared"]] == "Public Domain, see https://x.example/<a>"
    assert len(texts) == 2


def test_same_bytes() -> None:
    assert spdx_json(make_bill(image(), [VARIED])) == spdx_json(make_bill(image(), [VARIED]))
