"""Which file declares the project of a folder."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

#: What a project's own file is called; other names may stand before it, as in `web.docker-env.yaml`.
OWN_NAMES = ("docker-env.yaml", "docker-env.yml", "docker-env.toml")
#: Files that others read as well, and that may have a table of ours.
SHARED_NAMES = ("pyproject.toml", "pixi.toml")
#: The table in `[tool]` of these.
TABLE = "docker-envs"


def is_own_name(path: Path) -> bool:
    """Whether a file is a project's own by its name."""
    return path.name in OWN_NAMES or path.name.endswith(tuple(f".{name}" for name in OWN_NAMES))


def declares_project(path: Path) -> bool:
    """Whether a file declares a project: by its name, or with `[tool.docker-envs]`; what cannot be read does not."""
    if is_own_name(path):
        return True
    if path.name not in SHARED_NAMES or not path.is_file():
        return False
    try:
        text = read_text(path)
    except InvalidDeclarationError:
        return False
    try:
        tool = tomllib.loads(text).get("tool")
    except ValueError:
        # Whoever reads it says what is wrong.
        return f"[tool.{TABLE}" in text
    return isinstance(tool, dict) and TABLE in tool


def find_project(folder: Path) -> Path | None:
    """The file that declares the project of a folder; None when there is none.

    Raises:
        InvalidInputError: There are several.
    """
    found = [folder / name for name in (*OWN_NAMES, *SHARED_NAMES) if (folder / name).is_file()]
    found = [path for path in found if declares_project(path)]
    if len(found) > 1:
        raise InvalidInputError(
            f"both `{found[0]}` and `{found[1]}` declare the project", hint="name one of them with `--file`"
        )
    return found[0] if found else None
