"""The store gives what it holds whole, and treats everything else as not there."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from docker_envs.archive.entry import file_entry
from docker_envs.archive.layer_writer import LayerFacts, write_layer
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.digest import Digest
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import StorageError

KEY = Digest.of(b"key")


def write(file: BinaryIO) -> LayerFacts:
    return write_layer([file_entry("a", b"content", mtime=1)], file, source="test")


def facts_file(root: Path) -> Path:
    return root / "keys" / f"{KEY.hex}.json"


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


def test_what_was_made_is_found_again_by_another_process(store: LayerStore, tmp_path: Path) -> None:
    assert store.get(KEY) is None
    facts = store.make(KEY, write)
    assert LayerStore(tmp_path / "store").get(KEY) == facts
    assert store.get(Digest.of(b"other")) is None
    assert Digest.of(store.blob_path(facts).read_bytes()) == facts.digest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"garbage\xff",
        b"[]",
        b"{}",
        b'{"digest":"sha256:00","size":1,"diff_id":"sha256:00","tar_size":1}',
        b'{"digest":1,"size":1,"diff_id":2,"tar_size":1}',
    ],
)
def test_damaged_facts_count_as_none_and_are_made_anew(store: LayerStore, tmp_path: Path, content: bytes) -> None:
    facts = store.make(KEY, write)
    facts_file(tmp_path / "store").write_bytes(content)
    assert store.get(KEY) is None
    assert store.make(KEY, write) == facts == store.get(KEY)


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_torn_facts_count_as_none(store: LayerStore, tmp_path: Path, cut: int) -> None:
    store.make(KEY, write)
    path = facts_file(tmp_path / "store")
    path.write_bytes(path.read_bytes()[:cut])
    assert store.get(KEY) is None


def test_a_missing_or_truncated_blob_counts_as_none_and_is_made_anew(store: LayerStore) -> None:
    facts = store.make(KEY, write)
    path = store.blob_path(facts)
    whole = path.read_bytes()
    path.unlink()
    assert store.get(KEY) is None
    store.make(KEY, write)
    assert path.read_bytes() == whole
    path.chmod(0o644)
    path.write_bytes(whole[:-1])
    assert store.get(KEY) is None
    store.make(KEY, write)
    assert path.read_bytes() == whole


FINDINGS = [
    Finding(FindingKind.SETUID_DROPPED, "a", "bin/a", "lost its bit"),
    Finding(FindingKind.OUTSIDE_LINK, "b", "share/grün", "leads to `/etc`"),
]


def test_findings_are_kept_with_their_layer(store: LayerStore, tmp_path: Path) -> None:
    """Also those that come only while the layer is written."""
    found = FINDINGS[:1]

    def write_and_find(file: BinaryIO) -> LayerFacts:
        found.append(FINDINGS[1])
        return write(file)

    facts = store.make(KEY, write_and_find, findings=found)
    again = LayerStore(tmp_path / "store")
    assert (again.get(KEY), again.findings(KEY)) == (facts, FINDINGS)
    assert again.findings(Digest.of(b"other")) == []


def test_damaged_findings_make_a_layer_unknown(store: LayerStore, tmp_path: Path) -> None:
    """Rather than one about which nothing is to be told."""
    store.make(KEY, write, findings=FINDINGS)
    path = facts_file(tmp_path / "store")
    path.write_bytes(path.read_bytes().replace(b"setuid-dropped", b"something-else"))
    assert store.get(KEY) is None
    assert store.findings(KEY) == []


def test_a_failed_write_leaves_nothing(store: LayerStore, tmp_path: Path) -> None:
    def fail(file: BinaryIO) -> LayerFacts:
        file.write(b"half")
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        store.make(KEY, fail)
    assert store.get(KEY) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write `.*store/"):
        LayerStore(tmp_path / "store").make(KEY, write)


def make_many(root: str) -> list[LayerFacts]:
    store = LayerStore(Path(root))
    return [store.get(KEY) or store.make(KEY, write) for _ in range(20)]


def test_many_processes_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, context) as executor:
        found = [facts for made in executor.map(make_many, [str(tmp_path)] * 4) for facts in made]
    assert len(found) == 80
    assert len(set(found)) == 1
    assert sorted(path.parent.name for path in tmp_path.rglob("*") if path.is_file()) == ["keys", "sha256"]
