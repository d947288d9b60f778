"""Where the environments are that people know by name.

Spec: conda docs, "Configuration", `envs_dirs`; conda docs, "Managing environments".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BASE = ("base", "root")


def find_environment(name: str, *, environment: Mapping[str, str] | None = None) -> Path:
    """The prefix of an environment with a name.

    Looked for, in this order, in the directories of `CONDA_ENVS_DIRS` (or `CONDA_ENVS_PATH`), of `envs_dirs` in
    `~/.condarc` and `~/.mambarc`, of `MAMBA_ROOT_PREFIX`, beside the active environment, in `~/.conda/envs`, and among
    the prefixes that `~/.conda/environments.txt` lists.

    Args:
        name: As `conda env list` shows it.
        environment: Environment variables; by default those of this process.

    Raises:
        InvalidInputError: There is none, or it is the base environment, whose place has no name.
    """
    environment = os.environ if environment is None else environment
    if name in _BASE or "/" in name or not name:
        raise InvalidInputError(
            f"cannot look up the environment `{name}` by its name", hint="give its path with `--prefix-from`"
        )
    found = {prefix.name: prefix for prefix in reversed(list(_prefixes(environment)))}
    if name not in found:
        raise InvalidInputError(f"there is no environment `{name}`", hint=suggest(name, found))
    return found[name]


def _prefixes(environment: Mapping[str, str]) -> Iterator[Path]:
    """All environments, those that hide others of their name first."""
    for directory in _directories(environment):
        if directory.is_dir():
            yield from (path for path in sorted(directory.iterdir()) if _is_environment(path))
    listed = Path(environment.get("HOME") or "/", ".conda", "environments.txt")
    if listed.is_file():
        lines = listed.read_text("utf-8", errors="replace").splitlines()
        yield from (path for path in map(Path, map(str.strip, lines)) if path.name and _is_environment(path))


def _directories(environment: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environment.get("HOME") or "/")
    for variable in ("CONDA_ENVS_DIRS", "CONDA_ENVS_PATH"):
        yield from (Path(text) for text in environment.get(variable, "").split(os.pathsep) if text)
    for name in (".condarc", ".mambarc"):
        for text in _envs_dirs(home / name):
            yield home / text.removeprefix("~/") if text.startswith("~/") else Path(text)
    if root := environment.get("MAMBA_ROOT_PREFIX"):
        yield Path(root, "envs")
    if active := environment.get("CONDA_PREFIX"):
        yield Path(active, "envs")
        if Path(active).parent.name == "envs":
            yield Path(active).parent
    yield home / ".conda" / "envs"


def _envs_dirs(path: Path) -> list[str]:
    import yaml

    try:
        document: Any = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InvalidInputError(f"cannot read `{path}`") from error
    found = document.get("envs_dirs") if isinstance(document, dict) else None
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _is_environment(path: Path) -> bool:
    return (path / "conda-meta").is_dir()
