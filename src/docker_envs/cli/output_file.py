"""Files that commands write, and standard output in place of one."""

from __future__ import annotations

import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from docker_envs.errors import InvalidInputError, StorageError
from docker_envs.images.location import STREAM
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_output(path: Path, what: str) -> None:
    """Find out early whether a file cannot be written.

    Raises:
        InvalidInputError: It is a directory.
    """
    if path.is_dir():
        raise InvalidInputError(f"cannot write {what} `{path}`: it is a directory")


@contextmanager
def open_output(path: Path, what: str) -> Iterator[BinaryIO]:
    """A file for writing, which appears only when the block ends well; `-` is standard output.

    Raises:
        StorageError: It cannot be written, or nobody reads it any more.
    """
    if path == STREAM:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise StorageError(f"cannot write {what}: its reader went away") from error
    elif path.exists() and not stat.S_ISREG(path.stat().st_mode):
        # A pipe or device stays what it is.
        with storage_errors("write", path), path.open("wb") as file:
            yield file
    else:
        with atomic_file(path) as file:
            yield file
