"""What a declaration puts into an image besides packages: `files`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import FilesLayer, HostFiles, InlineFile, ProjectSource, ProjectWheel
from docker_envs.projects import checking

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.documents.node import Node

#: The keys of an item, by the one that says what it is.
ITEM_KEYS = {
    "from": ("from", "to", "owner", "mode", "include", "exclude"),
    "content": ("content", "to", "owner", "mode"),
    "project": ("project", "as", "to"),
}

_PROJECT_FILES = ("pyproject.toml", "setup.py")
_SOURCE_PATH = "/app"
_OWNER_PART = r"(?:[a-z_][a-z0-9_.-]*\$?|[0-9]{1,10})"
_OWNER = re.compile(rf"{_OWNER_PART}(?::{_OWNER_PART})?\Z")


class InstallMode(StrEnum):
    """How a Python project gets into an image.

    Attributes:
        WHEEL: Built, and its wheel installed into the environment.
        SOURCE: Its source is copied and put on Python's path.
    """

    WHEEL = "wheel"
    SOURCE = "source"


def read_files(node: Node | None, folder: Path) -> tuple[FilesLayer, ...]:
    """`files`: a layer for each item; items in a row that have their content here share one.

    Args:
        node: The list.
        folder: What paths of the host are relative to.

    Raises:
        InvalidDeclarationError: An item is none, names what is not there, or has a path that another one has.
    """
    layers: list[FilesLayer] = []
    for item in node.items("a list of files") if node else []:
        layer = _item(item, folder)
        if layers and _is_inline(layer) and _is_inline(layers[-1]):
            contents = (*layers.pop().contents, *layer.contents)
            paths = [content.path for content in contents if isinstance(content, InlineFile)]
            if paths[-1] in paths[:-1]:
                raise item.error(f"two files have the path `{paths[-1]}`")
            layer = FilesLayer(", ".join(paths), contents)
        layers.append(layer)
    return tuple(layers)


def _is_inline(layer: FilesLayer) -> bool:
    return isinstance(layer.contents[0], InlineFile)


def _item(item: Node, folder: Path) -> FilesLayer:
    every = tuple(dict.fromkeys(key for keys in ITEM_KEYS.values() for key in keys))
    fields = item.mapping("a mapping with `from`, `content` or `project`", known=every)
    kinds = [kind for kind in ITEM_KEYS if kind in fields]
    if not kinds:
        raise item.error("the item has neither `from`, `content` nor `project`")
    if len(kinds) > 1:
        raise item.error(f"the item has both `{kinds[0]}` and `{kinds[1]}`", hint="make two items of it")
    known = ITEM_KEYS[kinds[0]]
    for key, _ in item.pairs:
        if key.written not in known:
            hint = f"keys of such an item are {', '.join(f'`{each}`' for each in known)}"
            raise key.error(f"`{key.written}` does not go with `{kinds[0]}`", hint=hint)
    if kinds[0] == "project":
        return _project(fields, folder)
    if "to" not in fields:
        raise item.error("the item has no `to`", hint="say where it goes in the image")
    return _copied(fields, folder) if kinds[0] == "from" else _inline(fields)


def _copied(fields: dict[str, Node], folder: Path) -> FilesLayer:
    source, path = fields["from"].written, checking.image_path(fields["to"])
    host_path = checking.host_path(fields["from"], folder, what="the path of a file or folder")
    if not host_path.is_dir():
        if fields["to"].written.endswith("/"):
            path = f"{path.rstrip('/')}/{host_path.name}"
        for key in ("include", "exclude"):
            if key in fields:
                raise fields[key].error(f"`{key}` is for folders, and `{source}` is a file")
        if path == "/":
            raise fields["to"].error(f"`/` is no place for the file `{source}`")
    files = HostFiles(
        context=folder,
        source=source,
        path=path,
        include=_globs(fields.get("include")),
        exclude=_globs(fields.get("exclude")),
        owner=_owner(fields),
        mode=checking.mode(fields["mode"]) if "mode" in fields else None,
    )
    return FilesLayer(f"{source} to {path}", (files,))


def _owner(fields: dict[str, Node]) -> str:
    if "owner" not in fields:
        return "0:0"
    node = fields["owner"]
    text = checking.written(node, "an owner such as `1000:1000`")
    if not _OWNER.match(text):
        raise node.error(f"invalid owner `{text}`", hint="write it as `1000:1000` or `app:app`")
    return text


def _globs(node: Node | None) -> tuple[str, ...]:
    items = node.items("a list of globs") if node else []
    for item in items:
        if ".." in checking.filled(item, "a glob").split("/"):
            raise item.error(f"`{item.written}` has `..` in it", hint="globs are relative to the folder that is copied")
    return tuple(item.written for item in items)


def _inline(fields: dict[str, Node]) -> FilesLayer:
    path = checking.image_path(fields["to"])
    if path == "/" or fields["to"].written.endswith("/"):
        raise fields["to"].error(f"`{fields['to'].written}` names no file")
    content = fields["content"].text("the content of a file").encode()
    mode = checking.mode(fields["mode"]) if "mode" in fields else 0o644
    return FilesLayer(path, (InlineFile(path=path, content=content, owner=_owner(fields), mode=mode),))


def _project(fields: dict[str, Node], folder: Path) -> FilesLayer:
    node = fields["project"]
    root = checking.host_path(node, folder, what="the folder of a Python project")
    if not any((root / name).is_file() for name in _PROJECT_FILES):
        raise node.error(f"`{node.written}` is no Python project", hint="it has no `pyproject.toml` and no `setup.py`")
    mode = checking.choice(fields["as"], InstallMode, "a way to install") if "as" in fields else InstallMode.WHEEL
    if mode is InstallMode.SOURCE:
        path = checking.image_path(fields["to"]) if "to" in fields else _SOURCE_PATH
        files = HostFiles(context=folder, source=node.written, path=path)
        return FilesLayer(f"source of {node.written}", (ProjectSource(files),))
    if "to" in fields:
        raise fields["to"].error("`to` goes with `as: source`", hint="a wheel goes into the environment")
    return FilesLayer(f"project {node.written}", (ProjectWheel(root),))
