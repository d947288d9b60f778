"""`docker-envs sbom`: the same document from wherever the image is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.artifact import Artifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.manifest import Manifest
from docker_envs.oci.reference import Reference
from docker_envs.records.sbom import SbomFormat, make_sbom
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from tests.images import make_image, named
from tests.recorded import package, record, recorded_image
from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.oci.image import Image

RECORD = record(package("python", depends=("zlib",)), package("zlib"))
IMAGE = recorded_image(RECORD)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    with simulator.running():
        yield simulator


def test_formats(run: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [named(IMAGE, "x:1")])
    place = f"oci:{tmp_path}/layout"
    assert json.loads(run("sbom", place).text)["spdxVersion"] == "SPDX-2.3"
    for kind in SbomFormat:
        file = tmp_path / f"{kind}.json"
        assert run("sbom", place, "--format", kind, "-o", file).text == ""
        assert file.read_bytes() == make_sbom(IMAGE, [RECORD], kind)


def test_same_from_a_registry_which_is_asked_for_no_other_layer(
    run: Run, tmp_path: Path, registry: RegistrySimulator
) -> None:
    write_layout(tmp_path / "layout", [named(IMAGE, "x:1")])
    name = f"{registry.address}/x:1"
    RegistryClient().push_image(IMAGE, Reference.parse(name))
    registry.log.clear()
    assert run("sbom", name).stdout == run("sbom", f"oci:{tmp_path}/layout").stdout
    blobs = [request.path for request in registry.log if "/blobs/" in request.path]
    assert blobs == [f"/v2/x/blobs/{each}" for each in (IMAGE.config.digest, IMAGE.layers[-1].digest)]


def attach(image: Image, reference: Reference, content: bytes) -> None:
    """What other tools do."""
    blob = Blob.of_bytes(content, SbomFormat.SPDX.media_type)
    config = Blob.of_bytes(b"{}", "application/vnd.oci.empty.v1+json")
    manifest = Manifest.make(
        media_type="application/vnd.oci.image.manifest.v1+json",
        config=config.descriptor,
        layers=[blob.descriptor],
        annotations={},
        template={"artifactType": blob.media_type, "subject": image.manifest.descriptor.to_json()},
    )
    artifact = Artifact(manifest.descriptor, manifest.raw, (config, blob))
    RegistryClient().push_artifact(artifact, reference.with_digest(artifact.digest))


@pytest.mark.parametrize("lists_referrers", [True, False])
def test_document_that_is_attached(run: Run, registry: RegistrySimulator, *, lists_referrers: bool) -> None:
    registry.lists_referrers = lists_referrers
    image = make_image({"etc/motd": b""})
    reference = Reference.parse(f"{registry.address}/x:1")
    RegistryClient().push_image(image, reference)
    refused = run("sbom", str(reference))
    assert refused.status == 4
    assert "no bill of materials as `application/spdx+json` attached" in refused.stderr
    attach(image, Reference(reference.registry, reference.repository, None), b'{"by": "others"}')
    assert run("sbom", str(reference)).text == '{"by": "others"}'
    attach(image, Reference(reference.registry, reference.repository, None), b'{"by": "more"}')
    assert "another bill of materials is attached" in run("sbom", str(reference)).stderr
    assert run("sbom", str(reference), "--format", "cyclonedx").status == 4


def test_image_of_others(run: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [named(make_image({"etc/motd": b""}), "x:1")])
    refused = run("sbom", f"oci:{tmp_path}/layout")
    assert refused.status == 4
    assert "has no record of an environment" in refused.stderr
    assert "hint: " in refused.stderr
