"""What is in a cache directory: listed, measured, pruned and verified while builders use it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.caches.kept_documents import checked_payload
from docker_envs.builder.caches.layer_store import FACTS_DECODER
from docker_envs.builder.parallel import checked, cores, map_parallel
from docker_envs.errors import redact
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import storage_errors
from docker_envs.transports.locks import directory_lock

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from docker_envs.builder.caches.cache import CacheDirectory

_CHECKSUM = re.compile(r"(sha256|md5)-([0-9a-f]+)")


class _RepodataState(msgspec.Struct):
    url: str


class Part(StrEnum):
    """A part of the cache."""

    PACKAGES = "packages"
    METADATA = "metadata"
    REPODATA = "repodata"
    BASES = "bases"
    LAYERS = "layers"


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing in the cache, which is removed as a whole.

    Attributes:
        part: The part of the cache that it is in.
        name: What it is, for people.
        files: Its files in the order in which they are removed; the last holds its content, whose name tells its
            checksum, except for repodata.
        size: Of all its files, in bytes.
        used: When it was used last, in nanoseconds since 1970.
    """

    part: Part
    name: str
    files: tuple[Path, ...]
    size: int
    used: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and what would have been, were it not in use."""

    removed: tuple[Kept, ...]
    in_use: tuple[Kept, ...]


def list_cache(cache: CacheDirectory) -> list[Kept]:
    """All that is kept, what was used last at the end.

    Raises:
        StorageError: The directory cannot be read.
    """
    with storage_errors("read", cache.root):
        found = [*_packages(cache), *_metadata(cache), *_repodata(cache), *_bases(cache), *_layers(cache)]
    return sorted(found, key=lambda kept: (kept.used, kept.name))


def _packages(cache: CacheDirectory) -> Iterator[Kept]:
    for path in _files(cache.packages.glob("*/*")):
        yield from _kept(Part.PACKAGES, path.name, (path,))


def _metadata(cache: CacheDirectory) -> Iterator[Kept]:
    for path in _files(cache.metadata.glob("*")):
        yield from _kept(Part.METADATA, path.name.split("-", 2)[-1], (path,))


def _repodata(cache: CacheDirectory) -> Iterator[Kept]:
    groups: dict[str, list[Path]] = {}
    for path in _files(cache.repodata.rglob("*")):
        groups.setdefault(path.name.partition(".")[0], []).append(path)
    for name, paths in groups.items():
        yield from _kept(Part.REPODATA, _channel(paths) or name, tuple(sorted(paths)))


def _channel(paths: Sequence[Path]) -> str:
    for path in paths:
        if path.name.endswith(".info.json"):
            with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                return redact(msgspec.json.decode(path.read_bytes(), type=_RepodataState).url)
    return ""


def _bases(cache: CacheDirectory) -> Iterator[Kept]:
    for path in _files((cache.bases / "blobs").glob("*/*")):
        yield from _kept(Part.BASES, f"{path.parent.name}:{path.name[:12]}", (path,))


def _layers(cache: CacheDirectory) -> Iterator[Kept]:
    keys: dict[str, list[tuple[Path, str]]] = {}
    stale = []
    for path in _files((cache.layers / "keys").glob("*.json")):
        try:
            stored = FACTS_DECODER.decode(path.read_bytes())
            keys.setdefault(stored.digest, []).append((path, stored.title))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            stale.append(path)
    for path in _files((cache.layers / "blobs").glob("*/*")):
        facts = sorted(keys.pop(f"{path.parent.name}:{path.name}", []))
        title = next((title for _, title in facts if title), f"{path.parent.name}:{path.name[:12]}")
        yield from _kept(Part.LAYERS, title, (*(each for each, _ in facts), path))
    for path in [*stale, *(each for facts in keys.values() for each, _ in facts)]:
        yield from _kept(Part.LAYERS, f"facts without a layer ({path.name[:12]})", (path,))


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _kept(part: Part, name: str, paths: tuple[Path, ...]) -> Iterator[Kept]:
    # Others may remove it at the same time.
    with contextlib.suppress(FileNotFoundError):
        stats = [path.stat() for path in paths]
        yield Kept(part, name, paths, sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats))


def choose_unused(kept: Sequence[Kept], *, max_size: int | None = None, before: float | None = None) -> list[Kept]:
    """What is to go: all that was used last before a time, and then the least recently used until the rest fits.

    Args:
        kept: As `list_cache` gives it.
        max_size: Of what stays, in bytes.
        before: In seconds since 1970.
    """
    chosen = []
    left = sum(each.size for each in kept)
    for each in kept:
        too_old = before is not None and each.used < before * 1e9
        too_much = max_size is not None and left > max_size
        if too_old or too_much:
            chosen.append(each)
            left -= each.size
    return chosen


def remove(cache: CacheDirectory, chosen: Iterable[Kept], *, dry_run: bool = False) -> Pruned:
    """Remove what no running builder may be using; and files of processes that died.

    Args:
        cache: The cache.
        chosen: What is not wanted any more; what was used since it was listed stays.
        dry_run: Only find out.

    Raises:
        StorageError: Something cannot be removed.
    """
    removed, in_use = [], []
    for kept in chosen:
        with storage_errors("remove", kept.files[-1]), directory_lock(cache.root / kept.part, shared=False):
            if _is_in_use(cache, kept):
                in_use.append(kept)
                continue
            for path in () if dry_run else kept.files:
                path.unlink(missing_ok=True)
        removed.append(kept)
        if kept.part is Part.PACKAGES and not dry_run:
            with contextlib.suppress(OSError):
                kept.files[-1].parent.rmdir()
    if not dry_run:
        cache.remove_leftovers()
    return Pruned(tuple(removed), tuple(in_use))


def _is_in_use(cache: CacheDirectory, kept: Kept) -> bool:
    """To be asked under the lock of its part, which builders need to mark what they use."""
    since = cache.oldest_use()
    if kept.part is Part.REPODATA:
        # Rattler marks nothing.
        return since is not None
    now = next(_kept(kept.part, kept.name, kept.files), None)
    return now is not None and (now.used != kept.used or (since is not None and now.used >= since))


def find_damaged(kept: Sequence[Kept]) -> list[Kept]:
    """What is not what its name says; every byte of packages and layers is read, on all cores.

    Raises:
        StorageError: A file cannot be read.
    """
    wrong = map_parallel(_is_damaged, kept, workers=cores(), cost=lambda each: each.size)
    return [each for each, is_wrong in zip(kept, wrong, strict=True) if is_wrong]


def _is_damaged(kept: Kept, cancelled: threading.Event) -> bool:
    path = kept.files[-1]
    # What others remove meanwhile is not damaged.
    with storage_errors("read", path), contextlib.suppress(FileNotFoundError):
        if kept.part is Part.LAYERS:
            if path.suffix == ".json":
                return True
            sizes = {FACTS_DECODER.decode(facts.read_bytes()).size for facts in kept.files[:-1]}
            return sizes - {path.stat().st_size} != set() or _checksum(path, path.parent.name, cancelled) != path.name
        if kept.part is Part.METADATA:
            return checked_payload(path.read_bytes()) is None
        if kept.part is Part.BASES:
            return _checksum(path, path.parent.name, cancelled) != path.name
        match = _CHECKSUM.fullmatch(path.parent.name)
        return match is not None and _checksum(path, match[1], cancelled) != match[2]
    return False


def _checksum(path: Path, algorithm: str, cancelled: threading.Event) -> str:
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        for chunk in checked(iter(lambda: file.read(CHUNK_SIZE), b""), cancelled):
            hasher.update(chunk)
    return hasher.hexdigest()
