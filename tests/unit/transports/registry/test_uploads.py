from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import (
    DigestMismatchError,
    InvalidInputError,
    TransportError,
    VerificationError,
)
from docker_envs.oci import media_types
from tests.images import make_image
from tests.simulators.http_server import Answer, refusal
from tests.simulators.images import tiny_image, tiny_layer

if TYPE_CHECKING:
    from tests.simulators.registry import RegistrySimulator

from tests.unit.transports.registry.helpers import Recorder, client, name, store


def test_push_order_and_result(server: RegistrySimulator) -> None:
    image, reporter = tiny_image(), Recorder()
    assert client(reporter=reporter).push_image(image, name(server)) == image.digest
    asked = [line.partition("?")[0] for line in server.asked]
    config_head = asked.index(f"HEAD /v2/app/blobs/{image.config.digest}")
    layer_puts = [index for index, line in enumerate(asked) if line.startswith("PUT /v2/app/blobs")]
    assert layer_puts[1] < config_head < layer_puts[2] < len(asked) - 1
    assert asked[-1] == "PUT /v2/app/manifests/1"
    assert server.repository("app").manifests["1"] == (image.media_type, image.manifest.raw)
    assert set(server.repository("app").blobs) == {*[layer.digest for layer in image.layers], image.config.digest}
    assert sorted(reporter.started) == sorted(
        ("push", f"layer {each.digest.short}", each.size) for each in image.layers
    )
    assert reporter.finished == ["uploaded", "uploaded"]
    assert reporter.advanced == sum(layer.size for layer in image.layers)


def test_pushing_again_is_one_request(server: RegistrySimulator) -> None:
    image, reporter = tiny_image(), Recorder()
    client().push_image(image, name(server))
    server.log.clear()
    assert client(reporter=reporter).push_image(image, name(server)) == image.digest
    assert server.asked == ["GET /v2/", "HEAD /v2/app/manifests/1"]
    assert reporter.finished == ["exists"]


def test_another_tag_moves_no_layer(server: RegistrySimulator) -> None:
    client().push_image(tiny_image(), name(server))
    server.log.clear()
    client().push_image(tiny_image(), name(server, "app:2"))
    assert [line for line in server.asked if line.startswith(("POST", "PUT"))] == ["PUT /v2/app/manifests/2"]


def test_push_by_digest(server: RegistrySimulator) -> None:
    image = tiny_image()
    client().push_image(image, name(server, f"app@{image.digest}"))
    assert image.digest in server.repository("app").manifests
    client().push_image(image, name(server, f"app:both@{image.digest}"))
    assert "both" in server.repository("app").manifests
    with pytest.raises(InvalidInputError, match="the image's digest is"):
        client().push_image(image, name(server, f"app@{Digest.of(b'other')}"))


def test_equal_layers_are_pushed_once(server: RegistrySimulator) -> None:
    layer = tiny_layer("same\n")
    client().push_image(make_image(layer, layer), name(server))
    assert server.asked.count(f"HEAD /v2/app/blobs/{layer.digest}") == 1


def test_foreign_layers_are_not_pushed(server: RegistrySimulator) -> None:
    def opener() -> Any:
        raise AssertionError("opened")

    foreign = replace(tiny_layer("x").with_media_type(media_types.DOCKER_LAYER_FOREIGN), opener=opener)
    client().push_image(make_image(foreign, tiny_layer("y")), name(server))
    assert foreign.digest not in server.repository("app").blobs


def test_a_base_that_is_extended_is_mounted(server: RegistrySimulator) -> None:
    store(server, tiny_image(), repository="library/base")
    base = client().image(name(server, "library/base:1"))
    server.log.clear()
    reporter = Recorder()
    client(reporter=reporter).push_image(make_image(*base.layers, tiny_layer("new\n")), name(server))
    assert sorted(reporter.finished) == ["mounted", "mounted", "uploaded"]
    assert not [line for line in server.asked if line.startswith("GET /v2/library")]


def test_a_base_in_the_same_repository_is_not_asked_for(server: RegistrySimulator) -> None:
    store(server, tiny_image())
    base = client().image(name(server))
    server.log.clear()
    reporter = Recorder()
    client(reporter=reporter).push_image(make_image(*base.layers, tiny_layer("new\n")), name(server, "app:2"))
    assert reporter.finished == ["uploaded"]
    assert not [line for line in server.asked if any(layer.digest in line for layer in base.layers)]
    assert client().image(name(server, "app:2")).layers[:2] == base.layers


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404, 405])
def test_mounts_that_fail_become_uploads(server: RegistrySimulator, status: int) -> None:
    server.mounts = status
    store(server, tiny_image(), repository="library/base")
    base = client().image(name(server, "library/base:1"))
    reporter = Recorder()
    client(reporter=reporter).push_image(base, name(server))
    assert reporter.finished == ["uploaded", "uploaded"]
    assert client().image(name(server)).digest == base.digest


def mounts_tried(server: RegistrySimulator) -> int:
    return sum("mount" in request.query for request in server.log)


@pytest.mark.parametrize(("status", "tried"), [(201, 2), (202, 2), (401, 1), (405, 1)])
def test_refused_mounts_are_not_tried_again(server: RegistrySimulator, status: int, tried: int) -> None:
    """With 202 a registry says that it lacks this blob, and begins an upload: nothing is lost by asking."""
    server.mounts = status
    store(server, tiny_image(), repository="library/base")
    pusher = client()
    for layer in pusher.image(name(server, "library/base:1")).layers:
        pusher.push_layer(layer, name(server))
    assert mounts_tried(server) == tried


def test_an_upload_begun_by_a_failed_mount_is_used(server: RegistrySimulator) -> None:
    server.mounts = 202
    store(server, make_image(tiny_layer("x")), repository="library/base")
    (layer,) = client().image(name(server, "library/base:1")).layers
    server.log.clear()
    assert client().push_layer(layer, name(server)) == "uploaded"
    assert [request.method for request in server.log] == ["GET", "HEAD", "POST", "GET", "PUT"]


def test_a_base_of_another_registry_streams_through(server: RegistrySimulator, guarded: RegistrySimulator) -> None:
    store(guarded, tiny_image())
    base = client().image(name(guarded))
    reporter = Recorder()
    client(reporter=reporter).push_image(base, name(server))
    assert reporter.finished == ["uploaded", "uploaded"]
    assert not [request for request in server.log if "mount" in request.query]


def test_corrupt_bases_are_not_passed_on(server: RegistrySimulator, guarded: RegistrySimulator) -> None:
    layer = tiny_layer("x")
    store(guarded, make_image(layer))
    base = client().image(name(guarded))
    guarded.repository("app").blobs[layer.digest] = b"!" * layer.size
    with pytest.raises(DigestMismatchError):
        client().push_image(base, name(server))
    assert server.repository("app").blobs == {}
    assert "PUT /v2/app/manifests/1" not in server.asked


@pytest.mark.parametrize("fault", [Answer(500), Answer(429), Answer(silent=True)], ids=["500", "429", "broken"])
def test_uploads_that_break_start_again(server: RegistrySimulator, fault: Answer) -> None:
    server.faults = [("PUT /v2/app/blobs", fault)] * 2
    layer, reporter = tiny_layer("x"), Recorder()
    assert client(reporter=reporter).push_layer(layer, name(server)) == "uploaded"
    assert [request.method for request in server.log].count("POST") == 3
    assert reporter.advanced == layer.size


def test_registries_that_stay_broken_end_the_push(server: RegistrySimulator) -> None:
    server.faults = [("PUT /v2/app/blobs", refusal(503, "UNAVAILABLE", "in maintenance"))] * 100
    with pytest.raises(TransportError, match="status 503: UNAVAILABLE: in maintenance"):
        client().push_image(tiny_image(), name(server))
    assert "PUT /v2/app/manifests/1" not in server.asked


@pytest.mark.parametrize(
    "answer",
    [Answer(200, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"}), Answer(200, announced=7)],
    ids=["digest", "size"],
)
def test_answers_about_other_blobs_are_no_answers(server: RegistrySimulator, answer: Answer) -> None:
    """Such as a caching proxy may give."""
    server.faults = [("HEAD /v2/app/blobs", answer)]
    assert client().push_layer(tiny_layer("x"), name(server)) == "uploaded"


@pytest.mark.parametrize("place", ["blobs", "manifests"])
def test_a_registry_that_stored_something_else(server: RegistrySimulator, place: str) -> None:
    wrong = Answer(201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    server.faults = [(f"PUT /v2/app/{place}", wrong)] * 8
    with pytest.raises(DigestMismatchError):
        client().push_image(tiny_image(), name(server))


def test_manifests_that_are_refused(server: RegistrySimulator) -> None:
    server.faults = [("PUT /v2/app/manifests", refusal(400, "MANIFEST_INVALID", "no thanks"))]
    with pytest.raises(TransportError, match="MANIFEST_INVALID: no thanks"):
        client().push_image(tiny_image(), name(server))


def test_uploads_without_a_location(server: RegistrySimulator) -> None:
    server.faults = [("POST", Answer(202))]
    with pytest.raises(TransportError, match="named no location"):
        client().push_layer(tiny_layer("x"), name(server))


def test_changed_local_files_are_noticed(server: RegistrySimulator) -> None:
    layer = replace(tiny_layer("x"), opener=tiny_layer("y").opener)
    with pytest.raises(VerificationError):
        client().push_image(make_image(layer), name(server))
    assert server.repository("app").blobs == {}
