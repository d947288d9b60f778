"""Loading into real engines: what they fetch, what they keep, and what happens when something is wrong."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import time
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.errors import DockerEnvsError, EngineError, InvalidInputError, TransportError, VerificationError
from docker_envs.oci import edit, media_types
from docker_envs.oci.artifact import Artifact, NamedArtifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.client import Engine as EngineClient
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.registry.client import RegistryClient
from tests.images import AMD64, ARM64, foreign, make_image, make_layer, named, read_blob
from tests.recorder import Recorder
from tests.services import Engine, run_engine, run_podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource
    from tests.base_image import BaseImage

RUNNERS = [pytest.param(run_engine, id="docker"), pytest.param(run_podman, id="podman")]


@pytest.fixture
def base(base_layout: Path) -> Image:
    return read_layout(base_layout, reference="single")[0].image


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(each_engine: Engine, recorder: Recorder) -> Iterator[EngineClient]:
    with EngineClient(reporter=recorder) as client:
        yield client


def new_layer(size: int = 300_000) -> Layer:
    """A layer that no engine has yet, and that does not compress."""
    return make_layer({"new": random.randbytes(size)})


def extended(base: Image, *layers: Layer) -> Image:
    for layer in layers:
        base = edit.append_layer(base, layer, history={})
    return base


def attributes(engine: Engine, name: str) -> dict[str, Any]:
    attrs: dict[str, Any] = engine.client.images.get(name).attrs
    return attrs


def all_images(engine: Engine) -> set[str]:
    return {image["Id"] for image in engine.client.api.images(all=True)}


def names(engine: Engine) -> set[str]:
    return {name for image in engine.client.images.list() for name in image.tags}


def fetched(recorder: Recorder) -> dict[str, bool]:
    """Layers by the short forms of their digests: whether their bytes moved."""
    return {task.name: task.note != "already there" for task in recorder.tasks}


def test_only_layers_that_are_missing_move(each_engine: Engine, base: Image) -> None:
    lower, upper = new_layer(), new_layer()
    steps = [
        (extended(base, lower), {lower.digest.short}),
        (extended(base, lower, upper), {upper.digest.short}),
        (extended(base, lower, upper), set()),
    ]
    with EngineClient() as client:
        client.load([named(base, "step:base")])
    for number, (image, expected) in enumerate(steps):
        recorder = Recorder()
        with EngineClient(reporter=recorder) as client:
            assert client.load([named(image, f"step:{number}")]) == [f"step:{number}"]
        moved = fetched(recorder)
        assert {name for name, was_fetched in moved.items() if was_fetched} == expected
        assert set(moved) == {layer.digest.short for layer in image.layers}
        assert all(task.amount == (task.total if moved[task.name] else 0) for task in recorder.tasks)
        assert each_engine.run(f"step:{number}", "cat", "/etc/layer") == "third\n"


def test_layers_of_a_base_that_the_engine_pulled_do_not_move(
    client: EngineClient, recorder: Recorder, base_image: BaseImage
) -> None:
    client.pull(Reference.parse(base_image.oci))
    recorder.tasks.clear()
    layer = new_layer()
    client.load([named(extended(RegistryClient().image(Reference.parse(base_image.oci)), layer), "pulled:1")])
    assert [name for name, was_fetched in fetched(recorder).items() if was_fetched] == [layer.digest.short]


def test_nothing_of_the_way_is_left(each_engine: Engine, client: EngineClient, base: Image) -> None:
    before = all_images(each_engine)
    image = extended(base, new_layer())
    assert client.load([named(image, "left:1", "127.0.0.1:5000/team/left:2")]) == [
        "left:1",
        "127.0.0.1:5000/team/left:2",
    ]
    assert all_images(each_engine) - before == {image.config.digest}
    attrs = attributes(each_engine, "left:1")
    assert {tag.removeprefix("docker.io/library/") for tag in attrs["RepoTags"]} == {
        "left:1",
        "127.0.0.1:5000/team/left:2",
    }
    repositories = {text.partition("@")[0] for text in attrs["RepoDigests"]}
    # podman gives every name a digest, Docker only those that it pulled.
    assert repositories <= {"docker.io/library/left", "127.0.0.1:5000/team/left"}
    assert attrs["Id"] == image.config.digest


def test_a_name_moves_to_the_new_image(each_engine: Engine, client: EngineClient, base: Image) -> None:
    old, new = extended(base, new_layer()), extended(base, new_layer())
    client.load([named(old, "moves:1")])
    client.load([named(new, "moves:1")])
    assert attributes(each_engine, "moves:1")["Id"] == new.config.digest
    assert attributes(each_engine, old.config.digest)["RepoTags"] in ([], None)


def test_images_without_a_name_stay(each_engine: Engine, client: EngineClient, base: Image) -> None:
    nameless, other = extended(base, new_layer()), extended(base, new_layer())
    client.load([named(nameless), named(other, "beside:1")])
    assert attributes(each_engine, nameless.config.digest)["RepoTags"] in ([], None)
    assert attributes(each_engine, "beside:1")["Id"] == other.config.digest


def test_the_platform_that_was_asked_for(each_engine: Engine, client: EngineClient) -> None:
    images = [make_image(new_layer(), platform=platform) for platform in (AMD64, ARM64)]
    both = NamedImage(images[0], named(images[0], "platform:1").references, (images[1],))
    for source in (both, NamedArtifact.of(both)):
        for platform, image in ((AMD64, images[0]), (ARM64, images[1]), (None, images[0])):
            assert client.load([source], platform=platform) == ["platform:1"]
            assert attributes(each_engine, "platform:1")["Id"] == image.config.digest


@pytest.mark.parametrize("kind", ["docker", "uncompressed", "foreign", "repeated"])
def test_kinds_of_layers(each_engine: Engine, client: EngineClient, base: Image, kind: str) -> None:
    layer = new_layer()
    images = {
        "docker": make_image(layer, docker=True),
        "uncompressed": extended(base, make_layer({"n": b"n"}, CompressionSetting.parse("none"))),
        "foreign": extended(base, replace(foreign(layer), opener=layer.opener)),
        "repeated": make_image(layer, {"between": b""}, layer),
    }
    client.load([named(images[kind], f"{kind}:1")])
    assert attributes(each_engine, f"{kind}:1")["Id"] == images[kind].config.digest
    assert len(attributes(each_engine, f"{kind}:1")["RootFS"]["Layers"]) == len(images[kind].layers)


def test_zstd_as_far_as_the_engine_knows_it(each_engine: Engine, client: EngineClient, base: Image) -> None:
    image = extended(base, make_layer({"z": random.randbytes(100)}, CompressionSetting.parse("zstd")))
    version = each_engine.client.version()
    if "Podman" not in version["Components"][0]["Name"] and int(version["Version"].partition(".")[0]) < 23:
        with pytest.raises(EngineError, match=r"invalid tar header|unexpected EOF") as refused:
            client.load([named(image, "zstd:1")])
        assert "gzip" in (refused.value.hint or "")
    else:
        assert client.load([named(image, "zstd:1")]) == ["zstd:1"]


def test_what_is_no_image(client: EngineClient) -> None:
    config = Blob.of_bytes(b"{}", "application/vnd.cncf.helm.config.v1+json")
    chart = Artifact(Descriptor(media_types.OCI_MANIFEST, config.digest, 2), b"{}", (config,))
    with pytest.raises(InvalidInputError, match="container images only"):
        client.load([NamedArtifact(chart)])


def broken(error: Exception) -> ByteSource:
    raise error


@pytest.mark.parametrize(
    ("opener", "expected"),
    [
        pytest.param(lambda blob: BytesIO(b"x" * len(blob)), VerificationError, id="other bytes"),
        pytest.param(lambda blob: BytesIO(blob[:-1]), VerificationError, id="too short"),
        pytest.param(lambda _: broken(TransportError("the source is away")), TransportError, id="not to be had"),
    ],
)
@pytest.mark.parametrize("name", ["damaged:1", ""])
def test_a_damaged_layer_is_told_at_once_and_leaves_nothing(
    each_engine: Engine,
    client: EngineClient,
    base: Image,
    opener: Callable[[bytes], ByteSource],
    expected: type[DockerEnvsError],
    name: str,
) -> None:
    before = all_images(each_engine), names(each_engine)
    layer = new_layer()
    wrong = replace(layer, opener=partial(opener, read_blob(layer)))
    good = named(extended(base, new_layer()), "damaged:0")
    bad = named(extended(base, wrong), *[name] * bool(name))
    start = time.monotonic()
    with pytest.raises(expected) as told:
        client.load([good, bad])
    assert layer.digest.short in str(told.value) or expected is TransportError
    # Docker would try again and again, with longer and longer pauses.
    assert time.monotonic() - start < 30
    assert names(each_engine) == before[1]
    assert all_images(each_engine) == before[0]


@pytest.mark.parametrize("run", RUNNERS)
def test_an_engine_that_cannot_reach_us_gets_a_stream(
    run: Callable[..., AbstractContextManager[Engine]], base: Image, recorder: Recorder
) -> None:
    with run(prefix=["unshare", "--net"]) as engine, EngineClient(engine.host, reporter=recorder) as client:
        image = extended(base, new_layer())
        start = time.monotonic()
        assert client.load([named(image, "far:1")]) == ["far:1"]
        assert time.monotonic() - start < 30
        assert attributes(engine, "far:1")["Id"] == image.config.digest
        with pytest.raises(VerificationError):
            client.load([named(extended(base, replace(new_layer(), opener=partial(BytesIO, b"x"))), "far:2")])
        assert names(engine) == {next(iter(names(engine)))}


def kill_at(host: str) -> None:
    """Kill the process that listens at a unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(host.removeprefix("unix://"))
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    os.kill(struct.unpack("3i", credentials)[0], signal.SIGKILL)


class Deadly(BytesIO):
    """A stream that kills an engine in its middle."""

    def __init__(self, content: bytes, host: str) -> None:
        super().__init__(content)
        self._host = host
        self._done = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() and not self._done:
            kill_at(self._host)
            self._done = True
        return super().read(size)


@pytest.mark.parametrize("name", ["dies:1", ""])
@pytest.mark.parametrize("run", RUNNERS)
def test_an_engine_that_dies_in_the_middle(
    run: Callable[..., AbstractContextManager[Engine]], base: Image, name: str
) -> None:
    layer = new_layer(3_000_000)
    with run() as engine, EngineClient(engine.host) as client:
        image = extended(base, replace(layer, opener=partial(Deadly, read_blob(layer), engine.host)))
        with pytest.raises(EngineError, match=r"cannot load the images: the engine broke off") as told:
            client.load([named(image, *[name] * bool(name))])
        assert told.value.hint


_SMALL_DISK = """
for argument; do [ "$previous" = --data-root ] && folder=$argument; previous=$argument; done
mkdir -p "$folder" && mount -t tmpfs -o size=8m none "$folder" && exec "$@"
"""


@pytest.mark.parametrize("name", ["full:1", ""])
def test_a_full_disk_of_the_engine(base: Image, name: str) -> None:
    prefix = ["unshare", "--mount", "sh", "-c", _SMALL_DISK, "sh"]
    with run_engine(prefix=prefix) as engine, EngineClient(engine.host) as client:
        image = extended(base, new_layer(10_000_000))
        start = time.monotonic()
        with pytest.raises(EngineError, match="no space left on device") as told:
            client.load([named(image, *[name] * bool(name))])
        assert "engine's disk is full" in (told.value.hint or "")
        assert time.monotonic() - start < 30
        assert all_images(engine) == set()
