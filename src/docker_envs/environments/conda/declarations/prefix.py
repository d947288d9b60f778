"""An installed environment as a declaration: its records, and what is in it that no record accounts for.

Spec: conda CEP 34, "Contents of conda packages" and `conda-meta`; PyPA specifications, "Recording installed projects".
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MODE, Entry, Kind, directory_entry
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import FormatError, InvalidDeclarationError, StorageError
from docker_envs.fields import Fields
from docker_envs.paths import parent_paths
from docker_envs.streams import CHUNK_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of conda itself: caches, other environments, and what it notes about this one.
_NOT_CONTENT = ("conda-meta", "pkgs", "envs", ".condarc", ".conda_lock", "CACHEDIR.TAG")
_DISTRIBUTION = re.compile(r".*/site-packages/(?P<name>[^/]+?)(-(?P<version>[^-/]+))?(-py[\d.]+)?\.(dist|egg)-info\Z")
# What conda writes in place of a token, which is looked up again.
_HIDDEN_TOKEN = "/t/<TOKEN>"  # noqa: S105 - no token

_PYC = re.compile(r"(?P<folder>.*?)__pycache__/(?P<stem>[^/]+?)\.[^/.]+(\.opt-[12])?\.pyc\Z")


@dataclass(frozen=True, slots=True)
class PipDistribution:
    """A distribution that pip has installed beside conda's packages: its name, and version when it can be told."""

    name: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class PrefixImport:
    """What is in a prefix. Paths are relative to it and sorted.

    Attributes:
        host_path: The prefix.
        packages: Those of its records, sorted by name.
        variables: What `conda env config vars set` has set.
        unowned: Files of no package; compiled Python code of a package's files is not counted.
        changed: Files that differ from their package's record.
        missing: Files that a record lists, but that are not there.
        distributions: What pip has installed; its files are among `unowned`.
    """

    host_path: Path
    packages: tuple[CondaPackage, ...]
    variables: dict[str, str]
    unowned: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    distributions: tuple[PipDistribution, ...]

    @property
    def declaration(self) -> Declaration:
        """The records as a lock, with notes about what it leaves out."""
        return Declaration(
            packages=self.packages, variables=self.variables, source=str(self.host_path), notes=tuple(self._notes())
        )

    def iter_extra_entries(self, root: str) -> Iterator[Entry]:
        """The unowned and the changed files as they are, for a layer of their own.

        Nothing in them is replaced: what names the old prefix goes on naming it.

        Args:
            root: Path of the environment in the image, relative to the image's root.

        Raises:
            StorageError: A file cannot be read.
        """
        made: set[str] = set()
        for path in sorted({*self.unowned, *self.changed}, key=lambda path: path.split("/")):
            target = f"{root}/{path}"
            for parent in parent_paths(target):
                if parent not in made:
                    made.add(parent)
                    yield directory_entry(parent)
            yield _entry(self.host_path / path, target)

    def _notes(self) -> Iterator[str]:
        if self.distributions:
            names = ", ".join(map(str, self.distributions))
            yield f"{self.host_path}: installed by pip, so not by a conda package: {names}"
        for paths, what in (
            (self.unowned, "of no package"),
            (self.changed, "other than its package has it"),
            (self.missing, "missing, so the image has it as its package does"),
        ):
            if paths:
                count = f"{len(paths):,} files, such as" if len(paths) > 1 else "one file,"
                yield f"{self.host_path}: {what}: {count} `{paths[0]}`"


def read_prefix(host_path: Path) -> PrefixImport:
    """Read an installed environment; every file of it is read once and compared with its record.

    Raises:
        InvalidDeclarationError: It is no environment, or a record cannot be understood, or does not say where its
            package is.
        StorageError: A file cannot be read.
    """
    metadata = host_path / "conda-meta"
    if not metadata.is_dir():
        raise InvalidDeclarationError(
            str(host_path), "is no conda environment: it has no `conda-meta`", hint="`conda env list` shows them"
        )
    try:
        records = [Fields.parse(_read(path), source=str(path)) for path in sorted(metadata.glob("*.json"))]
        packages = [_package(record) for record in records]
        recorded = {path.path: path for record in records for path in _recorded(record)}
        variables = _variables(metadata / "state")
    except FormatError as error:
        raise InvalidDeclarationError(error.source, error.reason, hint=error.hint) from error
    if not packages:
        raise InvalidDeclarationError(str(host_path), "is an environment without packages")
    present = set(_walk(host_path))
    unowned = sorted(path for path in present - set(recorded) if not _is_compiled(path, recorded))
    states = _compare(host_path, recorded.values())
    return PrefixImport(
        host_path=host_path,
        packages=tuple(sorted(packages, key=lambda package: package.name)),
        variables=variables,
        unowned=tuple(unowned),
        changed=tuple(sorted(path for path, state in states.items() if state is _State.CHANGED)),
        missing=tuple(sorted(path for path, state in states.items() if state is _State.MISSING)),
        distributions=tuple(_distributions(unowned, recorded)),
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A file as a record has it; None for what the record does not say."""

    path: str
    sha256: str | None = None
    size: int | None = None


class _State(Enum):
    SAME = auto()
    CHANGED = auto()
    MISSING = auto()


def _package(record: Fields) -> CondaPackage:
    url = record.get("url", str)
    if not url or "://" not in url or url.startswith("<unknown>"):
        raise InvalidDeclarationError(
            record.source,
            "does not say where its package came from",
            hint="install the package again from a channel",
        )
    return CondaPackage(
        name=record.require("name", str),
        version=record.require("version", str),
        build=record.require("build", str),
        subdir=record.require("subdir", str),
        url=url.replace(_HIDDEN_TOKEN, ""),
        sha256=record.get("sha256", str),
        md5=record.get("md5", str),
        size=record.get("size", int),
    )


def _recorded(record: Fields) -> Iterator[_Recorded]:
    paths_data = record.get("paths_data", dict)
    if not paths_data:
        for path in record.strings("files"):
            yield _Recorded(path)
        return
    for entry in record.object("paths_data").objects("paths"):
        path = entry.require("_path", str)
        if entry.get("path_type", str) != "hardlink" or path.endswith(".pyc"):
            yield _Recorded(path)
        elif "prefix_placeholder" in entry.document:
            # In text, the prefix changes the size.
            yield _Recorded(path, entry.get("sha256_in_prefix", str))
        else:
            yield _Recorded(
                path, entry.get("sha256_in_prefix", str) or entry.get("sha256", str), entry.get("size_in_bytes", int)
            )


def _variables(state: Path) -> dict[str, str]:
    if not state.is_file():
        return {}
    found = Fields.parse(_read(state), source=str(state)).get("env_vars", dict) or {}
    return {name: str(value) for name, value in found.items() if value is not None}


def _walk(prefix: Path) -> Iterator[str]:
    """Paths of all files and links."""
    for name, folders, files in os.walk(prefix):
        folder = Path(name)
        relative = folder.relative_to(prefix).as_posix()
        if relative == ".":
            folders[:] = [name for name in folders if name not in _NOT_CONTENT]
            files = [name for name in files if name not in _NOT_CONTENT]
        links = [name for name in folders if (folder / name).is_symlink()]
        for name in (*files, *links):
            yield name if relative == "." else f"{relative}/{name}"


def _is_compiled(path: str, recorded: Iterable[str]) -> bool:
    """Whether a file is what Python made of a package's file."""
    match = _PYC.match(path)
    return match is not None and f"{match['folder']}{match['stem']}.py" in recorded


def _compare(prefix: Path, recorded: Iterable[_Recorded]) -> dict[str, _State]:
    files = list(recorded)
    with ThreadPoolExecutor() as executor:
        states = executor.map(lambda file: _state(prefix / file.path, file), files)
        return {file.path: state for file, state in zip(files, states, strict=True)}


def _state(path: Path, file: _Recorded) -> _State:
    try:
        facts = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return _State.MISSING
    if not stat.S_ISREG(facts.st_mode):
        return _State.SAME if file.sha256 is None else _State.CHANGED
    if file.size is not None and facts.st_size != file.size:
        return _State.CHANGED
    if file.sha256 is None:
        return _State.SAME
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return _State.SAME if digest.hexdigest() == file.sha256 else _State.CHANGED


def _distributions(unowned: Iterable[str], recorded: Iterable[str]) -> list[PipDistribution]:
    """Those whose metadata belong to no package."""
    owned = {Path(path).parent.as_posix() for path in recorded}
    folders = {Path(path).parent.as_posix() for path in unowned} - owned
    matches = [match for match in map(_DISTRIBUTION.match, sorted(folders)) if match]
    return [PipDistribution(match["name"], match["version"]) for match in matches]


def _entry(path: Path, target: str) -> Entry:
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            return Entry(target, Kind.SYMLINK, 0o777, int(facts.st_mtime), link=str(path.readlink()))
    except OSError as error:
        raise StorageError(f"cannot read `{path}`: {error.strerror}") from error
    mode = DIRECTORY_MODE if facts.st_mode & stat.S_IXUSR else 0o644
    return Entry(target, Kind.FILE, mode, int(facts.st_mtime), size=facts.st_size, content=_chunks(path))


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_SIZE):
                yield chunk
    except OSError as error:
        raise StorageError(f"cannot read `{path}`: {error.strerror}") from error


def _read(path: Path) -> bytes:
    return b"".join(_chunks(path))
