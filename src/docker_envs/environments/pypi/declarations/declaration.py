"""Declarations of distributions from PyPI: what people write down, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.pylock import PypiLock
    from docker_envs.environments.pypi.package import PypiPackage, PypiSdist


@dataclass(frozen=True, slots=True)
class PypiRequirement:
    """A distribution that is wanted.

    Attributes:
        text: Name, extras, versions, URL and marker (PEP 508); a URL in it may hold credentials.
        name: Normalised name.
        place: Where it stands, for messages.
        hashes: Those that its file may have, as `ALGORITHM:HEXADECIMAL`; any when there is none.
    """

    text: str
    name: str
    place: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalProject:
    """A project on the building host, which is wanted as a wheel that its own backend builds.

    Attributes:
        root: Its directory.
        extras: Of its optional dependencies.
        place: Where it stands, for messages.
    """

    root: Path
    extras: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class PypiIndexes:
    """Where distributions come from; all of it may hold credentials.

    Attributes:
        index_url: In place of PyPI.
        extra_index_urls: Besides, and before it, as uv has it.
        find_links: Directories and pages with files.
        no_index: Whether there is nothing but `find_links`.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False

    def merged(self, other: PypiIndexes) -> PypiIndexes:
        """Both; what only one can say is said by the other."""
        return PypiIndexes(
            other.index_url or self.index_url,
            tuple(dict.fromkeys((*self.extra_index_urls, *other.extra_index_urls))),
            tuple(dict.fromkeys((*self.find_links, *other.find_links))),
            self.no_index or other.no_index,
        )


@dataclass(frozen=True, slots=True)
class PypiDeclaration:
    """What an environment shall hold: requirements to be resolved, or a lock.

    Attributes:
        requirements: Distributions by name.
        constraints: Versions that hold where something needs the distribution at all.
        projects: Directories of the building host.
        indexes: Where distributions come from.
        lock: Chosen files for one or more platforms; then `requirements` and `constraints` are empty.
        packages: What a lock of ours chose, then only `projects` counts besides; None where nobody chose yet.
        prereleases: Whether versions before a release will do.
        directory: Of the file: uv looks for its configuration there, and above.
        source: Where it was read, for messages.
        notes: What the user should know about how it was understood, one line each.
    """

    requirements: tuple[PypiRequirement, ...] = ()
    constraints: tuple[PypiRequirement, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    indexes: PypiIndexes = PypiIndexes()
    lock: PypiLock | None = None
    packages: tuple[PypiPackage | PypiSdist, ...] | None = None
    prereleases: bool = False
    directory: Path | None = None
    source: str = "command line"
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is wanted."""
        if self.packages is not None:
            return not (self.packages or self.projects)
        return not (self.requirements or self.projects or self.lock)


def merge_pypi_declarations(declarations: Sequence[PypiDeclaration]) -> PypiDeclaration:
    """Several declarations as one: the requirements of all hold.

    Raises:
        InvalidInputError: One of several is a lock.
    """
    merged, *others = [each for each in declarations if not each.is_empty] or declarations[:1]
    for other in others:
        lock = next((each for each in (merged, other) if each.lock is not None), None)
        if lock is not None:
            raise InvalidInputError(f"{lock.source} is a lock, so it cannot be merged with another declaration")
        merged = replace(
            merged,
            requirements=(*merged.requirements, *other.requirements),
            constraints=(*merged.constraints, *other.constraints),
            projects=(*merged.projects, *other.projects),
            indexes=merged.indexes.merged(other.indexes),
            prereleases=merged.prereleases or other.prereleases,
            source=f"{merged.source}, {other.source}",
            notes=(*merged.notes, *other.notes),
        )
    return merged
