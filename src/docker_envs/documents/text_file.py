"""The text of a file that declares an environment, with all that can be wrong about a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path

#: Longest file in bytes: the lock of a large workspace for all platforms has about a tenth of it.
MAX_SIZE = 64 << 20


def read_text(path: Path, *, limit: int = MAX_SIZE) -> str:
    """The file's text; a byte order mark is dropped.

    Args:
        path: The file.
        limit: Longest content in bytes.

    Raises:
        InvalidDeclarationError: It is missing, no file, too large, empty or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError as error:
        raise InvalidDeclarationError(str(path), "no such file") from error
    except IsADirectoryError as error:
        raise InvalidDeclarationError(
            str(path), "is a directory", hint="name the file in it that declares the environment"
        ) from error
    except OSError as error:
        raise InvalidDeclarationError(str(path), f"cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise InvalidDeclarationError(str(path), f"larger than {limit:,} bytes, so it is no declaration")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDeclarationError(
            str(path), f"not UTF-8 text (byte {error.start})", hint="save it with the encoding UTF-8"
        ) from error
    if not text.strip():
        raise InvalidDeclarationError(str(path), "is empty")
    return text
