"""What a layer of an application is made of, as it was declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.conda.declarations.prefix import PrefixImport


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFiles:
    """A file or directory of this host.

    Attributes:
        context: The directory of the declaration, whose `.dockerignore` counts.
        source: The file or directory, relative to the context; what is in a directory is copied, not itself.
        path: Absolute path in the image; a file keeps its name below one that ends in `/`.
        include: Patterns like those of a `.dockerignore`, relative to the source; none includes everything.
        exclude: Such patterns for what is left out; `!` makes exceptions.
        owner: `USER[:GROUP]`, names or numbers. Without a group, it is that of the user, or has the user's number.
        mode: Of files, and of directories with `x` where there is an `r`; None gives 0755 to directories and to what is
            executable, 0644 to the rest.
    """

    context: Path
    source: str
    path: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    owner: str = "0:0"
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFile:
    """A file whose content the declaration has.

    Attributes:
        path: Absolute path in the image.
        content: What is in it.
        owner: As of `HostFiles`.
        mode: Permission bits.
    """

    path: str
    content: bytes
    owner: str = "0:0"
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class ProjectWheel:
    """A Python project that is built, and installed into the environment's site-packages.

    Attributes:
        root: The directory of its `pyproject.toml` (or `setup.py`).
    """

    root: Path


@dataclass(frozen=True, slots=True)
class ProjectSource:
    """A Python project whose source is in the image, where the environment's Python finds it.

    Attributes:
        files: Its directory, and where it lands.
    """

    files: HostFiles


@dataclass(frozen=True, slots=True)
class UnownedFiles:
    """What no package owns in an installed environment, or has otherwise.

    Attributes:
        found: The environment.
    """

    found: PrefixImport


Content: TypeAlias = "HostFiles | InlineFile | ProjectWheel | ProjectSource | UnownedFiles"


@dataclass(frozen=True, slots=True)
class FilesLayer:
    """One layer on top of the packages.

    Attributes:
        title: For people; in the image's history.
        contents: What is in it; no two may have a file at one path.
    """

    title: str
    contents: tuple[Content, ...]

    @classmethod
    def of_unowned(cls, found: PrefixImport) -> FilesLayer:
        """The layer of what no package owns in an installed environment."""
        return cls("files of no package", (UnownedFiles(found),))
