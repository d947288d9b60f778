"""Texts from the command line to values."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.cli.options import parse_command, parse_owner, parse_pairs
from docker_envs.errors import InvalidInputError


def test_pairs() -> None:
    assert parse_pairs(["A=1", "B=", "C=x=y", "A=2"], "--env") == {"A": "2", "B": "", "C": "x=y"}


@pytest.mark.parametrize("item", ["A", "=1", "", "="])
def test_pairs_that_are_none(item: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_pairs([item], "--env")
    assert str(caught.value) == f"invalid `--env` {item!r}"
    assert caught.value.hint == "write it as `--env NAME=VALUE`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", ()),
        ("[]", ()),
        ("python -m x", ("python", "-m", "x")),
        ("sh -c 'a b'", ("sh", "-c", "a b")),
        ('["sh", "-c", "a b"]', ("sh", "-c", "a b")),
        (' ["a"]', ("a",)),
    ],
)
def test_commands(text: str | None, expected: tuple[str, ...] | None) -> None:
    assert parse_command(text, "--cmd") == expected


@given(st.lists(st.text(min_size=1)).filter(lambda words: not words or not words[0].lstrip().startswith("[")))
def test_commands_are_split_as_a_shell_does(words: list[str]) -> None:
    assert parse_command(shlex.join(words), "--cmd") == tuple(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 'b", 'invalid `--cmd` "a \'b": No closing quotation'),
        ("[1]", "invalid `--cmd` '[1]': not all items are strings"),
        ("['a']", "invalid `--cmd` \"['a']\": no JSON list (Expecting value: line 1 column 2 (char 1))"),
    ],
)
def test_commands_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_command(text, "--cmd")
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "owner"), [("0:0", (0, 0)), ("1000:100", (1000, 100)), ("7", (7, 7))])
def test_owners(text: str, owner: tuple[int, int]) -> None:
    assert parse_owner(text, "--owner") == owner


@pytest.mark.parametrize("text", ["", ":", "me", "1:me", "-1:0", "1:2:3", "99999999999", "\u0661"])
def test_what_is_no_owner(text: str) -> None:
    with pytest.raises(InvalidInputError, match="invalid `--owner`"):
        parse_owner(text, "--owner")
