"""Attachments: what a pushed image gets, and that it gets it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.attachments import attach_documents
from docker_envs.builder.request import AttachmentKind, Attachments, DeclarationFile
from docker_envs.errors import TransportError
from docker_envs.images.referrers import attached_documents
from docker_envs.images.transports import Transports
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.records.attached import DECLARATION_TYPE
from docker_envs.records.sbom import SbomFormat, make_sbom
from tests.images import ARM64, make_image
from tests.recorded import package, record, recorded_image
from tests.recorder import Recorder
from tests.simulators.http_server import refusal
from tests.simulators.registry import RegistrySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.digest import Digest
    from docker_envs.oci.image import Image

RECORD = record(package("python", depends=("zlib",)), package("zlib"))
IMAGE = recorded_image(RECORD)
FILE = DeclarationFile("environment.yml", b"dependencies: [python]\n")
ALL = Attachments(frozenset(AttachmentKind), (FILE,))
TYPES = {each.media_type for each in SbomFormat}


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def registry(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    simulator.lists_referrers = request.param
    with simulator.running():
        yield simulator


class Listener(Recorder):
    """A reporter that also remembers warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def push(registry: RegistrySimulator, named: NamedImage, attachments: Attachments, *tags: str) -> list[str]:
    """Push and attach; the warnings."""
    reporter = Listener()
    transports = Transports(reporter=reporter)
    targets = [Reference.parse(f"{registry.address}/app:{tag}") for tag in tags or ("1",)]
    for image in named.images:
        transports.registry.push_image(image, targets[0])
    registry.log.clear()
    attach_documents(named, attachments, targets, transports)
    return reporter.warnings


def listed(registry: RegistrySimulator, subject: Digest) -> list[str]:
    reference = Reference.parse(f"{registry.address}/app@{subject}")
    return sorted(str(each.extra["artifactType"]) for each in Transports().registry.referrers(reference))


def documents(registry: RegistrySimulator, image: Image, kind: str) -> list[tuple[str, bytes]]:
    reference = Reference.parse(f"{registry.address}/app:1")
    return [(each.title, each.content) for each in attached_documents(reference, image.digest, kind, Transports())]


def test_all(registry: RegistrySimulator) -> None:
    push(registry, NamedImage(IMAGE), ALL)
    assert listed(registry, IMAGE.digest) == sorted({*TYPES, DECLARATION_TYPE})
    for kind, name in ((SbomFormat.SPDX, "sbom.spdx.json"), (SbomFormat.CYCLONEDX, "sbom.cdx.json")):
        assert documents(registry, IMAGE, kind.media_type) == [(name, make_sbom(IMAGE, [RECORD], kind))]
    assert documents(registry, IMAGE, DECLARATION_TYPE) == [("environment.yml", FILE.content)]


def test_the_second_time_only_lists_are_asked_for(registry: RegistrySimulator) -> None:
    push(registry, NamedImage(IMAGE), ALL)
    before = dict(registry.repository("app").manifests)
    push(registry, NamedImage(IMAGE), ALL, "1", "2")
    asked = [f"{each.method} {each.path.split('/')[3]}" for each in registry.log]
    assert asked == (["GET referrers"] if registry.lists_referrers else ["GET referrers", "GET manifests"])
    assert registry.repository("app").manifests == before


def test_only_what_is_missing_is_sent(registry: RegistrySimulator) -> None:
    push(registry, NamedImage(IMAGE), Attachments(frozenset({AttachmentKind.SBOM})))
    assert listed(registry, IMAGE.digest) == sorted(TYPES)
    registry.log.clear()
    changed = Attachments(ALL.kinds, (DeclarationFile("environment.yml", b"dependencies: [zlib]\n"),))
    push(registry, NamedImage(IMAGE), ALL)
    push(registry, NamedImage(IMAGE), changed)
    assert listed(registry, IMAGE.digest) == sorted([*TYPES, DECLARATION_TYPE, DECLARATION_TYPE])


def test_an_artifact_that_is_there_and_not_listed_is_listed(registry: RegistrySimulator) -> None:
    push(registry, NamedImage(IMAGE), ALL)
    manifests = registry.repository("app").manifests
    before = dict(manifests)
    manifests.pop(f"sha256-{IMAGE.digest.hex}", None)
    push(registry, NamedImage(IMAGE), ALL)
    assert manifests == before


def test_platforms_have_bills_of_their_own(registry: RegistrySimulator) -> None:
    other = recorded_image(RECORD, platform=ARM64)
    named = NamedImage(IMAGE, (), (other,))
    push(registry, named, ALL)
    assert listed(registry, IMAGE.digest) == listed(registry, other.digest) == sorted(TYPES)
    assert listed(registry, named.descriptor.digest) == [DECLARATION_TYPE]
    (one,), (two,) = (documents(registry, each, SbomFormat.SPDX.media_type) for each in named.images)
    assert one != two


def test_nothing_wanted_and_nothing_known_ask_nothing(registry: RegistrySimulator) -> None:
    push(registry, NamedImage(IMAGE), Attachments())
    assert registry.log == []
    push(registry, NamedImage(make_image({"a": b""})), Attachments(frozenset(AttachmentKind)))
    assert registry.log == []


def test_registries_that_refuse(registry: RegistrySimulator) -> None:
    registry.faults = [("GET /v2/app/referrers", refusal(403, "DENIED", "no"))] * 2
    (warning,) = push(registry, NamedImage(IMAGE), ALL)
    assert "has no bill of materials or declaration attached" in warning
    with pytest.raises(TransportError):
        push(registry, NamedImage(IMAGE), Attachments(ALL.kinds, (FILE,), required=True))
