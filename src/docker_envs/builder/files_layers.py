"""The layers of files on top of the packages; those that were made before are not made again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.recording import check_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.builder.application.layer import Application
    from docker_envs.builder.layers import LayerMaker
    from docker_envs.oci.layer import Layer

_ACCOUNTS = "users and groups"


@dataclass(frozen=True, slots=True)
class FilesMade:
    """A layer of files.

    Attributes:
        declared: What it was made from; None of what users and groups need.
        layer: The layer.
        directories: Those of it and the layers below, by path.
    """

    declared: FilesLayer | None
    layer: Layer
    directories: Mapping[str, Entry]

    @property
    def title(self) -> str:
        """What is in it."""
        return _ACCOUNTS if self.declared is None else self.declared.title


def make_files_layers(
    application: Application,
    declared: Sequence[FilesLayer],
    maker: LayerMaker,
    *,
    recorded: bool,
    kept: Sequence[FilesMade] = (),
) -> tuple[FilesMade, ...]:
    """Make the layers, lowest first.

    Args:
        application: Where they go.
        declared: What is in them.
        maker: Makes them.
        recorded: Whether the image gets a record.
        kept: The lowest ones, made before of what has not changed since.

    Raises:
        InvalidInputError: Something that was declared is not there, or makes no sense.
        BuildError: Two files share a path, one is where the record goes, or a wheel cannot be built.
        FormatError: A wheel is none.
        StorageError: A file cannot be read, or a layer not be written.
    """
    made = list(kept)
    for each in kept:
        application.adopt(each.directories)
    wanted: list[FilesLayer | None] = [None] if application.accounts.entries else []
    for layer in [*wanted, *declared][len(made) :]:
        with contextlib.ExitStack() as stack:
            if layer is None:
                title, entries = _ACCOUNTS, application.arranged(_ACCOUNTS, application.accounts.entries)
            else:
                title, entries = layer.title, stack.enter_context(application.open_layer(layer))
            if recorded:
                check_files(title, entries, prefix=application.prefix)
            made.append(FilesMade(layer, maker.layer_of_entries(entries, title=title), application.directories))
    return tuple(made)
