"""`apt.txt`: one package a line, as repo2docker reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "apt.txt"


def read_apt_txt(path: Path) -> AptDeclaration:
    """Read a list of packages; what follows a `#` is a comment.

    Raises:
        InvalidDeclarationError: It cannot be read, a line does not name one package, or there is none.
    """
    requests = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        place = f"{path}:{number}"
        if len(words) > 1:
            raise InvalidDeclarationError(place, f"{line.strip()!r} is more than one package", hint="write one a line")
        try:
            requests.append(PackageRequest.parse(words[0]))
        except InvalidInputError as error:
            raise InvalidDeclarationError(place, str(error), hint=error.hint) from error
    if not requests:
        raise InvalidDeclarationError(str(path), "lists no packages")
    return AptDeclaration(requests=tuple(requests), source=str(path))
