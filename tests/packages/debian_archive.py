"""Writes Debian archives in their real form: packages, indexes, and releases that a new key signs."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from pysequoia import SignatureMode, Tsk, sign

from tests.packages.deb import deb_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.packages.build import Node

#: When releases are made, unless a test says otherwise, and when they are read.
MADE = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
AT = datetime(2024, 5, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Deb:
    """A package; further fields of its control file by their names with underscores: `pre_depends="x"`.

    With files, or further control files, it holds these instead of a file of its own.
    """

    name: str
    version: str = "1.0"
    architecture: str = "amd64"
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Node] | None = None
    controls: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return f"pool/{self.name}_{self.version.partition(':')[2] or self.version}_{self.architecture}.deb"

    @property
    def control(self) -> str:
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Nobody <nobody@example.org>",
            "Priority": "optional",
            **self.fields,
            "Description": "for tests\n It goes on.\n .\n And ends.",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    def archive(self) -> bytes:
        """The package's file.

        Spec: deb(5).
        """
        if self.files is not None or self.controls:
            named: dict[str, Any] = {"Version": self.version, "Architecture": self.architecture}
            fields: dict[str, Any] = {name.replace("-", "_"): value for name, value in self.fields.items()}
            return deb_bytes(self.name, self.files, controls=self.controls, **named, **fields)
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.gz": gzip.compress(_tar({"./control": self.control.encode()}), mtime=0),
            "data.tar.xz": lzma.compress(_tar({f"./usr/share/{self.name}": self.version.encode()})),
        }
        out = b"!<arch>\n"
        for name, content in members.items():
            header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
            out += header + content + b"\n" * (len(content) % 2)
        return out


def deb(name: str, version: str = "1.0", architecture: str = "amd64", **fields: str) -> Deb:
    named = {name.replace("_", "-").title(): value for name, value in fields.items()}
    return Deb(name, version, architecture, named)


@dataclass
class Signer:
    """A key and what it signs."""

    key: Tsk = field(default_factory=lambda: Tsk.generate("Archive <archive@example.org>"))

    @property
    def public(self) -> str:
        return str(self.key.extract_certificate())

    @property
    def fingerprint(self) -> str:
        return self.key.extract_certificate().fingerprint

    def sign(self, text: str) -> bytes:
        return sign(self.key.signer(), text.encode(), mode=SignatureMode.CLEAR)


@dataclass(frozen=True)
class Suite:
    """A suite with its only component; `fields` are changed in the release, those with None left out."""

    name: str = "tester"
    debs: Sequence[Deb] = ()
    component: str = "main"
    architectures: Sequence[str] = ("amd64",)
    suffixes: Sequence[str] = (".xz", ".gz")
    by_hash: bool = True
    fields: Mapping[str, str | None] = field(default_factory=dict)


def write_suite(root: Path, suite: Suite, signer: Signer) -> Path:
    """Write one suite into an archive.

    Returns:
        Its `InRelease`.
    """
    folder = root / "dists" / suite.name
    digests = ""
    for architecture in suite.architectures:
        index = _packages(root, [each for each in suite.debs if each.architecture in (architecture, "all")])
        if "" not in suite.suffixes:
            # Named though it is not there, as in Debian's archive; apt wants it so.
            digests += (
                f"\n {hashlib.sha256(index).hexdigest()} {len(index)} {suite.component}/binary-{architecture}/Packages"
            )
        for suffix in suite.suffixes:
            content = {".xz": lzma.compress, ".gz": gzip.compress, "": bytes}[suffix](index)  # type: ignore[operator]
            sha256 = hashlib.sha256(content).hexdigest()
            path = folder / suite.component / f"binary-{architecture}"
            for place in (path / f"Packages{suffix}", *([path / "by-hash/SHA256" / sha256] if suite.by_hash else [])):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            digests += f"\n {sha256} {len(content)} {suite.component}/binary-{architecture}/Packages{suffix}"
    fields = {
        "Origin": "Tests",
        "Suite": "testing",
        "Codename": suite.name,
        "Date": format_datetime(MADE).replace("+0000", "UTC"),
        "Architectures": " ".join(suite.architectures),
        "Components": suite.component,
        "Acquire-By-Hash": "yes" if suite.by_hash else None,
        "SHA256": digests,
        **suite.fields,
    }
    path = folder / "InRelease"
    path.write_bytes(signer.sign("".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)))
    return path


def _packages(root: Path, debs: Sequence[Deb]) -> bytes:
    stanzas = []
    for each in debs:
        content = each.archive()
        place = root / each.file_name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        stanzas.append(f"{each.control}Filename: {each.file_name}\nSize: {len(content)}\nSHA256: {sha256}\n")
    return "\n".join(stanzas).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
