"""A package in a plan, of whatever kind: planner and builder know of it what is here, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from docker_envs.records.record import qualified_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.base import LockedPackage
    from docker_envs.environments.findings import Finding
    from docker_envs.records.record import RecordedPackage


class PlannedPackage(ABC):
    """A package of which is decided what becomes of each of its files.

    Attributes:
        kind: What kind of package it is, as records name it.
    """

    __slots__ = ()
    kind: ClassVar[str]

    @property
    @abstractmethod
    def locked(self) -> LockedPackage:
        """What its archive is, and where."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Of the archive, verified, as hexadecimal digits."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Of the archive in bytes."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name, the only one of its kind."""

    @property
    def qualified_name(self) -> str:
        """Its name among packages of all kinds."""
        return qualified_name(self.kind, self.name)

    @property
    def display_name(self) -> str:
        """For people."""
        return self.locked.display_name

    @property
    @abstractmethod
    def built(self) -> int:
        """When it was built, in milliseconds since 1970 UTC; 0 when unknown."""

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Qualified names of packages that it needs, and perhaps of some that are not there."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """All that the bytes of its entries depend on, as JSON has it."""

    @property
    def layer_facts(self) -> dict[str, Any]:
        """The same, as far as it is one for all packages of the kind; no other kind may use these keys."""
        return {}

    @property
    def shared_paths(self) -> frozenset[str]:
        """Paths of files that every package of the kind brings, always the same; a layer gets the first."""
        return frozenset()

    @abstractmethod
    def files(self) -> Iterable[str]:
        """Paths in the image of the files and links that it brings."""

    @abstractmethod
    def estimated_size(self, ratio: float) -> int:
        """About how many bytes it takes in a layer whose files are compressed to so many times their size."""

    @abstractmethod
    def iter_entries(self, host_path: Path, findings: list[Finding]) -> Iterator[Entry]:
        """Its entries of a layer.

        Args:
            host_path: The archive, verified.
            findings: Receives what only shows in the files themselves.

        Raises:
            FormatError: The archive is damaged.
            BuildError: It holds what a layer cannot.
        """

    @abstractmethod
    def recorded(self, present: Collection[str]) -> RecordedPackage:
        """What the record of its environment says of it.

        Args:
            present: Qualified names of all packages of the environment.
        """
