from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, DockerEnvsError, SizeMismatchError, StorageError, TransportError
from docker_envs.oci import edit, media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.image import NamedImage
from docker_envs.transports.engine.loopback_registry import LoopbackRegistry
from tests.images import ARM64, make_image, make_layer, read_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_envs.oci.image import Image
    from docker_envs.streams import ByteSource

LAYER = make_layer({"a": hashlib.shake_128(b"a").digest(1_000_000)})
IMAGE = make_image(LAYER, {"b": b"second"})


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def ask(registry: LoopbackRegistry, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request on a connection of its own; `path` starts below the repository unless it has a slash in front."""
    address, _, name = registry.repository.partition("/")
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path if path.startswith("/") else f"/v2/{name}/{path}", headers=headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


@pytest.fixture
def registry() -> Iterator[LoopbackRegistry]:
    with LoopbackRegistry([Artifact.of_image(IMAGE)]) as registry:
        yield registry


def test_an_image_in_all_its_parts(registry: LoopbackRegistry) -> None:
    assert ask(registry, "/v2/").status == 200
    assert not registry.contacted.is_set()
    manifest = ask(registry, f"manifests/{IMAGE.digest}")
    assert manifest.body == IMAGE.manifest.raw
    assert manifest.headers["Content-Type"] == media_types.OCI_MANIFEST
    assert manifest.headers["Docker-Content-Digest"] == IMAGE.digest
    assert registry.contacted.is_set()
    assert registry.fetched == set()
    assert ask(registry, f"blobs/{IMAGE.config.digest}").body == IMAGE.config.raw
    for layer in IMAGE.layers:
        assert ask(registry, f"blobs/{layer.digest}").body == read_blob(layer)
    assert registry.fetched == {IMAGE.config.digest, *(layer.digest for layer in IMAGE.layers)}
    assert registry.failure is None


def test_an_index_with_its_images() -> None:
    arm = make_image({"arm": b""}, platform=ARM64)
    index = Artifact.of_named(NamedImage(IMAGE, variants=(arm,)))
    with LoopbackRegistry([index]) as registry:
        assert ask(registry, f"manifests/{index.digest}").body == index.raw
        for image in (IMAGE, arm):
            assert ask(registry, f"manifests/{image.digest}").body == image.manifest.raw


def test_head_sends_no_body_and_counts_as_no_fetch(registry: LoopbackRegistry) -> None:
    answer = ask(registry, f"blobs/{LAYER.digest}", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(LAYER.size), b"")
    assert registry.fetched == set()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v2/_catalog",
        "/v2/app/manifests/latest",
        "tags/list",
        "manifests/latest",
        f"manifests/{LAYER.digest}",
        f"blobs/{IMAGE.digest}",
        f"blobs/{Digest.of(b'other')}",
        "blobs/../manifests",
    ],
)
def test_nothing_else_is_there(registry: LoopbackRegistry, path: str) -> None:
    assert ask(registry, path).status == 404


def test_nothing_under_another_name(registry: LoopbackRegistry) -> None:
    assert ask(registry, f"/v2/{'0' * 32}/manifests/{IMAGE.digest}").status == 404
    assert ask(registry, f"/v2/x/blobs/{LAYER.digest}").status == 404
    assert not registry.contacted.is_set()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(registry: LoopbackRegistry, method: str) -> None:
    assert ask(registry, "blobs/uploads/", method).status == 501


def test_names_are_new_each_time_and_long() -> None:
    names = set()
    for _ in range(5):
        with LoopbackRegistry([]) as registry:
            names.add(registry.repository.partition("/")[2])
    assert len(names) == 5
    assert {len(name) for name in names} == {32}


def test_nothing_is_logged(registry: LoopbackRegistry, capfd: pytest.CaptureFixture[str]) -> None:
    ask(registry, f"manifests/{IMAGE.digest}")
    ask(registry, "other", "PUT")
    assert capfd.readouterr() == ("", "")


def test_it_is_gone_after_the_block_and_connections_with_it() -> None:
    with LoopbackRegistry([Artifact.of_image(IMAGE)]) as registry:
        host, _, port = registry.repository.partition("/")[0].partition(":")
        kept = http.client.HTTPConnection(host, int(port), timeout=10)
        kept.request("GET", "/v2/")
        kept.getresponse().read()
    assert kept.sock.recv(1) == b""
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        ask(registry, "/v2/")


def test_it_listens_on_this_machine_only(registry: LoopbackRegistry) -> None:
    assert registry.repository.startswith("127.0.0.1:")


def test_tls_is_refused_at_once(registry: LoopbackRegistry) -> None:
    host, _, port = registry.repository.partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-", 0, None),
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, None),
        ("bytes=100-199", 100, 200),
        (f"bytes={LAYER.size - 1}-", LAYER.size - 1, None),
        (f"bytes=5-{LAYER.size * 2}", 5, None),
    ],
)
def test_ranges(registry: LoopbackRegistry, wanted: str, start: int, end: int | None) -> None:
    answer = ask(registry, f"blobs/{LAYER.digest}", Range=wanted)
    blob = read_blob(LAYER)
    assert answer.body == blob[start:end]
    if answer.body == blob:
        assert answer.status == 200
    else:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{(end or len(blob)) - 1}/{len(blob)}"


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=5-3", "bytes=1-2,5-6", "bytes=x", "lines=1-", "bytes=-"])
def test_other_ranges_mean_all(registry: LoopbackRegistry, wanted: str) -> None:
    answer = ask(registry, f"blobs/{LAYER.digest}", Range=wanted)
    assert (answer.status, answer.body) == (200, read_blob(LAYER))


def test_a_range_behind_the_end(registry: LoopbackRegistry) -> None:
    answer = ask(registry, f"blobs/{LAYER.digest}", Range=f"bytes={LAYER.size}-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{LAYER.size}")


def damaged(opener: Callable[[], ByteSource]) -> Image:
    return edit.append_layer(IMAGE, replace(LAYER, opener=opener), history={})


def refuse() -> ByteSource:
    raise TransportError("the publisher is away")


def unreadable() -> ByteSource:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("opener", "error"),
    [
        pytest.param(lambda: io.BytesIO(b"x" * LAYER.size), DigestMismatchError, id="other bytes"),
        pytest.param(lambda: io.BytesIO(read_blob(LAYER)[:-1]), SizeMismatchError, id="too short"),
        pytest.param(lambda: io.BytesIO(read_blob(LAYER) + b"x"), SizeMismatchError, id="too long"),
        pytest.param(refuse, TransportError, id="not to be had"),
        pytest.param(unreadable, StorageError, id="unreadable"),
    ],
)
def test_a_wrong_blob_never_arrives_whole(opener: Callable[[], ByteSource], error: type[DockerEnvsError]) -> None:
    told = threading.Event()
    with LoopbackRegistry([Artifact.of_image(damaged(opener))], on_failure=told.set) as registry:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(registry, f"blobs/{LAYER.digest}")
        assert told.wait(10)
    assert isinstance(registry.failure, error)
    assert LAYER.digest.short in str(registry.failure) or error is TransportError


def test_a_reader_who_leaves_is_no_failure(registry: LoopbackRegistry) -> None:
    host, _, port = registry.repository.partition("/")[0].partition(":")
    path = f"/v2/{registry.repository.partition('/')[2]}/blobs/{LAYER.digest}"
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.recv(10)
    assert ask(registry, f"blobs/{LAYER.digest}").status == 200
    assert registry.failure is None


class Steps:
    """A reporter of one verb that remembers how far each task came."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.finished: list[str] = []

    def message(self, text: str) -> None:
        raise AssertionError(text)

    warning = message

    def start(self, verb: str, name: str, total: int | None = None) -> Step:
        assert (verb, name in self.done) == ("loading", False)
        self.done[name] = 0
        return Step(self, name)


class Step:
    def __init__(self, steps: Steps, name: str) -> None:
        self.steps, self.name = steps, name

    def advance(self, amount: int) -> None:
        self.steps.done[self.name] += amount

    def finish(self, note: str = "") -> None:
        self.steps.finished.append(self.name)


def test_layers_are_reported_once_and_nothing_else() -> None:
    steps = Steps()
    with LoopbackRegistry([Artifact.of_image(IMAGE)], reporter=steps) as registry:
        ask(registry, f"manifests/{IMAGE.digest}")
        ask(registry, f"blobs/{IMAGE.config.digest}")
        ask(registry, f"blobs/{LAYER.digest}", Range="bytes=0-99")
        assert steps.done == {LAYER.digest.short: 100}
        assert steps.finished == []
        ask(registry, f"blobs/{LAYER.digest}", Range="bytes=50-")
        ask(registry, f"blobs/{LAYER.digest}")
    assert steps.done == {LAYER.digest.short: LAYER.size}
    assert steps.finished == [LAYER.digest.short]


def test_many_at_once(registry: LoopbackRegistry) -> None:
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(registry, f"blobs/{LAYER.digest}").body)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [read_blob(LAYER)] * 16


def test_blobs_of_any_artifact() -> None:
    chart = Blob.of_bytes(b"a chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    config = Blob.of_bytes(b"{}", "application/vnd.cncf.helm.config.v1+json")
    artifact = Artifact(Artifact.of_image(IMAGE).descriptor, IMAGE.manifest.raw, (config, chart))
    with LoopbackRegistry([artifact]) as registry:
        for made in (config, chart):
            assert ask(registry, f"blobs/{made.digest}").body == made.opener().read()
