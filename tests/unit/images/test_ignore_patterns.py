"""Patterns of a `.dockerignore`; `integration/test_application.py` compares them with what Docker builds."""

from __future__ import annotations

import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.images.ignore_patterns import IgnorePatterns

#: Of each list of lines, what it matches and what it does not.
CASES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "anchored": (["a"], ["a", "a/b", "a/b/c"], ["b/a", "ab", "A"]),
    "slashes": (["/a/", "./b//c"], ["a", "a/x", "b/c"], ["b", "b/d", "x/a"]),
    "parents": (["../a/../../b"], [], ["a", "b/x", "x"]),
    "dots-inside": (["a/../b"], ["b"], ["a"]),
    "comments": (["# a", "#b", "", "  ", " #c"], ["#c"], ["a", "# a", "#b", "b"]),
    "star": (["*.py", "d/*"], ["x.py", ".py", "d/x", "d/y/z"], ["e/x.py", "x.pyc", "d"]),
    "star-in-middle": (["a*c/x"], ["ac/x", "abbc/x"], ["a/c/x", "abc"]),
    "question": (["?.t"], ["a.t", "ä.t"], [".t", "ab.t", "/.t"]),
    "any-depth": (["**/x"], ["x", "a/x", "a/b/x", "x/y"], ["ax", "a/bx"]),
    "any-depth-with-star": (["**/*.pyc"], ["a.pyc", "a/b/c.pyc"], ["a.py", "pyc"]),
    "any-depth-inside": (["a/**/z"], ["a/z", "a/b/z", "a/b/c/z"], ["z", "ab/z", "a/bz"]),
    "all-below": (["a/**"], ["a/b", "a/b/c"], ["a", "ab"]),
    "suffix-without-slash": (["**end"], ["end", "the-end", "a/the-end"], ["ends"]),
    "prefix-without-slash": (["be**"], ["be", "begin", "be/x"], ["a/be"]),
    "everything": (["**"], ["a", "a/b"], []),
    "everything-by-star": (["*"], ["a", "a/b", ".c"], []),
    "set": (["[a-c]x", "[^a]y", "[!]z"], ["ax", "cx", "by", "!z"], ["dx", "ay", "z"]),
    "escaped": (["\\*", "a\\?b"], ["*", "a?b"], ["x", "axb"]),
    "special-to-regexes": (["a.b", "(c)", "d+", "e{1}", "f|g", "^h", "$i"],
                           ["a.b", "(c)", "d+", "e{1}", "f|g", "^h", "$i"], ["axb", "c", "dd", "e", "f", "h"]),
    "exception": (["*.md", "!README.md"], ["x.md"], ["README.md", "a/x.md"]),
    "exception-in-directory": (["d", "!d/keep"], ["d", "d/x"], ["d/keep", "d/keep/x"]),
    "last-match-wins": (["*.md", "!README*.md", "README-secret.md"], ["a.md", "README-secret.md"], ["README.md"]),
    "exception-first": (["!README.md", "*.md"], ["README.md"], []),
    "spaces": (["  a  ", "! b ", "b c"], ["a", "b c"], ["b", " a"]),
    "line-break": (["a*b"], ["a\nb"], ["a\n"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_matches(case: str) -> None:
    lines, matched, others = CASES[case]
    patterns = IgnorePatterns(lines, source="test")
    assert {path: patterns.matches(path) for path in (*matched, *others)} == {
        **dict.fromkeys(matched, True),
        **dict.fromkeys(others, False),
    }


@pytest.mark.parametrize(("line", "message"), [("!", "without a pattern"), ("[", "invalid pattern"), ("x[b-a]", "'x")])
def test_malformed(line: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        IgnorePatterns([line], source="test")


@pytest.mark.parametrize(
    ("exception", "expected"),
    [("# !a/b", False), ("!b", False), ("!ab/c", False), ("!a/b", True), ("!/a/b/c", True), ("!*.py", True)],
)
def test_directories_in_which_there_may_be_exceptions(exception: str, expected: bool) -> None:
    assert IgnorePatterns(["a", exception], source="test").may_spare("a") == expected


@pytest.mark.parametrize("case", CASES)
def test_what_is_matched_is_looked_for(case: str) -> None:
    lines, matched, _ = CASES[case]
    patterns = IgnorePatterns(lines, source="test")
    for path in matched:
        parents = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        assert [parent for parent in parents if not patterns.may_match_below(parent)] == []


@pytest.mark.parametrize(
    ("line", "directory"), [("*.py", ".venv"), ("src/*.py", "lib"), ("src/*.py", "src/x"), ("a", "b")]
)
def test_where_nothing_is_looked_for(line: str, directory: str) -> None:
    assert not IgnorePatterns([line], source="test").may_match_below(directory)
