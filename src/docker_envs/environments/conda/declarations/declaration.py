"""Declarations of conda environments: what people write down, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from docker_envs.environments.conda.solving.solve_settings import SolveSettings
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.base import PipLine
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.conda.solving.channels import ChannelPriority
    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage

#: Where packages come from when nobody says.
DEFAULT_CHANNEL = "conda-forge"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an environment shall hold: match specs to be solved, or packages that were chosen already.

    Attributes:
        channels: Names or URLs, highest priority first; may hold credentials.
        specs: Match specs.
        packages: The chosen packages, when the declaration is a lock; then `specs` is empty.
        variables: Environment variables for the image.
        source: Where it was read, for messages.
        virtual_packages: What the declaration says that its target has; overrides of the user come after these.
        settings: How to solve.
        notes: What the user should know about how it was understood, one line each.
        pip: Lines for pip, where the reader was told to keep them.
    """

    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    packages: tuple[CondaPackage, ...] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    source: str = "command line"
    virtual_packages: tuple[VirtualPackage, ...] = ()
    settings: SolveSettings = field(default_factory=SolveSettings)
    notes: tuple[str, ...] = ()
    pip: tuple[PipLine, ...] = ()

    def merged(self, *, channels: tuple[str, ...], specs: tuple[str, ...]) -> Declaration:
        """With more channels (of lower priority) and specs.

        Raises:
            InvalidInputError: It is a lock, to which nothing can be added.
        """
        if self.packages is not None and specs:
            raise InvalidInputError(f"{self.source} is a lock, so no specs can be added to it")
        return replace(self, channels=_union(self.channels, channels), specs=(*self.specs, *specs))

    def completed(self, *, priority: ChannelPriority | None = None) -> Declaration:
        """With the default channel when none is named, and with another priority of channels when one is given."""
        declared = self
        if self.packages is None and not self.channels:
            declared = replace(declared, channels=(DEFAULT_CHANNEL,))
        if priority is not None:
            declared = replace(declared, settings=replace(declared.settings, channel_priority=priority))
        return declared


def merge_declarations(declarations: Sequence[Declaration]) -> Declaration:
    """Several declarations as one: the specs of all hold, channels of earlier ones come first.

    Of a variable or virtual package that several name, the last value holds; a note tells of variables that differ.

    Raises:
        InvalidInputError: One of several is a lock, or they want to be solved in different ways.
    """
    merged, *others = declarations
    for other in others:
        lock = next((each for each in (merged, other) if each.packages is not None), None)
        if lock is not None:
            raise InvalidInputError(f"{lock.source} is a lock, so it cannot be merged with another declaration")
        settings = [each.settings for each in (merged, other) if each.settings != SolveSettings()]
        if len(settings) == 2 and settings[0] != settings[1]:
            raise InvalidInputError(f"{merged.source} and {other.source} ask for different ways to solve")
        changed = [name for name, value in other.variables.items() if merged.variables.get(name, value) != value]
        merged = Declaration(
            channels=_union(merged.channels, other.channels),
            specs=_union(merged.specs, other.specs),
            variables={**merged.variables, **other.variables},
            source=f"{merged.source}, {other.source}",
            virtual_packages=tuple(
                {package.name: package for package in (*merged.virtual_packages, *other.virtual_packages)}.values()
            ),
            settings=settings[0] if settings else SolveSettings(),
            notes=(
                *merged.notes,
                *other.notes,
                *(f"{other.source} sets the variable `{name}` to another value, which holds" for name in changed),
            ),
            pip=(*merged.pip, *other.pip),
        )
    return merged


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
