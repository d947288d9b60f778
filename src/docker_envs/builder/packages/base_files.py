"""The files of a base image as its containers see them, without contents but those that packages are put on top of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import OPAQUE, PREFIX
from docker_envs.builder.caches.kept_documents import KeptDocuments
from docker_envs.digest import Digest
from docker_envs.environments.debian.archives.kept_metadata import KeptEntry
from docker_envs.environments.debian.system.base import NEEDED, BaseSystem
from docker_envs.errors import FormatError
from docker_envs.oci import media_types
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter

#: Raised whenever something else is kept of a base.
_FORMAT = 2
_TITLE = "files of a base"
#: The largest file whose content is kept, and all together, in bytes.
_MAX_CONTENT, _MAX_CONTENTS = 32 << 20, 256 << 20
#: The most files that a base may have.
_MAX_FILES = 5_000_000


#: Where Alpine lists its packages.
APK_DATABASES = frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"})
# What tells which Python there is.
_OF_PYTHON = re.compile(r"usr/(?:local/)?include/python3\.\d+t?/patchlevel\.h\Z|(?:usr/)?lib/apk/db/installed\Z")


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    entries: list[KeptEntry]
    contents: dict[str, bytes]


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(_Kept)


def read_base_system(base: Image, cache: CacheDirectory, reporter: Reporter) -> BaseSystem:
    """What is in a base image.

    Args:
        base: Its layers are read, unless what is in them is known already.
        cache: Keeps what was found, by the digests of the layers.
        reporter: Hears of layers that are read.

    Raises:
        FormatError: A layer is damaged, or there is too much in it.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be had.

    Cost: one read of each layer the first time; memory grows with the number of files.
    """
    if not base.layers:
        return BaseSystem()
    documents = KeptDocuments(cache, f"base{_FORMAT}")
    name = Digest.of(" ".join(layer.diff_id for layer in base.layers).encode()).hex
    if (content := documents.get(name, _TITLE)) is not None:
        try:
            kept = _DECODER.decode(content)
            return BaseSystem(tuple(each.entry() for each in kept.entries), kept.contents)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    tree = _Tree()
    for layer in base.layers:
        if not media_types.is_foreign(layer.media_type):
            tree.apply(_read(layer, reporter))
    found = BaseSystem(tuple(tree.entries.values()), tree.contents)
    try:
        content = msgspec.msgpack.encode(_Kept([KeptEntry.of(entry) for entry in found.entries], tree.contents))
    except (UnicodeEncodeError, OverflowError):
        return found  # names that are no UTF-8: read each time
    documents.add(name, _TITLE, content)
    return found


class _LayerFiles:
    """What one layer has, and what it takes away from those below."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.contents: dict[str, bytes] = {}
        self.removed: set[str] = set()
        self.opaque: set[str] = set()

    def add(self, entry: Entry, source: str) -> None:
        directory, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            self.opaque.add(directory)
            return
        if name.startswith(PREFIX):
            self.removed.add(f"{directory}/{name.removeprefix(PREFIX)}".lstrip("/"))
            return
        self.contents.pop(entry.path, None)
        if entry.kind is Kind.FILE and (NEEDED.match(entry.path) or _OF_PYTHON.match(entry.path)):
            if entry.size > _MAX_CONTENT:
                raise FormatError(source, f"`/{entry.path}` has {entry.size:,} bytes, more than {_MAX_CONTENT:,}")
            self.contents[entry.path] = entry.read()
        elif entry.kind is Kind.HARDLINK:
            self._link(entry)
        entry.content, entry.xattrs = (), {}
        self.entries[entry.path] = entry

    def _link(self, entry: Entry) -> None:
        """A hard link is one more file where its target is in the same layer, as engines write it."""
        target = self.entries.get(entry.link)
        if target is not None and target.kind is Kind.FILE:
            if entry.link in self.contents:
                self.contents[entry.path] = self.contents[entry.link]
            entry.kind, entry.size, entry.link = Kind.FILE, target.size, ""
            entry.mode, entry.uid, entry.gid = target.mode, target.uid, target.gid


class _Tree:
    """What the layers so far show."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.contents: dict[str, bytes] = {}

    def apply(self, layer: _LayerFiles) -> None:
        """Put a layer on top."""
        gone = layer.removed | {path for path, entry in layer.entries.items() if entry.kind is not Kind.DIRECTORY}
        gone = {
            path
            for path in self.entries
            if path in gone or any(parent in gone or parent in layer.opaque for parent in ("", *parent_paths(path)))
        }
        for path in gone:
            self.entries.pop(path, None)
            self.contents.pop(path, None)
        self.entries |= layer.entries
        self.contents |= layer.contents
        if len(self.entries) > _MAX_FILES or sum(map(len, self.contents.values())) > _MAX_CONTENTS:
            raise FormatError("base image", f"it has more than {_MAX_FILES:,} files, or too much below `/etc`")


def _read(layer: Layer, reporter: Reporter) -> _LayerFiles:
    source = f"layer {layer.digest.short} of the base"
    task = reporter.start("read", source, layer.size)
    found = _LayerFiles()
    with layer.open_tar() as stream:
        for entry in iter_entries(stream, source=source):
            found.add(entry, source)
    task.finish()
    return found
