"""From what was declared for a layer of an application to its entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import UnownedFiles
from docker_envs.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.archive.entry import Entry
    from docker_envs.builder.application.contents import FilesLayer


def iter_files(layer: FilesLayer, *, prefix: str) -> Iterator[Entry]:
    """The entries of a layer."""
    for content in layer.contents:
        if not isinstance(content, UnownedFiles):
            raise BuildError(f"cannot build {content}")
        yield from content.found.iter_extra_entries(prefix[1:])
