"""Where the files of a layer come from on this host, for who wants to know whether a change concerns it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import FilesLayer, HostFiles, ProjectSource, ProjectWheel
from docker_envs.builder.application.host_tree import IGNORE_FILE, is_taken
from docker_envs.builder.application.layer import NOT_SOURCE

if TYPE_CHECKING:
    from pathlib import Path

# What build backends write into the tree that they build.
_BUILT = ("build", "dist", "**/*.so")


def sources_of(layer: FilesLayer) -> tuple[HostFiles, ...]:
    """The files and directories that a layer is made from; none for what is declared with its content."""
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
    return tuple(found)


def concerns(layer: FilesLayer, path: Path) -> bool:
    """Whether a layer may be another one after a file or directory of this host has changed.

    Args:
        layer: What was declared.
        path: Absolute path without symbolic links; need not exist any more.

    Raises:
        InvalidInputError: A pattern is malformed.
        StorageError: A `.dockerignore` cannot be read.
    """
    return any(_concerns(files, path) for files in sources_of(layer))


def _concerns(files: HostFiles, path: Path) -> bool:
    context = files.context.resolve()
    if path == context / IGNORE_FILE:
        return True
    root = (context / files.source).resolve()
    if path == root or root.is_relative_to(path):
        return True
    return path.is_relative_to(root) and is_taken(files, path.relative_to(root).as_posix())
