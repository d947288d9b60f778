"""`pylock.toml`: chosen files for one or more platforms; `uv.lock` by way of it.

Spec: PyPA specifications, "pylock.toml Specification" (PEP 751).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.pylock import Pylock, PylockValidationError

from docker_envs.documents.toml_document import parse_toml, parse_toml_nodes
from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from docker_envs.documents.node import Node

_STEP = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_NAME = re.compile(r"pylock(\.[^.]+)?\.toml\Z")


@dataclass(frozen=True, slots=True)
class PypiLock:
    """A lock, and what is wanted of it.

    Attributes:
        content: What it says, valid.
        source: The file, for messages.
        directory: What paths in it are relative to.
        extras: Those that are wanted.
        groups: Dependency groups that are wanted; None for those that the lock wants by default.
    """

    content: Pylock
    source: str
    directory: Path
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None


def is_pylock(path: Path) -> bool:
    """Whether a file is named as such a lock must be."""
    return _NAME.match(path.name) is not None


def read_pylock(
    path: Path, text: str, *, extras: Collection[str] = (), groups: Collection[str] | None = None
) -> PypiDeclaration:
    """Read the text of a `pylock.toml`.

    Args:
        path: The file.
        text: Its content.
        extras: Those that are wanted.
        groups: Dependency groups that are wanted; None for those that the lock wants by default.

    Raises:
        InvalidDeclarationError: It breaks the specification, or has no such extra or group.
    """
    content = parse_lock(path, text)
    for kind, wanted, known in (
        ("extra", extras, content.extras or ()),
        ("dependency group", groups or (), content.dependency_groups or ()),
    ):
        for name in wanted:
            if name not in known:
                raise InvalidDeclarationError(str(path), f"has no {kind} `{name}`")
    lock = PypiLock(content, str(path), path.parent, tuple(extras), None if groups is None else tuple(groups))
    return PypiDeclaration(lock=lock, source=str(path), directory=path.parent)


def parse_lock(path: Path, text: str) -> Pylock:
    """The content of a lock.

    Raises:
        InvalidDeclarationError: It breaks the specification.
    """
    try:
        return Pylock.from_dict(parse_toml(path, text))
    except PylockValidationError as error:
        node = _find(parse_toml_nodes(path, text), error.context or "")
        context = f"{error.context}: " if error.context else ""
        raise InvalidDeclarationError(node.place, f"{context}{error.message[:1].lower()}{error.message[1:]}") from error


def _find(node: Node, context: str) -> Node:
    """The innermost value that is there on the way of `packages[3].wheels[0].hashes`."""
    for step in _STEP.finditer(context):
        members: dict[str, Node] = {key.written: value for key, value in node.pairs}
        if step["index"]:
            members = {str(number): item for number, item in enumerate(node.members)}
        found = members.get(step["key"] or step["index"])
        if found is None:
            break
        node = found
    return node
