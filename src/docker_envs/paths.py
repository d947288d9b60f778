"""Paths inside an image: POSIX, relative to the image's root, without any way to leave it."""

from __future__ import annotations

from docker_envs.errors import InvalidInputError, PathEscapeError


def image_path(text: str, *, source: str) -> str:
    """The canonical form of a path from an archive: no leading `./`, no trailing or doubled `/`; the root is `""`.

    Args:
        text: The path as the archive has it.
        source: What is being read, for messages.

    Raises:
        PathEscapeError: It is absolute, or has a `..` component or a NUL byte.
    """
    if text[:1] == "/" or "\0" in text:
        raise PathEscapeError(source, text)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathEscapeError(source, text)
    return "/".join(parts)


def parent_paths(path: str) -> list[str]:
    """All parents of a canonical path, outermost first, without the root: `a/b/c` → `["a", "a/b"]`."""
    parents = []
    end = path.find("/")
    while end >= 0:
        parents.append(path[:end])
        end = path.find("/", end + 1)
    return parents


def absolute_image_path(text: str, *, what: str) -> str:
    """A canonical absolute path given by a user, for example a prefix: `/opt/conda/` → `/opt/conda`.

    Raises:
        InvalidInputError: It is relative, the root itself, or has a `..` component or a control character.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not text.startswith("/") or not parts or ".." in parts or any(ord(character) < 32 for character in text):
        raise InvalidInputError(f"invalid {what} {text!r}: expected an absolute path below `/`, such as `/opt/conda`")
    return "/" + "/".join(parts)
