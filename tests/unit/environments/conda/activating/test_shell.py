"""The evaluator of shell scripts against real shells: whatever it resolves, they do as well."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docker_envs.environments.conda.activating.activation import ActivationFile, evaluate_activation
from docker_envs.environments.conda.activating.shell.state import Touched
from tests.unit.environments.conda.shells import POSIX_SHELLS, SHELLS, lookup_in, source, write

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.sampled_from(["A", "B", "C", "LANG_X"])
VALUES = st.text(alphabet="ab /:.-=*?'\"$\\\n~#&;%é", max_size=8)
OPERATORS = st.sampled_from([":-", "-", ":+", "+", ":=", "=", "%", "%%", "#", "##"])
BASH_OPERATORS = st.sampled_from(["/", "//"])
#: Pieces of scripts that mean something, put together without sense.
TOKENS = st.sampled_from(
    "export |A|B|=|+=|x|y z|$A|${B}|${A:-|${B#|${C%%|}|\"|'|\\|\n|;|; then |if |fi|else |elif |&&|\\|\\|| |[ |]|[[ |]]"
    "|-n |-z | = | == | != |!|! |case |in |esac|;;|a*)|*)|for v |do |done|while false|{ |true|false|:|unset |#|*|?|("
    "|)|$|$(|&|>|<|~|test |return|/|-|.".replace("\\|\\|", "OR").split("|")
).map(lambda token: token.replace("OR", "||"))
SETTINGS = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def expansions(operators: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    plain = NAMES.map(lambda name: f"${{{name}}}")
    argument = VALUES.map(shlex.quote) | plain | st.sampled_from(["*", "a*", "?", "/*", "*.", "x y", ""])
    with_operator = st.builds("${{{}{}{}}}".format, NAMES, operators, argument)
    return plain | with_operator


def words(operators: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    expansion = expansions(operators)
    return st.lists(
        VALUES.map(shlex.quote) | expansion | expansion.map(lambda text: f'"{text}"'), min_size=1, max_size=3
    ).map("".join)


def commands(operators: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    word = words(operators)
    quoted = expansions(operators).map(lambda text: f'"{text}"')
    assignment = st.builds("{}={}".format, NAMES, word)
    simple = (
        assignment
        | assignment.map("export {}".format)
        | NAMES.map("export {}".format)
        | NAMES.map("unset {}".format)
        | quoted.map(": {}".format)
    )
    test = (
        st.builds("[ {} = {} ]".format, quoted, quoted)
        | st.builds("[ {} {} ]".format, st.sampled_from(["-n", "-z", "! -n", "-d", "-e"]), quoted)
        | st.builds("test {}".format, quoted)
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.builds("if {}; then\n{}\nelse\n{}\nfi".format, test, inner, inner),
            st.builds("{} && {}".format, test, simple),
            st.builds("! {} || {{ {}; }}".format, test, simple),
            st.builds("case {} in a*|{}) {} ;; *) {} ;; esac".format, quoted, quoted, inner, inner),
            st.builds('for item in {} {}; do\n{}\nB="$item"\ndone'.format, word, word, inner),
        ),
        max_leaves=4,
    )


def scripts(operators: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(commands(operators), min_size=1, max_size=6).map("\n".join)


def compare(shells: list[str], text: str, values: dict[str, str], directory: Path) -> None:
    """Evaluate a script, and where that works, source it in shells as well."""
    prefix = directory / "prefix"
    path = write(prefix, "etc/conda/activate.d/a.sh", text)
    env = {"PATH": f"{prefix}/bin", "CONDA_PREFIX": str(prefix), **values}
    file = ActivationFile("a", "etc/conda/activate.d/a.sh", text.encode())
    found = evaluate_activation([file], prefix=str(prefix), env=env, lookup=lookup_in(prefix))
    if found.unresolved:
        assert (found.variables, found.removed, found.origins) == ({}, (), {})
        return
    expected = {name: value for name, value in {**env, **found.variables}.items() if name not in found.removed}
    for shell in shells:
        assert source(shell, [path], env, directory) == expected, shell


@pytest.mark.parametrize("shell", POSIX_SHELLS)
@SETTINGS
@given(text=scripts(OPERATORS), values=st.dictionaries(NAMES, VALUES))
def test_posix_scripts(text: str, values: dict[str, str], shell: str, tmp_path: Path) -> None:
    compare([shell], text, values, tmp_path)


@pytest.mark.skipif("bash" not in SHELLS, reason="there is no Bash")
@SETTINGS
@given(text=scripts(OPERATORS | BASH_OPERATORS), values=st.dictionaries(NAMES, VALUES))
def test_bash_scripts(text: str, values: dict[str, str], tmp_path: Path) -> None:
    compare(["bash"], text, values, tmp_path)


@pytest.mark.skipif("bash" not in SHELLS, reason="there is no Bash")
@SETTINGS
@given(text=st.lists(TOKENS, max_size=14).map("".join), values=st.dictionaries(NAMES, VALUES))
def test_nonsense(text: str, values: dict[str, str], tmp_path: Path) -> None:
    compare(["bash"], text, values, tmp_path)


@given(content=st.binary(max_size=200), kind=st.sampled_from(["activate.d/a.sh", "env_vars.d/a.json"]))
def test_any_bytes(content: bytes, kind: str) -> None:
    env = {"PATH": "/p/bin", "CONDA_PREFIX": "/p"}
    found = evaluate_activation([ActivationFile("a", f"etc/conda/{kind}", content)], prefix="/p", env=env)
    assert all("\0" not in value for value in found.variables.values())


@pytest.mark.parametrize(
    ("text", "name", "touched"),
    [
        ("export A_B=$(x)", "A_B", True),
        ("export A_B=$(x)", "A_C", False),
        ("p=CONDA_; q=BACKUP_; r=CC", "CONDA_BACKUP_CC", True),
        ("p=CONDA; q=BACKUP_; r=C; s=C", "CONDA_BACKUP_CC", False),
        ("x gcc-ar", "GCC_AR", True),
        ("x g++", "GXX", True),
        ("echo $CONDA_PREFIX", "CONDA_PREFIX", False),
        ("CONDA_PREFIX=x", "CONDA_PREFIX", True),
        ("unset A CONDA_PREFIX", "CONDA_PREFIX", True),
        ("if x; then . /file; fi", "ANY", True),
        ("source /file", "ANY", True),
        ("echo a.b ./c", "ANY", False),
        ("export A=$(x); eval B=1", "ANY", False),
    ],
)
def test_what_a_script_may_touch(text: str, name: str, touched: bool) -> None:
    assert (name in Touched("a", text)) is touched
