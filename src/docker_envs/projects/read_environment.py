"""What a declaration says about the environment: files that declare it, or its channels and dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.environment_yml import (
    is_pip_section,
    read_channel,
    read_pip_section,
    read_spec,
    read_variables,
)
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.projects import checking
from docker_envs.projects.model import EnvironmentFile, InlineEnvironment

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.documents.node import Node

FILE_KEYS = ("file", "environment", "categories", "extras", "groups")
INLINE_KEYS = ("channels", "dependencies", "variables")

_WHAT = "a file, a mapping with `file` or `dependencies`, or a list of these"


def read_environments(node: Node | None, folder: Path) -> tuple[EnvironmentFile | InlineEnvironment, ...]:
    """`environment`.

    Args:
        node: A file, a mapping, or a list of these.
        folder: What paths are relative to.

    Raises:
        InvalidDeclarationError: Something in it is wrong, or a file is not there.
    """
    if node is None:
        return ()
    items = node.members if node.kind is Kind.LIST else (node,)
    return tuple(_environment(item, folder) for item in items)


def _environment(node: Node, folder: Path) -> EnvironmentFile | InlineEnvironment:
    if node.kind is Kind.TEXT:
        return EnvironmentFile(_file(node, folder))
    fields = node.mapping(_WHAT, known=(*FILE_KEYS, *INLINE_KEYS))
    if "file" not in fields:
        for key, _ in node.pairs:
            if key.written in FILE_KEYS:
                raise key.error(f"`{key.written}` goes with `file` only", hint="name the file that declares it")
        dependencies = _items(fields, "dependencies", "a list of match specs")
        sections = [item for item in dependencies if is_pip_section(item)]
        return InlineEnvironment(
            channels=tuple(read_channel(item) for item in _items(fields, "channels", "a list of channels")),
            dependencies=tuple(read_spec(item) for item in dependencies if item not in sections),
            variables=read_variables(fields),
            pip=tuple(line for section in sections for line in read_pip_section(section)),
        )
    for key, _ in node.pairs:
        if key.written in INLINE_KEYS:
            raise key.error(
                f"`{key.written}` does not go with `file`", hint="make a list of two environments, which are merged"
            )
    categories = [checking.filled(item, "a category") for item in _items(fields, "categories", "a list of categories")]
    name = checking.filled(fields["environment"], "the name of an environment") if "environment" in fields else None
    return EnvironmentFile(
        _file(fields["file"], folder),
        environment=name or DEFAULT_ENVIRONMENT,
        categories=tuple(categories) or (DEFAULT_CATEGORY,),
        extras=_names(fields, "extras", "an extra"),
        groups=_names(fields, "groups", "a dependency group"),
    )


def _file(node: Node, folder: Path) -> Path:
    path = checking.host_path(node, folder, what=_WHAT)
    if path.is_dir():
        raise node.error(f"`{node.written}` is a folder", hint="name the file in it that declares the environment")
    return path


def _names(fields: dict[str, Node], key: str, what: str) -> tuple[str, ...]:
    return tuple(checking.filled(item, what) for item in _items(fields, key, f"a list of {key}"))


def _items(fields: dict[str, Node], key: str, what: str) -> list[Node]:
    return fields[key].items(what) if key in fields else []
