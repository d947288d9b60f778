"""Arithmetic, against the shell."""

from __future__ import annotations

import subprocess

import pytest

from docker_envs.environments.debian.scripts.arithmetic import evaluate
from docker_envs.environments.shell.syntax import UnknownValueError

VALUES = {"a": "7", "b": "-2", "empty": "", "x10": "1"}


@pytest.mark.parametrize(
    "expression",
    [
        "1 + 2 * 3",
        "(1+2)*3",
        "a / b",
        "a % b",
        "-a % 3",
        "a > 3 && b < 0",
        "!a || b == -2",
        "a != 7",
        "$a - ${b}",
        "empty + 1",
        "2 - -1",
        "10 - 3 - 2",
        " a\t+\n1 ",
    ],
)
def test_values_are_those_of_the_shell(expression: str) -> None:
    script = "a=7; b=-2; empty=; echo $((" + expression + "))"
    done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    assert evaluate(expression, VALUES.__getitem__) == int(done.stdout)


@pytest.mark.parametrize(
    "expression",
    ["", "1 +", "1 / 0", "a++", "a = 1", "010", "0x10", "1 ? 2 : 3", "(1", "1 2", "9" * 30, "(" * 90 + "1" + ")" * 90,
     "9000000000000000000 * 9", "a & 1", "1" + "+1" * 400],
)  # fmt: skip
def test_the_rest_is_unknown(expression: str) -> None:
    with pytest.raises(UnknownValueError):
        evaluate(expression, VALUES.__getitem__)


def test_values_that_are_no_numbers_are_unknown() -> None:
    with pytest.raises(UnknownValueError):
        evaluate("a", {"a": "b"}.__getitem__)
