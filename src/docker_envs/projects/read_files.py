"""What a declaration puts into an image besides packages: `files`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.projects import checking
from docker_envs.projects.model import CopiedFiles, InlineFile, InstallMode, PythonProject
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.documents.node import Node
    from docker_envs.projects.model import DeclaredGroup, DeclaredUser

#: The keys of an item, by the one that says what it is.
ITEM_KEYS = {
    "from": ("from", "to", "owner", "mode", "include", "exclude"),
    "content": ("content", "to", "owner", "mode"),
    "project": ("project", "as"),
}
_ROOT = 0
_PROJECT_FILES = ("pyproject.toml", "setup.py")


class Accounts:
    """Numbers of the users and groups that names stand for."""

    def __init__(self, users: Sequence[DeclaredUser], groups: Sequence[DeclaredGroup]) -> None:
        self._groups = {"root": _ROOT, **{group.name: group.gid for group in groups}}
        self._users = {"root": (_ROOT, _ROOT), **{user.name: (user.uid, user.gid) for user in users}}

    def owner(self, node: Node) -> tuple[int, int]:
        """Numbers of user and group from `1000:1000`, `1000`, `app:staff` or `app`.

        Raises:
            InvalidDeclarationError: A name is of no declared user or group.
        """
        text = checking.written(node, "an owner such as `1000:1000`")
        user, colon, group = text.partition(":")
        uid, gid = self._user(node, user)
        return (uid, self._number(node, group, "group", self._groups)) if colon else (uid, gid)

    def _user(self, node: Node, text: str) -> tuple[int, int]:
        if text in self._users:
            return self._users[text]
        uid = self._number(node, text, "user", {name: uid for name, (uid, _) in self._users.items()})
        return uid, next((gid for known, gid in self._users.values() if known == uid), uid)

    @staticmethod
    def _number(node: Node, text: str, what: str, known: dict[str, int]) -> int:
        if text in known:
            return known[text]
        if text.isascii() and text.isdecimal() and int(text) <= checking.MAX_ID:
            return int(text)
        if not text or text[0].isdecimal() or text[0] == "-":
            raise node.error(f"invalid owner `{node.written}`", hint='write it in numbers, as "1000:1000"')
        near = suggest(text, known)
        other = f"declare it in `{what}s`, or write it in numbers"
        raise node.error(f"no {what} `{text}` is declared", hint=near if near.startswith("did") else other)


def read_files(
    node: Node | None, folder: Path, accounts: Accounts
) -> tuple[CopiedFiles | InlineFile | PythonProject, ...]:
    """`files`.

    Args:
        node: The list.
        folder: What paths of the host are relative to.
        accounts: Who may own files by name.

    Raises:
        InvalidDeclarationError: An item is none, or names what is not there.
    """
    return tuple(_item(item, folder, accounts) for item in node.items("a list of files")) if node else ()


def _item(item: Node, folder: Path, accounts: Accounts) -> CopiedFiles | InlineFile | PythonProject:
    what = "a mapping with `from`, `content` or `project`"
    every = tuple(dict.fromkeys(key for keys in ITEM_KEYS.values() for key in keys))
    fields = item.mapping(what, known=every)
    kinds = [kind for kind in ITEM_KEYS if kind in fields]
    if not kinds:
        raise item.error("the item has neither `from`, `content` nor `project`")
    if len(kinds) > 1:
        raise item.error(f"the item has both `{kinds[0]}` and `{kinds[1]}`", hint="make two items of it")
    for key, _ in item.pairs:
        if key.written not in ITEM_KEYS[kinds[0]]:
            raise key.error(
                f"`{key.written}` does not go with `{kinds[0]}`",
                hint=f"keys of such an item are {', '.join(f'`{each}`' for each in ITEM_KEYS[kinds[0]])}",
            )
    if kinds[0] == "project":
        return _project(fields, folder)
    if "to" not in fields:
        raise item.error("the item has no `to`", hint="say where it goes in the image")
    owner = accounts.owner(fields["owner"]) if "owner" in fields else (_ROOT, _ROOT)
    mode = checking.mode(fields["mode"]) if "mode" in fields else None
    return _copied(fields, folder, owner, mode) if kinds[0] == "from" else _inline(fields, owner, mode)


def _copied(fields: dict[str, Node], folder: Path, owner: tuple[int, int], mode: int | None) -> CopiedFiles:
    source = checking.host_path(fields["from"], folder, what="the path of a file or folder")
    to = checking.image_path(fields["to"])
    if not source.is_dir():
        if fields["to"].written.endswith("/"):
            to = f"{to.rstrip('/')}/{source.name}"
        for key in ("include", "exclude"):
            if key in fields:
                raise fields[key].error(f"`{key}` is for folders, and `{fields['from'].written}` is a file")
    return CopiedFiles(
        source,
        to,
        owner=owner,
        mode=mode,
        include=_globs(fields.get("include")),
        exclude=_globs(fields.get("exclude")),
    )


def _globs(node: Node | None) -> tuple[str, ...]:
    items = node.items("a list of globs") if node else []
    for item in items:
        if ".." in checking.filled(item, "a glob").split("/"):
            raise item.error(f"`{item.written}` has `..` in it", hint="globs are relative to the folder that is copied")
    return tuple(item.written for item in items)


def _inline(fields: dict[str, Node], owner: tuple[int, int], mode: int | None) -> InlineFile:
    to = checking.image_path(fields["to"])
    if to == "/" or fields["to"].written.endswith("/"):
        raise fields["to"].error(f"`{fields['to'].written}` names no file")
    content = fields["content"].text("the content of a file")
    return InlineFile(content, to, owner=owner, mode=0o644 if mode is None else mode)


def _project(fields: dict[str, Node], folder: Path) -> PythonProject:
    node = fields["project"]
    path = checking.host_path(node, folder, what="the folder of a Python project")
    if not any((path / name).is_file() for name in _PROJECT_FILES):
        raise node.error(f"`{node.written}` is no Python project", hint="it has no `pyproject.toml` and no `setup.py`")
    return PythonProject(
        path, checking.choice(fields["as"], InstallMode, "a way to install") if "as" in fields else InstallMode.WHEEL
    )
