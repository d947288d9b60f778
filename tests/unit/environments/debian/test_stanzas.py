from __future__ import annotations

import pytest

from docker_envs.environments.debian.stanzas import iter_paragraphs, paragraph_lines, parse_fields, parse_stanzas
from docker_envs.errors import FormatError


def test_stanzas() -> None:
    text = "# comment\r\nPackage: a\nDescription: short\n long\n .\n# more\n\tend\n\n \n\nPackage:b\nEmpty:\n"
    assert list(parse_stanzas(text, source="x")) == [
        {"package": "a", "description": "short\n long\n .\n\tend"},
        {"package": "b", "empty": ""},
    ]
    assert list(parse_stanzas("\n\n", source="x")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Package: a\npackage: b\n", "x: field `package` stands twice in a stanza"),
        (" alone\n", "x: line ' alone' goes on with no field"),
        ("no field\n", "x: line 'no field' is not a field"),
        ("-a: b\n", "x: line '-a: b' is not a field"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        list(parse_stanzas(text, source="x"))
    assert str(caught.value) == message


def test_paragraphs_are_as_they_stand() -> None:
    text = "\n\n# one\nA: b  \n c\n \t\n\nB:\r\n\r\nC: d"
    assert list(iter_paragraphs(text)) == ["# one\nA: b  \n c\n", "B:\r\n", "C: d\n"]


def test_fields_keep_order_and_spelling() -> None:
    fields = parse_fields(paragraph_lines("B-c: x \n# no\n y\t\nA:\n"), source="x")
    assert list(fields.items()) == [("b-c", ("B-c", "x\n y")), ("a", ("A", ""))]
