"""What a `.deb` says about itself, and the list of its files: all that is needed to plan a system of packages."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind
from docker_envs.environments.debian.archives.control import Control
from docker_envs.errors import FormatError, PathEscapeError
from docker_envs.paths import image_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.environments.debian.archives.deb_archive import DebArchive

#: The largest file of `control.tar` that is read, and all of them together, in bytes.
_MAX_CONTROL = 16 << 20
_MAX_CONTROLS = 64 << 20
#: The most files that a package may have.
_MAX_FILES = 1_000_000
#: The largest file whose content is kept for the system's own files, and all of a package together, in bytes.
_MAX_KEPT = 256 << 10
#: The largest file that a script of its own package copies, in bytes.
_MAX_COPIED = 4 << 20
_MAX_KEPT_TOTAL = 16 << 20
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
# deb-control(5), and dpkg's own rule: no name that could be a path.
_CONTROL_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*\Z")
#: What the files of a whole system are made of.
_KEPT = re.compile(
    r"etc/(?:default/[^/]+|ld\.so\.conf(?:\.d/[^/]+\.conf)?|passwd|group|shadow|gshadow|shells|ca-certificates\.conf)\Z"
    r"|usr/share/ca-certificates/.+\.crt\Z|usr/lib/os-release\Z|usr/(?:lib|share)/(?:sysusers|tmpfiles)\.d/[^/]+\.conf\Z"
    r"|usr/share/(?:pam|pam-configs|debianutils|base-files|base-passwd|libc-bin|readline)/"
    # What scripts of other packages source, run or copy.
    r"|usr/(?:lib|share)/[^/]+/[^/]*(?:maintscript|postinst|preinst|helper|functions)[^/]*\Z"
    r"|usr/lib/php/[^/]+/php\.ini-[^/]+\Z|usr/share/apache2/default-site/|etc/apache2/[^/]+-available/"
)
#: Commands that copy a file that a script names.
_COPYING = re.compile(r"\b(?:ucf|cp|install)\b[^\n]*")
_ELF = b"\x7fELF"
_ELF_HEAD = 20


@dataclass(frozen=True, slots=True)
class DebianMetadata:
    """One package.

    Attributes:
        control: Its fields.
        files: Its files, directories and links without their contents, in the order of the archive, paths as in it.
        md5sums: MD5 of regular files by path, as the package or else its content says; conffiles are there as well.
        conffiles: Paths of configuration files, which an upgrade keeps, in the package's order.
        scripts: Maintainer scripts by name (`preinst`, `postinst`, `prerm`, `postrm`, `config`), as text.
        control_files: All files of `control.tar` but `control`, by name; the scripts too.
        contents: Small files that a system's own files are made of, by path.
        machines: ELF class, byte order and machine of shared libraries, as the first 20 bytes have it, by path.

    Spec: deb(5); deb-conffiles(5); deb-triggers(5); Debian Policy 4.7, chapter 6.
    """

    control: Control
    files: tuple[Entry, ...]
    md5sums: Mapping[str, str]
    conffiles: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    control_files: Mapping[str, bytes] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    machines: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The package's name."""
        return self.control.name

    @property
    def triggers(self) -> list[tuple[str, str]]:
        """Directives of the file `triggers` with their argument: `("activate-noawait", "ldconfig")`."""
        text = self.control_files.get("triggers", b"").decode("utf-8", "replace")
        words = [line.partition("#")[0].split() for line in text.splitlines()]
        return [(line[0], line[1]) for line in words if len(line) == 2]


def read_control(archive: DebArchive) -> DebianMetadata:
    """Everything about a package but the contents of its files.

    Raises:
        FormatError: The archive is damaged, or a name, field or size is not what a package may have.
        PathEscapeError: A path is absolute or leaves the root.

    Cost: one read of the archive; memory grows with the number of files and with what is kept of them (16 MiB).
    """
    controls = _read_control_files(archive)
    if "control" not in controls:
        raise FormatError(archive.source, "no Debian package (it has no `control`)")
    control = Control(controls.pop("control").decode("utf-8", "surrogateescape"), source=archive.source)
    conffiles = _parse_conffiles(controls.get("conffiles", b""), archive.source)
    listed = _parse_md5sums(controls.get("md5sums", b""), archive.source)
    scripts = read_scripts(controls)
    named = "".join(scripts.values())
    reading = _Reading(archive.source, control.name, frozenset(conffiles), named, has_md5sums="md5sums" in controls)
    for entry in archive.iter_files():
        reading.add(entry)
    return DebianMetadata(
        control,
        tuple(reading.files),
        {**listed, **reading.md5sums},
        conffiles,
        scripts,
        controls,
        reading.contents,
        reading.machines,
    )


def read_scripts(control_files: Mapping[str, bytes]) -> dict[str, str]:
    """The maintainer scripts among control files, as text."""
    return {name: control_files[name].decode("utf-8", "surrogateescape") for name in _SCRIPTS if name in control_files}


@dataclass(slots=True)
class _Reading:
    """What is gathered while the files go by."""

    source: str
    name: str
    conffiles: frozenset[str]
    scripts: str
    has_md5sums: bool
    files: list[Entry] = field(default_factory=list)
    md5sums: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    machines: dict[str, bytes] = field(default_factory=dict)
    kept: int = 0
    copied: str = ""

    def __post_init__(self) -> None:
        self.copied = "\n".join(_COPYING.findall(self.scripts))

    def add(self, entry: Entry) -> None:
        if len(self.files) == _MAX_FILES:
            raise FormatError(self.source, f"more than {_MAX_FILES:,} files")
        if entry.kind is Kind.FILE:
            self._read(entry)
        entry.content = ()
        self.files.append(entry)

    def _read(self, entry: Entry) -> None:
        sums = entry.path in self.conffiles or not self.has_md5sums
        keeps = self._keeps(entry)
        hasher, kept = _md5(), bytearray()
        for chunk in entry.content:
            if entry.path not in self.machines and chunk.startswith(_ELF) and ".so" in entry.path:
                self.machines[entry.path] = chunk[:_ELF_HEAD]
            if sums:
                hasher.update(chunk)
            if keeps:
                kept += chunk
            if not sums and not keeps:
                break
        if sums:
            self.md5sums[entry.path] = hasher.hexdigest()
        if keeps:
            self.contents[entry.path] = bytes(kept)
            self.kept += len(kept)

    def _keeps(self, entry: Entry) -> bool:
        own = entry.path.startswith(f"usr/share/{self.name}/") or _KEPT.match(entry.path) is not None
        wanted = own or f"/{entry.path}" in self.scripts
        limit = _MAX_COPIED if entry.size > _MAX_KEPT and f"/{entry.path}" in self.copied else _MAX_KEPT
        return wanted and entry.size <= limit and self.kept + entry.size <= _MAX_KEPT_TOTAL


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _read_control_files(archive: DebArchive) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    total = 0
    for entry in archive.iter_control():
        if entry.kind is Kind.DIRECTORY:
            continue
        if entry.kind is not Kind.FILE or not _CONTROL_NAME.match(entry.path) or entry.path in found:
            raise FormatError(archive.source, f"`{entry.path}` is no control file, or comes twice")
        total += entry.size
        if entry.size > _MAX_CONTROL or total > _MAX_CONTROLS:
            raise FormatError(archive.source, f"control files of {total:,} bytes (limit {_MAX_CONTROL:,} each)")
        found[entry.path] = entry.read()
    return found


def _parse_conffiles(content: bytes, source: str) -> tuple[str, ...]:
    paths = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        # `remove-on-upgrade` names a file that the package no longer has.
        if line.strip() and not line.startswith("remove-on-upgrade "):
            if not line.startswith("/"):
                raise PathEscapeError(source, line)
            paths.append(image_path(line.strip().lstrip("/"), source=source))
    return tuple(paths)


def _parse_md5sums(content: bytes, source: str) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        digest, _, path = line.partition(" ")
        if not re.fullmatch(r"[0-9a-f]{32}", digest) or not path.strip():
            raise FormatError(source, f"invalid line {line[:80]!r} in its `md5sums`")
        sums[image_path(path[1:].lstrip("/"), source=source)] = digest
    return sums
