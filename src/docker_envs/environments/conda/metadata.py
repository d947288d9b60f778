"""What a package says about itself: `index.json`, `paths.json` and `link.json` of its `info` folder, and older files.

Spec: conda docs, "Package specification", "Package metadata"; conda CEP 34, "Contents of conda packages".
"""

from __future__ import annotations

import keyword
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.errors import FormatError
from docker_envs.fields import Fields, check_depth
from docker_envs.paths import image_path, parent_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.conda.package_archive import PackageArchive

#: Prefix of packages that were built before builds recorded their own.
OLD_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"

#: Types of paths in packages; others are of installers.
_PATH_TYPES = frozenset({"hardlink", "softlink", "directory"})
#: The version of `paths.json` and of `link.json`.
_VERSION = 1

# A command is a visible file name in `bin`; module and function are dotted names that go into a script.
_ENTRY_POINT = re.compile(
    r"\s*(?P<command>(?!\.)[^\s=/\\\x00-\x1f\x7f]+)\s*="
    r"\s*(?P<module>[\w.]+)\s*:\s*(?P<function>[\w.]+)\s*(?:\[[^\]]*\])?\s*\Z"
)
# CEP 29: a channel in front, then a name that ends where the version or brackets begin.
_SPEC_NAME = re.compile(r"\s*(?:\S*::)?(?P<name>[A-Za-z0-9_.-]+)")
_LINK_SCRIPT = re.compile(r"(bin/\.|Scripts/\.).+-(pre-link|post-link|pre-unlink)\.(sh|bat)\Z")


class PathsEntry(msgspec.Struct):
    """One file of `info/paths.json`; attributes are named as there, `path` is its `_path`."""

    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    sha256: str | None = None
    size_in_bytes: int | None = None
    prefix_placeholder: str | None = None
    file_mode: str | None = None
    no_link: bool = False


class _PathsJson(msgspec.Struct):
    paths: list[PathsEntry]
    paths_version: int = 1


# Made here, for msgspec may crash when several threads are the first to use a type.
_PATHS_DECODER = msgspec.json.Decoder(_PathsJson)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A console script: `command` calls `function` of `module`."""

    command: str
    module: str
    function: str


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """All that linking needs to know before it reads the package's files.

    Attributes:
        source: Name of the archive, for messages.
        index: The decoded `index.json`, unknown fields included.
        paths: What it installs, in the order of `paths.json`.
        entry_points: Console scripts to make; only for `noarch: python`.
    """

    source: str
    index: dict[str, Any]
    paths: tuple[PathsEntry, ...]
    entry_points: tuple[EntryPoint, ...]

    @property
    def name(self) -> str:
        """Package name."""
        return str(self.index["name"])

    @property
    def version(self) -> str:
        """Version."""
        return str(self.index["version"])

    @property
    def build(self) -> str:
        """Build string."""
        return str(self.index["build"])

    @property
    def depends(self) -> list[str]:
        """Match specs of what it needs."""
        return list(self.index.get("depends") or ())

    @property
    def needs(self) -> list[str]:
        """Names of what it needs, virtual packages included, as far as the match specs name them."""
        matches = (_SPEC_NAME.match(spec) for spec in self.depends)
        return [match["name"].lower() for match in matches if match is not None]

    @property
    def is_noarch_python(self) -> bool:
        """Whether its files go where the Python of the environment wants them."""
        return self.index.get("noarch") == "python"

    @property
    def timestamp(self) -> int:
        """When it was built, in milliseconds since 1970 UTC; 0 when unknown."""
        return int(self.index.get("timestamp") or 0)

    @property
    def link_scripts(self) -> list[str]:
        """Scripts that an installer would run, which are never run here."""
        return [entry.path for entry in self.paths if _LINK_SCRIPT.match(entry.path)]


def read_metadata(archive: PackageArchive) -> PackageMetadata:
    """Read and check the metadata of a package.

    Raises:
        FormatError: They are missing, damaged, or name paths outside of the prefix.
    """
    files = archive.read_metadata()
    source = archive.source
    if "info/index.json" not in files:
        raise FormatError(source, "no conda package: `info/index.json` is missing")
    index = Fields.parse(files["info/index.json"], source=f"{source}: info/index.json")
    _check_index(index)
    paths = _parse_paths(files, source)
    entry_points: tuple[EntryPoint, ...] = ()
    # The second is its name before conda 4.4.
    link = next((name for name in ("info/link.json", "info/package_metadata.json") if name in files), None)
    if index.document.get("noarch") == "python" and link is not None:
        entry_points = _parse_entry_points(files[link], f"{source}: {link}")
    return PackageMetadata(source, index.document, paths, entry_points)


def check_metadata(metadata: PackageMetadata) -> None:
    """Check metadata that were read elsewhere as if they had been read here.

    Raises:
        FormatError: `read_metadata` would not have returned them.
    """
    source = metadata.source
    index = Fields.of(metadata.index, source=f"{source}: info/index.json")
    check_depth(metadata.index, source=index.source)
    _check_index(index)
    _check_paths(metadata.paths, source)
    for point in metadata.entry_points:
        if _parse_entry_point(f"{point.command} = {point.module}:{point.function}", source) != point:
            raise FormatError(source, f"unsafe entry point `{point.command}`")


def _check_index(index: Fields) -> None:
    for name in ("name", "version", "build"):
        if "/" in index.require(name, str):
            raise index.error(name, f"{index.document[name]!r} must not hold a slash")
    index.strings("depends")
    index.get("timestamp", int)


def _parse_paths(files: dict[str, bytes], source: str) -> tuple[PathsEntry, ...]:
    if "info/paths.json" in files:
        try:
            document = _PATHS_DECODER.decode(files["info/paths.json"])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FormatError(f"{source}: info/paths.json", str(error)) from error
        if document.paths_version != _VERSION:
            raise _unknown_version(f"{source}: info/paths.json", "paths_version", document.paths_version)
        paths = document.paths
    elif "info/files" in files:
        paths = _parse_old_paths(files, source)
    else:
        raise FormatError(source, "no conda package: neither `info/paths.json` nor `info/files` is there")
    _check_paths(paths, source)
    return tuple(paths)


def _check_paths(paths: Sequence[PathsEntry], source: str) -> None:
    """Check entries, and bring them into their plain form."""
    seen: set[str] = set()
    for entry in paths:
        entry.path = image_path(entry.path, source=f"{source}: info/paths.json")
        if entry.prefix_placeholder == "":
            entry.prefix_placeholder = None
        if entry.path_type not in _PATH_TYPES:
            raise FormatError(source, f"`{entry.path}` has the unknown path type {entry.path_type!r}")
        if entry.file_mode not in (None, "text", "binary"):
            raise FormatError(source, f"`{entry.path}` has the unknown file mode {entry.file_mode!r}")
        if entry.path in seen:
            raise FormatError(source, f"`{entry.path}` is listed twice")
        seen.add(entry.path)
    _check_parents(paths, source)


def _check_parents(paths: Sequence[PathsEntry], source: str) -> None:
    """Nothing is below a file or link: it would end up elsewhere, or nowhere."""
    files = {entry.path for entry in paths if entry.path_type != "directory"}
    for entry in paths:
        for parent in parent_paths(entry.path):
            if parent in files:
                raise FormatError(source, f"`{entry.path}` is listed below `{parent}`, which is no directory")


def _parse_old_paths(files: dict[str, bytes], source: str) -> list[PathsEntry]:
    """The paths of packages from before `paths.json`; what is a link shows only in the archive."""
    placeholders: dict[str, tuple[str, str]] = {}
    for line in _lines(files, "info/has_prefix", source):
        try:
            fields = shlex.split(line) if '"' in line or "'" in line else line.split(maxsplit=2)
        except ValueError as error:
            raise FormatError(f"{source}: info/has_prefix", f"cannot read {line!r} ({error})") from error
        if len(fields) == 3 and fields[1].lower() in ("text", "binary"):
            placeholders[fields[2]] = (fields[0], fields[1].lower())
        else:
            placeholders[fields[0] if len(fields) == 1 else line] = (OLD_PLACEHOLDER, "text")
    unlinked = set(_lines(files, "info/no_link", source))
    paths = []
    unlinked.update(_lines(files, "info/no_softlink", source))
    for path in _lines(files, "info/files", source):
        placeholder, mode = placeholders.get(path, (None, None))
        paths.append(PathsEntry(path, prefix_placeholder=placeholder, file_mode=mode, no_link=path in unlinked))
    return paths


def _lines(files: dict[str, bytes], name: str, source: str) -> list[str]:
    try:
        text = files.get(name, b"").decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{source}: {name}", f"no UTF-8 text ({error})") from error
    return [line for line in text.splitlines() if line.strip()]


def _parse_entry_points(content: bytes, source: str) -> tuple[EntryPoint, ...]:
    link = Fields.parse(content, source=source)
    version = link.get("package_metadata_version", int)
    if version not in (None, _VERSION):
        raise _unknown_version(source, "package_metadata_version", version)
    noarch = link.get("noarch", dict)
    if noarch is None:
        return ()
    points = {}
    for text in Fields.of(noarch, source=link.source, location="noarch.").strings("entry_points"):
        point = _parse_entry_point(text, source)
        points[point.command] = point
    return tuple(points.values())


def _parse_entry_point(text: str, source: str) -> EntryPoint:
    match = _ENTRY_POINT.match(text)
    if match is None or not (_is_dotted_name(match["module"]) and _is_dotted_name(match["function"])):
        raise FormatError(source, f"unsafe or unreadable entry point {text!r}")
    return EntryPoint(match["command"], match["module"], match["function"])


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in text.split("."))


def _unknown_version(source: str, name: str, version: int | None) -> FormatError:
    return FormatError(
        source, f"{name} is {version}, only {_VERSION} is known", hint="a newer release of docker-envs may know it"
    )
