"""TOML of manifests: what pixi reads and the standard library does not, and where errors are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.documents.toml_document import parse_toml
from docker_envs.errors import InvalidDeclarationError

PATH = Path("pixi.toml")


def test_inline_tables_may_go_over_several_lines() -> None:
    text = """[environments]
test = { # a comment, with a }
  features = [
    "a, # no comment", # one
    'b',
  ],
  env = { X = "}{", Y = '''
},{
''', },
}
last = {a = 1, b = [1, 2,], c = "x,"}
"""
    assert parse_toml(PATH, text.replace("\n", "\r\n")) == {
        "environments": {
            "test": {"features": ["a, # no comment", "b"], "env": {"X": "}{", "Y": "},{\n"}},
            "last": {"a": 1, "b": [1, 2], "c": "x,"},
        }
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = {\n  b = 1,\n  c = \n}\n", "pixi.toml:4:1: not valid TOML: invalid value"),
        ("a = {\n b = 1,\n}\n[c\n", "pixi.toml:4:3: not valid TOML: expected ']' at the end of a table declaration"),
        ("a = 1\nb = }\n", "pixi.toml:2:5: not valid TOML: invalid value"),
        ('a = "x\n', "pixi.toml:1:7: not valid TOML: illegal character '\\n'"),
        ("a = " + "[" * 100_000, "pixi.toml"),
    ],
)
def test_errors_are_where_they_are_written(text: str, message: str) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        parse_toml(PATH, text)
    assert str(caught.value).startswith(message)


@given(st.text(st.sampled_from("ab=\"'{}[],#\n \\1."), max_size=60))
def test_what_the_standard_library_reads_means_the_same(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert parse_toml(PATH, text) == expected
