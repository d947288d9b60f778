"""Files of this host: which are taken, and that nothing of the host is in what becomes of them."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.entry import Entry, Kind
from docker_envs.builder.application.contents import HostFiles
from docker_envs.builder.application.host_tree import iter_host_files
from docker_envs.errors import BuildError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

MTIME = 12345
TREE = {
    "a.py": b"a",
    "a.md": b"m",
    "sub/b.py": b"b",
    "sub/deep/c.py": b"c",
    "sub/deep/c.txt": b"t",
    "other/d.txt": b"d",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "project", TREE)


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def entries(context: Path, source: str = ".", path: str = "/app", **options: Any) -> list[Entry]:
    files = HostFiles(context=context, source=source, path=path, **options)
    return list(iter_host_files(files, path.strip("/"), owner=(7, 8), mtime=MTIME))


def paths(*arguments: Any, **options: Any) -> list[str]:
    return [entry.path for entry in entries(*arguments, **options)]


def test_a_directory_is_what_is_in_it_parents_first(tree: Path) -> None:
    assert paths(tree, "sub") == ["app", "app/b.py", "app/deep", "app/deep/c.py", "app/deep/c.txt"]
    assert paths(tree, "sub/", "/") == ["b.py", "deep", "deep/c.py", "deep/c.txt"]


def test_a_file_lands_at_a_path_or_below_it(tree: Path) -> None:
    assert paths(tree, "sub/b.py", "/etc/x") == ["etc/x"]
    assert paths(tree, "sub/b.py", "/etc/") == ["etc/b.py"]
    (entry,) = entries(tree, "a.py", "/a")
    assert (entry.read(), entry.size) == (b"a", 1)


@pytest.mark.parametrize(
    ("options", "ignore", "expected"),
    [
        ({}, "*.md\nsub\n", ["a.py", "other", "other/d.txt"]),
        ({}, "sub\n!sub/deep/*.py\n", ["a.md", "a.py", "other", "other/d.txt", "sub", "sub/deep", "sub/deep/c.py"]),
        ({}, "*\n!sub/b.py\n", ["sub", "sub/b.py"]),
        ({"include": ("**/*.txt",)}, "", ["other", "other/d.txt", "sub", "sub/deep", "sub/deep/c.txt"]),
        ({"include": ("sub",), "exclude": ("**/*.py",)}, "", ["sub", "sub/deep", "sub/deep/c.txt"]),
        ({"exclude": ("**", "!a.*")}, "a.md", ["a.py"]),
    ],
    ids=["ignored", "exception", "only", "include", "include-directory", "both"],
)
def test_what_is_left_out(tree: Path, options: dict[str, Any], ignore: str, expected: list[str]) -> None:
    (tree / ".dockerignore").write_text(f".dockerignore\n{ignore}")
    assert paths(tree, **options) == ["app", *(f"app/{path}" for path in expected)]


def test_patterns_of_the_ignore_file_are_relative_to_its_directory(tree: Path) -> None:
    (tree / ".dockerignore").write_text("\ufeffsub/deep\nb.py\n")
    assert paths(tree, "sub") == ["app", "app/b.py"]
    assert paths(tree, "sub/b.py", "/x") == ["x"]
    # It says nothing about what is elsewhere.
    (tree / ".dockerignore").write_text("*\n")
    assert paths(tree / "sub", "../other") == ["app", "app/d.txt"]


def test_the_same_for_another_checkout_with_other_times_and_umask(tree: Path, tmp_path: Path) -> None:
    script = tree / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    (tree / "link").symlink_to("../outside")
    os.link(tree / "a.py", tree / "z.py")
    other = shutil.copytree(tree, tmp_path / "copy", symlinks=True)
    for path in sorted(other.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o775 if path.is_dir() or path.name == "run.sh" else 0o664)
            os.utime(path, (1, 1))
    found, again = entries(tree), entries(other)
    assert [entry.read() for entry in found] == [entry.read() for entry in again]
    for each in (*found, *again):
        each.content = ()
    assert found == again
    assert {(entry.uid, entry.gid, entry.mtime) for entry in found} == {(7, 8, MTIME)}
    modes = {entry.path: (entry.kind, entry.mode, entry.link) for entry in found}
    assert modes["app/run.sh"] == (Kind.FILE, 0o755, "")
    assert modes["app/z.py"] == (Kind.FILE, 0o644, "")
    assert modes["app/sub"] == (Kind.DIRECTORY, 0o755, "")
    assert modes["app/link"] == (Kind.SYMLINK, 0o777, "../outside")


@pytest.mark.parametrize(("mode", "directory"), [(0o600, 0o700), (0o640, 0o750), (0o4755, 0o755), (0o444, 0o555)])
def test_a_declared_mode(tree: Path, mode: int, directory: int) -> None:
    found = {entry.kind: entry.mode for entry in entries(tree, mode=mode)}
    assert found == {Kind.DIRECTORY: directory, Kind.FILE: mode}


def test_sockets_are_left_out_and_pipes_are_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sub/socket")
        assert "app/socket" not in paths(tree, "sub")
    os.mkfifo(tree / "sub" / "pipe")
    with pytest.raises(BuildError, match="`/app/pipe` would be a fifo"):
        paths(tree, "sub")
    assert "app/b.py" in paths(tree, "sub", exclude=("pipe",))


def test_names_that_are_no_text(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n")
    (tree / "other" / name).write_bytes(b"")
    assert f"app/{name}" in paths(tree, "other")


def test_a_link_at_the_source_is_followed_but_not_out_of_the_context(tree: Path) -> None:
    (tree / "inner").symlink_to("sub/deep")
    assert paths(tree, "inner") == ["app", "app/c.py", "app/c.txt"]
    (tree / "outer").symlink_to("/etc")
    with pytest.raises(InvalidInputError, match="`outer` leads out of"):
        paths(tree, "outer")


@pytest.mark.parametrize(
    ("source", "options", "ignore", "message"),
    [
        ("none", {}, "", "there is no `none`"),
        ("sub", {}, "sub", r"`sub` in .* is left out by `.dockerignore`"),
        ("a.py", {}, "*.py", r"`a.py` in .* is left out by `.dockerignore`"),
        ("a.py", {"exclude": ("a.*",)}, "", "is left out by `exclude`"),
        ("sub", {"include": ("*.c",)}, "", "has nothing that `include` matches"),
        ("sub", {"include": ("[",)}, "", "include: invalid pattern"),
        ("sub", {}, "!", ".dockerignore: `!` is an exception without a pattern"),
    ],
)
def test_errors(tree: Path, source: str, options: dict[str, Any], ignore: str, message: str) -> None:
    (tree / ".dockerignore").write_text(ignore)
    with pytest.raises(InvalidInputError, match=message):
        paths(tree, source, **options)
