"""`environment.yml`: the channels, match specs and variables that conda's users write.

Spec: conda docs, "Creating an environment file manually".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind, Node
from docker_envs.documents.yaml_document import parse_yaml
from docker_envs.environments.base import PipLine
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.solving.channels import parse_channel
from docker_envs.environments.conda.solving.match_specs import check_match_spec
from docker_envs.environments.conda.subdirs import KNOWN_SUBDIRS
from docker_envs.errors import InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from pathlib import Path

# Those of conda, and those that only conda-lock reads.
_KNOWN_KEYS = ("name", "channels", "dependencies", "variables", "prefix", "platforms", "category")
_VARIABLE_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)

#: What to do about packages from PyPI.
PYPI_HINT = "name their conda packages instead, most of PyPI is on conda-forge"


def read_environment_yml(path: Path, text: str, *, with_pip: bool = False) -> Declaration:
    """Read the text of an `environment.yml`; its `name` and `prefix` mean nothing to an image.

    Args:
        path: The file.
        text: Its content.
        with_pip: Whether a `pip:` section is handed on, and not refused.

    Raises:
        InvalidDeclarationError: It cannot be understood, or has a `pip:` section that is not wanted.
    """
    document = parse_yaml(path, text).mapping("a mapping with `channels` and `dependencies`", known=_KNOWN_KEYS)
    for subdir in _items(document, "platforms", "a list of platforms"):
        name = subdir.text("a platform")
        if name not in KNOWN_SUBDIRS:
            raise subdir.error(f"unknown platform `{name}`", hint=suggest(name, KNOWN_SUBDIRS))
    dependencies = _items(document, "dependencies", "a list of match specs")
    sections = [item for item in dependencies if with_pip and is_pip_section(item)]
    return Declaration(
        channels=tuple(read_channel(item) for item in _items(document, "channels", "a list of channels")),
        specs=tuple(read_spec(item) for item in dependencies if item not in sections),
        variables=read_variables(document),
        source=str(path),
        pip=tuple(line for section in sections for line in read_pip_section(section)),
    )


def _items(document: dict[str, Node], key: str, what: str) -> list[Node]:
    return document[key].items(what) if key in document else []


def read_channel(item: Node) -> str:
    """A channel, relative to the file.

    Raises:
        InvalidDeclarationError: It is none.
    """
    text = item.text("the name or URL of a channel")
    try:
        return parse_channel(text, directory=item.path.parent)
    except InvalidInputError as error:
        raise item.error(str(error), hint=error.hint) from error


def is_pip_section(item: Node) -> bool:
    """Whether a dependency is the mapping from `pip` to lines for pip."""
    return item.kind is Kind.MAPPING and [key.written for key, _ in item.pairs] == ["pip"]


def read_pip_section(section: Node) -> list[PipLine]:
    """The lines of a `pip:` section, paths in which are relative to the file.

    Raises:
        InvalidDeclarationError: It is no list of texts.
    """
    lines = section.mapping("a `pip:` section")["pip"].items("a list of requirements")
    return [PipLine(line.text("a requirement"), line.place, line.path.parent) for line in lines]


def read_spec(item: Node) -> str:
    """A match spec.

    Raises:
        InvalidDeclarationError: It is none.
    """
    if item.kind is Kind.MAPPING:
        (name, *_) = item.mapping("a match spec") or ("",)
        if name == "pip":
            raise item.error("`pip:` packages are not supported yet", hint=PYPI_HINT)
        raise item.error(f"expected a match spec, got a mapping with `{name}`", hint=f"write it as `{name}=VERSION`")
    spec = item.text("a match spec")
    try:
        check_match_spec(spec)
    except InvalidInputError as error:
        raise item.error(str(error), hint=error.hint) from error
    return spec


def read_variables(document: dict[str, Node]) -> dict[str, str]:
    """The variables, with values as they are written: `1.10` stays `1.10`."""
    if "variables" not in document:
        return {}
    variables = {}
    for name, value in document["variables"].mapping("a mapping of variables").items():
        if not _VARIABLE_NAME.match(name):
            raise value.error(f"`{name}` is no name of an environment variable")
        variables[name] = value.scalar(f"the value of `{name}`")
    return variables
