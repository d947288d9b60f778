from __future__ import annotations

import posixpath
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import InvalidInputError, PathEscapeError
from docker_envs.paths import absolute_image_path, image_path, parent_paths

TEXTS = st.lists(st.sampled_from(["a", "b.c", ".d", "..e", ".", "..", "", "é", "x\n"]), max_size=6).map("/".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a/b", "a/b"), ("./a", "a"), ("a/", "a"), ("a//b/./c", "a/b/c"), (".", ""), ("./", ""), ("", ""),
     (".a/..b/c..", ".a/..b/c.."), ("a\\b", "a\\b"), ("a/...", "a/...")],
)  # fmt: skip
def test_canonical_paths(text: str, expected: str) -> None:
    assert image_path(text, source="test") == expected


@pytest.mark.parametrize("text", ["/", "/a", "..", "../a", "a/..", "a/../b", "./..", "a\0b", "//a"])
def test_paths_that_leave_the_root(text: str) -> None:
    with pytest.raises(PathEscapeError) as caught:
        image_path(text, source="x.tar")
    assert str(caught.value) == f"x.tar: path {text!r} points outside of the root"


@given(TEXTS)
def test_no_path_gets_out(text: str) -> None:
    try:
        path = image_path(text, source="test")
    except PathEscapeError:
        assert text.startswith("/") or ".." in text.split("/")
        return
    assert image_path(path, source="test") == path
    assert posixpath.normpath(f"/root/{path}").startswith("/root")
    assert posixpath.normpath(f"/root/{text}") == posixpath.normpath(f"/root/{path}")


@given(TEXTS.filter(lambda text: not text.startswith("/") and ".." not in text.split("/")))
def test_parents_lead_to_the_path(text: str) -> None:
    path = image_path(text, source="test")
    parents = parent_paths(path)
    assert len(parents) == path.count("/")
    for parent, child in pairwise([*parents, path]):
        assert posixpath.dirname(child) == parent


def test_parents() -> None:
    assert parent_paths("a/b/c") == ["a", "a/b"]
    assert parent_paths("a") == []
    assert parent_paths("") == []


@pytest.mark.parametrize(("text", "expected"), [("/opt/conda", "/opt/conda"), ("//opt/./conda/", "/opt/conda")])
def test_absolute_paths(text: str, expected: str) -> None:
    assert absolute_image_path(text, what="prefix") == expected


@pytest.mark.parametrize("text", ["", "/", "//", "opt", "./opt", "/..", "/opt/../x", "/a\nb", "/a\0", "~/x"])
def test_bad_absolute_paths(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        absolute_image_path(text, what="prefix")
    assert str(caught.value) == f"invalid prefix {text!r}: expected an absolute path below `/`, such as `/opt/conda`"
