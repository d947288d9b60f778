"""What is kept by digest is whole, or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.caches.cache_contents import find_damaged, list_cache
from docker_envs.builder.caches.kept_documents import KeptDocuments

if TYPE_CHECKING:
    from pathlib import Path


def test_a_document_comes_back_as_it_was(tmp_path: Path) -> None:
    documents = KeptDocuments(CacheDirectory(tmp_path), "deb1")
    assert documents.get("a" * 64, "a.deb") is None
    documents.add("a" * 64, "a.deb", b"content")
    assert documents.get("a" * 64, "a.deb") == b"content"
    assert KeptDocuments(CacheDirectory(tmp_path), "deb2").get("a" * 64, "a.deb") is None
    assert [kept.name for kept in list_cache(CacheDirectory(tmp_path))] == ["a.deb"]


def test_a_damaged_document_is_none(tmp_path: Path) -> None:
    cache = CacheDirectory(tmp_path)
    documents = KeptDocuments(cache, "deb1")
    documents.add("a" * 64, "a.deb", b"content")
    assert find_damaged(list_cache(cache)) == []
    path = next(cache.metadata.iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    assert documents.get("a" * 64, "a.deb") is None
    assert [kept.name for kept in find_damaged(list_cache(cache))] == ["a.deb"]


def test_a_cache_below_is_asked_and_not_written(tmp_path: Path) -> None:
    below = CacheDirectory(tmp_path / "below")
    KeptDocuments(below, "deb1").add("a" * 64, "a.deb", b"content")
    above = KeptDocuments(CacheDirectory(tmp_path / "above", below=below), "deb1")
    assert above.get("a" * 64, "a.deb") == b"content"
    above.add("b" * 64, "b.deb", b"more")
    assert len(list(below.metadata.iterdir())) == 1
