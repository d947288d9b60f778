"""What a `.deb` says about itself as bytes, so that its archive is read once."""

from __future__ import annotations

import msgspec

from docker_envs.archive.entry import Entry, Kind
from docker_envs.environments.debian.archives.control import Control
from docker_envs.environments.debian.archives.metadata import DebianMetadata, read_scripts
from docker_envs.errors import FormatError

#: Raised whenever `read_control` returns something else for the same archive, or the encoding changes.
METADATA_FORMAT = 3


class KeptEntry(msgspec.Struct, frozen=True, array_like=True):
    """An entry without its content; attributes as of `Entry`."""

    path: str
    kind: Kind
    mode: int
    mtime: int
    size: int
    link: str
    uid: int
    gid: int

    @classmethod
    def of(cls, entry: Entry) -> KeptEntry:
        """What is kept of an entry."""
        return cls(entry.path, entry.kind, entry.mode, entry.mtime, entry.size, entry.link, entry.uid, entry.gid)

    def entry(self) -> Entry:
        """The entry."""
        return Entry(self.path, self.kind, self.mode, self.mtime, self.size, link=self.link, uid=self.uid, gid=self.gid)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    control: bytes
    files: list[KeptEntry]
    md5sums: dict[str, str]
    conffiles: list[str]
    control_files: dict[str, bytes]
    contents: dict[str, bytes]
    machines: dict[str, bytes]


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(_Kept)


def encode_metadata(metadata: DebianMetadata) -> bytes | None:
    """Metadata as bytes; None for what the encoding cannot hold, such as names that are no UTF-8."""
    try:
        return msgspec.msgpack.encode(
            _Kept(
                metadata.control.text.encode("utf-8", "surrogateescape"),
                [KeptEntry.of(entry) for entry in metadata.files],
                dict(metadata.md5sums),
                list(metadata.conffiles),
                dict(metadata.control_files),
                dict(metadata.contents),
                dict(metadata.machines),
            )
        )
    except (UnicodeEncodeError, OverflowError):
        return None


def decode_metadata(content: bytes, *, source: str) -> DebianMetadata | None:
    """Metadata from bytes; None when these are of another format.

    Args:
        content: What `encode_metadata` gave.
        source: Name of the archive, for messages.
    """
    try:
        kept = _DECODER.decode(content)
        control = Control(kept.control.decode("utf-8", "surrogateescape"), source=source)
    except (msgspec.DecodeError, UnicodeDecodeError, FormatError):
        return None
    return DebianMetadata(
        control,
        tuple(each.entry() for each in kept.files),
        kept.md5sums,
        tuple(kept.conffiles),
        read_scripts(kept.control_files),
        kept.control_files,
        kept.contents,
        kept.machines,
    )
