from __future__ import annotations

import dataclasses
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError
from docker_envs.images.flatten import flatten_image, write_flattened
from docker_envs.images.local_layers import local_layers, temporary_store
from docker_envs.oci import media_types
from docker_envs.oci.reference import Reference
from docker_envs.validate import validate_image
from tests.images import flattened
from tests.images import make_image as image_of_texts
from tests.unit.archive.test_whiteout import STICKY, bare, file, link
from tests.unit.images import make_image
from tests.unit.images.test_browse import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource
    from docker_envs.transports.blobs import BlobStore

IMAGE = make_image(
    plain(bare(STICKY, file("d/a", b"a"), link("d/b", "d/a"))), plain(bare(file("d/.wh.a"), file("d/c", b"c")))
)


@pytest.fixture
def store() -> Iterator[BlobStore]:
    with temporary_store() as store:
        yield store


def exported(image: Image) -> bytes:
    out = io.BytesIO()
    write_flattened(image, out)
    return out.getvalue()


def test_the_tar_has_what_a_container_sees() -> None:
    with tarfile.open(fileobj=io.BytesIO(exported(IMAGE))) as tar:
        assert [(member.name, oct(member.mode)) for member in tar] == [
            ("d", "0o1777"),
            ("d/c", "0o644"),
            ("d/b", "0o644"),
        ]
        found = tar.extractfile("d/b")
        assert found is not None
        assert found.read() == b"a"


def test_same_image_same_bytes() -> None:
    assert exported(IMAGE) == exported(IMAGE)


@pytest.mark.parametrize("docker", [False, True])
def test_one_layer_and_the_same_config(store: BlobStore, *, docker: bool) -> None:
    image = image_of_texts({"a": b"1", "b": b"2"}, {"a": b"3"}, docker=docker)
    image = dataclasses.replace(image, config=image.config.with_created("2020-01-01T00:00:00Z"), annotations={})
    flat = flatten_image(image, store)
    validate_image(flat)
    assert len(flat.layers) == 1
    assert flattened(flat) == {"a": b"3", "b": b"2"}
    assert flat.config.container == image.config.container
    assert flat.config.history == ({"created": "2020-01-01T00:00:00Z", "created_by": "docker-envs flatten"},)
    assert flat.media_type == image.media_type
    assert media_types.is_docker(flat.layers[0].media_type) == docker


def test_annotations_and_unknown_fields_stay(store: BlobStore) -> None:
    image = dataclasses.replace(IMAGE, annotations={"k": "v"}, template={"x-own": 1})
    flat = flatten_image(image, store)
    assert flat.annotations == {"k": "v"}
    assert flat.manifest.document["x-own"] == 1


def test_compression(store: BlobStore) -> None:
    flat = flatten_image(IMAGE, store, compression=CompressionSetting.parse("zstd"))
    assert flat.layers[0].media_type == media_types.OCI_LAYER_ZSTD
    validate_image(flat)


def test_an_image_without_layers(store: BlobStore) -> None:
    flat = flatten_image(make_image(), store)
    assert flattened(flat) == {}
    validate_image(flat)


class Remote:
    """A layer as a registry has it, and how often it was asked for."""

    def __init__(self, layer: Layer) -> None:
        self.opened = 0
        self._layer = layer
        self.layer = dataclasses.replace(layer, opener=self._open, origin=Reference.parse("example.org/x"))

    def _open(self) -> ByteSource:
        self.opened += 1
        return self._layer.opener()


def test_far_blobs_are_fetched_once_however_often_they_stand_in_an_image(store: BlobStore) -> None:
    remote = Remote(plain(bare(file("a", b"a"))))
    image = make_image(remote.layer, remote.layer)
    exported(image)
    assert remote.opened == 1
    near = local_layers(image, store)
    assert remote.opened == 2
    assert near.layers[0].host_path is not None
    assert near.layers[0].origin == remote.layer.origin
    assert near.digest == image.digest


def test_far_blobs_are_verified_before_anything_is_written() -> None:
    layer = plain(bare(file("a", b"a")))
    wrong = dataclasses.replace(layer, descriptor=dataclasses.replace(layer.descriptor, digest=Digest.of(b"")))
    out = io.BytesIO()
    with pytest.raises(DigestMismatchError):
        write_flattened(make_image(Remote(wrong).layer), out)
    assert out.getvalue() == b""


def test_temporary_blobs_are_not_forced_onto_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("waited for the disk"))
    with temporary_store() as store:
        flatten_image(make_image(Remote(plain(bare(file("a")))).layer), store)
