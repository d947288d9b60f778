"""Writes conda packages and channels in their real formats, the same bytes each time."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import posixpath
import sys
import tarfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EPOCH = 1_700_000_000
"""The mtime of everything in packages, in seconds since 1970 UTC."""

PLACEHOLDER = ("/home/conda/feedstock_root/build_artifacts/fixture_1700000000000/_h_env" + "_placehold" * 30)[:255]
"""What conda-build leaves in files where the prefix will stand."""

OLD_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""The placeholder implied by a line of `info/has_prefix` that names only a path."""

SUBDIRS = ("linux-64", "linux-aarch64", "noarch")
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class File:
    """A regular file; `listed=False` leaves it out of the package's own lists of files.

    `no_softlink` is for packages of 2014. `xattrs` are extended attributes.
    """

    content: bytes
    mode: int = 0o644
    placeholder: str = ""
    no_link: bool = False
    listed: bool = True
    no_softlink: bool = False
    xattrs: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_mode(self) -> str:
        return "binary" if b"\0" in self.content else "text"


@dataclass(frozen=True)
class Symlink:
    target: str


@dataclass(frozen=True)
class Hardlink:
    """Another name for the file at `target`, which is relative to the package's root and sorts before this one."""

    target: str


@dataclass(frozen=True)
class Directory:
    """A directory listed in its own right."""

    mode: int = 0o755


Node = File | Symlink | Hardlink | Directory


def text(content: str, mode: int = 0o644, placeholder: str = PLACEHOLDER) -> File:
    """A text file, marked for replacement if the placeholder is in it."""
    return File(content.encode(), mode, placeholder if placeholder in content else "")


def binary(*strings: str, placeholder: str = PLACEHOLDER) -> File:
    """NUL-terminated strings between bytes of every value, which must keep their places."""
    noise = bytes(range(256))
    return File(noise + b"".join(s.encode() + b"\0" for s in strings) + noise, 0o755, placeholder)


@dataclass(frozen=True)
class PackageSpec:
    """A package to write.

    `legacy` writes the metadata of 2014: `files`, `has_prefix`, `no_link` and `no_softlink`, no `paths.json`, only
    md5 in repodata. `link_version` is that of `link.json`.
    `info_first` puts the info member of a `.conda` before the files. `index` adds keys to `index.json` and repodata.
    """

    name: str
    version: str = "1.0"
    files: Mapping[str, Node] = field(default_factory=dict)
    depends: tuple[str, ...] = ()
    noarch: str = ""
    build: str = "0"
    platform: str = "linux-64"
    formats: tuple[str, ...] = (".conda",)
    entry_points: tuple[str, ...] = ()
    index: Mapping[str, object] = field(default_factory=dict)
    run_exports: Mapping[str, list[str]] = field(default_factory=dict)
    legacy: bool = False
    info_first: bool = False
    link_version: int = 1

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else self.platform

    def listed(self) -> dict[str, Node]:
        return {path: node for path, node in sorted(self.files.items()) if not isinstance(node, File) or node.listed}

    def file_at(self, path: str) -> File | None:
        """The regular file that a path of this package leads to."""
        node = self.files.get(path)
        if isinstance(node, Symlink):
            return self.file_at(posixpath.normpath(posixpath.join(posixpath.dirname(path), node.target)))
        if isinstance(node, Hardlink):
            return self.file_at(node.target)
        return node if isinstance(node, File) else None

    def index_json(self) -> dict[str, object]:
        arch = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}.get(self.subdir)
        return {
            "arch": arch,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "license": "BSD-3-Clause",
            "name": self.name,
            "platform": "linux" if arch else None,
            "subdir": self.subdir,
            "timestamp": EPOCH * 1000,
            "version": self.version,
            **({"noarch": self.noarch} if self.noarch else {}),
            **self.index,
        }

    def paths_json(self) -> dict[str, object]:
        return {"paths": [self._path_record(path, node) for path, node in self.listed().items()], "paths_version": 1}

    def _path_record(self, path: str, node: Node) -> dict[str, object]:
        if isinstance(node, Directory):
            return {"_path": path, "path_type": "directory"}
        file = self.file_at(path)
        record: dict[str, object] = {
            "_path": path,
            "path_type": "softlink" if isinstance(node, Symlink) else "hardlink",
            "sha256": hashlib.sha256(file.content).hexdigest() if file else EMPTY_SHA256,
            "size_in_bytes": len(file.content) if file else 0,
        }
        if file and file.placeholder and not isinstance(node, Symlink):
            record |= {"file_mode": file.file_mode, "prefix_placeholder": file.placeholder}
        return record | ({"no_link": True} if file and file.no_link else {})

    def info_files(self) -> dict[str, File]:
        """The members of `info/`, by their path in the archive."""
        members = {
            "index.json": as_json(self.index_json()),
            "about.json": as_json({"summary": f"the {self.name} fixture"}),
        }
        members["files"] = "".join(f"{path}\n" for path in self.listed()).encode()
        members["licenses/LICENSE.txt"] = b"do as you please\n"
        if self.legacy:
            members["has_prefix"] = "".join(self._has_prefix_lines()).encode()
            for key in ("no_link", "no_softlink"):
                marked = (path for path, node in self.listed().items() if getattr(node, key, False))
                members[key] = "".join(f"{path}\n" for path in marked).encode()
        else:
            members["paths.json"] = as_json(self.paths_json())
        if self.noarch == "python":
            noarch = {"type": "python", "entry_points": list(self.entry_points)}
            members["link.json"] = as_json({"noarch": noarch, "package_metadata_version": self.link_version})
        if self.run_exports:
            members["run_exports.json"] = as_json(self.run_exports)
        return {f"info/{name}": File(content) for name, content in sorted(members.items())}

    def _has_prefix_lines(self) -> Iterable[str]:
        for path, node in self.listed().items():
            if isinstance(node, File) and node.placeholder:
                quoted = f'"{path}"' if " " in path else path
                implied = (node.placeholder, node.file_mode) == (OLD_PLACEHOLDER, "text")
                yield f"{quoted}\n" if implied else f"{node.placeholder} {node.file_mode} {quoted}\n"


def as_json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def tar_bytes(members: Iterable[tuple[str, Node]], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of these members in this order, whatever their paths."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as tar:
        for path, node in members:
            member = tarfile.TarInfo(path)
            member.mtime, member.uname, member.gname = EPOCH, "conda", "conda"
            match node:
                case File(content, mode):
                    member.mode, member.size = mode, len(content)
                    member.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in node.xattrs.items()}
                    tar.addfile(member, io.BytesIO(content))
                    continue
                case Directory(mode):
                    member.type, member.mode = tarfile.DIRTYPE, mode
                case Symlink(target):
                    member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, target
                case Hardlink(target):
                    member.type, member.linkname = tarfile.LNKTYPE, target
            tar.addfile(member)
    return out.getvalue()


def archive_bytes(spec: PackageSpec, suffix: str, *, members: Iterable[tuple[str, Node]] | None = None) -> bytes:
    """A package archive; `members` replaces what the spec would put in it besides `info/`."""
    members = sorted(spec.files.items()) if members is None else members
    info = spec.info_files().items()
    if suffix == ".tar.bz2":
        return bz2.compress(tar_bytes([*info, *members], tarfile.GNU_FORMAT))
    inner = {
        f"pkg-{spec.stem}.tar.zst": zstd.compress(tar_bytes(members), 3),
        f"info-{spec.stem}.tar.zst": zstd.compress(tar_bytes(info), 3),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("metadata.json"), b'{"conda_pkg_format_version": 2}')
        for name in sorted(inner, reverse=not spec.info_first):
            archive.writestr(zipfile.ZipInfo(name), inner[name])
    return out.getvalue()


def repodata_record(spec: PackageSpec, archive: bytes) -> dict[str, object]:
    digests = {"md5": hashlib.md5(archive).hexdigest()}
    if not spec.legacy:
        digests["sha256"] = hashlib.sha256(archive).hexdigest()
    return {**spec.index_json(), **digests, "size": len(archive)}


def write_archives(channel: Path, archives: Iterable[tuple[PackageSpec, str, bytes]], **overrides: object) -> Path:
    """Write archives (spec, suffix, bytes) and their repodata; `overrides` go into each repodata record.

    Returns:
        The channel's folder.
    """
    records: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for subdir in SUBDIRS:
        (channel / subdir).mkdir(parents=True)
    for spec, suffix, archive in archives:
        file_name = spec.stem + suffix
        (channel / spec.subdir / file_name).write_bytes(archive)
        records[spec.subdir][file_name] = repodata_record(spec, archive) | overrides
    for subdir in SUBDIRS:
        found = records[subdir]
        sections = {
            "packages": {name: record for name, record in found.items() if name.endswith(".tar.bz2")},
            "packages.conda": {name: record for name, record in found.items() if name.endswith(".conda")},
        }
        repodata = {"info": {"subdir": subdir}, **sections, "removed": [], "repodata_version": 1}
        (channel / subdir / "repodata.json").write_bytes(as_json(repodata))
    return channel


def write_channel(channel: Path, specs: Iterable[PackageSpec]) -> Path:
    """Write a channel of these packages into a new or empty folder, which is returned."""
    return write_archives(
        channel, ((spec, suffix, archive_bytes(spec, suffix)) for spec in specs for suffix in spec.formats)
    )


def write_environment(host_path: Path, channel: Path, *dependencies: str, name: str = "fixture") -> Path:
    """Write an `environment.yml` (JSON is YAML) and return its path."""
    host_path.write_bytes(as_json({"name": name, "channels": [channel.as_uri()], "dependencies": list(dependencies)}))
    return host_path
