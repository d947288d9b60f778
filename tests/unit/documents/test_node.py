"""Values and their places: the same from YAML and TOML, and exact."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.documents.node import Kind, Node
from docker_envs.documents.toml_document import parse_toml_nodes
from docker_envs.documents.yaml_document import parse_yaml
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator

YAML, TOML = Path("a.yaml"), Path("a.toml")


def plain(node: Node) -> Any:
    """The value without places, scalars as they are written."""
    if node.kind is Kind.LIST:
        return [plain(member) for member in node.members]
    if node.kind is Kind.MAPPING:
        return {key.written: plain(value) for key, value in node.pairs}
    return (str(node.kind), node.written)


def scalars(node: Node) -> Iterator[Node]:
    for child in (*node.members, *(part for pair in node.pairs for part in pair)):
        yield from scalars(child)
    if node.is_scalar:
        yield node


def at(node: Node, *path: str | int) -> Node:
    for part in path:
        node = node.members[part] if isinstance(part, int) else node.mapping("a mapping")[part]
    return node


YAML_TEXT = """\
name: app
numbers: [1, 010, 1.10, 0x1f]
truth: yes
nothing:
date: 2024-01-01
"quoted key": {a: "b\\n"}
"""

TOML_TEXT = """\
name = "app"  # a comment with = and [
numbers = [1, 1_0, 1.10,
  0x1f ]
[a."b c".d]
truth = true
date = 1979-05-27 07:32:00  # a blank in a date
inline = { x.y = '''
]}''', "z" = [{ q = 1 }] }
[[list]]
n = 1
[[list]]
n = 2
[list.below]
m = \"\"\"text\"\"\"\"
"""


@pytest.mark.parametrize(
    ("path", "place", "described"),
    [
        (("name",), "1:7", "text (`app`)"),
        (("numbers",), "2:10", "a list"),
        (("numbers", 1), "2:14", "a number (`010`)"),
        (("numbers", 2), "2:19", "a number (`1.10`)"),
        (("truth",), "3:8", "a truth value (`yes`)"),
        (("nothing",), "4:9", "nothing"),
        (("date",), "5:7", "a date (`2024-01-01`)"),
        (("quoted key", "a"), "6:19", "text"),
    ],
)
def test_places_in_yaml(path: tuple[str | int, ...], place: str, described: str) -> None:
    node = at(parse_yaml(YAML, YAML_TEXT), *path)
    assert (node.place, node.described) == (f"a.yaml:{place}", described)


@pytest.mark.parametrize(
    ("path", "place", "described"),
    [
        (("name",), "1:8", "text (`app`)"),
        (("numbers", 1), "2:15", "a number (`1_0`)"),
        (("numbers", 2), "2:20", "a number (`1.10`)"),
        (("numbers", 3), "3:3", "a number (`0x1f`)"),
        (("a",), "4:1", "a mapping"),
        (("a", "b c", "d", "truth"), "5:9", "a truth value (`true`)"),
        (("a", "b c", "d", "date"), "6:8", "a date (`1979-05-27 07:32:00`)"),
        (("a", "b c", "d", "inline", "x", "y"), "7:18", "text (`]}`)"),
        (("a", "b c", "d", "inline", "z", 0, "q"), "8:21", "a number (`1`)"),
        (("list",), "9:1", "a list"),
        (("list", 1, "n"), "12:5", "a number (`2`)"),
        (("list", 1, "below", "m"), "14:5", 'text (`text"`)'),
    ],
)
def test_places_in_toml(path: tuple[str | int, ...], place: str, described: str) -> None:
    node = at(parse_toml_nodes(TOML, TOML_TEXT), *path)
    assert (node.place, node.described) == (f"a.toml:{place}", described)


def test_keys_have_places() -> None:
    (_, (numbers, _), (table, _), _) = parse_toml_nodes(TOML, TOML_TEXT).pairs
    assert (numbers.place, table.place) == ("a.toml:2:1", "a.toml:4:1")
    assert [key.place for key, _ in parse_yaml(YAML, YAML_TEXT).pairs][-1] == "a.yaml:6:1"


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda node: node.text("a thing"), 'write it in quotes: "1.0"'),
        (lambda node: node.integer("a thing"), None),
        (lambda node: node.truth("a thing"), "write it as `true` or `false`, without quotes"),
        (lambda node: node.items("a thing"), None),
        (lambda node: node.mapping("a thing"), None),
    ],
    ids=["text", "integer", "truth", "items", "mapping"],
)
def test_wrong_kinds_are_refused_with_their_value(call: Any, hint: str | None) -> None:
    with pytest.raises(
        InvalidDeclarationError, match=r"^a.yaml:1:4: expected a thing, got a number \(`1.0`\)$"
    ) as caught:
        call(at(parse_yaml(YAML, "a: 1.0\n"), "a"))
    assert caught.value.hint == hint


def test_numbers_and_truths() -> None:
    node = parse_yaml(YAML, "a: [0, 12, -3, 1_000]\nb: [yes, Off, TRUE]\n")
    assert [each.integer("a number") for each in at(node, "a").members] == [0, 12, -3, 1000]
    assert [each.truth("a truth") for each in at(node, "b").members] == [True, False, True]


def test_merge_keys() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\n"
    merged = at(parse_yaml(YAML, text), "z").mapping("a mapping")
    assert {name: node.written for name, node in merged.items()} == {"a": "1", "b": "1", "c": "3"}
    with pytest.raises(InvalidDeclarationError, match=r"^a.yaml:1:5: `<<` is not followed by mappings$"):
        parse_yaml(YAML, "z: {<<: 1}\n")


def test_aliases_cannot_grow_without_a_limit() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdef", "bcdefg", strict=True)
    ]
    with pytest.raises(InvalidDeclarationError, match=r"^a.yaml: has more than 100,000 values$"):
        parse_yaml(YAML, "\n".join(lines))
    with pytest.raises(InvalidDeclarationError, match=r"^a.yaml:1:4: nested too deeply$"):
        parse_yaml(YAML, "a: &a [*a]")


VALUES = st.recursive(
    st.one_of(st.text("ab\"'\\#,[]{}=.\n é", max_size=6), st.integers(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("ab\"'.# é", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def toml(value: Any) -> str:
    """A value in TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(toml, value)) + " # comment\n]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
        return '"' + "".join(escapes.get(letter, letter) for letter in value) + '"'
    return str(value)


@given(st.dictionaries(st.text('ab." é', max_size=4), VALUES, max_size=4))
def test_each_value_in_toml_stands_where_it_is_said_to_stand(document: dict[str, Any]) -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items())
    lines = text.split("\n")
    for node in scalars(parse_toml_nodes(TOML, text)):
        rest = "\n".join([lines[node.line - 1][node.column - 1 :], *lines[node.line :]])
        expected = toml(node.written) if node.kind is Kind.TEXT else node.written
        assert rest.startswith(expected)
    assert tomllib.loads(text) == document


@given(st.dictionaries(st.text('ab." é', max_size=4), VALUES, max_size=4))
def test_yaml_and_toml_say_the_same(document: dict[str, Any]) -> None:
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items())
    from_yaml = parse_yaml(YAML, yaml.safe_dump(document, sort_keys=False))
    assert plain(from_yaml) == plain(parse_toml_nodes(TOML, text))
