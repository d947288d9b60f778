"""Numbers and strings, as `test` compares them."""

from __future__ import annotations

import pytest

from docker_envs.environments.shell.comparisons import compare
from docker_envs.environments.shell.syntax import UnknownValueError


@pytest.mark.parametrize(
    ("left", "operator", "right", "holds"),
    [
        ("a", "=", "a", True),
        ("a", "==", "b", False),
        ("a", "!=", "b", True),
        ("01", "=", "1", False),
        ("01", "-eq", "1", True),
        ("-2", "-lt", "+1", True),
        ("2", "-le", "2", True),
        ("2", "-gt", "2", False),
        ("3", "-ge", "10", False),
        ("3", "-ne", "3", False),
    ],
)
def test_comparisons(left: str, operator: str, right: str, *, holds: bool) -> None:
    assert compare(left, operator, right) is holds


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [
        ("", "-eq", "1"),
        ("--5", "-eq", "1"),
        ("1", "-eq", "x"),
        ("\u0663", "-eq", "3"),
        ("9" * 19, "-gt", "1"),
        ("a", "<", "b"),
    ],
    ids=["empty", "signs", "text", "other-digits", "long", "operator"],
)
def test_what_is_an_error_in_a_shell(left: str, operator: str, right: str) -> None:
    with pytest.raises(UnknownValueError, match=f"`{operator}` in a test"):
        compare(left, operator, right)
