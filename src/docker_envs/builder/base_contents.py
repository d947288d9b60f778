"""What the files of a base say about its Python; looked for once, since that takes all of its layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.entry import Kind
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.builder.base_system import CLibrary, library_of_config, library_of_layers
from docker_envs.builder.cache import mark_used
from docker_envs.builder.metadata_store import with_checksum, without_checksum
from docker_envs.oci import media_types
from docker_envs.transports.blobs import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.builder.cache import CacheDirectory
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter

#: Raised whenever `read_contents` finds something else in the same image, or its encoding changes.
_FORMAT = 1
#: The largest package database that is read, in bytes.
_MAX_FILE = 64 << 20

# Where Python is, what it imports, and what distributions that are installed into it may collide with.
_KEPT = re.compile(r"usr/local/|(?:usr/)?bin/|usr/lib(?:64)?/python3|(?:.*/)?pyvenv\.cfg\Z")
_PATCH_LEVEL = re.compile(r"usr/(?:local/)?include/python3\.\d+/patchlevel\.h\Z")
_PY_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_DPKG = re.compile(
    r"^Package: (python3\.\d+(?:-minimal)?|libc6)\n(?:(?!\n\n).)*?^Version: (\S+)", re.MULTILINE | re.DOTALL
)
_APK = re.compile(r"^P:(python3)\nV:(\S+)", re.MULTILINE)
_DATABASES = {
    "var/lib/dpkg/status": _DPKG,
    "lib/apk/db/installed": _APK,
    "usr/lib/apk/db/installed": _APK,
}


class SystemContents(msgspec.Struct, frozen=True):
    """What a base, or packages of the system, bring, as far as it concerns Python.

    Attributes:
        files: Targets of symbolic links by path, empty for other files.
        versions: Of packages of the system by name, and of headers of Python by path.
        library: The C library; None when it is not found.
    """

    files: dict[str, str] = {}
    versions: dict[str, str] = {}
    library: CLibrary | None = None

    def with_packages(self, other: SystemContents) -> SystemContents:
        """The same with packages installed on top."""
        return SystemContents({**self.files, **other.files}, {**self.versions, **other.versions}, self.library)


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(SystemContents)


def read_contents(image: Image) -> SystemContents:
    """Look through the layers of an image.

    Raises:
        VerificationError: A layer is not what its digest says.
        FormatError: A layer is no tar.
        TransportError: A layer cannot be had.

    Cost: two reads of every layer.
    """
    layers = [layer for layer in image.layers if not media_types.is_foreign(layer.media_type)]
    files: dict[str, str] = {}
    versions: dict[str, str] = {}
    for entry in iter_flattened([layer.open_tar for layer in layers], source="the base image"):
        if entry.kind is Kind.DIRECTORY:
            continue
        versions.update(_versions(entry))
        if _KEPT.match(entry.path):
            files[entry.path] = entry.link if entry.kind is Kind.SYMLINK else ""
    return SystemContents(files, versions, library_of_config(image.config) or library_of_layers(layers))


def _versions(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.kind is not Kind.FILE or entry.size > _MAX_FILE:
        return
    path = entry.path
    if path in _DATABASES or path.startswith("var/lib/dpkg/status.d/"):
        text = entry.read().decode(errors="replace")
        yield from _DATABASES.get(path, _DPKG).findall(text)
    elif _PATCH_LEVEL.match(path) and (found := _PY_VERSION.search(entry.read().decode(errors="replace"))):
        yield path, found[1]


def contents_of(image: Image, cache: CacheDirectory, reporter: Reporter) -> SystemContents:
    """What is in a base, from the cache if it was looked through before.

    Args:
        image: The base.
        cache: Where it is kept.
        reporter: Hears that layers are read.

    Raises:
        VerificationError: A layer is not what its digest says.
        FormatError: A layer is no tar.
        TransportError: A layer cannot be had.
        StorageError: Nothing can be kept.
    """
    if not image.layers:
        return SystemContents()
    for place in filter(None, (cache, cache.below)):
        if (kept := _kept(place, image)) is not None:
            return kept
    task = reporter.start("read", "the Python of the base")
    found = read_contents(image)
    task.finish()
    with atomic_file(_path(cache, image), durable=False, incoming=cache.incoming_packages) as file:
        file.write(with_checksum(msgspec.msgpack.encode(found)))
    return found


def _kept(cache: CacheDirectory, image: Image) -> SystemContents | None:
    path = _path(cache, image)
    mark_used(cache.metadata, path)
    try:
        payload = without_checksum(path.read_bytes())
        return None if payload is None else _DECODER.decode(payload)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _path(cache: CacheDirectory, image: Image) -> Path:
    return cache.metadata / f"{image.digest.hex}-{_FORMAT}-python of a base"
