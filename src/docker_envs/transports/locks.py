"""Locks between processes and threads, which the system takes back when their holder dies.

Where a file system knows no locks, nobody waits: files still appear by rename only, so work may be done twice, but
nothing breaks.

Spec: Linux, flock(2).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF})
#: Seconds between two looks at a lock that somebody else has: at first, and at most.
_FIRST_PAUSE, _LAST_PAUSE = 0.005, 0.05
#: Where there are no locks, seconds after which a file of a writer that never finished is taken for abandoned.
ABANDONED_AFTER = 24 * 3600.0


def acquire(handle: int, *, shared: bool = False, wait: bool = True) -> bool | None:
    """Lock an open file until it is closed.

    Args:
        handle: Its file descriptor.
        shared: Others may have it as well, who want it shared, too.
        wait: Until it can be had.

    Returns:
        Whether the lock is ours; None where there are no locks.

    Raises:
        OSError: Something else is wrong with the file.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


@contextlib.contextmanager
def directory_lock(directory: Path, *, shared: bool) -> Iterator[None]:
    """Hold the lock of a directory, for a moment: whoever else wants it waits.

    Raises:
        OSError: There is no such directory.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        acquire(handle, shared=shared)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def named_lock(path: Path, *, pause: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Only one of all processes and threads is in such a block at a time.

    Args:
        path: The lock's name, in a directory that exists; a file is there while somebody has or wants the lock.
        pause: Waits a number of seconds, or raises when nobody wants the lock any more.

    Raises:
        OSError: The file cannot be made.
    """
    handle = _acquire_named(path, pause)
    try:
        yield
    finally:
        # Before the lock is given back: who waits for it sees that its file has no name any more, and makes a new one.
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire_named(path: Path, pause: Callable[[float], object]) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            seconds = _FIRST_PAUSE
            while acquire(handle, wait=False) is False:
                pause(seconds)
                seconds = min(2 * seconds, _LAST_PAUSE)
            if _is_at(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), found)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock of a file; where there are no locks, whether the file is younger than a day."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not _is_free(handle)
    finally:
        os.close(handle)


def remove_abandoned(directory: Path) -> list[Path]:
    """Remove the files of a directory whose writers or holders died; what cannot be removed stays.

    Args:
        directory: Holds only files that are locked as long as somebody needs them; need not exist.

    Returns:
        What was removed.
    """
    removed = []
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    if _is_free(handle) and _is_at(handle, path):
                        path.unlink()
                        removed.append(path)
                finally:
                    os.close(handle)
    return removed


def _is_free(handle: int) -> bool:
    """Whether nobody has the lock, which is ours then until the file is closed."""
    taken = acquire(handle, wait=False)
    return time.time() - os.fstat(handle).st_mtime > ABANDONED_AFTER if taken is None else taken
