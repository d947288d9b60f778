"""Declarations of conda environments: what people write down, as one value.

Spec: conda docs, "Creating an environment file manually"; conda CEP 23, "Text spec input files" (`@EXPLICIT`); pixi
docs, "Lock file".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_CHANNEL = "conda-forge"

_KNOWN_KEYS = frozenset({"name", "channels", "dependencies", "variables", "prefix", "platforms", "category"})
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")
_MD5 = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an environment shall hold: match specs to be solved, or packages that were chosen already.

    Attributes:
        channels: Names or URLs, highest priority first; may hold credentials.
        specs: Match specs.
        packages: The chosen packages, when the declaration is a lock; then `specs` is empty.
        variables: Environment variables for the image.
        source: Where it was read, for messages.
    """

    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    packages: tuple[CondaPackage, ...] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    source: str = "command line"

    def merged(self, *, channels: tuple[str, ...], specs: tuple[str, ...]) -> Declaration:
        """With more channels (of lower priority) and specs.

        Raises:
            InvalidInputError: It is a lock, to which nothing can be added.
        """
        if self.packages is not None and specs:
            raise InvalidInputError(f"{self.source} is a lock, so no specs can be added to it")
        extra = tuple(channel for channel in channels if channel not in self.channels)
        return Declaration((*self.channels, *extra), (*self.specs, *specs), self.packages, self.variables, self.source)


def read_environment_file(path: Path, text: str) -> Declaration:
    """An `environment.yml`; its `name` and `prefix` mean nothing to an image.

    Raises:
        InvalidDeclarationError: It cannot be understood, or has a `pip:` section.
    """
    document = _parse_yaml(path, text)
    for key in document:
        if key not in _KNOWN_KEYS:
            raise InvalidDeclarationError(
                str(path), f"unknown key `{key}`", hint=f"known are {', '.join(sorted(_KNOWN_KEYS))}"
            )
    specs = []
    for index, item in enumerate(_list(path, document, "dependencies")):
        if isinstance(item, dict) and set(item) == {"pip"}:
            raise InvalidDeclarationError(
                str(path),
                f"dependencies[{index}]: `pip:` packages are not supported yet",
                hint="name their conda packages instead, most of PyPI is on conda-forge",
            )
        if not isinstance(item, str):
            raise InvalidDeclarationError(str(path), f"dependencies[{index}]: expected a match spec, got {item!r}")
        specs.append(item)
    channels = []
    for index, item in enumerate(_list(path, document, "channels")):
        if not isinstance(item, str):
            raise InvalidDeclarationError(str(path), f"channels[{index}]: expected a name or URL, got {item!r}")
        channels.append(_beside(path, item))
    return Declaration(tuple(channels), tuple(specs), variables=_variables(path, document), source=str(path))


def _beside(path: Path, channel: str) -> str:
    """A channel; one given as `./…` or `../…` is a directory beside the file that names it, wherever one stands."""
    return (path.parent / channel).resolve().as_uri() if channel.startswith(("./", "../")) else channel


def read_explicit_file(path: Path, text: str) -> Declaration:
    """An `@EXPLICIT` list: one URL a line, with `#md5` or `#sha256:…` behind it.

    Raises:
        InvalidDeclarationError: A line is no such URL.
    """
    packages = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#") or line == "@EXPLICIT":
            continue
        url, _, checksum = line.partition("#")
        sha256 = _SHA256.match(checksum)
        if checksum and not sha256 and not _MD5.match(checksum):
            raise InvalidDeclarationError(f"{path}:{number}", f"{checksum!r} is neither an md5 nor a sha256 digest")
        try:
            package = CondaPackage.from_url(
                url, sha256=sha256[1] if sha256 else None, md5=checksum if checksum and not sha256 else None
            )
        except InvalidInputError as error:
            raise InvalidDeclarationError(f"{path}:{number}", str(error)) from error
        packages.append(package)
    return Declaration(packages=tuple(packages), source=str(path))


def _parse_yaml(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InvalidDeclarationError(place, f"no valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InvalidDeclarationError(str(path), f"no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise InvalidDeclarationError(str(path), "expected a mapping with `channels` and `dependencies`")
    return document


def _list(path: Path, document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key) or []
    if not isinstance(value, list):
        raise InvalidDeclarationError(str(path), f"{key}: expected a list, got {value!r}")
    return value


def _variables(path: Path, document: dict[str, Any]) -> dict[str, str]:
    value = document.get("variables") or {}
    if not isinstance(value, dict):
        raise InvalidDeclarationError(str(path), f"variables: expected a mapping, got {value!r}")
    variables = {}
    for name, content in value.items():
        if not isinstance(name, str) or "=" in name or not name or isinstance(content, (dict, list)):
            raise InvalidDeclarationError(str(path), f"variables: `{name}` is no name or its value no text")
        variables[name] = _scalar(content)
    return variables


def _scalar(content: object) -> str:
    if content is None:
        return ""
    return str(content).lower() if isinstance(content, bool) else str(content)
