"""Environment variables in a declaration: `${NAME}` is replaced where `interpolate` names it, and nowhere else.

So a build depends on no variable that the file does not tell about, and `$` needs no escape.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.documents.node import Node

#: The key that names the variables.
INTERPOLATE = "interpolate"
VARIABLE_KEYS = ("name", "default")

_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_USE = re.compile(r"\$\{([A-Za-z_]\w*)\}", re.ASCII)


def interpolate(document: Node, variables: Mapping[str, str]) -> Node:
    """The document with the values of the variables that it names; keys and `interpolate` itself stay.

    Args:
        document: What a file declares.
        variables: Those of the process.

    Raises:
        InvalidDeclarationError: A name is none, or a variable that is used is not set and has no default.
    """
    if document.kind is not Kind.MAPPING:
        return document
    named = next((value for key, value in document.pairs if key.written == INTERPOLATE), None)
    if named is None:
        return document
    values: dict[str, str | None] = {}
    for item in named.items("a list of environment variables"):
        name, default = _variable(item)
        values[name] = variables.get(name, default)
    pairs = ((key, value if value is named else _replaced(value, values)) for key, value in document.pairs)
    return replace(document, pairs=tuple(pairs))


def _variable(item: Node) -> tuple[str, str | None]:
    """Name and default."""
    default = None
    if item.kind is Kind.MAPPING:
        fields = item.mapping("a variable", known=VARIABLE_KEYS)
        if "name" not in fields:
            raise item.error("the variable has no `name`")
        default = fields["default"].scalar("a default") if "default" in fields else None
        item = fields["name"]
    name = item.text("the name of an environment variable")
    if not _NAME.match(name):
        raise item.error(f"`{name}` is no name of an environment variable", hint="leave out `$` and braces")
    return name, default


def _replaced(node: Node, values: Mapping[str, str | None]) -> Node:
    if node.kind is Kind.LIST:
        return replace(node, members=tuple(_replaced(member, values) for member in node.members))
    if node.kind is Kind.MAPPING:
        return replace(node, pairs=tuple((key, _replaced(value, values)) for key, value in node.pairs))
    if node.kind is not Kind.TEXT or "${" not in node.written:
        return node

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            return match[0]
        found = values[name]
        if found is None:
            raise node.error(
                f"the environment variable `{name}` is not set",
                hint=f"set it, or give it a default: `{INTERPOLATE}: [{{name: {name}, default: …}}]`",
            )
        return found

    return replace(node, written=_USE.sub(value, node.written))
