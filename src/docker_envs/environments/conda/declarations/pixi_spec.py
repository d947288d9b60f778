"""Dependencies of a pixi manifest as match specs: `">=1.2"`, or a table such as `{ version = "*", channel = "…" }`.

Spec: pixi docs, "Manifest", "The dependencies tables".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.solving.match_specs import check_match_spec
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from docker_envs.fields import Fields, JsonObject

# Names in a table, and in the brackets of a match spec.
_TEXTS = {
    "version": "version",
    "build": "build",
    "build-number": "build_number",
    "file-name": "fn",
    "channel": "channel",
    "subdir": "subdir",
    "license": "license",
    "license-family": "license_family",
    "md5": "md5",
    "sha256": "sha256",
    "url": "url",
}
_LISTS = {"extras": "extras", "flags": "flags"}
_SOURCES = ("git", "path", "branch", "rev", "tag", "subdirectory", "lfs", "package")
_ARCHIVES = (".conda", ".tar.bz2")
_INHERIT = "workspace"
_KNOWN = frozenset({*_TEXTS, *_LISTS, *_SOURCES, _INHERIT, "when", "track-features"})


def check_keys(table: Fields, known: Iterable[str]) -> None:
    """See that a table has only keys that mean something.

    Raises:
        InvalidDeclarationError: One is unknown.
    """
    names = frozenset(known)
    for key in table.document:
        if key not in names:
            place = f"{table.location}{key}"
            raise InvalidDeclarationError(table.source, f"unknown key `{place}`", hint=suggest(key, names))


def read_dependencies(table: Fields, name: str, *, pool: Mapping[str, Any], directory: Path) -> dict[str, str]:
    """The match specs of a table of dependencies, by the package's name.

    Args:
        table: What holds the table.
        name: The table's name; it may be missing.
        pool: `[workspace.dependencies]`, from which dependencies may be inherited.
        directory: Of the manifest.

    Raises:
        InvalidDeclarationError: A dependency cannot be understood, or has to be built.
        FormatError: A value has the wrong type.
    """
    if table.get(name, dict) is None:
        return {}
    specs = {}
    dependencies = table.object(name)
    for package in dependencies.document:
        text = _match_spec(package, dependencies, pool, directory)
        try:
            check_match_spec(text)
        except InvalidInputError as error:
            raise InvalidDeclarationError(
                table.source, f"{dependencies.location}{package}: {error}", hint=error.hint
            ) from error
        specs[package.lower()] = text
    return specs


def _match_spec(package: str, dependencies: Fields, pool: Mapping[str, Any], directory: Path) -> str:
    value = dependencies.document[package]
    if isinstance(value, str):
        return _bracketed(package, {"version": value})
    table = dependencies.object(package)
    check_keys(table, _KNOWN)
    if table.get(_INHERIT, bool):
        table = _inherited(package, table, pool)
    sources = [key for key in _SOURCES if key in table.document]
    path = table.get("path", str)
    if path and path.endswith(_ARCHIVES):
        return _bracketed(package, {"url": (directory / path).resolve().as_uri()})
    url = table.get("url", str)
    if sources or (url and not url.endswith(_ARCHIVES)):
        raise InvalidDeclarationError(
            table.source,
            f"{dependencies.location}{package}: packages that have to be built from their source are not supported",
            hint="build it, put it into a channel, and depend on it there",
        )
    for key in ("when", "track-features"):
        if key in table.document:
            raise table.error(key, "is not supported")
    texts = {_TEXTS[key]: table.require(key, str) for key in table.document if key in _TEXTS}
    lists = {_LISTS[key]: f"[{', '.join(table.strings(key))}]" for key in table.document if key in _LISTS}
    return _bracketed(package, texts, lists)


def _inherited(package: str, table: Fields, pool: Mapping[str, Any]) -> Fields:
    """A table with what it inherits below what it says itself."""
    if package not in pool:
        raise InvalidDeclarationError(
            table.source,
            f"{table.location}{_INHERIT}: `workspace.dependencies` has no `{package}`",
            hint=suggest(package, pool),
        )
    inherited = pool[package]
    below: JsonObject = {"version": inherited} if isinstance(inherited, str) else dict(inherited)
    own = {key: value for key, value in table.document.items() if key != _INHERIT}
    return type(table)({**below, **own}, table.source, table.location)


def _bracketed(package: str, texts: Mapping[str, str], lists: Mapping[str, str] | None = None) -> str:
    brackets = [f'{key}="{text}"' for key, text in texts.items() if (key, text) != ("version", "*")]
    brackets += [f"{key}={items}" for key, items in (lists or {}).items()]
    return f"{package}[{','.join(brackets)}]" if brackets else package
