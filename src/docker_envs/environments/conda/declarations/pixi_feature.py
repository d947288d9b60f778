"""One feature of a pixi workspace, as one platform sees it: what is declared under `[target.…]` counts where it fits.

Spec: pixi docs, "Manifest", "The feature table" and "The target table".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.declarations.pixi_pypi import read_pypi_dependencies, read_pypi_options
from docker_envs.environments.conda.declarations.pixi_spec import check_keys, read_dependencies
from docker_envs.environments.conda.solving.channels import ChannelPriority, parse_channel
from docker_envs.environments.conda.solving.solve_settings import SolveStrategy
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from pathlib import Path
    from typing import TypeVar

    from docker_envs.environments.base import PipLine
    from docker_envs.fields import Fields

    Word = TypeVar("Word", bound=StrEnum)

# Those of one package overwrite each other in this order.
_DEPENDENCIES = ("dependencies", "host-dependencies", "build-dependencies")
TARGET_KEYS = (*_DEPENDENCIES, "constraints", "pypi-dependencies", "dev", "activation", "tasks")
FEATURE_KEYS = (
    *TARGET_KEYS,
    *("platforms", "channels", "channel-priority", "solve-strategy"),
    *("system-requirements", "target", "pypi-options"),
)
_SYSTEM_REQUIREMENTS = {"linux": "__linux", "cuda": "__cuda", "macos": "__osx", "archspec": "__archspec"}
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class PixiFeature:
    """What a feature adds to an environment.

    Attributes:
        channels: Pairs of a channel and its priority; None for those of the workspace.
        specs: Match specs by package.
        constraints: Likewise.
        pypi: Lines for pip by package from PyPI.
        pypi_options: Lines for pip that say where it looks.
        variables: Variables set on activation.
        scripts: Scripts run on activation.
        platforms: Names of the platforms it is for; None for all.
        channel_priority: What the order of channels means, when it says so.
        strategy: Which versions are preferred, when it says so.
        system_requirements: What its target must have, by the virtual package's name.
    """

    channels: tuple[tuple[str, int], ...] | None = None
    specs: Mapping[str, str] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    pypi: Mapping[str, PipLine] = field(default_factory=dict)
    pypi_options: tuple[PipLine, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    platforms: tuple[str, ...] | None = None
    channel_priority: ChannelPriority | None = None
    strategy: SolveStrategy | None = None
    system_requirements: Mapping[str, VirtualPackage] = field(default_factory=dict)


def read_feature(table: Fields, *, names: tuple[str, str], pool: Mapping[str, Any], directory: Path) -> PixiFeature:
    """Read a feature's table, or one that has the keys of one beside others.

    Args:
        table: The table.
        names: The platform's name in the workspace, and its subdir.
        pool: `[workspace.dependencies]`.
        directory: Of the manifest.

    Raises:
        InvalidDeclarationError: It cannot be understood.
        FormatError: A value has the wrong type.
    """
    specs: dict[str, str] = {}
    constraints: dict[str, str] = {}
    pypi: dict[str, PipLine] = {}
    variables: dict[str, str] = {}
    scripts: tuple[str, ...] = ()
    for target in _targets(table, names):
        for key in _DEPENDENCIES:
            specs.update(read_dependencies(target, key, pool=pool, directory=directory))
        constraints.update(read_dependencies(target, "constraints", pool=pool, directory=directory))
        pypi.update(read_pypi_dependencies(target, directory=directory))
        if target.get("dev", dict):
            raise target.error("dev", "packages that have to be built from their source are not supported")
        if target.get("activation", dict):
            activation = target.object("activation")
            check_keys(activation, ("scripts", "env"))
            variables.update(activation.string_map("env"))
            scripts = tuple(activation.strings("scripts")) or scripts
    return PixiFeature(
        channels=read_channels(table, directory) if "channels" in table.document else None,
        specs=specs,
        constraints=constraints,
        pypi=pypi,
        pypi_options=read_pypi_options(table, directory=directory),
        variables=variables,
        scripts=scripts,
        platforms=tuple(table.strings("platforms")) if "platforms" in table.document else None,
        channel_priority=read_word(table, "channel-priority", ChannelPriority),
        strategy=read_word(table, "solve-strategy", SolveStrategy),
        system_requirements=_system_requirements(table),
    )


def read_channels(table: Fields, directory: Path) -> tuple[tuple[str, int], ...]:
    """The channels of a table with their priorities, in the order they are written.

    Raises:
        InvalidDeclarationError: One cannot be understood.
        FormatError: A value has the wrong type.
    """
    found = []
    for index, item in enumerate(table.require("channels", list)):
        place = f"channels[{index}]"
        if isinstance(item, dict):
            entry = type(table)(item, table.source, f"{table.location}{place}.")
            check_keys(entry, ("channel", "priority", "exclude-newer"))
            text, priority = entry.require("channel", str), entry.get("priority", int) or 0
        elif isinstance(item, str):
            text, priority = item, 0
        else:
            raise table.error(place, "expected the name or URL of a channel")
        try:
            found.append((parse_channel(text, directory=directory), priority))
        except InvalidInputError as error:
            raise InvalidDeclarationError(table.source, f"{table.location}{place}: {error}", hint=error.hint) from error
    return tuple(found)


def _targets(table: Fields, names: tuple[str, str]) -> list[Fields]:
    """What applies to a platform, what is written later behind what it overwrites."""
    found = [table]
    if table.get("target", dict):
        targets = table.object("target")
        for selector in targets.document:
            target = targets.object(selector)
            check_keys(target, TARGET_KEYS)
            if _selects(selector, names):
                found.append(target)
    return found


def _selects(selector: str, names: tuple[str, str]) -> bool:
    name, subdir = names
    return (
        selector in (name, subdir, "unix")
        or (selector == "linux" and subdir.startswith("linux-"))
        or ("*" in selector and fnmatchcase(name, selector))
    )


def read_word(table: Fields, key: str, words: type[Word]) -> Word | None:
    """One word out of several, if it is there.

    Raises:
        InvalidDeclarationError: It is another word.
        FormatError: It is no text.
    """
    text = table.get(key, str)
    if text is None:
        return None
    if text not in list(words):
        raise InvalidDeclarationError(
            table.source, f"{table.location}{key}: unknown value `{text}`", hint=suggest(text, words)
        )
    return words(text)


def _system_requirements(table: Fields) -> dict[str, VirtualPackage]:
    if table.get("system-requirements", dict) is None:
        return {}
    requirements = table.object("system-requirements")
    check_keys(requirements, (*_SYSTEM_REQUIREMENTS, "libc"))
    found = [
        VirtualPackage(name, requirements.require(key, str))
        for key, name in _SYSTEM_REQUIREMENTS.items()
        # pixi knows `archspec` and does not heed it.
        if key in requirements.document and key not in ("macos", "archspec")
    ]
    libc = requirements.document.get("libc")
    if isinstance(libc, str):
        found.append(VirtualPackage("__glibc", libc))
    elif libc is not None:
        family = requirements.object("libc")
        check_keys(family, ("family", "version"))
        found.append(VirtualPackage(f"__{family.get('family', str) or 'glibc'}", family.require("version", str)))
    return {package.name: package for package in found}


def newer(first: VirtualPackage, second: VirtualPackage) -> VirtualPackage:
    """The one with the higher version."""
    return max(first, second, key=lambda package: [int(number) for number in _NUMBERS.findall(package.version)])
