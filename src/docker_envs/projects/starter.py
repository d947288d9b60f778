"""A declaration to start with, made from what is in a folder."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.documents.text_file import read_text
from docker_envs.environments.conda.declarations.pixi_manifest import is_pixi_pyproject
from docker_envs.environments.debian.declarations.apt_txt import FILE_NAME as APT_TXT
from docker_envs.environments.pypi.read import read_pypi_declaration
from docker_envs.environments.pypi.resolving.uv_lock import UV_LOCK
from docker_envs.errors import InvalidDeclarationError
from docker_envs.fields import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from docker_envs.environments.debian.declarations.source import AptSource

#: Where the schema is beside the declaration, for editors.
SCHEMA_PATH = ".docker-env.schema.json"
DEFAULT_BASE = "debian:bookworm-slim"
SCRATCH = "scratch"

_CONDA_FILES = ("environment.yml", "environment.yaml", "pixi.lock", "conda-lock.yml", "pixi.toml")
#: Of distributions from PyPI, those first that say most.
_PYPI_FILES = (UV_LOCK, "pylock.toml", "requirements.txt")
#: What a program in Python needs of Debian: an interpreter, and the certificates that it trusts.
_PYTHON = ("python3", "ca-certificates")
_PROGRAMS = ("app.py", "main.py", "__main__.py")
#: Folders with Python files that no program needs.
_NO_PROGRAMS = frozenset({"doc", "docs", "test", "tests"})
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


@dataclass
class Starter:
    """A declaration in the making.

    Attributes:
        name: Of the image.
        used: Files that it is made from.
        notes: What the user should know, one line each.
        base: What it stands on.
        environment: Lines of `environment`, and of `apt`.
        python: What a container calls Python.
        files: Items of `files`.
        command: Of the container.
        workdir: Where it starts.
        env: Its variables.
    """

    name: str
    used: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    base: str = DEFAULT_BASE
    python: str = "python"
    environment: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    workdir: str | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The declaration, with comments."""
        lines = [
            f"# yaml-language-server: $schema={SCHEMA_PATH}",
            "# What this image is. All keys: docker-envs schema; what is built: docker-envs plan --explain.",
            "",
            "# The repository; write the registry in front before you publish, as in ghcr.io/me/app.",
            f"name: {quoted(self.name)}",
            "tags: [latest]",
            "",
            *_BASES[self.base],
            f"base: {self.base}",
            "# Without this, the image is for the kind of machine that builds it.",
            "# platforms: [linux/amd64, linux/arm64]",
            "",
            *self.environment,
            "",
            *self._files(),
            "",
            *self._config(),
        ]
        return "\n".join(lines) + "\n"

    def _files(self) -> list[str]:
        if not self.files:
            return ["# Layers on top of the packages.", "# files:", "# - {from: src, to: /app}"]
        return ["# Layers on top of the packages, those last that change most.", "files:", *self.files]

    def _config(self) -> list[str]:
        lines = ["# What a container runs."]
        if not self.command:
            return [*lines, "# config:", "#   cmd: [python, -m, app]"]
        workdir = [f"  workdir: {quoted(self.workdir)}"] if self.workdir else []
        pairs = ", ".join(f"{name}: {quoted(value)}" for name, value in self.env.items())
        return [
            *lines,
            "config:",
            *workdir,
            f"  cmd: [{', '.join(map(quoted, self.command))}]",
            f"  env: {{{pairs}}}" if self.env else "  # env: {LOG_LEVEL: info}",
            "  # ports: [8000]",
        ]


_BASES = {
    DEFAULT_BASE: ["# What the environment stands on: any image with glibc, or scratch."],
    SCRATCH: [
        "# What the environment stands on: nothing, so that what is named here, and what that needs, is all there is;",
        "# or any image, such as debian:trixie-slim.",
    ],
}


def quoted(text: str) -> str:
    """A text as YAML takes it for one."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else canonical_json(text).decode()


def make_starter(folder: Path, archives: Sequence[AptSource] = ()) -> Starter:
    """Look around in a folder.

    Args:
        folder: Absolute path.
        archives: Archives of Debian packages that may be used in place of Debian's own.

    Raises:
        InvalidDeclarationError: A file that it would be made from cannot be read.
    """
    starter = Starter(_image_name(folder.name))
    pyproject = _pyproject(folder)
    _find_program(starter, folder, pyproject)
    _find_environment(starter, folder, pyproject, archives)
    if (folder / ".dockerignore").is_file():
        starter.used.append(".dockerignore")
        starter.notes.append("files that `.dockerignore` names are left out of `files`")
    return starter


def _image_name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name or "app"


def _pyproject(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(read_text(path))
    except ValueError as error:
        raise InvalidDeclarationError(str(path), f"not valid TOML: {error}") from error


def _find_environment(starter: Starter, folder: Path, pyproject: dict[str, Any], archives: Sequence[AptSource]) -> None:
    conda = next((name for name in _CONDA_FILES if (folder / name).is_file()), None)
    if conda is None and pyproject and is_pixi_pyproject(read_text(folder / "pyproject.toml")):
        conda = "pyproject.toml"
    pypi = None if conda else _pypi_file(folder, pyproject)
    found = [name for name in (conda, pypi, APT_TXT) if name is not None and (folder / name).is_file()]
    starter.used = list(dict.fromkeys([*found, *starter.used]))
    if conda is None and (pypi is not None or found or pyproject.get("project")):
        _stand_on_debian(starter, found, archives)
        if pypi is not None:
            starter.notes += _problems(folder / pypi)
        return
    starter.environment = (
        _environment_lines(found)
        if conda
        else [
            "# The packages; a file that declares them does as well: environment: environment.yml",
            "environment:",
            "  channels: [conda-forge]",
            "  dependencies:",
            "  - python",
        ]
    )


def _pypi_file(folder: Path, pyproject: dict[str, Any]) -> str | None:
    """The file that says which distributions from PyPI are wanted."""
    found = next((name for name in _PYPI_FILES if (folder / name).is_file()), None)
    project = pyproject.get("project")
    if found is None and isinstance(project, dict) and "dependencies" in project:
        return "pyproject.toml"
    return found


def _problems(path: Path) -> list[str]:
    """What stands in the way of a file that was found; of a lock of uv, only uv can tell."""
    if path.name == UV_LOCK:
        return []
    try:
        read_pypi_declaration(path)
    except InvalidDeclarationError as error:
        return [f"`{path.name}` cannot be built from as it is: {error}".replace(f"{path.parent}/", "")]
    return []


def _environment_lines(files: Sequence[str]) -> list[str]:
    if len(files) == 1:
        return ["# The file that declares the packages.", f"environment: {files[0]}"]
    return ["# The files that declare the packages.", f"environment: [{', '.join(files)}]"]


def _stand_on_debian(starter: Starter, files: Sequence[str], archives: Sequence[AptSource]) -> None:
    """A system of nothing but Debian packages, with its Python where one is needed."""
    starter.base = SCRATCH
    needs_python = files != [APT_TXT] or bool(starter.files)
    packages = _PYTHON if needs_python else ()
    if files == [APT_TXT] and starter.command[:1] == [starter.python]:
        # No virtual environment is there to call it by its shorter name.
        starter.command[0] = "python3"
    lines = _apt_lines(packages, archives)
    starter.environment = [*lines, *(["", *_environment_lines(files)] if files else [])]


def _apt_lines(packages: Sequence[str], archives: Sequence[AptSource]) -> list[str]:
    listed = f"[{', '.join(packages)}]"
    seed = "# There is no shell; `seed: essential` has one, and `seed: apt` apt as well."
    if not archives:
        example = f"{{packages: {listed}, seed: apt}}" if packages else "{seed: apt}"
        lines = [f"apt: {listed}"] if packages else []
        return ["# Debian packages of the system.", *lines, seed, f"# apt: {example}"]
    return [
        "# Debian packages of the system.",
        "apt:",
        f"  packages: {listed}",
        f"  {seed}",
        "  # seed: apt",
        "  # The archives that this machine uses, in place of Debian's own; passwords belong into ~/.netrc.",
        "  # sources:",
        *(f"  # - {_archive(source)}" for source in archives),
    ]


def _archive(source: AptSource) -> str:
    """An archive as an item of `sources`, without credentials."""
    fields = {
        "uri": quoted(source.public_uri),
        "suites": _list(source.suites),
        "components": _list(source.components),
        "signed_by": quoted(source.signed_by) if source.signed_by else "",
        "architectures": _list(source.architectures),
        "check_valid_until": "" if source.check_valid_until else "false",
    }
    return f"{{{', '.join(f'{name}: {value}' for name, value in fields.items() if value)}}}"


def _list(items: Iterable[str]) -> str:
    text = ", ".join(map(quoted, items))
    return f"[{text}]" if text else ""


def _find_program(starter: Starter, folder: Path, pyproject: dict[str, Any]) -> None:
    project = pyproject.get("project")
    if isinstance(project, dict) and "build-system" in pyproject:
        starter.used.append("pyproject.toml")
        starter.files = ["- {project: .}"]
        scripts = project.get("scripts")
        if isinstance(scripts, dict) and scripts:
            starter.command = [min(scripts)]
        return
    program = next((name for name in _PROGRAMS if (folder / name).is_file()), None)
    if program is not None:
        _run_python(starter, folder, [program])
        return
    package = next((path.parent.name for path in sorted(folder.glob("*/__main__.py"))), None)
    if package is not None:
        _run_python(starter, folder, ["-m", package])


def _run_python(starter: Starter, folder: Path, arguments: list[str]) -> None:
    """Copy the Python files and packages of a folder, and nothing that may be a secret."""
    kinds = ("__init__.py", "__main__.py")
    packages = {path.parent.name for kind in kinds for path in folder.glob(f"*/{kind}")} - _NO_PROGRAMS
    program = arguments[-1]
    starter.used.append(f"{program}/" if program in packages else program)
    starter.used += [f"{package}/" for package in sorted(packages - {program})]
    include = ", ".join(quoted(name) for name in ("*.py", *sorted(packages)))
    exclude = ', exclude: ["**/__pycache__"]' if packages else ""
    starter.files = [f"- {{from: ., to: /app, include: [{include}]{exclude}}}"]
    starter.command, starter.workdir = [starter.python, *arguments], "/app"
    # Otherwise what is printed waits in a buffer that is lost when the container is stopped.
    starter.env = {"PYTHONUNBUFFERED": "1"}
