"""Patterns: what they match, and what is refused where shells and locales disagree."""

from __future__ import annotations

import pytest

from docker_envs.environments.shell.patterns import Pattern
from docker_envs.environments.shell.syntax import UnknownValueError


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("a*b*c", "abbc", True),
        ("a*b*c", "abcb", False),
        ("*a", "aaa", True),
        ("?", "a", True),
        ("?", "", False),
        ("[ab]", "b", True),
        ("[!ab]", "b", False),
        ("x[0-9]", "x7", True),
        ("a*", "a\nb", True),
        ("a.c", "abc", False),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert Pattern([(pattern, False)]).matches(text) is matches
    assert Pattern([(pattern, True)]).matches(text) is (pattern == text)


@pytest.mark.parametrize("pattern", ["[a-z]", "[^a]", "[[:alpha:]]", "[]", "[a", "\\*"])
def test_patterns_that_depend_on_the_shell(pattern: str) -> None:
    with pytest.raises(UnknownValueError):
        Pattern([(pattern, False)])


def test_pattern_against_other_than_ascii_depends_on_the_locale() -> None:
    with pytest.raises(UnknownValueError, match="not ASCII"):
        Pattern([("?", False)]).matches("é")


def test_many_stars_cost_little() -> None:
    assert not Pattern([("*a" * 200 + "b", False)]).matches("a" * 4000)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("[a-c]", "b", True),
        ("[a-c]", "B", False),
        ("[!a-zA-Z0-9_]", "é", True),
        ("v[1-9].*", "v3.x", True),
        ("v[1-9].*", "v0.x", False),
    ],
)
def test_ranges_are_those_of_the_locale_c(pattern: str, text: str, *, matches: bool) -> None:
    assert Pattern([(pattern, False)], portable=False).matches(text) is matches


@pytest.mark.parametrize("pattern", ["[z-a]", "[^a]", "[[:alpha:]]", "[a-]", "[", "\\*"])
def test_patterns_that_mean_something_in_no_locale(pattern: str) -> None:
    with pytest.raises(UnknownValueError):
        Pattern([(pattern, False)], portable=False)


def test_quoted_text_beside_a_set() -> None:
    segments = [("*", True), ("[0-9]", False)]
    assert Pattern(segments, portable=False).matches("*1")
    with pytest.raises(UnknownValueError):
        Pattern(segments)


@pytest.mark.parametrize(
    ("pattern", "longest", "front", "back"),
    [
        ("*.", False, "b.c", "a.b.c"),
        ("*.", True, "c", "a.b.c"),
        (".*", False, "a.b.c", "a.b"),
        (".*", True, "a.b.c", "a"),
    ],
)
def test_removal(pattern: str, front: str, back: str, *, longest: bool) -> None:
    found = Pattern([(pattern, False)])
    assert found.without_prefix("a.b.c", longest=longest) == front
    assert found.without_suffix("a.b.c", longest=longest) == back


def test_removal_from_long_texts_is_refused() -> None:
    with pytest.raises(UnknownValueError, match="more than 4,096"):
        Pattern([("*", False)]).without_prefix("a" * 5000, longest=True)
