"""From a wheel to the entries of a layer, streamed from its zip: what an installer would put on disk.

Every file is verified against `RECORD`, which is then written anew, for what is installed differs from what is packed:
scripts get the interpreter of the environment, and `.data` goes to where its schemes are.

Spec: PyPA specifications, "Binary distribution format" (PEP 427), "Recording installed projects" (PEP 376, PEP 627).
"""

from __future__ import annotations

import lzma
import re
import stat
import zipfile
import zlib
from email.parser import HeaderParser
from functools import cached_property
from typing import TYPE_CHECKING, Self

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.environments.console_script import console_script, python_shebang
from docker_envs.environments.pypi.entry_points import parse_scripts
from docker_envs.environments.pypi.installed_record import (
    INSTALLER,
    InstalledFile,
    RecordedHash,
    parse_record,
    record_content,
)
from docker_envs.errors import FormatError
from docker_envs.paths import image_path
from docker_envs.streams import CHUNK_SIZE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from email.message import Message
    from pathlib import Path

    from packaging.tags import Tag

    from docker_envs.environments.pypi.installation import Installation

#: The largest file of metadata, and script, that is read, in bytes.
_MAX_METADATA = 16 << 20
#: Files that `RECORD` does not list, or without a hash.
_UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
# What the installer writes; a wheel that brings it says nothing about this installation.
_OF_INSTALLER = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json")
_PYTHON_SHEBANG = re.compile(rb"#![^\n]*?pythonw?[^\n]*\n|#!pythonw?\n")
_MAJOR_VERSION = 1
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError)


class Wheel:
    """An opened wheel; a context manager.

    Attributes:
        name: Normalised name of the distribution.
        version: Its version.
        tags: What it runs on.

    Raises:
        FormatError: It is no wheel, or of a later format.
    """

    def __init__(self, host_path: Path) -> None:
        self._source = host_path.name
        try:
            self.name, version, _, self.tags = parse_wheel_filename(host_path.name)
            self._zip = zipfile.ZipFile(host_path)
        except (InvalidWheelFilename, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise FormatError(self._source, f"no wheel ({error})") from error
        self.version = str(version)
        self._members = self._checked_members()

    tags: frozenset[Tag]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @cached_property
    def metadata(self) -> Message:
        """The fields of `METADATA`."""
        return self._headers("METADATA")

    def entries(
        self,
        target: Installation,
        *,
        requested: bool = False,
        direct_url: bytes | None = None,
        omitted: Collection[str] = (),
    ) -> list[Entry]:
        """All files of the installed distribution, sorted; their contents are read, and verified, while this is open.

        Args:
            target: Where they go.
            requested: Whether somebody asked for this distribution, rather than another that needs it.
            direct_url: Content of `direct_url.json` (PEP 610), for what did not come from an index.
            omitted: Paths in the image of files that are left out; `RECORD` does not list them.

        Raises:
            FormatError: `RECORD` and the files differ, or a name or script is unsafe.
        """
        self._check_version()
        recorded = self._recorded()
        installed = [self._installed(name, recorded[name], target) for name in self._members if self._is_kept(name)]
        for name, content, mode in self._generated(target, requested=requested, direct_url=direct_url):
            installed.append(InstalledFile.of(file_entry(name, content, mode=mode, mtime=target.mtime), content))
        if len({each.entry.path for each in installed}) != len(installed):
            raise FormatError(self._source, "two of its files would be installed at one path")
        installed = [each for each in installed if each.entry.path not in omitted]
        record = f"{target.site_packages_path}/{self.metadata_folder}/RECORD"
        content = record_content(installed, record=record, site_packages=target.site_packages_path)
        entries = [each.entry for each in installed] + [file_entry(record, content, mtime=target.mtime)]
        return sorted(entries, key=lambda entry: entry.path.split("/"))

    def _checked_members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = image_path(info.filename, source=self._source)
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not name or name != info.filename or "\\" in name or name in members:
                raise FormatError(self._source, f"invalid or repeated name {info.filename!r}")
            if info.flag_bits & 1 or kind not in (0, stat.S_IFREG):
                raise FormatError(self._source, f"`{name}` is encrypted, or no regular file")
            members[name] = info
        return members

    @cached_property
    def metadata_folder(self) -> str:
        """`NAME-VERSION.dist-info`, as it is written here.

        Raises:
            FormatError: There is none, or several.
        """
        folders = {name.partition("/")[0] for name in self._members if ".dist-info/" in name}
        found = [folder for folder in folders if folder.endswith(".dist-info")]
        name, _, _version = found[0].removesuffix(".dist-info").rpartition("-") if len(found) == 1 else ("", "", "")
        if canonicalize_name(name) != self.name:
            raise FormatError(self._source, "it has not the one `.dist-info` directory that its name demands")
        return found[0]

    def _check_version(self) -> None:
        # What is no ASCII is no `str` there.
        version = str(self._headers("WHEEL").get("Wheel-Version", ""))
        if version.partition(".")[0] != str(_MAJOR_VERSION):
            raise FormatError(self._source, f"it has version {version!r} of the format, only {_MAJOR_VERSION} is known")

    def _headers(self, name: str) -> Message:
        content = self._read(f"{self.metadata_folder}/{name}")
        return HeaderParser().parsestr(content.decode("utf-8", "surrogateescape"))

    def _read(self, name: str) -> bytes:
        info = self._members.get(name)
        if info is None:
            raise FormatError(self._source, f"it has no `{name}`")
        if info.file_size > _MAX_METADATA:
            raise FormatError(self._source, f"`{name}` has {info.file_size:,} bytes, more than {_MAX_METADATA:,}")
        return b"".join(self._chunks(info))

    def _chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with self._zip.open(info) as file:
                while chunk := file.read(CHUNK_SIZE):
                    yield chunk
        except OSError as error:
            # bzip2 says it like this.
            if error.errno is not None:
                raise
            raise self._damaged(info, error) from error
        except _DAMAGED as error:
            raise self._damaged(info, error) from error

    def _damaged(self, info: zipfile.ZipInfo, error: Exception) -> FormatError:
        return FormatError(self._source, f"`{info.filename}` is damaged ({error})")

    def _recorded(self) -> dict[str, RecordedHash]:
        unhashed = {f"{self.metadata_folder}/{name}" for name in _UNHASHED}
        recorded = parse_record(self._read(f"{self.metadata_folder}/RECORD"), unhashed=unhashed, source=self._source)
        for name in self._members.keys() - recorded.keys() - unhashed:
            raise FormatError(self._source, f"`RECORD` does not list `{name}`")
        for name in recorded.keys() - self._members.keys() - unhashed:
            raise FormatError(self._source, f"`RECORD` lists `{name}`, which is not there")
        return recorded

    def _is_kept(self, name: str) -> bool:
        return name not in {f"{self.metadata_folder}/{each}" for each in _OF_INSTALLER}

    def _installed(self, name: str, recorded: RecordedHash, target: Installation) -> InstalledFile:
        info = self._members[name]
        path, is_script = self._landing(name, target)
        executable = is_script or (info.external_attr >> 16) & 0o111
        entry = Entry(path, Kind.FILE, 0o755 if executable else 0o644, target.mtime, size=info.file_size)
        entry.content = recorded.verified(self._chunks(info), size=info.file_size, source=f"{self._source}: {name}")
        if is_script:
            content = b"".join(recorded.verified(iter([self._read(name)]), size=info.file_size, source=self._source))
            shebang = f"{python_shebang(target.interpreter)}\n".encode()
            content = _PYTHON_SHEBANG.sub(lambda _: shebang, content, 1) if content.startswith(b"#!python") else content
            entry.size, entry.content = len(content), (content,)
            return InstalledFile.of(entry, content)
        return InstalledFile(entry, recorded)

    def _landing(self, name: str, target: Installation) -> tuple[str, bool]:
        """The path in the image, and whether it is a script.

        Spec: "Binary distribution format", "The .data directory".
        """
        folder, _, rest = name.partition("/")
        if folder != f"{self.metadata_folder.removesuffix('.dist-info')}.data":
            return f"{target.site_packages_path}/{name}", False
        scheme, _, inside = rest.partition("/")
        roots = {
            "purelib": target.site_packages,
            "platlib": target.site_packages,
            "headers": f"{target.headers}/{self.name}",
            "scripts": "bin",
            "data": "",
        }
        if scheme not in roots or not inside:
            raise FormatError(self._source, f"unknown place of `{name}`")
        return "/".join(part for part in (target.prefix[1:], roots[scheme], inside) if part), scheme == "scripts"

    def _generated(
        self, target: Installation, *, requested: bool, direct_url: bytes | None
    ) -> Iterator[tuple[str, bytes, int]]:
        folder = f"{target.site_packages_path}/{self.metadata_folder}"
        yield f"{folder}/INSTALLER", INSTALLER, 0o644
        if requested:
            yield f"{folder}/REQUESTED", b"", 0o644
        if direct_url is not None:
            yield f"{folder}/direct_url.json", direct_url, 0o644
        points = f"{self.metadata_folder}/entry_points.txt"
        if points in self._members:
            for script in parse_scripts(self._read(points), source=f"{self._source}: entry_points.txt"):
                content = console_script(target.interpreter, script.module, script.function)
                yield f"{target.prefix[1:]}/bin/{script.command}", content, 0o755
