"""Sets of Debian packages that are built from nothing, their archives, and one with an update of one of them."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.packages.debian_archive import Deb, Signer, Suite, write_suite

from benchmarks.declaring.base import debian_line

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.declaring.base import PythonSystem
    from benchmarks.declaring.mirror import Mirror

_UPDATED = "openssl"
_UPDATED_SUITE = "updated"


@dataclass(frozen=True)
class PackageSet:
    """Packages and what comes with them.

    Attributes:
        name: As in reports.
        packages: What is asked for.
        seed: What there is besides, for docker-envs.
        variant: What there is besides, for mmdebstrap.
    """

    name: str
    packages: tuple[str, ...]
    seed: str
    variant: str


_PACKAGES = ("python3", "ca-certificates")
#: mmdebstrap cannot configure packages without a shell and dpkg, so its smallest system has these.
WITHOUT_SHELL = PackageSet("Python without a shell", _PACKAGES, "base", "essential")
WITH_APT = PackageSet("Python with a shell and apt", _PACKAGES, "apt", "apt")


@dataclass(frozen=True)
class Archives:
    """Where Debian packages come from.

    Attributes:
        lines: Lines of apt's list before the update.
        updated: Lines after it.
        downloads: A folder with the packages, and one with the indexes, as apt keeps them.
    """

    lines: tuple[str, ...]
    updated: tuple[str, ...]
    downloads: Path


def prepare(mirror: Mirror, system: PythonSystem, folder: Path) -> Archives:
    """Make the update: a package with one file more.

    Args:
        mirror: Where packages come from.
        system: Has all packages.
        folder: For what is made; does not exist.
    """
    folder.mkdir()
    (old,) = system.archives.glob(f"{_UPDATED}_*.deb")
    signer = Signer()
    (key := folder / "key.asc").write_text(signer.public)
    write_suite(mirror.local, Suite(_UPDATED_SUITE, [_updated(old, folder)], suffixes=("", ".xz")), signer)
    updated = f"deb [signed-by={key}] {mirror.local_url} {_UPDATED_SUITE} main"
    line = debian_line(mirror)
    return Archives((line,), (line, updated), system.folder)


@dataclass(frozen=True)
class _Repacked(Deb):
    """A package that is in a file."""

    text: str = ""
    content: bytes = b""

    @property
    def control(self) -> str:
        return self.text

    def archive(self) -> bytes:
        return self.content


def _updated(old: Path, folder: Path) -> Deb:
    """The next version of a package: one file more."""
    root, new = folder / "root", folder / "new.deb"
    script = f"""\
dpkg-deb --raw-extract {shlex.quote(str(old))} {root}
sed -i 's/^Version: .*/&+updated/' {root}/DEBIAN/control
echo updated > {root}/usr/share/{_UPDATED}-updated.txt
dpkg-deb --root-owner-group --build {root} {new}
"""
    subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL)
    text = subprocess.run(["dpkg-deb", "--field", new], check=True, capture_output=True, text=True).stdout
    fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" ") and ": " in line)
    return _Repacked(_UPDATED, fields["Version"], fields["Architecture"], text=text, content=new.read_bytes())
