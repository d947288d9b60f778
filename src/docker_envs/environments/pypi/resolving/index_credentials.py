"""Credentials for files of package indexes, where uv and pip find them.

They are in the address of an index, wherever that is written, or in variables for an index with a name. A netrc file is
read by whoever opens an address. What is known of an index is for all files on its server.

Spec: uv docs, "Package indexes", "Providing credentials directly", "Configuration files"; pip docs, "Authentication".
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit, urlunsplit

from docker_envs.documents.text_file import read_text
from docker_envs.documents.toml_document import parse_toml
from docker_envs.environments.pypi.resolving.pip_configuration import indexes_of_pip
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docker_envs.environments.pypi.declarations.declaration import PypiIndexes

_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)=(?P<url>[a-z+]+://.*)", re.DOTALL)


class IndexCredentials:
    """What is known, by scheme and server.

    Args:
        by_server: User and password, as they stand in an address.
    """

    def __init__(self, by_server: Mapping[tuple[str, str], str]) -> None:
        self._by_server = by_server

    @classmethod
    def load(
        cls, environ: Mapping[str, str], *, indexes: Iterable[PypiIndexes] = (), directory: Path | None = None
    ) -> Self:
        """Look wherever uv and pip would.

        Args:
            environ: Environment variables.
            indexes: What a declaration says; it comes first.
            directory: Where uv looks for its configuration, and above.
        """
        found: dict[tuple[str, str], str] = {}
        with suppress(InvalidInputError):  # who needs that file complains
            indexes = (*indexes, indexes_of_pip(environ))
        declared = [
            (None, url)
            for each in indexes
            for url in (each.index_url, *each.extra_index_urls, *each.find_links)
            if url is not None
        ]
        for name, url in (*declared, *_of_variables(environ), *_of_files(environ, directory)):
            parts = urlsplit(url)
            user, _, server = parts.netloc.rpartition("@")
            user = user or _of_name(name, environ)
            if user:
                found.setdefault((parts.scheme, server), user)
        return cls(found)

    def authorized(self, url: str) -> str:
        """The address of a file with what is known for its server; never to be shown or stored."""
        parts = urlsplit(url)
        user = self._by_server.get((parts.scheme, parts.netloc))
        return url if user is None else urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def _of_variables(environ: Mapping[str, str]) -> Iterator[tuple[str | None, str]]:
    for variable in _VARIABLES:
        for text in re.split(r"[\s,]+", environ.get(variable, "").strip()):
            named = _NAMED.match(text)
            yield (named["name"], named["url"]) if named else (None, text)


def _of_files(environ: Mapping[str, str], directory: Path | None) -> Iterator[tuple[str | None, str]]:
    home = Path(environ.get("HOME") or "/")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    folders = [] if directory is None else [directory, *directory.parents]
    files = [folder / name for folder in folders for name in ("uv.toml", "pyproject.toml")]
    for path in (*files, config / "uv" / "uv.toml", Path("/etc/uv/uv.toml")):
        with suppress(InvalidInputError, OSError):
            if path.is_file():
                table = parse_toml(path, read_text(path))
                yield from _of_table(_table(table, "tool", "uv") if path.name == "pyproject.toml" else table)


def _table(table: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = table.get(name)
        table = found if isinstance(found, dict) else {}
    return table


def _of_table(table: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    for each in table.get("index", []) if isinstance(table.get("index"), list) else []:
        if isinstance(each, dict) and isinstance(each.get("url"), str):
            yield (str(each["name"]) if "name" in each else None), each["url"]
    pip = table.get("pip")
    for options in (table, pip if isinstance(pip, dict) else {}):
        for option in ("index-url", "extra-index-url", "find-links"):
            values = options.get(option, [])
            yield from ((None, url) for url in ([values] if isinstance(values, str) else values))


def _of_name(name: str | None, environ: Mapping[str, str]) -> str:
    if not name:
        return ""
    start = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
    user, password = environ.get(f"{start}_USERNAME"), environ.get(f"{start}_PASSWORD")
    if user is None and password is None:
        return ""
    return f"{quote(user or '', safe='')}:{quote(password or '', safe='')}"
