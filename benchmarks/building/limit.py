"""The least that any builder has to do with the packages' bytes, measured: no files, no registry, no Python per file.

    python -m benchmarks.building.limit URLS [COMPRESSION]

Each package's payload is decompressed, searched for the placeholder, hashed, compressed in the blocks of a layer, and
hashed again, all in C libraries that release the interpreter lock. Packages are shared out to as many threads as there
are processors to use, the largest first. Printed is JSON: seconds without the start of Python, seconds of processor
time, bytes of the payloads and of the compressed blocks.
"""

from __future__ import annotations

import bz2
import ctypes
import hashlib
import io
import json
import os
import struct
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from docker_envs.archive.compression import BLOCK_SIZES, CompressionSetting

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PLACEHOLDER = b"_placehold_placehold_placehold_placehold_placehold"
_MEMMEM = ctypes.CDLL(None).memmem
_MEMMEM.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
_MEMMEM.restype = ctypes.c_void_p


class _Part(io.RawIOBase):
    """A part of a file; `zipfile` would compute a checksum of it as well."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)[: self._left]
        chunk = self._file.read(len(view))
        view[: len(chunk)] = chunk
        self._left -= len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_payload(archive: Path) -> IO[bytes]:
    """The uncompressed tar of a package's files."""
    if archive.name.endswith(".tar.bz2"):
        return bz2.open(archive)
    with zipfile.ZipFile(archive) as members:
        member = next(each for each in members.infolist() if each.filename.startswith("pkg-"))
    file = archive.open("rb", buffering=0)
    # The member is stored as it is behind its header, whose last two fields are lengths (APPNOTE.TXT, section 4.3.7).
    file.seek(member.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, os.SEEK_CUR)
    return cast("IO[bytes]", zstd.open(_Part(file, member.compress_size)))


def process(archive: Path, setting: CompressionSetting) -> tuple[int, int]:
    """Do the work for one package; bytes before and after compression."""
    compress, size = setting.block_compressor(), BLOCK_SIZES[setting.kind]
    tar_hasher, blob_hasher = hashlib.sha256(), hashlib.sha256()
    before = after = 0
    with open_payload(archive) as payload:
        while block := payload.read(size):
            _MEMMEM(block, len(block), _PLACEHOLDER, len(_PLACEHOLDER))
            tar_hasher.update(block)
            compressed = compress(block)
            blob_hasher.update(compressed)
            before += len(block)
            after += memoryview(compressed).nbytes
    return before, after


def main() -> None:
    archives = [Path(unquote(urlsplit(url).path)) for url in Path(sys.argv[1]).read_text().split()]
    setting = CompressionSetting.parse(sys.argv[2] if len(sys.argv) > 2 else "gzip")
    archives.sort(key=lambda archive: -archive.stat().st_size)
    start, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as executor:
        sizes = list(executor.map(lambda archive: process(archive, setting), archives))
    found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - spent}
    print(json.dumps({**found, "before": sum(each[0] for each in sizes), "after": sum(each[1] for each in sizes)}))


if __name__ == "__main__":
    main()
