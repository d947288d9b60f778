from __future__ import annotations

import errno
import io
import multiprocessing
import os
import resource
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, SizeMismatchError, StorageError
from docker_envs.transports.blobs import BlobStore, atomic_file, storage_errors

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

CONTENT = bytes(range(256)) * 8000
DIGEST = Digest.of(CONTENT)
SPAWN = multiprocessing.get_context("spawn")


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def only_blob(root: Path) -> bool:
    return files(root) == [f"blobs/sha256/{DIGEST.hex}"] and (root / files(root)[0]).read_bytes() == CONTENT


def test_add_and_find(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "new" / "store")
    assert not store.has(DIGEST)
    path = store.add(DIGEST, io.BytesIO(CONTENT), source="test", size=len(CONTENT))
    assert path == store.path(DIGEST)
    assert store.has(DIGEST)
    assert only_blob(store.root)


def test_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    store.add(DIGEST, io.BytesIO(CONTENT), source="test")
    unread = io.BytesIO(b"anything")
    store.add(DIGEST, unread, source="test")
    assert unread.tell() == 0


@pytest.mark.parametrize(
    ("content", "size", "kind"),
    [
        (CONTENT[:-1] + b"x", None, DigestMismatchError),
        (CONTENT[:-1] + b"x", len(CONTENT), DigestMismatchError),
        (CONTENT[:-1], len(CONTENT), SizeMismatchError),
        (CONTENT + b"x", len(CONTENT), SizeMismatchError),
        (b"", None, DigestMismatchError),
    ],
)
def test_wrong_bytes_leave_nothing(tmp_path: Path, content: bytes, size: int | None, kind: type[Exception]) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(kind):
        store.add(DIGEST, io.BytesIO(content), source="test", size=size)
    assert files(tmp_path) == []


class Breaking(io.BytesIO):
    """Fails in the middle."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(CONTENT)
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > len(CONTENT) // 2:
            raise self.error
        return super().read(size)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x")], ids=["ctrl-c", "error"])
def test_interruption_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        BlobStore(tmp_path).add(DIGEST, Breaking(error), source="test")
    assert files(tmp_path) == []


def write_content(file: BinaryIO) -> Digest:
    file.write(CONTENT)
    return DIGEST


def write_half_and_fail(file: BinaryIO) -> Digest:
    file.write(CONTENT[:1000])
    raise KeyboardInterrupt


def test_create_under_the_digest_found_while_writing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.create(write_content, lambda digest: digest) == DIGEST
    assert only_blob(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.create(write_half_and_fail, lambda digest: digest)
    assert only_blob(tmp_path)


class Barrier(Protocol):
    """Of threads or of processes."""

    def wait(self, timeout: float | None = None) -> object: ...


class Slow(io.BytesIO):
    """Waits for the others before the first byte, so that all write at once."""

    def __init__(self, barrier: Barrier) -> None:
        super().__init__(CONTENT)
        self.barrier = barrier

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() == 0:
            self.barrier.wait(60)
        return super().read(size)


def add_in_process(root: Path, barrier: Barrier) -> None:
    BlobStore(root).add(DIGEST, Slow(barrier), source="test")


def test_threads_add_the_same_blob(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda _: add_in_process(tmp_path, barrier), range(8)))
    assert only_blob(tmp_path)


def test_processes_add_the_same_blob(tmp_path: Path) -> None:
    barrier = SPAWN.Barrier(3)
    processes = [SPAWN.Process(target=add_in_process, args=(tmp_path, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert only_blob(tmp_path)


def fill_up(root: Path, how: str, answers: SimpleQueue[tuple[str, str | None, bool]]) -> None:
    """Meets a limit on the size of files, which the system reports as it reports a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    store = BlobStore(root)
    try:
        if how == "add":
            store.add(DIGEST, io.BytesIO(CONTENT), source="test")
        elif how == "create":
            store.create(write_content, lambda digest: digest)
        else:
            with atomic_file(root / "file.tar") as file:
                file.write(CONTENT)
    except StorageError as error:
        answers.put((str(error), error.hint, error.transient))


@pytest.mark.parametrize("how", ["add", "create", "atomic_file"])
def test_full_disk(tmp_path: Path, how: str) -> None:
    answers: SimpleQueue[tuple[str, str | None, bool]] = SPAWN.SimpleQueue()
    process = SPAWN.Process(target=fill_up, args=(tmp_path, how, answers))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    message, hint, transient = answers.get()
    assert message.startswith(f"cannot write `{tmp_path}/")
    assert message.endswith("`: File too large")
    assert hint is not None
    assert hint.startswith("free some space in `")
    assert not transient
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free some space in `/data`, or choose another place"),
        (errno.EDQUOT, "free some space in `/data`, or choose another place"),
        (errno.EROFS, "check the permissions of `/data`, or choose another place"),
        (errno.EACCES, "check the permissions of `/data`, or choose another place"),
        (errno.EIO, None),
    ],
)
def test_storage_errors(code: int, hint: str | None) -> None:
    with pytest.raises(StorageError) as caught, storage_errors("write", Path("/data/blob")):
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == f"cannot write `/data/blob`: {os.strerror(code)}"
    assert caught.value.hint == hint


def test_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        BlobStore(tmp_path).add(DIGEST, io.BytesIO(CONTENT), source="test")
    (tmp_path / "incoming").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        BlobStore(tmp_path).create(write_content, lambda digest: digest)


def test_atomic_file_replaces_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.tar"
    with atomic_file(path) as file:
        file.write(b"first")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        write_half_and_fail(file)
    assert path.read_bytes() == b"first"
    assert files(tmp_path) == ["new/file.tar"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_follows_the_mask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with atomic_file(tmp_path / "file"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
