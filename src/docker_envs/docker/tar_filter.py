"""Filters in `tarfile`'s manner, which the original interface takes, for entries of layers."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, TypeAlias

from docker_envs.archive.entry import Entry, Kind
from docker_envs.paths import image_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.images.host_files import Change

    Filter: TypeAlias = Callable[[tarfile.TarInfo], tarfile.TarInfo | None]


def change_by(accept: Filter) -> Change:
    """What a filter does to entries.

    Args:
        accept: Gets each entry's header, and returns it, changed or not, or None to leave the entry out, with all
            below it.

    Raises:
        PathEscapeError: When called: the filter returned a path outside of the image.
    """

    def change(entry: Entry) -> Entry | None:
        header = accept(_header(entry))
        return None if header is None else _entry(header)

    return change


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.type = entry.kind.value.encode()
    header.mode, header.mtime, header.size, header.linkname = entry.mode, entry.mtime, entry.size, entry.link
    header.devmajor, header.devminor = entry.device
    return header


def _entry(header: tarfile.TarInfo) -> Entry:
    return Entry(
        image_path(header.name, source="filter"),
        Kind(header.type.decode()),
        header.mode & 0o7777,
        max(0, int(header.mtime)),
        link=header.linkname,
        uid=header.uid,
        gid=header.gid,
        device=(header.devmajor, header.devminor),
    )
