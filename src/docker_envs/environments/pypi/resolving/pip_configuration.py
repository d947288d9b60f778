"""Where pip is configured to look for distributions, for people who never told uv.

Spec: pip docs, "Configuration": files, their order, and `PIP_…` variables.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTIONS = ("index-url", "extra-index-url", "find-links", "no-index")
_UV_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


def indexes_of_pip(environ: Mapping[str, str]) -> PypiIndexes:
    """What pip's variables and files say; nothing when uv has variables or files of its own.

    Raises:
        InvalidInputError: A file cannot be understood.
    """
    home = Path(environ.get("HOME") or "/")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    own = (Path("/etc/uv/uv.toml"), config / "uv" / "uv.toml")
    if any(name in environ for name in _UV_VARIABLES) or any(path.is_file() for path in own):
        return PypiIndexes()
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    files += [config / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
    if "PIP_CONFIG_FILE" in environ:
        files = [] if environ["PIP_CONFIG_FILE"] == "/dev/null" else [*files, Path(environ["PIP_CONFIG_FILE"])]
    values: dict[str, str] = {}
    for path in files:
        values |= _values(path)
    for option in _OPTIONS:
        variable = f"PIP_{option.upper().replace('-', '_')}"
        values |= {option: environ[variable]} if variable in environ else {}
    links = [link for link in values.get("find-links", "").split() if "://" in link or Path(link).exists()]
    return PypiIndexes(
        index_url=values.get("index-url"),
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(links),
        no_index=values.get("no-index", "").lower() in ("1", "true", "yes", "on"),
    )


def _values(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path)
        sections = [parser[name] for name in ("global", "install") if parser.has_section(name)]
        return {option: section[option] for section in sections for option in _OPTIONS if option in section}
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise InvalidInputError(f"cannot read `{path}`: {str(error).splitlines()[0]}") from error
