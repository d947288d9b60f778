"""Locks that die with their holder."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from docker_envs.transports.blobs import temporary_file
from docker_envs.transports.locks import acquire, directory_lock, is_held, named_lock, remove_abandoned

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows none."""

    def flock(_handle: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("docker_envs.transports.locks.fcntl.flock", flock)


def test_one_at_a_time(tmp_path: Path) -> None:
    inside, most, turns = [], [], 40

    def work() -> None:
        for _ in range(turns // 8):
            with named_lock(tmp_path / "lock", pause=lambda _: time.sleep(0)):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * turns
    assert list(tmp_path.iterdir()) == []


def test_who_waits_may_give_up(tmp_path: Path) -> None:
    def give_up(seconds: float) -> None:
        assert 0 < seconds < 0.1
        raise TimeoutError

    with named_lock(tmp_path / "lock"):
        with pytest.raises(TimeoutError), named_lock(tmp_path / "lock", pause=give_up):
            pass
        assert is_held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def hold(place: Path, pipe: Connection) -> None:
    with named_lock(place / "lock"), temporary_file(place):
        pipe.send("held")
        time.sleep(60)


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv() == "held"
    before = sorted(tmp_path.iterdir())
    assert len(before) == 2
    assert remove_abandoned(tmp_path) == []
    assert all(is_held(path) for path in before)
    process.kill()
    process.join(60)
    assert not any(is_held(path) for path in before)
    with named_lock(tmp_path / "lock"):
        assert [path.suffix for path in remove_abandoned(tmp_path)] == [".part"]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_may_be_shared(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    with directory_lock(tmp_path, shared=True), directory_lock(tmp_path, shared=True):
        assert acquire(handle, wait=False) is False
    assert acquire(handle, wait=False) is True
    os.close(handle)


def test_what_is_not_there(tmp_path: Path) -> None:
    assert remove_abandoned(tmp_path / "missing") == []
    assert not is_held(tmp_path / "missing")
    with pytest.raises(FileNotFoundError), directory_lock(tmp_path / "missing", shared=True):
        pass


@pytest.mark.usefixtures("without_locks")
def test_without_locks_nobody_waits_and_only_the_old_is_abandoned(tmp_path: Path) -> None:
    with named_lock(tmp_path / "lock"), named_lock(tmp_path / "lock"):
        pass
    with temporary_file(tmp_path) as (_, young), temporary_file(tmp_path) as (_, old):
        os.utime(old, (0, time.time() - 25 * 3600))
        assert (is_held(young), is_held(old)) == (True, False)
        assert remove_abandoned(tmp_path) == [old]
        assert list(tmp_path.iterdir()) == [young]
