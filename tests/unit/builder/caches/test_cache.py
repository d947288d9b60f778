"""What is in the cache, who uses it, and what may go."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.layer_writer import LayerFacts
from docker_envs.builder.caches import cache as cache_module
from docker_envs.builder.caches.cache import CacheDirectory, mark_used, open_cache
from docker_envs.builder.caches.cache_contents import Part, choose_unused, find_damaged, list_cache, remove
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.digest import Digest
from docker_envs.errors import StorageError
from docker_envs.report import SILENT, SilentReporter
from tests.builds import AMD64, build_archive
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

DAY = 86400


def keep_layer(cache: CacheDirectory, content: bytes, *, age: float = 0) -> Path:
    """A layer of these bytes, used some days ago; its blob."""

    def write(file: BinaryIO) -> LayerFacts:
        file.write(content)
        return LayerFacts(Digest.of(content), len(content), Digest.of(content), len(content))

    store = LayerStore(cache.layers)
    facts = store.make(Digest.of(b"key of " + content), write, title=content.decode())
    used(cache.layers / "keys" / f"{Digest.of(b'key of ' + content).hex}.json", age)
    return used(store.blob_path(facts), age)


def keep_package(cache: CacheDirectory, content: bytes, *, age: float = 0) -> Path:
    path = cache.packages / f"sha256-{hashlib.sha256(content).hexdigest()}" / f"{content.decode()}-1-0.conda"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return used(path, age)


def keep_repodata(cache: CacheDirectory, name: str = "0123", *, age: float = 0) -> Path:
    cache.repodata.mkdir(exist_ok=True)
    (cache.repodata / f"{name}.info.json").write_text('{"url": "https://user:secret@h/t/tk-1/ch/noarch/repodata.json"}')
    used(cache.repodata / f"{name}.info.json", age)
    path = cache.repodata / f"{name}.json"
    path.write_text("{}")
    return used(path, age)


def used(path: Path, age: float) -> Path:
    """Say that something was used so many days ago."""
    then = time.time() - age * DAY
    os.utime(path, (then, then))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> CacheDirectory:
    cache = CacheDirectory(tmp_path / "cache")
    keep_package(cache, b"old", age=40)
    keep_layer(cache, b"older layer", age=50)
    keep_layer(cache, b"new layer", age=1)
    keep_repodata(cache, age=10)
    return cache


def names(cache: CacheDirectory) -> list[str]:
    return [kept.name for kept in list_cache(cache)]


CHANNEL = "https://h/t/<TOKEN>/ch/noarch/repodata.json"


def test_the_least_recently_used_is_first(cache: CacheDirectory) -> None:
    found = list_cache(cache)
    assert [(kept.part, kept.name) for kept in found] == [
        (Part.LAYERS, "older layer"),
        (Part.PACKAGES, "old-1-0.conda"),
        (Part.REPODATA, CHANNEL),
        (Part.LAYERS, "new layer"),
    ]
    for kept in found:
        assert kept.size == sum(path.stat().st_size for path in kept.files)
    assert list_cache(CacheDirectory(cache.root / "missing")) == []


def test_what_is_to_go(cache: CacheDirectory) -> None:
    found = list_cache(cache)
    total = sum(kept.size for kept in found)
    assert choose_unused(found) == []
    assert choose_unused(found, max_size=total) == []
    assert choose_unused(found, max_size=total - 1) == found[:1]
    assert choose_unused(found, max_size=0) == found
    assert choose_unused(found, before=time.time() - 30 * DAY) == found[:2]
    assert choose_unused(found, before=time.time() - 45 * DAY, max_size=found[-1].size) == found[:3]


def test_removing(cache: CacheDirectory) -> None:
    found = list_cache(cache)
    assert remove(cache, found[:2], dry_run=True).removed == tuple(found[:2])
    assert list_cache(cache) == found
    assert remove(cache, found[:2]).removed == tuple(found[:2])
    assert names(cache) == [CHANNEL, "new layer"]
    assert list(cache.packages.iterdir()) == []
    remove(cache, list_cache(cache))
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_what_a_running_builder_uses_stays(cache: CacheDirectory) -> None:
    with open_cache(cache.root, reporter=SILENT):
        found = list_cache(cache)
        assert LayerStore(cache.layers).get(Digest.of(b"key of older layer")) is not None
        fresh = list_cache(cache)
        assert {kept.name for kept in remove(cache, found).in_use} == {"older layer", CHANNEL}
        assert {kept.name for kept in remove(cache, fresh).in_use} == {"older layer", CHANNEL}
        assert names(cache) == [CHANNEL, "older layer"]
    assert remove(cache, list_cache(cache)).in_use == ()
    assert names(cache) == []


def test_what_was_used_since_it_was_listed_stays(cache: CacheDirectory) -> None:
    found = list_cache(cache)
    mark_used(cache.packages, found[1].files[0])
    pruned = remove(cache, found)
    assert (pruned.in_use, names(cache)) == ((found[1],), ["old-1-0.conda"])


def test_leftovers_of_the_dead_are_removed_by_who_comes_next(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    dead = [root / "incoming/.x.part", root / "locks/x.lock", root / "layers/incoming/y.part", root / "builders/z.part"]
    for path in dead:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with open_cache(root, reporter=SILENT) as cache:
        assert not any(path.exists() for path in dead)
        assert cache.oldest_use() == pytest.approx((time.time() - 2) * 1e9, abs=30e9)
    assert cache.oldest_use() is None


@pytest.mark.parametrize("part", [Part.LAYERS, Part.PACKAGES])
def test_a_flipped_byte_is_found(cache: CacheDirectory, part: Part) -> None:
    found = list_cache(cache)
    assert find_damaged(found) == []
    victim = next(kept for kept in found if kept.part is part)
    content = bytearray(victim.files[-1].read_bytes())
    content[1] ^= 1
    victim.files[-1].write_bytes(content)
    assert [kept.name for kept in find_damaged(list_cache(cache))] == [victim.name]


def test_facts_that_lie_are_found(cache: CacheDirectory) -> None:
    orphan = keep_layer(cache, b"without facts")
    lying, lost = keep_layer(cache, b"shorter"), keep_layer(cache, b"lost")
    for name in (b"without facts", b"shorter"):
        facts = cache.layers / "keys" / f"{Digest.of(b'key of ' + name).hex}.json"
        facts.write_bytes(facts.read_bytes().replace(b'"size":7', b'"size":8') if name == b"shorter" else b"{}")
    lost.unlink()
    damaged = find_damaged(list_cache(cache))
    assert len(damaged) == 3
    assert lying in {kept.files[-1] for kept in damaged}
    assert not any(orphan in kept.files for kept in damaged)
    remove(cache, damaged)
    assert orphan.exists()
    assert not lying.exists()
    assert find_damaged(list_cache(cache)) == []


def test_what_others_remove_meanwhile_is_not_damaged(cache: CacheDirectory) -> None:
    found = list_cache(cache)
    shutil.rmtree(cache.root)
    assert find_damaged(found) == []
    (cache.root / "packages").mkdir(parents=True)
    assert remove(cache, [kept for kept in found if kept.part is Part.PACKAGES]).in_use == ()


def test_read_only_reads_there_and_keeps_elsewhere(cache: CacheDirectory) -> None:
    before = times(cache)
    with open_cache(cache.root, read_only=True, reporter=SILENT) as opened:
        assert opened.below == CacheDirectory(cache.root)
        store = LayerStore.of(opened)
        new = keep_layer(opened, b"made now")
        for content in (b"new layer", b"made now"):
            facts = store.get(Digest.of(b"key of " + content))
            assert facts is not None
            assert store.blob_path(facts).read_bytes() == content
        assert (opened.repodata / "0123.json").read_text() == "{}"
    assert not new.exists()
    assert not opened.root.exists()
    assert times(cache) == before


def times(cache: CacheDirectory) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.root.rglob("*")}


class Notes(SilentReporter):
    """Remembers messages."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_place_that_cannot_be_written_is_read(
    cache: CacheDirectory, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(cache_module, "temporary_file", refuse)
    notes = Notes()
    with open_cache(cache.root, reporter=notes) as opened:
        assert opened.below == cache
    assert notes.texts == [f"note: the cache `{cache.root}` cannot be written, so what is new is not kept"]
    with pytest.raises(StorageError, match="cannot write"), open_cache(cache.root / "missing", reporter=notes):
        pass


def test_a_read_only_build(channel: Path, tmp_path: Path) -> None:
    """Packages, channels and layers are found; what is new is not kept; the image is the same."""
    simulator = ChannelSimulator(channel)
    out, cache = tmp_path / "out.tar", tmp_path / "cache"

    def asked() -> list[str]:
        return [each for each in simulator.asked if each.endswith(".conda")]

    with simulator.running():
        command = ["--platform", AMD64, "-c", simulator.channel, "hello-sh"]
        first = build_archive(out, *command, cache=cache)
        fetched, before = asked(), times(CacheDirectory(cache))
        again = build_archive(out, *command, "--cache-read-only", cache=cache)
        assert asked() == fetched
        build_archive(out, *command, "links", "--cache-read-only", cache=cache)
        assert len(asked()) == len(fetched) + 1
    assert again.digest == first.digest
    assert times(CacheDirectory(cache)) == before
