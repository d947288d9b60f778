"""Expansion with variables that are known, held against dash and Bash."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.shell.expansion import BLANKS, Expander, Segment
from docker_envs.environments.shell.parser import parse_script
from docker_envs.environments.shell.syntax import Assignment, Simple, UnknownValueError

if TYPE_CHECKING:
    from docker_envs.environments.shell.syntax import Parameter, Substitution, Unread, Word

VARIABLES = {"A": "a b", "E": "", "P": "/x/y.tar.gz", "S": " s  t ", "Q": "*"}


class Known(Expander):
    def __init__(self, **variables: str) -> None:
        self.variables = {**VARIABLES, **variables}

    def value(self, part: Parameter) -> str | None:
        return self.variables.get(part.name)

    def assign(self, name: str, value: str) -> None:
        self.variables[name] = value

    def output(self, part: Substitution) -> str:
        return part.text.removeprefix("echo ")

    def unread(self, part: Unread) -> str:
        raise UnknownValueError(part.reason, part.line)

    def separators(self) -> str:
        return self.variables.get("IFS", BLANKS)

    def names(self, fields: list[str], segments: list[Segment]) -> list[str]:
        return fields


def words(text: str) -> list[Word]:
    (command,) = parse_script(f"x {text}", limit=1000)
    assert isinstance(command, Simple)
    return [word for word in command.words[1:] if not isinstance(word, Assignment)]


#: Words, and the fields that they become.
FIELDS = [
    ("$A", ["a", "b"]),
    ('"$A"', ["a b"]),
    ("x$A", ["xa", "b"]),
    ("$S$A", ["s", "t", "a", "b"]),
    ("x${S}y", ["x", "s", "t", "y"]),
    ("$E", []),
    ('"$E"', [""]),
    ("$E''", [""]),
    ("${N-n m}", ["n", "m"]),
    ('"${N:-n m}"', ["n m"]),
    ("${N:-'n m'}", ["n m"]),
    ("\"${N:-'n'}\"", ["'n'"]),
    ("${E:-e}${E-f}", ["e"]),
    ("${A:+yes}${N+no}", ["yes"]),
    ("${N:=new} $N", ["new", "new"]),
    ("${P##*/} ${P#*/} ${P%.*} ${P%%.*}", ["y.tar.gz", "x/y.tar.gz", "/x/y.tar", "/x/y"]),
    ('${P%"*"} ${P#$E}', ["/x/y.tar.gz", "/x/y.tar.gz"]),
    ('$(echo 1 2) "$(echo 1 2)"', ["1", "2", "1 2"]),
]


@pytest.mark.parametrize(("text", "expected"), FIELDS)
def test_fields(text: str, expected: list[str]) -> None:
    expander = Known()
    assert [field for word in words(text) for field in expander.fields(word)] == expected


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(("text", "expected"), FIELDS)
def test_shells_agree(text: str, expected: list[str], shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell}")
    script = f"set -f; show() {{ for i; do printf '%s\\n' \"$i\"; done; }}; show {text}"
    found = subprocess.run([path, "-c", script], env=VARIABLES, capture_output=True, check=True, text=True)
    assert found.stdout == "".join(f"{field}\n" for field in expected)


def test_other_separators() -> None:
    (word,) = words("$A")
    assert Known(IFS="").fields(word) == ["a b"]
    assert Known(IFS="\n", A="a b\nc").fields(word) == ["a b", "c"]
    assert Known(IFS=":").fields(word) == ["a b"]
    with pytest.raises(UnknownValueError, match="`IFS`"):
        Known(IFS=":", A="a:b").fields(word)


def test_patterns_keep_quotes() -> None:
    quoted, plain, mixed = words('"$Q" $Q "$Q"*')
    assert [Known().pattern(word).matches("x") for word in (quoted, plain, mixed)] == [False, True, False]
    assert Known().pattern(mixed).matches("*x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${N:?why}", "`${N:?…}` of a variable that is not set"),
        ("${A/#a/b}", "`${A/…}` of another form"),
        ("${A/[ab]/b}", "`${A/…}` of another form"),
        ("~", "`~`"),
        ("$((1))", "arithmetic"),
    ],
)
def test_what_is_not_known(text: str, reason: str) -> None:
    (word,) = words(text)
    with pytest.raises(UnknownValueError) as caught:
        Known().fields(word)
    assert (str(caught.value), caught.value.line) == (reason, 1)
