"""`docker-envs ls`."""

from __future__ import annotations

import datetime as dt
import json
import stat
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.archive.entry import Kind
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.text import printable
from docker_envs.images.browse import FileTree
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_image

if TYPE_CHECKING:
    from docker_envs.archive.entry import Entry
    from docker_envs.images.transports import Transports

_FORMATS = {
    Kind.FILE: stat.S_IFREG,
    Kind.HARDLINK: stat.S_IFREG,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHARACTER_DEVICE: stat.S_IFCHR,
    Kind.BLOCK_DEVICE: stat.S_IFBLK,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.FIFO: stat.S_IFIFO,
}


@with_transports
def ls_command(
    transports: Transports,
    source: Source,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Directory or file in the image.")] = "/",
    *,
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, owner, size, time and target of links.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="All that is below, too.")] = False,
    platform: TargetPlatform = None,
    as_json: Json = False,
) -> None:
    """List a directory of an image.

    It shows what a container sees: upper layers win, whiteouts hide. Layers are read from the top as far as the answer
    needs them.
    """
    image = open_image(parse_location(source), transports, platform=parse_platform(platform))
    with FileTree(image, reporter=transports.reporter) as tree:
        listed = tree.listed(path)
        is_directory = listed.kind is Kind.DIRECTORY
        entries = list(tree.iter_directory(listed.path, recursive=recursive)) if is_directory else [listed]
    if as_json:
        print(json.dumps([entry_json(entry) for entry in entries], indent=2))
        return
    root = listed.path if is_directory else listed.path.rpartition("/")[0]
    for entry in entries:
        name = entry.path[len(root) :].lstrip("/")
        print(_long_line(entry, name) if long else printable(name))


def _long_line(entry: Entry, name: str) -> str:
    mode = stat.filemode(_FORMATS[entry.kind] | entry.mode)
    # The last second that Python has a date for; tars may claim later ones.
    time = dt.datetime.fromtimestamp(min(max(entry.mtime, 0), 253402300799), dt.UTC).strftime("%Y-%m-%d %H:%M")
    size = ",".join(map(str, entry.device)) if "DEVICE" in entry.kind.name else str(entry.size)
    target = f" -> {printable(entry.link)}" if entry.kind is Kind.SYMLINK else ""
    return f"{mode} {entry.uid}:{entry.gid:<5} {size:>12} {time} {printable(name)}{target}"


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON; size in bytes, mtime in seconds since 1970 UTC."""
    document: dict[str, Any] = {
        "path": f"/{entry.path}",
        "type": "file" if entry.kind is Kind.HARDLINK else entry.kind.name.lower(),
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime,
    }
    return {**document, "link": entry.link} if entry.kind is Kind.SYMLINK else document
