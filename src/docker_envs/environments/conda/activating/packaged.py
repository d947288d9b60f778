"""The activation files of a package as its archive has them, so that they are known without the archive later."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.activating.activation import is_activation_file
from docker_envs.environments.conda.linking.placeholder import replace_binary, replace_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.conda.metadata import PackageMetadata, PathsEntry
    from docker_envs.environments.conda.package_archive import PackageArchive

#: The largest activation file that is read, in bytes.
_MAX_FILE = 4 << 20


class PackagedFile(msgspec.Struct, frozen=True):
    """One activation file.

    Attributes:
        path: In the archive, which is also where it is linked.
        content: Its bytes, placeholders in place; of a symbolic link, those of the package's file that it leads to.
        link: Target of a symbolic link; empty for a file.
    """

    path: str
    content: bytes = b""
    link: str = ""


def read_activation_files(archive: PackageArchive, metadata: PackageMetadata) -> tuple[PackagedFile, ...]:
    """The activation files of a package, in the order of its metadata.

    Raises:
        FormatError: The archive is damaged, or has a file of more than 4 MiB there.

    Cost: nothing for a package without; else one read of the archive per file.
    """
    return tuple(
        _read(archive, entry, metadata.paths)
        for entry in metadata.paths
        if is_activation_file(entry.path) and entry.path_type != "directory"
    )


def _read(archive: PackageArchive, entry: PathsEntry, paths: Sequence[PathsEntry]) -> PackagedFile:
    found = next((found for found in archive.iter_entries() if found.path == entry.path), None)
    if found is None or found.kind is not Kind.SYMLINK:
        return PackagedFile(entry.path, archive.read_content(entry.path, limit=_MAX_FILE))
    followed = _followed(entry.path, found.link, paths)
    content = b"" if followed is None else archive.read_content(followed.path, limit=_MAX_FILE)
    return PackagedFile(entry.path, content, found.link)


def _followed(path: str, link: str, paths: Sequence[PathsEntry]) -> PathsEntry | None:
    """The package's own file that a symbolic link leads to."""
    target = _target(path, link)
    found = next((each for each in paths if each.path == target), None)
    return found if found is not None and found.path_type == "hardlink" else None


def _target(path: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def linked_content(file: PackagedFile, entry: PathsEntry, paths: Sequence[PathsEntry], *, prefix: str) -> bytes:
    """What a shell reads there; of a symbolic link out of the package, a script that says the same.

    Args:
        file: The activation file.
        entry: Its entry in the package's metadata.
        paths: All of them.
        prefix: Absolute path of the environment.
    """
    if not file.link:
        return _replaced(file.content, entry, prefix)
    followed = _followed(file.path, file.link, paths)
    if followed is None:
        return f". {shlex.quote(posixpath.join(prefix, _target(file.path, file.link)))}\n".encode()
    return _replaced(file.content, followed, prefix)


def _replaced(content: bytes, entry: PathsEntry, prefix: str) -> bytes:
    if entry.prefix_placeholder is None:
        return content
    replace = replace_binary if entry.file_mode == "binary" else replace_text
    return replace(content, entry.prefix_placeholder.encode(), prefix.encode())
