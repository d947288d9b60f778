"""The text of a project's file as a tree of values with their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind
from docker_envs.documents.text_file import read_text
from docker_envs.documents.toml_document import parse_toml_nodes
from docker_envs.documents.yaml_document import parse_yaml
from docker_envs.errors import InvalidDeclarationError
from docker_envs.projects.find import SHARED_NAMES, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.documents.node import Node

#: Longest file in bytes; people write these.
MAX_SIZE = 4 << 20


def read_source(path: Path) -> Node:
    """What a file declares, before anything is understood.

    Raises:
        InvalidDeclarationError: It cannot be read, is no YAML or TOML, or declares no project.
    """
    text = read_text(path, limit=MAX_SIZE)
    if path.suffix in (".yaml", ".yml"):
        return parse_yaml(path, text)
    if path.suffix != ".toml":
        raise InvalidDeclarationError(str(path), "unknown kind of file", hint="call it `docker-env.yaml`")
    document = parse_toml_nodes(path, text)
    return _own_table(document) if path.name in SHARED_NAMES else document


def _own_table(document: Node) -> Node:
    table: Node | None = document
    for key in ("tool", TABLE):
        known = table.mapping("a table") if table is not None and table.kind is Kind.MAPPING else {}
        table = known.get(key)
    if table is None:
        raise InvalidDeclarationError(str(document.path), f"has no `[tool.{TABLE}]`")
    return table
