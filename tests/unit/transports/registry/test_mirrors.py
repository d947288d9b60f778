from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import DigestMismatchError, InvalidInputError, NotFoundError
from docker_envs.oci.reference import Reference
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.registry.registries_conf import MirrorUse, Place, RegistriesConf, RegistryEntry
from tests.images import make_image
from tests.simulators.http_server import Answer, refusal
from tests.simulators.images import tiny_image, tiny_layer
from tests.simulators.registry import RegistrySimulator, TokenRules
from tests.unit.transports.registry.helpers import Recorder, client, name, store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.oci.image import Image

Servers = tuple[RegistrySimulator, RegistrySimulator, RegistrySimulator]


@pytest.fixture
def servers() -> Iterator[Servers]:
    """A registry, and two mirrors of it."""
    found = (RegistrySimulator(), RegistrySimulator(), RegistrySimulator())
    with ExitStack() as stack:
        for server in found:
            stack.enter_context(server.running())
        yield found


def conf(servers: Servers, *, use: MirrorUse = MirrorUse.ALL, path: str = "") -> RegistriesConf:
    origin, *mirrors = servers
    places = tuple(Place(mirror.address, path, use=use) for mirror in mirrors)
    return RegistriesConf({origin.address: RegistryEntry(origin.address, mirrors=places)})


def everywhere(servers: Servers, content: str = "hello\n") -> Image:
    image = make_image(tiny_layer(content))
    for server in servers:
        store(server, image)
    return image


def read(image: Image) -> list[bytes]:
    content = []
    for layer in image.layers:
        with layer.open_blob() as blob:
            content.append(blob.read())
    return content


def test_the_first_mirror_is_enough(servers: Servers) -> None:
    origin, first, second = servers
    image = everywhere(servers)
    found = client(registries=conf(servers)).image(name(origin))
    assert found.digest == image.digest
    assert read(found) == read(image)
    assert (origin.log, second.log) == ([], [])
    assert "GET /v2/app/manifests/1" in first.asked


def test_mirrors_may_have_a_path(servers: Servers) -> None:
    origin, first, _ = servers
    image = store(first, tiny_image(), repository="cache/of/it/app")
    assert client(registries=conf(servers, path="cache/of/it")).image(name(origin)).digest == image.digest
    assert origin.log == []


def test_what_a_mirror_lacks_comes_from_the_next(servers: Servers) -> None:
    origin, first, second = servers
    image = store(origin, tiny_image())
    reporter = Recorder()
    found = client(registries=conf(servers), reporter=reporter).image(name(origin))
    assert (found.digest, read(found)) == (image.digest, read(image))
    assert [warning.partition("is passed over")[0] for warning in reporter.warnings] == [
        f"the mirror `{first.address}/app` ",
        f"the mirror `{second.address}/app` ",
    ]
    # Asked once for this repository, and again for another.
    assert [request for request in first.asked if "app" in request] == ["GET /v2/app/manifests/1"]


def test_a_mirror_that_lacks_one_repository_is_asked_for_others(servers: Servers) -> None:
    origin, first, second = servers
    store(origin, tiny_image())
    other = store(first, make_image(tiny_layer("other")), repository="other")
    one = client(registries=conf(servers))
    one.image(name(origin))
    assert one.image(name(origin, "other:1")).digest == other.digest
    assert not [request for request in second.asked if "other" in request]


@pytest.mark.parametrize(
    "fault",
    [Answer(503), Answer(silent=True), refusal(403, "DENIED"), Answer(418)],
    ids=["503", "broken", "403", "418"],
)
def test_a_mirror_that_fails_is_not_asked_again(servers: Servers, fault: Answer) -> None:
    origin, first, second = servers
    image = everywhere(servers)
    first.faults = [("GET /v2/app", fault)]
    reporter = Recorder()
    one = client(registries=conf(servers), reporter=reporter)
    for _ in range(2):
        found = one.image(name(origin))
        assert (found.digest, read(found)) == (image.digest, read(image))
    assert [request for request in first.asked if "app" in request] == ["GET /v2/app/manifests/1"]
    assert len(reporter.warnings) == 1
    assert "GET /v2/app/manifests/1" in second.asked
    assert origin.log == []


def test_a_mirror_that_is_down(servers: Servers) -> None:
    origin, _, second = servers
    image = everywhere(servers)
    gone = RegistrySimulator()
    with gone.running():
        pass
    reporter = Recorder()
    settings = conf((origin, gone, second))
    assert client(registries=settings, reporter=reporter).image(name(origin)).digest == image.digest
    assert reporter.warnings == [
        f"the mirror `{gone.address}/app` is passed over: cannot connect to `{gone.address}`: connection refused"
    ]


def test_wrong_manifests_of_a_mirror_are_passed_over(servers: Servers) -> None:
    origin, first, _ = servers
    image = everywhere(servers)
    first.faults = [("GET /v2/app/manifests", Answer(200, b"{}", {"Content-Type": image.media_type}))]
    reporter = Recorder()
    found = client(registries=conf(servers), reporter=reporter).image(
        Reference.parse(f"{origin.address}/app@{image.digest}")
    )
    assert found.digest == image.digest
    assert "wrong digest" in reporter.warnings[0]


@pytest.mark.parametrize(("size", "is_small"), [(10, True), (400_000, False)])
def test_wrong_blobs_of_a_mirror(servers: Servers, size: int, *, is_small: bool) -> None:
    """Small ones come from the next mirror; others are found when it is too late for that."""
    origin, first, _ = servers
    image = everywhere(servers, random.Random(1).randbytes(size).hex())
    layer = image.layers[0]
    first.repository("app").blobs[layer.digest] = b"x" * layer.size
    reporter = Recorder()
    found = client(registries=conf(servers), reporter=reporter).image(name(origin))
    if is_small:
        assert read(found) == read(image)
        assert "wrong digest" in reporter.warnings[0]
    else:
        with pytest.raises(DigestMismatchError):
            read(found)


def test_a_download_that_breaks_goes_on_at_the_next_mirror(servers: Servers) -> None:
    origin, first, second = servers
    image = everywhere(servers, random.Random(1).randbytes(400_000).hex())
    layer = image.layers[0]
    found = client(registries=conf(servers)).image(name(origin))
    content = first.repository("app").blobs[layer.digest]
    first.faults = [("GET /v2/app/blobs", Answer(200, content, sent=40))]
    assert read(found) == read(image)
    assert second.log[-1].headers["range"] == "bytes=40-"
    assert origin.log == []


def test_when_all_mirrors_break_the_registry_goes_on(servers: Servers) -> None:
    origin, first, second = servers
    image = everywhere(servers, random.Random(1).randbytes(400_000).hex())
    layer = image.layers[0]
    found = client(registries=conf(servers)).image(name(origin))
    content = first.repository("app").blobs[layer.digest]
    first.faults = [("GET /v2/app/blobs", Answer(200, content, sent=40))]
    second.faults = [
        (
            "GET /v2/app/blobs",
            Answer(206, content[40:], {"Content-Range": f"bytes 40-{len(content) - 1}/{len(content)}"}, sent=20),
        )
    ]
    assert read(found) == read(image)
    assert origin.log[-1].headers["range"] == "bytes=60-"


@pytest.mark.parametrize(("use", "by_digest"), [(MirrorUse.DIGEST_ONLY, True), (MirrorUse.TAG_ONLY, False)])
def test_mirrors_for_some_pulls(servers: Servers, use: MirrorUse, *, by_digest: bool) -> None:
    origin, first, _ = servers
    image = everywhere(servers)
    one = client(registries=conf(servers, use=use))
    one.image(name(origin))
    assert bool(first.log) is not by_digest
    first.log.clear()
    one.image(Reference.parse(f"{origin.address}/app@{image.digest}"))
    assert bool(first.log) is by_digest


def test_digests_are_looked_up_at_mirrors(servers: Servers) -> None:
    origin, first, _ = servers
    image = store(first, tiny_image())
    assert client(registries=conf(servers)).digest(name(origin)) == image.digest
    assert origin.log == []


def test_what_nobody_has(servers: Servers) -> None:
    one = client(registries=conf(servers))
    assert one.digest(name(servers[0])) is None
    with pytest.raises(NotFoundError, match=rf"`{servers[0].address}/app:1` not found"):
        one.image(name(servers[0]))


def test_each_mirror_has_its_own_credentials(servers: Servers) -> None:
    origin, _, second = servers
    guarded = RegistrySimulator(TokenRules(users={"me": "hush"}))
    with guarded.running():
        image = store(guarded, tiny_image())
        settings = conf((origin, guarded, second))
        assert client(Credentials("me", "hush"), registries=settings).image(name(origin)).digest == image.digest
    assert guarded.log[-1].authorization
    assert origin.log == []


def test_pushes_go_to_the_registry_alone(servers: Servers) -> None:
    origin, first, second = servers
    image = tiny_image()
    assert client(registries=conf(servers)).push_image(image, name(origin)) == image.digest
    assert origin.repository("app").manifests["1"][1] == image.manifest.raw
    assert (first.log, second.log) == ([], [])


def test_what_came_from_a_mirror_is_not_mounted_there(servers: Servers) -> None:
    """The mirror has it under another name; the registry may lack it."""
    origin, first, _ = servers
    image = store(first, tiny_image(), repository="cache/app")
    one = client(registries=conf(servers, path="cache"))
    one.push_image(one.image(name(origin)), name(first, "mine:1"))
    assert not [request for request in first.log if "mount" in request.query]
    one.push_image(one.image(name(origin)), name(origin, "mine:1"))
    mounts = {source for request in origin.log if "mount" in request.query for source in request.query["from"]}
    assert mounts == {"app"}
    for server in (first, origin):
        assert server.repository("mine").manifests["1"][1] == image.manifest.raw
        assert set(server.repository("mine").blobs) == {
            *(layer.digest for layer in image.layers),
            image.config.digest,
        }


def test_another_location(servers: Servers) -> None:
    origin, elsewhere, _ = servers
    image = store(elsewhere, tiny_image(), repository="moved/app")
    settings = RegistriesConf(
        {origin.address: RegistryEntry(origin.address, location=Place(elsewhere.address, "moved"))}
    )
    one = client(registries=settings)
    found = one.image(name(origin))
    assert (found.digest, read(found)) == (image.digest, read(image))
    assert origin.log == []
    with pytest.raises(NotFoundError, match=rf"`{elsewhere.address}/moved/other:1` not found"):
        one.image(name(origin, "other:1"))
    one.push_image(tiny_image(), name(origin))
    assert "1" in origin.repository("app").manifests


def test_blocked_registries_are_pushed_to_but_not_pulled_from(servers: Servers) -> None:
    origin = servers[0]
    settings = RegistriesConf({origin.address: RegistryEntry(origin.address, blocked=True, source="r.conf")})
    one = client(registries=settings)
    one.push_image(tiny_image(), name(origin))
    with pytest.raises(InvalidInputError, match=r"`r.conf` forbids"):
        one.image(name(origin))


def test_what_a_mirror_had_is_pushed_to_the_registry_itself(servers: Servers) -> None:
    origin, mirror, _ = servers
    settings = conf(servers)
    client().push_image(tiny_image(), name(mirror))
    one = client(registries=settings)
    image = one.image(name(origin))
    assert one.push_image(image, name(origin, "app:2")) == image.digest
    assert {layer.digest for layer in image.layers} <= origin.repository("app").blobs.keys()
