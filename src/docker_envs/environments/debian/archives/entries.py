"""From the files of a `.deb` to the entries of its layer: streamed, nothing of the package is run.

Owners and modes are the package's, numbers rather than names (Debian Policy 9.2 lets packages own files only by
accounts whose numbers are fixed), set-user-id bits included: what a distribution ships with them needs them. Times of
files are the package's; those of directories are one constant, as layers share directories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, file_entry
from docker_envs.environments.debian.archives.control import with_fields
from docker_envs.environments.debian.archives.placement import CAPABILITY, Placement
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.environments.debian.archives.deb_archive import DebArchive
    from docker_envs.environments.debian.archives.metadata import DebianMetadata

#: Where images without dpkg have a file for each package.
STATUS_DIRECTORY = "var/lib/dpkg/status.d"
_SET_ID = 0o6000
_DEVICES = (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE)


@dataclass(frozen=True)
class DebLayer:
    """What is wanted of a package's layer.

    Attributes:
        placement: Where its files go.
        has_status: Whether the package is recorded in its own layer (`status.d`), as images without dpkg have it.
        keeps_set_id: Whether set-user-id and set-group-id bits of files stay.
        mtime: Of the record, in seconds since 1970 UTC.
    """

    placement: Placement = field(default_factory=Placement)
    has_status: bool = False
    keeps_set_id: bool = True
    mtime: int = DIRECTORY_MTIME


def iter_deb_entries(archive: DebArchive, metadata: DebianMetadata, layer: DebLayer) -> Iterator[Entry]:
    """The entries of a package's layer, in the order of its archive.

    Args:
        archive: Its digest was verified by the caller.
        metadata: What `read_control` gave for it.
        layer: What is wanted.

    Yields:
        Entries whose content may be read until the next one is asked for.

    Raises:
        FormatError: The archive is damaged, or holds a device, which packages must not.
        PathEscapeError: A path is absolute or leaves the root.

    Cost: one read of the archive; memory bounded by the window of its compression.
    """
    placed: set[str] = set()
    for entry in archive.iter_files():
        if entry.kind in _DEVICES:
            raise FormatError(archive.source, f"`{entry.path}` is a device, which no package may have")
        path = layer.placement.place(entry)
        if path is None or (entry.kind is Kind.DIRECTORY and path in placed):
            continue
        if entry.kind is Kind.HARDLINK:
            entry.link = layer.placement.of_file(entry.link)
        if entry.kind is Kind.DIRECTORY:
            entry.mtime = DIRECTORY_MTIME
        elif path in layer.placement.attributes:
            attributes = layer.placement.attributes[path]
            entry.mode, entry.uid, entry.gid = attributes.mode, attributes.uid, attributes.gid
            if attributes.capability:
                entry.xattrs = {**entry.xattrs, CAPABILITY: attributes.capability}
        if not layer.keeps_set_id and entry.kind is not Kind.DIRECTORY:
            entry.mode &= ~_SET_ID
        entry.path = path
        placed.add(path)
        yield entry
    if layer.has_status:
        yield from status_entries(metadata, layer)


def status_entries(metadata: DebianMetadata, layer: DebLayer) -> list[Entry]:
    """The record of a package without dpkg: its fields, and beside them the sums of its files.

    Both are what distroless images have, and what Trivy, Syft and Grype read.
    """
    control = metadata.control
    status = with_fields(control.text, Status="install ok installed")
    lines = [
        f"{digest}  {placed}\n"
        for path, digest in sorted(metadata.md5sums.items())
        if (placed := layer.placement.of_file(path)) not in layer.placement.left_out
    ]
    place = f"{STATUS_DIRECTORY}/{control.name}"
    sums = "".join(lines).encode("utf-8", "surrogateescape")
    return [
        file_entry(place, status.encode("utf-8", "surrogateescape"), mtime=layer.mtime),
        file_entry(f"{place}.md5sums", sums, mtime=layer.mtime),
    ]
