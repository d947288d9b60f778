"""Metadata of packages are read once; then archives are needed only for layers that are missing."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import open_decompressed
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.caches.cache_entries import metadata_entry
from docker_envs.builder.caches.metadata_store import (
    METADATA_FORMAT,
    KeptMetadata,
    MetadataStore,
    encode_kept,
    read_kept,
)
from docker_envs.environments.conda.package import CondaPackage
from tests.builds import AMD64, build_archive
from tests.packages.build import PLACEHOLDER, PackageSpec, text, write_channel
from tests.simulators.channel import ChannelSimulator
from tests.simulators.registry import sha256

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


#: Digests of what is kept of packages, with their checksums; when these change, raise `METADATA_FORMAT`.
GOLDEN = {
    "hello-sh-1.0-0.conda": "sha256:d83a326a26e489e72966787a3181ab53c3ac9ed50d9009ee7a9173d00dc829d4",
    "activated-linked-1.0-0.conda": "sha256:aa8bb11b932f89e2e4f7138c9222be201632f11d6ff04b7afa65bfade8bcb726",
    "legacy-1.0-0.tar.bz2": "sha256:58994eb43af350da02a8e4e766aef1c7481be7c334d0b9c7f7e50b7c7d227dd2",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_format_is_what_it_was(channel: Path, name: str) -> None:
    """Machines of other releases read it, out of caches that they share."""
    assert METADATA_FORMAT == 2
    path = channel / "linux-64" / name
    # The archive's size depends on the codec of the fixture.
    local, entry = encode_kept(read_kept(path, 1)), metadata_entry(read_kept(path, 1))
    assert entry is not None
    with open_decompressed(entry.blobs[1].open_blob(), source=name) as stream:
        assert sha256(local + stream.read()) == GOLDEN[name]


def test_activation_files_are_kept_as_the_package_has_them(channel: Path) -> None:
    kept = read_kept(channel / "linux-64/activated-linked-1.0-0.conda", 1)
    assert kept.activation_files is not None
    inside, outside = kept.activation_files
    assert (inside.path, inside.link) == ("etc/conda/activate.d/inside.sh", "../../../share/linked/inside.sh")
    assert inside.content == f"export LINKED_INSIDE={PLACEHOLDER}/inside\n".encode()
    assert (outside.link, outside.content) == ("/etc/profile.d/outside.sh", b"")


def test_large_activation_files_are_read_from_the_package_each_time(tmp_path: Path) -> None:
    files = {"a.sh": text("export LARGE=yes\n"), "a.txt": text("#" * 300_000)}
    spec = PackageSpec("large", files={f"etc/conda/activate.d/{name}": file for name, file in files.items()})
    channel = write_channel(tmp_path / "channel", [spec])
    assert read_kept(channel / "linux-64/large-1.0-0.conda", 1).activation_files is None
    for _ in range(2):
        image = build_archive(
            tmp_path / "out.tar", "--platform", AMD64, "-c", channel.as_uri(), "large", cache=tmp_path / "cache"
        )
        assert image.config.env["LARGE"] == "yes"
