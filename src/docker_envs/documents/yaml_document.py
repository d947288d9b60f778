"""YAML that people write, as nodes that know their places; and YAML that programs write, as plain values.

Spec: YAML 1.1, as conda's and conda-lock's parsers read it; merge keys as in https://yaml.org/type/merge.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.documents.node import Kind, Node
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    "str": Kind.TEXT,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "bool": Kind.TRUTH,
    "null": Kind.NULL,
    "seq": Kind.LIST,
    "map": Kind.MAPPING,
    "timestamp": Kind.DATE,
    "merge": Kind.TEXT,
}
#: Deepest nesting that a document of ours has any use for.
_MAX_DEPTH = 50
#: Most values that a document may have when its aliases are written out.
_MAX_NODES = 100_000


def parse_yaml(path: Path, text: str) -> Node:
    """The nodes of a document; slow, but it knows their places.

    Raises:
        InvalidDeclarationError: It is no YAML, holds nothing, or is nested too deeply.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _syntax_error(path, error) from error
    if node is None:
        raise InvalidDeclarationError(str(path), "declares nothing")
    return _Reading(path).node(node, 0)


class _Reading:
    """Turns a library's nodes into ours, within limits that aliases cannot get around."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def node(self, node: yaml.Node, depth: int) -> Node:
        mark: Any = node.start_mark
        kind = _KINDS.get(node.tag.removeprefix(_TAG), Kind.OTHER)
        self._count += 1
        if depth > _MAX_DEPTH:
            raise InvalidDeclarationError(_place(self._path, mark), "nested too deeply")
        if self._count > _MAX_NODES:
            raise InvalidDeclarationError(str(self._path), f"has more than {_MAX_NODES:,} values")
        here = (self._path, mark.line + 1, mark.column + 1)
        if isinstance(node.value, str):
            return Node(*here, kind, written=node.value)
        if kind is Kind.LIST:
            return Node(*here, kind, members=tuple(self.node(item, depth + 1) for item in node.value))
        if kind is not Kind.MAPPING:
            return Node(*here, Kind.OTHER)
        pairs = [(self.node(key, depth + 1), self.node(value, depth + 1), key.tag) for key, value in node.value]
        own = [(key, value) for key, value, tag in pairs if not tag.endswith(":merge")]
        for key, value, tag in pairs:
            if tag.endswith(":merge"):
                own += _merged(key, value, {name.written for name, _ in own})
        return Node(*here, kind, pairs=tuple(own))


def _merged(key: Node, value: Node, known: set[str]) -> list[tuple[Node, Node]]:
    """What a merge key adds: of the mappings that it names, earlier ones win."""
    found: list[tuple[Node, Node]] = []
    for mapping in value.members if value.kind is Kind.LIST else (value,):
        if mapping.kind is not Kind.MAPPING:
            raise key.error("`<<` is not followed by mappings")
        found += [(name, item) for name, item in mapping.pairs if name.written not in known]
        known |= {name.written for name, _ in mapping.pairs}
    return found


def load_yaml(path: Path, text: str) -> Any:
    """The plain values of a document that a program has written, read as fast as can be.

    Raises:
        InvalidDeclarationError: It is no YAML, or nested too deeply.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        # libyaml's composer recurses without a limit, its parser does not.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise InvalidDeclarationError(_place(path, event.start_mark), "nested too deeply")
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise _syntax_error(path, error) from error


def _syntax_error(path: Path, error: Exception) -> InvalidDeclarationError:
    import yaml

    if isinstance(error, RecursionError):
        return InvalidDeclarationError(str(path), "nested too deeply")
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        # Newer versions of libyaml have a limit of their own, and scan ahead of what they have parsed.
        if "nesting depth" in str(error.problem):
            return InvalidDeclarationError(_place(path, error.problem_mark), "nested too deeply")
        hint = "indent with spaces" if "'\\t'" in str(error.problem) else None
        return InvalidDeclarationError(_place(path, error.problem_mark), f"not valid YAML: {error.problem}", hint=hint)
    return InvalidDeclarationError(str(path), f"not valid YAML: {error}".splitlines()[0])


def _place(path: Path, mark: Any) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}"
