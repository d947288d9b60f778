from __future__ import annotations

import os
import socket
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind
from docker_envs.docker.tar_filter import change_by
from docker_envs.errors import InvalidInputError, PathEscapeError, StorageError
from docker_envs.images.host_files import iter_host_entries, landing_path

if TYPE_CHECKING:
    from docker_envs.docker.tar_filter import Filter


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "z/deep").mkdir(parents=True)
    (root / "z/deep/file").write_bytes(b"deep")
    (root / "b").write_bytes(b"program")
    (root / "b").chmod(0o4755)
    os.link(root / "b", root / "c")
    (root / "dangling").symlink_to("./nowhere")
    (root / "sub").symlink_to("z")
    os.mkfifo(root / "fifo", 0o600)
    for path in (root / "b", root / "z/deep/file"):
        os.utime(path, (0, 1_600_000_000.75))
    return root


def entries(root: Path, path: str = "", *, accept: Filter | None = None) -> dict[str, Entry]:
    change = change_by(accept) if accept else None
    return {entry.path: entry for entry in iter_host_entries(root, path, change)}


def test_everything_in_sorted_order(tree: Path) -> None:
    found = entries(tree)
    assert list(found) == ["b", "c", "dangling", "fifo", "sub", "z", "z/deep", "z/deep/file"]
    assert [entry.kind.name for entry in found.values()] == [
        *("FILE", "HARDLINK", "SYMLINK", "FIFO", "SYMLINK", "DIRECTORY", "DIRECTORY", "FILE")
    ]


def test_what_is_kept_and_what_is_not(tree: Path) -> None:
    found = entries(tree)
    assert (found["b"].mode, found["b"].mtime, found["b"].size) == (0o4755, 1_600_000_000, 7)
    assert found["c"].link == "b"
    assert found["dangling"].link == "./nowhere"
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(0, 0)}


def test_contents_are_read_when_asked_for(tree: Path) -> None:
    for entry in iter_host_entries(tree / "z", "opt/z"):
        if entry.kind is Kind.FILE:
            assert entry.read() == b"deep"


def test_sockets_are_left_out(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)  # names of sockets have a limit
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert "socket" not in entries(tree)


def test_a_directory_that_is_dropped_takes_all_with_it(tree: Path) -> None:
    seen = []

    def accept(header: tarfile.TarInfo) -> tarfile.TarInfo | None:
        seen.append(header.name)
        return None if header.name == "opt/z" else header

    assert "opt/z/deep/file" not in entries(tree, "opt", accept=accept)
    assert seen == ["opt", "opt/b", "opt/c", "opt/dangling", "opt/fifo", "opt/sub", "opt/z"]


def test_a_hard_link_to_what_was_dropped_is_the_file(tree: Path) -> None:
    found = entries(tree, accept=lambda header: None if header.name == "b" else header)
    assert found["c"].kind is Kind.FILE
    assert found["c"].size == 7


def test_a_filter_may_change_headers(tree: Path) -> None:
    def accept(header: tarfile.TarInfo) -> tarfile.TarInfo:
        if header.name == "b":
            header.name = "renamed"
        return header.replace(uid=1, gid=2, mode=0o600, mtime=7.9, deep=False)

    found = entries(tree, accept=accept)
    assert found["c"].link == "renamed"
    assert {(e.uid, e.gid, e.mode, e.mtime) for e in found.values()} == {(1, 2, 0o600, 7)}


def test_a_filter_sees_what_tarfile_would_show(tree: Path) -> None:
    shown: dict[str, tarfile.TarInfo] = {}

    def accept(header: tarfile.TarInfo) -> tarfile.TarInfo:
        shown[header.name] = header
        return header

    entries(tree, "x", accept=accept)
    expected: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(tree.parent / "out.tar", "w") as tar:
        tar.add(tree, "x", filter=lambda header: expected.setdefault(header.name, header))
    assert list(shown) == list(expected)
    for name, header in expected.items():
        ours = shown[name]
        assert (ours.type, ours.mode, ours.size, ours.linkname) == (
            header.type,
            header.mode & 0o7777,
            header.size,
            header.linkname,
        )
        assert ours.mtime == int(header.mtime)


def test_a_filter_cannot_leave_the_image(tree: Path) -> None:
    with pytest.raises(PathEscapeError):
        entries(tree, accept=lambda header: header.replace(name="../x"))


@pytest.mark.parametrize(
    ("path", "arcpath", "expected"),
    [
        ("/opt/conda", None, "opt/conda"),
        ("src/./app/", None, "src/app"),
        (".", None, ""),
        ("../elsewhere", "app", "app"),
        ("x", "/usr//share/x/", "usr/share/x"),
        ("x", "/", ""),
        ("x", ".", ""),
    ],
)
def test_where_paths_land(path: str, arcpath: str | None, expected: str) -> None:
    assert landing_path(Path(path), arcpath) == expected


@pytest.mark.parametrize(("path", "arcpath"), [("../x", None), ("x", "../x"), ("x", "/a/../../x"), ("x", "a\0b")])
def test_where_nothing_can_land(path: str, arcpath: str | None) -> None:
    with pytest.raises(InvalidInputError, match="no place in an image") as refused:
        landing_path(Path(path), arcpath)
    assert "arcpath" in (refused.value.hint or "")


def test_what_cannot_be_added(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        entries(tmp_path / "gone", "x")
    with pytest.raises(InvalidInputError, match="cannot be the root"):
        entries(tree / "b")
