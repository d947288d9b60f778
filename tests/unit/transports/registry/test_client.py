from __future__ import annotations

import json
import platform
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import (
    AuthenticationError,
    DigestMismatchError,
    DockerEnvsError,
    FormatError,
    NotFoundError,
    SizeMismatchError,
    TransportError,
    VerificationError,
)
from docker_envs.oci import media_types
from docker_envs.oci.config import MAX_CONFIG_SIZE
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE
from docker_envs.transports.registry.client import host_platform
from tests.images import AMD64, ARM64, make_image
from tests.simulators.http_server import Answer, HttpSimulator, json_answer, refusal
from tests.simulators.images import tiny_image, tiny_layer

if TYPE_CHECKING:
    from tests.simulators.registry import RegistrySimulator

from tests.unit.transports.registry.helpers import child, client, name, store, store_index


def test_pull_is_lazy_and_exact(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    found = client().image(name(server))
    assert found.manifest.raw == image.manifest.raw
    assert found.config.raw == image.config.raw
    assert [layer.digest for layer in found.layers] == [layer.digest for layer in image.layers]
    assert all(layer.origin == name(server) for layer in found.layers)
    assert server.asked == ["GET /v2/", "GET /v2/app/manifests/1", f"GET /v2/app/blobs/{image.config.digest}"]
    with found.layers[1].open_tar() as tar:
        assert b"top\n" in tar.read()


def test_pull_asks_for_all_types(server: RegistrySimulator) -> None:
    store(server, tiny_image())
    client().image(name(server))
    assert set(media_types.ACCEPT) <= set(server.log[1].headers["accept"].split(", "))


def test_pull_by_digest(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    found = client().image(name(server, f"app:ignored@{image.digest}"))
    assert found.digest == image.digest


@pytest.mark.parametrize(("wanted", "got"), [(AMD64, AMD64), (Platform("linux", "arm64"), ARM64)])
def test_pull_by_platform(server: RegistrySimulator, wanted: Platform, got: Platform) -> None:
    images = [store(server, tiny_image(platform=each), str(each)) for each in (AMD64, ARM64)]
    store_index(server, *[child(image.manifest, image.platform) for image in images])
    assert client().image(name(server), wanted).platform == got


def test_pull_takes_this_machines_platform(server: RegistrySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [store(server, tiny_image(platform=each), str(each)) for each in (AMD64, ARM64)]
    store_index(server, *[child(image.manifest, image.platform) for image in images])
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert client().image(name(server)).platform == ARM64


def test_lacking_platforms_are_listed(server: RegistrySimulator) -> None:
    image = store(server, tiny_image(), "x")
    attestation = replace(
        child(image.manifest, Platform("unknown", "unknown")),
        annotations={"vnd.docker.reference.type": "attestation-manifest"},
    )
    store_index(server, child(image.manifest, AMD64), child(image.manifest, ARM64), attestation)
    with pytest.raises(NotFoundError) as caught:
        client().image(name(server), Platform("linux", "s390x"))
    text = f"`{name(server)}` has no image for platform `linux/s390x`, only for `linux/amd64`, `linux/arm64/v8`"
    assert str(caught.value) == text


def test_lacking_platforms_without_an_index(server: RegistrySimulator) -> None:
    store(server, tiny_image())
    with pytest.raises(NotFoundError, match="no image for platform `linux/arm64`, only for `linux/amd64`"):
        client().image(name(server), Platform("linux", "arm64"))


def test_an_image_for_one_platform_is_taken_as_it_is(server: RegistrySimulator) -> None:
    store(server, tiny_image(platform=Platform("linux", "s390x")))
    assert client().image(name(server)).platform.architecture == "s390x"


def test_an_index_with_one_unnamed_platform(server: RegistrySimulator) -> None:
    image = store(server, tiny_image(), "x")
    store_index(server, child(image.manifest, None))
    assert client().image(name(server), AMD64).digest == image.digest
    with pytest.raises(NotFoundError, match="only for `linux/amd64`"):
        client().image(name(server), ARM64)


def test_an_empty_index(server: RegistrySimulator) -> None:
    store_index(server)
    with pytest.raises(NotFoundError, match="only for unnamed platforms"):
        client().image(name(server))


def test_a_manifest_of_another_size_than_its_index_says(server: RegistrySimulator) -> None:
    image = store(server, tiny_image(), "x")
    store_index(server, replace(child(image.manifest, AMD64), size=7))
    with pytest.raises(SizeMismatchError):
        client().image(name(server), AMD64)


MANIFEST_JSON = {"Content-Type": media_types.OCI_MANIFEST}


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(200, b"{}", {"Docker-Content-Digest": f"sha256:{'0' * 64}"}), DigestMismatchError, "wrong digest"),
        (Answer(200, b" " * (MAX_MANIFEST_SIZE + 1)), FormatError, "longer than 8,388,608 bytes"),
        (json_answer({"schemaVersion": 1, "name": "x"}), FormatError, "schema 1"),
        (Answer(200, b"<html>"), FormatError, "no valid JSON"),
        (Answer(200, b"[]"), FormatError, "expected an object"),
        (Answer(200, b"{}", MANIFEST_JSON), FormatError, "config: missing"),
        (refusal(404, "MANIFEST_UNKNOWN", "manifest unknown"), NotFoundError, "found: MANIFEST_UNKNOWN: manifest unkn"),
        (refusal(404, "NAME_UNKNOWN", "repository name not known"), NotFoundError, "NAME_UNKNOWN: repository name"),
        (refusal(403, "DENIED", "not for you"), AuthenticationError, "no permission to pull .*: DENIED: not for you"),
        (Answer(401), AuthenticationError, "offers nothing"),
        (refusal(400, "NAME_INVALID", "bad"), TransportError, "status 400: NAME_INVALID: bad"),
    ],
)  # fmt: skip
def test_bad_manifests(server: RegistrySimulator, answer: Answer, error: type[DockerEnvsError], message: str) -> None:
    server.faults = [("GET /v2/app/manifests", answer)] * 2
    with pytest.raises(error, match=message) as caught:
        client().image(name(server))
    assert server.address in str(caught.value)


def test_manifests_are_verified_against_the_digest_asked_for(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    server.repository("app").manifests[image.digest] = (image.media_type, image.manifest.raw + b" ")
    with pytest.raises(DigestMismatchError):
        client().image(name(server, f"app@{image.digest}"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, b"{}"), SizeMismatchError),
        (Answer(200, b" " * len(tiny_image().config.raw)), DigestMismatchError),
        (Answer(200, b" " * (MAX_CONFIG_SIZE + 1)), SizeMismatchError),
        (refusal(404, "BLOB_UNKNOWN"), NotFoundError),
    ],
)
def test_bad_configs(server: RegistrySimulator, answer: Answer, error: type[DockerEnvsError]) -> None:
    store(server, tiny_image())
    server.faults = [("GET /v2/app/blobs", answer)] * 4
    with pytest.raises(error):
        client().image(name(server))


def test_configs_that_claim_to_be_huge_are_not_fetched(server: RegistrySimulator) -> None:
    document = json.loads(tiny_image().manifest.raw)
    document["config"]["size"] = MAX_CONFIG_SIZE + 1
    server.add_manifest("app", "1", json.dumps(document).encode(), media_types.OCI_MANIFEST)
    with pytest.raises(FormatError, match="more than the limit of 4,194,304"):
        client().image(name(server))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, b"x"), SizeMismatchError),
        (Answer(200, b"x" * 10_000), SizeMismatchError),
        (Answer(200, b"x" * tiny_layer("base\n").size), DigestMismatchError),
    ],
    ids=["short", "long", "wrong"],
)
def test_layers_are_verified_while_they_are_read(
    server: RegistrySimulator, answer: Answer, error: type[VerificationError]
) -> None:
    store(server, tiny_image())
    layer = client().image(name(server)).layers[0]
    server.faults = [(f"GET /v2/app/blobs/{layer.digest}", answer)] * 4
    with pytest.raises(error), layer.open_blob() as blob:
        blob.read()


@pytest.mark.parametrize("place", ["manifests", "blobs"])
def test_what_comes_wrong_once_is_fetched_again(server: RegistrySimulator, place: str) -> None:
    image = store(server, tiny_image())
    wrong = Answer(200, b"{}", {"Docker-Content-Digest": image.digest})
    server.faults = [(f"GET /v2/app/{place}", wrong)]
    assert client().image(name(server)).config.raw == image.config.raw


def test_layers_go_on_after_a_broken_connection(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    layer = client().image(name(server)).layers[0]
    with image.layers[0].open_blob() as blob:
        content = blob.read()
    server.faults = [(f"GET /v2/app/blobs/{layer.digest}", Answer(200, content, sent=50))] * 2
    with layer.open_blob() as blob:
        assert b"".join(iter(lambda: blob.read(10), b"")) == content
    assert server.log[-1].headers["range"] == "bytes=50-"


def test_digest_of_a_tag(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    assert client().digest(name(server)) == image.digest
    assert client().digest(name(server, "app:other")) is None
    assert "GET /v2/app/manifests/1" not in server.asked


def test_digest_from_registries_that_do_not_say_it(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    server.faults = [("HEAD", Answer(200)), ("GET /v2/app/manifests", Answer(200, image.manifest.raw))]
    assert client().digest(name(server)) == image.digest


def test_foreign_layers_are_read_from_their_url(server: RegistrySimulator) -> None:
    layer = tiny_layer("x")
    with layer.open_blob() as blob:
        content = blob.read()
    with HttpSimulator(lambda _: Answer(200, content)).running() as elsewhere:
        urls = (f"{elsewhere.url}/layer",)
        foreign = replace(
            layer, descriptor=replace(layer.descriptor, media_type=media_types.DOCKER_LAYER_FOREIGN, urls=urls)
        )
        client().push_image(make_image(foreign), name(server))
        with client().image(name(server)).layers[0].open_blob() as blob:
            assert blob.read() == content


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("ppc64le", "linux/ppc64le"),
        ("", "linux/amd64"),
    ],
)
def test_platform_of_this_machine(machine: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert str(host_platform()) == expected
