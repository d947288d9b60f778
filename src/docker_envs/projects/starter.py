"""A declaration to start with, made from what is in a folder."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.documents.text_file import read_text
from docker_envs.environments.conda.declarations.pixi_manifest import is_pixi_pyproject
from docker_envs.environments.conda.solving.match_specs import check_match_spec
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.fields import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

#: Where the schema is beside the declaration, for editors.
SCHEMA_PATH = ".docker-env.schema.json"
DEFAULT_BASE = "debian:bookworm-slim"

_ENVIRONMENT_FILES = ("environment.yml", "environment.yaml", "pixi.lock", "conda-lock.yml", "pixi.toml")
_PROGRAMS = ("app.py", "main.py", "__main__.py")
#: Folders with Python files that no program needs.
_NO_PROGRAMS = frozenset({"doc", "docs", "test", "tests"})
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<version>[<>=!~][^;#@]*)?(?:[;#].*)?\Z"
)


@dataclass
class Starter:
    """A declaration in the making.

    Attributes:
        name: Of the image.
        used: Files that it is made from.
        notes: What the user should know, one line each.
        environment: Lines of `environment`.
        files: Items of `files`.
        command: Of the container.
        workdir: Where it starts.
        env: Its variables.
    """

    name: str
    used: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
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
            "# What the environment stands on: any image with glibc, or scratch.",
            f"base: {DEFAULT_BASE}",
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


def quoted(text: str) -> str:
    """A text as YAML takes it for one."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else canonical_json(text).decode()


def make_starter(folder: Path) -> Starter:
    """Look around in a folder.

    Args:
        folder: Absolute path.

    Raises:
        InvalidDeclarationError: A file that it would be made from cannot be read.
    """
    starter = Starter(_image_name(folder.name))
    pyproject = _pyproject(folder)
    _find_environment(starter, folder, pyproject)
    _find_program(starter, folder, pyproject)
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


def _find_environment(starter: Starter, folder: Path, pyproject: dict[str, Any]) -> None:
    found = next((name for name in _ENVIRONMENT_FILES if (folder / name).is_file()), None)
    if found is None and pyproject and is_pixi_pyproject(read_text(folder / "pyproject.toml")):
        found = "pyproject.toml"
    if found is not None:
        starter.used.append(found)
        starter.environment = ["# The file that declares the packages.", f"environment: {found}"]
        return
    specs = ["python"]
    if (folder / "requirements.txt").is_file():
        starter.used.append("requirements.txt")
        specs += _requirements(starter, folder / "requirements.txt")
    starter.environment = [
        "# The packages; a file that declares them does as well: environment: environment.yml",
        "environment:",
        "  channels: [conda-forge]",
        "  dependencies:",
        *(f"  - {quoted(spec)}" for spec in specs),
    ]


def _requirements(starter: Starter, path: Path) -> list[str]:
    """The lines of a `requirements.txt` as match specs; a note tells what becomes of them."""
    specs: list[str] = []
    left_out: list[str] = []
    for line in read_text(path).splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _REQUIREMENT.match(text)
        spec = f"{match['name'].lower()}{(match['version'] or '').replace(' ', '')}" if match else ""
        try:
            check_match_spec(spec)
        except InvalidInputError:
            spec = ""
        (specs if spec else left_out).append(spec or text)
    starter.notes.append(
        "`requirements.txt` names packages of PyPI; those of the same names in conda-forge are taken: "
        "look at `dependencies` for names that differ there"
    )
    starter.notes += [f"`{text}` of `requirements.txt` is left out: it is no plain requirement" for text in left_out]
    return specs


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
    starter.command, starter.workdir = ["python", *arguments], "/app"
    # Otherwise what is printed waits in a buffer that is lost when the container is stopped.
    starter.env = {"PYTHONUNBUFFERED": "1"}
