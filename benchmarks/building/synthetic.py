"""A channel of generated packages of any size, the same bytes each time, written with little memory.

What is imitated are conda environments: file sizes are log-normal (median 4 kB, mean 37 kB), the sizes of packages fall
off with their rank, and the content (words, and some random bytes) shrinks to about a third by gzip at level 1.
Contents are cut from one pool that is larger than any window of the codecs, so that repetitions are not found. One file
in fifty holds the placeholder.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from tests.packages.build import EPOCH, PLACEHOLDER, PackageSpec, as_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POOL_SIZE = 16 << 20
_PIECE = 4096
_RANDOM_SHARE = 0.08
_WORDS = 300
_MEDIAN, _SIGMA, _LARGEST = 4_000, 2.1, 256 << 20
_FILES_A_FOLDER = 200
_PLACEHOLDER_EVERY = 50


@dataclass
class _Paths:
    """What is written to `paths.json` of a package that is under way."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, path: str, content: bytes, *, placeholder: bool) -> None:
        record = {"_path": path, "path_type": "hardlink", "size_in_bytes": len(content)}
        record["sha256"] = hashlib.sha256(content).hexdigest()
        if placeholder:
            record |= {"file_mode": "text", "prefix_placeholder": PLACEHOLDER}
        self.records.append(record)


def write_synthetic_channel(channel: Path, *, size: int, packages: int = 60) -> Path:
    """Write a channel whose packages together have `size` bytes of files.

    Args:
        channel: Its folder, which does not exist.
        size: Of all files, uncompressed, in bytes.
        packages: How many.

    Returns:
        An `environment.yml` beside the channel that asks for all of them.

    Cost: some 10 s of processor time a gigabyte; 100 MB of memory, and some more for the largest file.
    """
    folder = channel / "linux-64"
    folder.mkdir(parents=True)
    pool = _pool(random.Random(0))
    ranks = [1 / (rank + 1) for rank in range(packages)]
    records = {}
    for rank, share in enumerate(ranks):
        spec = PackageSpec(f"synthetic-{rank:03}", depends=(f"synthetic-{rank - 1:03}",) if rank % 3 else ())
        target = folder / f"{spec.stem}.conda"
        _write_package(target, spec, _contents(pool, int(size * share / sum(ranks)), seed=rank))
        records[target.name] = {**spec.index_json(), **_digests(target), "size": target.stat().st_size}
    (folder / "repodata.json").write_text(json.dumps({"info": {"subdir": "linux-64"}, "packages.conda": records}))
    (channel / "noarch").mkdir()
    (channel / "noarch/repodata.json").write_text(json.dumps({"info": {"subdir": "noarch"}, "packages": {}}))
    declaration = channel.with_suffix(".yml")
    names = [f"synthetic-{rank:03}" for rank in range(packages)]
    declaration.write_text(json.dumps({"channels": [channel.as_uri()], "dependencies": names}))
    return declaration


def _pool(numbers: random.Random) -> bytes:
    letters = "etaoinshrdlucmfwypvbgkjqxz_"
    weights = [1 / (rank + 1) for rank in range(len(letters))]
    words = ["".join(numbers.choices(letters, weights, k=numbers.randint(2, 12))) for _ in range(_WORDS)]
    common = [1 / (rank + 1) for rank in range(_WORDS)]
    out = io.BytesIO()
    while out.tell() < _POOL_SIZE:
        if numbers.random() < _RANDOM_SHARE:
            out.write(numbers.randbytes(_PIECE))
        else:
            out.write(" ".join(numbers.choices(words, common, k=_PIECE // 5)).encode()[:_PIECE])
    return out.getvalue()


def _contents(pool: bytes, size: int, *, seed: int) -> Iterator[bytes]:
    """Files of a package, until they have `size` bytes together."""
    numbers = random.Random(seed)
    while size > 0:
        length = min(int(numbers.lognormvariate(math.log(_MEDIAN), _SIGMA)), size, _LARGEST)
        size -= max(length, 1)
        pieces: list[bytes] = []
        while length > 0:
            start = numbers.randrange(len(pool))
            pieces.append(pool[start : start + length])
            length -= len(pieces[-1])
        yield b"".join(pieces)


def _write_package(target: Path, spec: PackageSpec, contents: Iterator[bytes]) -> None:
    paths = _Paths()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("metadata.json"), b'{"conda_pkg_format_version": 2}')
        with archive.open(zipfile.ZipInfo(f"pkg-{spec.stem}.tar.zst"), "w", force_zip64=True) as member:
            _write_files(member, spec, contents, paths)
        files = {"info/index.json": as_json(spec.index_json())}
        files["info/paths.json"] = as_json({"paths": paths.records, "paths_version": 1})
        files["info/files"] = "".join(f"{record['_path']}\n" for record in paths.records).encode()
        with (
            archive.open(zipfile.ZipInfo(f"info-{spec.stem}.tar.zst"), "w") as member,
            zstd.open(member, "w", level=3) as compressed,
            tarfile.open(fileobj=compressed, mode="w|") as tar,
        ):
            for name, content in files.items():
                _add(tar, name, content)


def _write_files(member: IO[bytes], spec: PackageSpec, contents: Iterator[bytes], paths: _Paths) -> None:
    with (
        zstd.open(member, "w", level=3) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        for number, content in enumerate(contents):
            placeholder = number % _PLACEHOLDER_EVERY == 0
            if placeholder:
                content = f"prefix={PLACEHOLDER}\n".encode() + content
            path = f"lib/{spec.name}/part-{number // _FILES_A_FOLDER:04}/file-{number:06}.dat"
            paths.add(path, content, placeholder=placeholder)
            _add(tar, path, content)


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime = len(content), EPOCH
    tar.addfile(entry, io.BytesIO(content))


def _digests(archive: Path) -> dict[str, str]:
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return {"sha256": sha256, "md5": hashlib.file_digest(file, "md5").hexdigest()}
