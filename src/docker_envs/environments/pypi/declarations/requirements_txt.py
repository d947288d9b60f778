"""`requirements.txt`, with the files that it includes; and lists of its lines in other files.

Spec: pip docs, "Requirements File Format".
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.base import PipLine
from docker_envs.environments.pypi.declarations.declaration import (
    LocalProject,
    PypiDeclaration,
    PypiIndexes,
    PypiRequirement,
)
from docker_envs.environments.pypi.declarations.requirement import read_requirement
from docker_envs.errors import InvalidDeclarationError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_HASH = re.compile(r"(?P<name>sha256|sha384|sha512):(?P<value>[0-9a-fA-F]+)\Z")

#: Options that take a value, by all their names.
_VALUED = {
    "-i": "index-url",
    "--index-url": "index-url",
    "--pypi-url": "index-url",
    "--extra-index-url": "extra-index-url",
    "-f": "find-links",
    "--find-links": "find-links",
    "-r": "requirement",
    "--requirement": "requirement",
    "-c": "constraint",
    "--constraint": "constraint",
    "-e": "editable",
    "--editable": "editable",
    "--hash": "hash",
    "--only-binary": "only-binary",
    "--no-binary": "no-binary",
    "--trusted-host": "trusted-host",
    "--use-feature": "use-feature",
    "--config-settings": "config-settings",
    "--config-setting": "config-settings",
    "-C": "config-settings",
    "--global-option": "config-settings",
}
_FLAGS = ("--no-index", "--pre", "--require-hashes", "--prefer-binary")
#: Options that change nothing about which wheel is right.
_MEANINGLESS = ("only-binary", "use-feature", "prefer-binary")
_IGNORED = {
    "no-binary": "distributions are never built from their source",
    "config-settings": "distributions are never built from their source",
    "trusted-host": "set `UV_INSECURE_HOST` where a certificate cannot be checked",
}
#: Files that include each other this deep do so in a circle, or on purpose.
_MAX_DEPTH = 20


def read_requirements_txt(path: Path, *, environ: Mapping[str, str] = os.environ) -> PypiDeclaration:
    """Read a file of requirements.

    Args:
        path: The file.
        environ: Variables that `${NAME}` means.

    Raises:
        InvalidDeclarationError: A line cannot be understood, or a file that it includes cannot be read.
    """
    reading = _Reading(environ)
    reading.include(path, constraints=False, included_by=None, depth=0)
    return reading.declaration(str(path), path.parent)


def read_pip_lines(
    lines: Iterable[PipLine], *, source: str, directory: Path, environ: Mapping[str, str] = os.environ
) -> PypiDeclaration:
    """Understand lines that stand in a file of another kind, as in the `pip:` section of an `environment.yml`.

    Args:
        lines: In order.
        source: The file, for messages.
        directory: Of the file.
        environ: Variables that `${NAME}` means.

    Raises:
        InvalidDeclarationError: A line cannot be understood, or a file that it includes cannot be read.
    """
    reading = _Reading(environ)
    for line in lines:
        reading.line(line, constraints=False, depth=0)
    return reading.declaration(source, directory)


def _logical_lines(path: Path, text: str) -> Iterator[PipLine]:
    """Lines put together where they end in a backslash, without comments; places are those of their beginnings."""
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if held else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += f"{line[:-1]} "
            continue
        whole = _COMMENT.sub("", held + line).strip()
        held = ""
        if whole:
            yield PipLine(whole, f"{path}:{start}", path.parent)
    if whole := _COMMENT.sub("", held).strip():
        yield PipLine(whole, f"{path}:{start}", path.parent)


class _Reading:
    """What was understood so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._requirements: list[PypiRequirement] = []
        self._constraints: list[PypiRequirement] = []
        self._projects: list[LocalProject] = []
        self._indexes = PypiIndexes()
        self._prereleases = False
        self._hashed: str | None = None
        self._notes: list[str] = []

    def declaration(self, source: str, directory: Path) -> PypiDeclaration:
        hashed = self._hashed or next((each.place for each in self._requirements if each.hashes), None)
        for each in self._requirements if hashed else ():
            if not each.hashes:
                raise InvalidDeclarationError(
                    each.place, f"`{each.name}` has no hash, but `{hashed}` wants all to have one"
                )
        return PypiDeclaration(
            requirements=tuple(self._requirements),
            constraints=tuple(self._constraints),
            projects=tuple(self._projects),
            indexes=self._indexes,
            prereleases=self._prereleases,
            directory=directory,
            source=source,
            notes=tuple(self._notes),
        )

    def include(self, path: Path, *, constraints: bool, included_by: str | None, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise InvalidDeclarationError(included_by or str(path), f"`{path}` is included in a circle")
        try:
            text = read_text(path)
        except InvalidDeclarationError as error:
            if error.reason == "is empty" and included_by is not None:
                return
            if included_by is None:
                raise
            raise InvalidDeclarationError(included_by, f"`{path}` {_as_predicate(error.reason)}") from error
        for line in _logical_lines(path, text):
            self.line(line, constraints=constraints, depth=depth)

    def line(self, line: PipLine, *, constraints: bool, depth: int) -> None:
        text = self._expanded(line)
        if "\0" in text:
            raise InvalidDeclarationError(line.place, "holds a NUL character")
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise InvalidDeclarationError(line.place, f"cannot be taken apart: {error}") from error
        if words[:1] and not words[0].startswith("-"):
            # Markers hold quotes, so what stands before the options is taken as it is written.
            requirement, *rest = re.split(r"\s+(?=--?[A-Za-z])", text, maxsplit=1)
            hashes = tuple(self._hash(value, line) for value in self._line_options(shlex.split(" ".join(rest)), line))
            found = read_requirement(requirement.strip(), place=line.place, directory=line.directory, hashes=hashes)
            self._add(found, constraints=constraints)
        else:
            for option, value in self._options(words, line):
                self._option(option, value, line, constraints=constraints, depth=depth)

    def _expanded(self, line: PipLine) -> str:
        for match in _VARIABLE.finditer(line.text):
            if match["name"] not in self._environ:
                raise InvalidDeclarationError(line.place, f"the variable `{match['name']}` is not set")
        return _VARIABLE.sub(lambda match: self._environ[match["name"]], line.text)

    def _add(self, found: PypiRequirement | LocalProject, *, constraints: bool) -> None:
        if isinstance(found, LocalProject):
            if constraints:
                raise InvalidDeclarationError(found.place, "a project is no constraint")
            self._projects.append(found)
        elif constraints:
            self._constraints.append(found)
        else:
            self._requirements.append(found)

    def _options(self, words: list[str], line: PipLine) -> Iterator[tuple[str, str]]:
        """Names and values: `--name value`, `--name=value`, `-nvalue`."""
        waiting = list(words)
        while waiting:
            word = waiting.pop(0)
            name, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
            if name in _FLAGS and not value:
                yield name.lstrip("-"), ""
                continue
            if name not in _VALUED:
                raise InvalidDeclarationError(
                    line.place, f"unknown option `{name}`", hint=suggest(name, (*_VALUED, *_FLAGS))
                )
            if not equals and not waiting:
                raise InvalidDeclarationError(line.place, f"`{name}` has no value")
            yield _VALUED[name], value if equals else waiting.pop(0)

    def _line_options(self, words: list[str], line: PipLine) -> Iterator[str]:
        for option, value in self._options(words, line):
            if option == "config-settings":
                self._note(line, option)
            elif option != "hash":
                raise InvalidDeclarationError(line.place, f"`--{option}` must stand on a line of its own")
            else:
                yield value

    @staticmethod
    def _hash(value: str, line: PipLine) -> str:
        match = _HASH.match(value)
        if match is None:
            raise InvalidDeclarationError(line.place, f"`{value}` is no hash", hint="write `--hash=sha256:…`")
        return value.lower()

    def _option(self, option: str, value: str, line: PipLine, *, constraints: bool, depth: int) -> None:
        match option:
            case "requirement" | "constraint":
                if "://" in value:
                    raise InvalidDeclarationError(line.place, f"`{value}` is not on this machine, so it is not read")
                nested = constraints or option == "constraint"
                self.include(line.directory / value, constraints=nested, included_by=line.place, depth=depth + 1)
            case "editable":
                found = read_requirement(value, place=line.place, directory=line.directory)
                if not isinstance(found, LocalProject):
                    raise InvalidDeclarationError(line.place, f"`{value}` is no directory of a project")
                self._add(found, constraints=constraints)
                self._notes.append(
                    f"{line.place}: `{value}` is installed as a wheel, its source is not looked at later"
                )
            case "index-url" | "extra-index-url" | "find-links" | "no-index":
                self._indexes = self._indexes.merged(_index(option, value, line))
            case "pre":
                self._prereleases = True
            case "require-hashes":
                self._hashed = self._hashed or line.place
            case "hash":
                raise InvalidDeclarationError(line.place, "a hash must stand behind its requirement")
            case _ if option not in _MEANINGLESS:
                self._note(line, option)

    def _note(self, line: PipLine, option: str) -> None:
        self._notes.append(f"{line.place}: `--{option}` is ignored, {_IGNORED[option]}")


def _index(option: str, value: str, line: PipLine) -> PypiIndexes:
    if option == "index-url":
        return PypiIndexes(index_url=value)
    if option == "extra-index-url":
        return PypiIndexes(extra_index_urls=(value,))
    if option == "no-index":
        return PypiIndexes(no_index=True)
    return PypiIndexes(find_links=(value if "://" in value else str((line.directory / value).resolve()),))


def _as_predicate(reason: str) -> str:
    return "is missing" if reason == "no such file" else reason
