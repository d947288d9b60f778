"""Access to YAML that people write, with line and column in every error.

Spec: YAML 1.1, as conda's and conda-lock's parsers read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidDeclarationError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import yaml

_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_KINDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a truth value",
    "null": "nothing",
    "seq": "a list",
    "map": "a mapping",
    "timestamp": "a date",
}
#: Deepest nesting that a document of ours has any use for.
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class YamlValue:
    """A node of a document and where it stands.

    Attributes:
        path: The file.
        node: The node.
    """

    path: Path
    node: yaml.Node

    @property
    def place(self) -> str:
        """`file:line:column`, counted from 1."""
        return _place(self.path, self.node.start_mark)

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return _KINDS.get(self.node.tag.rpartition(":")[2], "something else")

    @property
    def is_null(self) -> bool:
        """Whether nothing is written there."""
        return self.node.tag == _NULL

    def error(self, reason: str, *, hint: str | None = None) -> InvalidDeclarationError:
        """An error about this node."""
        return InvalidDeclarationError(self.place, reason, hint=hint)

    def text(self, what: str) -> str:
        """The text of a scalar that YAML takes for text.

        Raises:
            InvalidDeclarationError: It is something else, such as the number that `3.10` is.
        """
        if self.node.tag != _TEXT:
            raise self.error(f"expected {what}, got {self.kind}", hint=self._quote_hint())
        return str(self.node.value)

    def scalar(self, what: str) -> str:
        """The text of any scalar, as it is written; empty for null.

        Raises:
            InvalidDeclarationError: It is a list or a mapping.
        """
        if not isinstance(self.node.value, str):
            raise self.error(f"expected {what}, got {self.kind}")
        return "" if self.is_null else self.node.value

    def items(self, what: str) -> list[YamlValue]:
        """The items of a list; none for null.

        Raises:
            InvalidDeclarationError: It is no list.
        """
        if self.is_null:
            return []
        if not self.node.tag.endswith(":seq"):
            raise self.error(f"expected {what}, got {self.kind}")
        return [YamlValue(self.path, node) for node in self.node.value]

    def mapping(self, what: str, *, known: Collection[str] | None = None) -> dict[str, YamlValue]:
        """The values of a mapping by key; none for null.

        Args:
            what: What is expected here, for the error.
            known: The keys there may be; None for any.

        Raises:
            InvalidDeclarationError: It is no mapping, or a key is unknown, no scalar, or there twice.
        """
        if self.is_null:
            return {}
        if not self.node.tag.endswith(":map"):
            raise self.error(f"expected {what}, got {self.kind}")
        found: dict[str, YamlValue] = {}
        for key_node, node in self.node.value:
            key = YamlValue(self.path, key_node)
            name = key.scalar("a key")
            if name in found:
                raise key.error(f"the key `{name}` is there twice")
            if known is not None and name not in known:
                raise key.error(f"unknown key `{name}`", hint=suggest(name, known))
            found[name] = YamlValue(self.path, node)
        return found

    def _quote_hint(self) -> str | None:
        return f'write it in quotes: "{self.node.value}"' if isinstance(self.node.value, str) else None


def parse_yaml(path: Path, text: str) -> YamlValue:
    """The nodes of a document; slow, but it knows their places.

    Raises:
        InvalidDeclarationError: It is no YAML, or holds nothing.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _syntax_error(path, error) from error
    if node is None:
        raise InvalidDeclarationError(str(path), "declares nothing")
    return YamlValue(path, node)


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
        hint = "indent with spaces" if "'\\t'" in str(error.problem) else None
        return InvalidDeclarationError(_place(path, error.problem_mark), f"not valid YAML: {error.problem}", hint=hint)
    return InvalidDeclarationError(str(path), f"not valid YAML: {error}".splitlines()[0])


def _place(path: Path, mark: Any) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}"
