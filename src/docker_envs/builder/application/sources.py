"""Where the files of a layer come from on this host, and whether they are as they were."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import FilesLayer, HostFiles, ProjectSource, ProjectWheel
from docker_envs.builder.application.host_tree import IGNORE_FILE, host_source, iter_host_paths
from docker_envs.builder.application.layer import NOT_SOURCE
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TypeAlias

    #: Of each path, what changes when it does: mode, size in bytes, mtime and ctime in nanoseconds, inode.
    Look: TypeAlias = Mapping[str, tuple[int, ...]]

# What build backends write into the tree that they build.
_BUILT = ("build", "dist", "**/*.so")


def look_at(layer: FilesLayer) -> Look:
    """What the files of a layer look like now; another look is equal unless one of them has changed.

    Raises:
        InvalidInputError: A pattern is malformed.
        StorageError: A `.dockerignore` cannot be read.

    Cost: one `lstat` for each file; nothing is read.
    """
    found: dict[str, tuple[int, ...]] = {}
    for files in _sources(layer):
        found |= look_at_file(files.context / IGNORE_FILE)
        # What is not there yet may come.
        with suppress(InvalidInputError):
            found |= look_at_file(host_source(files))
        if (files.context / files.source).is_dir():
            for each in iter_host_paths(files):
                with suppress(OSError):
                    found[each.path] = _signature(each.stat(follow_symlinks=False))
    return found


def look_at_file(path: Path) -> Look:
    """What a file looks like now; empty when it is not there. Of a directory only whether it is there counts."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return {str(path): () if path.is_dir() else _signature(found)}


def _signature(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _sources(layer: FilesLayer) -> list[HostFiles]:
    found = []
    for content in layer.contents:
        match content:
            case HostFiles():
                found.append(content)
            case ProjectSource():
                found.append(replace(content.files, exclude=(*NOT_SOURCE, *content.files.exclude)))
            case ProjectWheel():
                excluded = (*NOT_SOURCE, *_BUILT)
                found.append(HostFiles(context=content.root, source=".", path="/", exclude=excluded))
    return found
