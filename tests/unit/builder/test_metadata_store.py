"""Metadata of packages are read once; then archives are needed only for layers that are missing."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.cache import CacheDirectory
from docker_envs.builder.metadata_store import METADATA_FORMAT, KeptMetadata, MetadataStore, encode_kept, read_kept
from docker_envs.environments.conda.package import CondaPackage
from tests.builds import AMD64, build_archive
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> MetadataStore:
    return MetadataStore(CacheDirectory(tmp_path / "cache"))


def package_at(path: Path) -> tuple[CondaPackage, KeptMetadata]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    package = replace(CondaPackage.from_url(path.as_uri(), sha256=sha256), size=path.stat().st_size)
    return package, read_kept(path, path.stat().st_size)


def test_what_is_kept_is_what_was_read(channel: Path, store: MetadataStore) -> None:
    archives = [path for path in sorted(channel.glob("*/*")) if path.suffix in (".conda", ".bz2")]
    assert len(archives) > 30
    for path in archives:
        package, kept = package_at(path)
        assert store.get(package) is None
        store.add(package.sha256 or "", package.file_name, kept)
        assert store.get(package) == kept
        assert list(kept.metadata.index) == list((store.get(package) or kept).metadata.index)


@pytest.fixture
def kept(channel: Path, store: MetadataStore) -> CondaPackage:
    package, kept = package_at(channel / "linux-64/hello-sh-1.0-0.conda")
    store.add(package.sha256 or "", package.file_name, kept)
    return package


def test_what_cannot_be_trusted_counts_as_none(store: MetadataStore, kept: CondaPackage, tmp_path: Path) -> None:
    assert store.get(replace(kept, size=None)) is not None
    assert store.get(replace(kept, size=1)) is None
    assert store.get(replace(kept, sha256=None)) is None
    assert store.get(replace(kept, sha256="0" * 64)) is None
    (path,) = (tmp_path / "cache/metadata").iterdir()
    content = path.read_bytes()
    nonsense = b"\xc1"
    for damaged in (
        b"",
        content[:-1],
        content[:40],
        content[:-1] + b"\0",
        hashlib.sha256(nonsense).digest() + nonsense,
    ):
        path.write_bytes(damaged)
        assert store.get(kept) is None
    path.write_bytes(content)
    assert store.get(kept) is not None


def test_what_the_format_cannot_hold_is_not_kept(store: MetadataStore, kept: CondaPackage) -> None:
    known = store.get(kept)
    assert known is not None
    large = KeptMetadata(1, replace(known.metadata, index={**known.metadata.index, "large": 1 << 70}), ())
    store.add("1" * 64, kept.file_name, large)
    assert store.get(replace(kept, sha256="1" * 64)) is None


@pytest.fixture
def simulator(channel: Path) -> Iterator[ChannelSimulator]:
    simulator = ChannelSimulator(channel)
    with simulator.running():
        yield simulator


def fetched(simulator: ChannelSimulator) -> list[str]:
    return [each for each in simulator.asked if each.endswith(".conda")]


def test_nothing_changed_so_no_package_is_read(simulator: ChannelSimulator, tmp_path: Path) -> None:
    cache, command = tmp_path / "cache", ["--platform", AMD64, "-c", simulator.channel, "hello-sh", "links"]
    out = tmp_path / "out.tar"
    first = build_archive(out, *command, cache=cache)
    shutil.rmtree(cache / "packages")
    before = len(fetched(simulator))
    assert build_archive(out, *command, cache=cache).digest == first.digest
    assert not (cache / "packages").exists()
    assert len(fetched(simulator)) == before == 3
    for path in (cache / "layers/keys").iterdir():
        if "links" in path.read_text():
            path.unlink()
    assert build_archive(out, *command, cache=cache).digest == first.digest
    assert fetched(simulator)[before:] == ["GET /channel/linux-64/links-1.0-0.conda"]
