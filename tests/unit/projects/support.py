"""Projects in a folder, and what is said about bad ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.projects.read_project import read_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker_envs.projects.model import ImageDeclaration, Project

#: Files that declarations of the tests may name.
FILES = {
    "environment.yml": "channels: [conda-forge]\ndependencies: [python]\n",
    "app.py": "print('hello')\n",
    "src/module.py": "",
    "library/pyproject.toml": "[project]\nname = 'library'\nversion = '1'\n",
}


def fill(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def write(folder: Path, text: str, name: str = "docker-env.yaml") -> Path:
    path = fill(folder) / name
    path.write_text(text)
    return path


def project(folder: Path, text: str, name: str = "docker-env.yaml", **variables: str) -> Project:
    return read_project(write(folder, text, name), variables=variables)


def image(folder: Path, text: str, name: str = "docker-env.yaml", **variables: str) -> ImageDeclaration:
    (found,) = project(folder, text, name, **variables).images
    return found


def refusal(folder: Path, text: str, name: str = "docker-env.yaml", variables: Mapping[str, str] | None = None) -> str:
    """The error as the command line shows it, with the path relative to the folder."""
    path = write(folder, text, name)
    with pytest.raises(InvalidInputError) as caught:
        read_project(path, variables=variables or {})
    message = str(caught.value).replace(f"{folder}/", "")
    return message if caught.value.hint is None else f"{message}\nhint: {caught.value.hint}".replace(f"{folder}/", "")
