"""What a manifest of pixi wants from PyPI, as lines for pip.

Spec: pixi docs, "Manifest", "The pypi-dependencies table", "The pypi-options table".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.base import PipLine
from docker_envs.environments.conda.declarations.pixi_spec import check_keys
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.fields import Fields

_KEYS = (
    *("version", "extras", "path", "editable", "url", "env-markers", "index"),
    *("git", "branch", "tag", "rev", "subdirectory"),
)


def read_pypi_dependencies(table: Fields, *, directory: Path) -> dict[str, PipLine]:
    """The lines of `pypi-dependencies` by package; the table may be missing.

    Raises:
        InvalidDeclarationError: One cannot be understood, or has an index of its own.
        FormatError: A value has the wrong type.
    """
    name = "pypi-dependencies"
    if table.get(name, dict) is None:
        return {}
    dependencies = table.object(name)
    return {
        package: PipLine(
            _line(package, dependencies, directory), f"{table.source}: {dependencies.location}{package}", directory
        )
        for package in dependencies.document
    }


def _line(package: str, dependencies: Fields, directory: Path) -> str:
    value = dependencies.document[package]
    if isinstance(value, str):
        return _versioned(package, value)
    table = dependencies.object(package)
    check_keys(table, _KEYS)
    if "index" in table.document:
        raise InvalidDeclarationError(
            table.source,
            f"{table.location}index: single packages cannot have an index of their own",
            hint="name it in `extra-index-urls` of `[pypi-options]`",
        )
    extras = table.strings("extras")
    named = f"{package}[{','.join(extras)}]" if extras else package
    marker = table.get("env-markers", str)
    condition = f" ; {marker}" if marker else ""
    if path := table.get("path", str):
        return f"{named} @ {(directory / path).resolve().as_uri()}{condition}"
    if url := table.get("url", str) or (table.get("git", str) and f"git+{table.require('git', str)}"):
        return f"{named} @ {url}{condition}"
    return _versioned(named, table.get("version", str) or "*") + condition


def _versioned(named: str, version: str) -> str:
    return named if version == "*" else f"{named} {version}"


def read_pypi_options(table: Fields, *, directory: Path) -> tuple[PipLine, ...]:
    """The lines of `pypi-options` that say where packages come from; the table may be missing.

    Raises:
        FormatError: A value has the wrong type.
    """
    if table.get("pypi-options", dict) is None:
        return ()
    options = table.object("pypi-options")
    place = f"{table.source}: {options.location.rstrip('.')}"
    return tuple(PipLine(text, place, directory) for text in _option_lines(options))


def _option_lines(options: Fields) -> Iterator[str]:
    if url := options.get("index-url", str):
        yield f"--index-url {url}"
    yield from (f"--extra-index-url {url}" for url in options.strings("extra-index-urls"))
    for link in options.objects("find-links"):
        yield f"--find-links {link.get('url', str) or link.require('path', str)}"
