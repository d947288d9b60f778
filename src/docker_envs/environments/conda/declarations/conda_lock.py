"""`conda-lock.yml`, version 1: the packages of several platforms and categories in one list.

Spec: conda-lock docs, "Lockfile format"; `conda_lock/lockfile/v1/models.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.documents.yaml_document import load_yaml
from docker_envs.environments.base import PipLine
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.declarations.environment_yml import PYPI_HINT
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import expand_variables
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.errors import FormatError, InvalidDeclarationError, InvalidInputError
from docker_envs.fields import Fields
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

#: The category of dependencies that are in no other.
DEFAULT_CATEGORY = "main"

_VERSION = 1
_HASHES = {"md5": re.compile(r"[0-9a-f]{32}\Z"), "sha256": re.compile(r"[0-9a-f]{64}\Z")}
_TOP_LEVEL = re.compile(r"^(metadata|package):", re.MULTILINE)


def is_conda_lock(text: str) -> bool:
    """Whether a YAML text is such a lock."""
    return set(_TOP_LEVEL.findall(text)) == {"metadata", "package"}


def read_conda_lock(
    path: Path,
    text: str,
    *,
    platform: Platform,
    categories: Collection[str] = (DEFAULT_CATEGORY,),
    with_pip: bool = False,
) -> Declaration:
    """Read the text of a `conda-lock.yml`; packages are sorted by name.

    Args:
        path: The file, for messages.
        text: Its content.
        platform: The one whose packages are wanted.
        categories: Those whose packages are wanted.
        with_pip: Whether packages from PyPI are handed on, and not refused.

    Raises:
        InvalidDeclarationError: It cannot be understood, has no such platform or category, or wants packages from PyPI
            that are not wanted here.
    """
    try:
        document = Fields.of(load_yaml(path, text), source=str(path))
        return _read(path, document, subdir_of(platform), categories, with_pip=with_pip)
    except FormatError as error:
        raise InvalidDeclarationError(error.source, error.reason, hint=error.hint) from error


def _read(path: Path, document: Fields, subdir: str, categories: Collection[str], *, with_pip: bool) -> Declaration:
    version = document.get("version", int)
    if version not in (None, _VERSION):
        raise document.error("version", f"cannot read version {version}, only {_VERSION}")
    platforms = document.object("metadata").strings("platforms")
    if subdir not in platforms:
        names = ", ".join(f"`{name}`" for name in sorted(platforms))
        raise InvalidDeclarationError(str(path), f"is not locked for `{subdir}`, only for {names or 'nothing'}")
    entries = list(document.objects("package"))
    _check_categories(path, entries, categories)
    packages: dict[str, CondaPackage] = {}
    lines: dict[str, PipLine] = {}
    for entry in entries:
        if entry.require("platform", str) != subdir or _categories(entry).isdisjoint(categories):
            continue
        if with_pip and entry.get("manager", str) == "pip":
            line = _pip_line(path, entry)
            lines.setdefault(line.text, line)
        else:
            package = _package(path, entry)
            # A package that is in several categories may be there once for each.
            if packages.setdefault(package.name, package) != package:
                raise entry.error("url", f"another package of the name `{package.name}` is wanted as well")
    return Declaration(
        packages=tuple(packages[name] for name in sorted(packages)),
        source=str(path),
        pip=tuple(lines[text] for text in sorted(lines)),
    )


def _check_categories(path: Path, entries: Iterable[Fields], categories: Collection[str]) -> None:
    known = {DEFAULT_CATEGORY}.union(*map(_categories, entries))
    for category in categories:
        if category not in known:
            raise InvalidDeclarationError(str(path), f"has no category `{category}`", hint=suggest(category, known))


def _categories(entry: Fields) -> set[str]:
    return set(entry.strings("categories") or [entry.get("category", str) or DEFAULT_CATEGORY])


def _package(path: Path, entry: Fields) -> CondaPackage:
    name, manager = entry.require("name", str), entry.require("manager", str)
    if manager == "pip":
        raise InvalidDeclarationError(
            str(path), f"holds packages from PyPI (`{name}`), which are not supported yet", hint=PYPI_HINT
        )
    if manager != "conda":
        raise entry.error("manager", f"expected conda or pip, got {manager}")
    digests = {kind: _digest(entry, kind) for kind in _HASHES}
    try:
        package = CondaPackage.from_url(
            expand_variables(entry.require("url", str)), sha256=digests["sha256"], md5=digests["md5"]
        )
    except InvalidInputError as error:
        raise entry.error("url", str(error)) from error
    if package.name != name or package.version != entry.require("version", str):
        raise entry.error("url", f"is that of `{package.display_name}`, not of `{name}`")
    return package


def _pip_line(path: Path, entry: Fields) -> PipLine:
    """A wheel by its address and hash."""
    name = entry.require("name", str)
    digest = _digest(entry, "sha256")
    text = f"{name} @ {entry.require('url', str).partition('#')[0]}" + (f" --hash=sha256:{digest}" if digest else "")
    return PipLine(text, f"{path}: `{name}`", path.parent)


def _digest(entry: Fields, kind: str) -> str | None:
    digits = entry.object("hash").get(kind, str)
    if digits is not None and not _HASHES[kind].match(digits):
        raise entry.error(f"hash.{kind}", f"`{digits}` is no {kind} digest")
    return digits
