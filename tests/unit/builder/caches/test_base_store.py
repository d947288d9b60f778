"""Bases in registries are fetched once, and known by their digest without any network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.caches.base_store import BaseStore
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.errors import NotFoundError, VerificationError
from docker_envs.images.location import parse_location
from docker_envs.images.transports import Transports
from docker_envs.oci.descriptor import Platform
from tests.images import AMD64, make_image, make_layer, read_blob
from tests.simulators.registry import RegistrySimulator
from tests.unit.transports.registry.helpers import name, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.digest import Digest
    from docker_envs.images.location import Location

IMAGE = make_image(make_layer({"etc/os-release": b"ID=debian\n"}), make_layer({"b": b"b"}))


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    store(simulator, IMAGE)
    with simulator.running():
        yield simulator


def location(server: RegistrySimulator, digest: Digest | None = IMAGE.digest) -> Location:
    found = parse_location(str(name(server)))
    return found if digest is None else replace(found, reference=found.registry_reference.with_digest(digest))


def bases(tmp_path: Path, *, offline: bool = False, below: Path | None = None) -> BaseStore:
    cache = CacheDirectory(tmp_path, below=CacheDirectory(below) if below else None)
    return BaseStore(cache, Transports(), offline=offline)


def test_what_was_fetched_needs_no_registry(server: RegistrySimulator, tmp_path: Path) -> None:
    first = bases(tmp_path).open(location(server), AMD64)
    assert first.digest == IMAGE.digest
    assert [read_blob(layer) for layer in first.layers] == [read_blob(layer) for layer in IMAGE.layers]
    before = len(server.log)
    again = bases(tmp_path, offline=True).open(location(server), AMD64)
    assert (again.digest, again.config.raw) == (IMAGE.digest, IMAGE.config.raw)
    assert [read_blob(layer) for layer in again.layers] == [read_blob(layer) for layer in IMAGE.layers]
    # The place that others mount from is still known.
    assert {str(layer.origin) for layer in again.layers} == {str(location(server).reference)}
    assert len(server.log) == before


def test_layers_are_fetched_when_they_are_opened(server: RegistrySimulator, tmp_path: Path) -> None:
    image = bases(tmp_path).open(location(server), AMD64)
    wanted = [str(layer.digest) for layer in IMAGE.layers]
    assert not [request for request in server.log if request.path.rpartition("/")[2] in wanted]
    for _ in range(3):
        read_blob(image.layers[1])
    asked = [request.path.rpartition("/")[2] for request in server.log]
    assert [asked.count(digest) for digest in wanted] == [0, 1]


def test_a_tag_is_asked_for_each_time(server: RegistrySimulator, tmp_path: Path) -> None:
    assert bases(tmp_path).open(location(server, None), AMD64).digest == IMAGE.digest
    moved = make_image(make_layer({"new": b"new"}))
    store(server, moved)
    assert bases(tmp_path).open(location(server, None), AMD64).digest == moved.digest
    with pytest.raises(NotFoundError, match="forbids the network"):
        bases(tmp_path, offline=True).open(location(server, None), AMD64)


def test_what_is_not_here_is_missing_offline(server: RegistrySimulator, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not in the cache"):
        bases(tmp_path, offline=True).open(location(server), AMD64)
    bases(tmp_path).open(location(server), AMD64)
    image = bases(tmp_path, offline=True).open(location(server), AMD64)
    with pytest.raises(NotFoundError, match=r"layer .* of the base is not in the cache"):
        image.layers[0].open_blob()
    with pytest.raises(NotFoundError):
        bases(tmp_path, offline=True).open(location(server), Platform("linux", "s390x"))


def test_damage_is_noticed(server: RegistrySimulator, tmp_path: Path) -> None:
    image = bases(tmp_path).open(location(server), AMD64)
    read_blob(image.layers[0])
    for blob in (tmp_path / "bases/blobs/sha256").iterdir():
        content = bytearray(blob.read_bytes())
        content[-1] ^= 1
        blob.write_bytes(content)
    before = len(server.log)
    # The manifest is fetched anew; layers are verified by whoever reads them.
    again = bases(tmp_path).open(location(server), AMD64)
    assert again.digest == IMAGE.digest
    assert len(server.log) > before
    with pytest.raises(VerificationError):
        read_blob(again.layers[0])


def test_a_cache_below_is_read_and_not_written(server: RegistrySimulator, tmp_path: Path) -> None:
    for layer in bases(tmp_path / "below").open(location(server), AMD64).layers[:1]:
        read_blob(layer)
    before = sorted((tmp_path / "below").rglob("*"))
    image = bases(tmp_path / "above", below=tmp_path / "below").open(location(server), AMD64)
    for layer in image.layers:
        read_blob(layer)
    assert sorted((tmp_path / "below").rglob("*")) == before
    assert len(list((tmp_path / "above/bases/blobs/sha256").iterdir())) == 1
