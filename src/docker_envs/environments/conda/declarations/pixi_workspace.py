"""`[workspace]` of a pixi manifest: its platforms and the age of what it sees.

Spec: pixi docs, "Manifest", "The workspace table".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.environments.conda.subdirs import KNOWN_SUBDIRS
from docker_envs.errors import InvalidDeclarationError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from docker_envs.fields import Fields

WORKSPACE_KEYS = (
    *("name", "version", "description", "authors", "license", "license-file", "readme", "homepage", "repository"),
    *("documentation", "channels", "channel-priority", "solve-strategy", "platforms", "conda-pypi-map", "pypi-options"),
    *("s3-options", "preview", "target", "build-variants", "build-variants-files", "requires-pixi", "exclude-newer"),
    "dependencies",
)

_VERSIONS = {"cuda": "__cuda", "glibc": "__glibc", "linux": "__linux", "macos": "__osx", "osx": "__osx"}
_DURATION = re.compile(r"(\d+)\s*(w|d|h|m|s)")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


@dataclass(frozen=True, slots=True)
class WorkspacePlatform:
    """A platform that a workspace supports: its name there, its subdir, and what it is said to have."""

    name: str
    subdir: str
    virtual_packages: tuple[VirtualPackage, ...] = ()


def read_platforms(workspace: Fields) -> list[WorkspacePlatform]:
    """The platforms of a workspace.

    Raises:
        InvalidDeclarationError: One is unknown.
        FormatError: A value has the wrong type.
    """
    found = []
    for index, item in enumerate(workspace.get("platforms", list) or []):
        place = f"{workspace.location}platforms[{index}]"
        if isinstance(item, dict):
            entry = type(workspace)(item, workspace.source, f"{place}.")
            subdir = entry.get("platform", str) or entry.require("name", str)
            name = entry.get("name", str) or f"{subdir}[{index}]"
            found.append(WorkspacePlatform(name, subdir, tuple(_virtual_packages(entry))))
        elif isinstance(item, str):
            subdir = item
            found.append(WorkspacePlatform(item, item))
        else:
            raise workspace.error(f"platforms[{index}]", "expected the name of a platform")
        if subdir not in KNOWN_SUBDIRS:
            raise InvalidDeclarationError(
                workspace.source, f"{place}: unknown platform `{subdir}`", hint=suggest(subdir, KNOWN_SUBDIRS)
            )
    return found


def read_exclude_newer(workspace: Fields) -> datetime | timedelta | None:
    """The age limit of packages: a point in time, or how long ago.

    Raises:
        FormatError: It is neither.
    """
    value = workspace.document.get("exclude-newer")
    if value is None:
        return None
    text = str(value)
    if (pieces := _DURATION.findall(text)) and not _DURATION.sub("", text).strip():
        return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in pieces), timedelta())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise workspace.error("exclude-newer", f"expected a date or a duration such as 7d, got {text!r}") from error
    if "T" not in text and " " not in text:
        # A day counts to its end.
        moment += timedelta(days=1)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _virtual_packages(entry: Fields) -> list[VirtualPackage]:
    found = []
    for key in entry.document:
        if key in _VERSIONS:
            value = entry.document[key]
            driver = value.get("driver", "0") if isinstance(value, dict) else entry.require(key, str)
            found.append(VirtualPackage(_VERSIONS[key], str(driver)))
        elif key == "archspec":
            found.append(VirtualPackage("__archspec", "0", entry.require(key, str)))
        elif key.startswith("__"):
            found.append(VirtualPackage(key, entry.require(key, str) or "0"))
        elif key not in ("name", "platform", "windows"):
            raise InvalidDeclarationError(
                entry.source,
                f"unknown key `{entry.location}{key}`",
                hint=suggest(key, (*_VERSIONS, "archspec", "name", "platform")),
            )
    return found
