"""Package archives with exactly the members that a test wants."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.package_archive import PackageArchive
from tests.packages.build import EPOCH, File, Node, PackageSpec, archive_bytes, tar_bytes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

INDEX = {"name": "made", "version": "1.0", "build": "0", "build_number": 0, "subdir": "linux-64"}


@dataclass(frozen=True)
class Made:
    """A package on disk and what a lock says of it."""

    package: CondaPackage
    archive: PackageArchive


def compress_zstd(content: bytes) -> bytes:
    return zstd.compress(content)


def write_info(folder: Path, info: Mapping[str, bytes | object], members: Iterable[tuple[str, Node]] = ()) -> Made:
    """A `.conda` whose `info/` holds these files; what is not bytes becomes JSON, and `index.json` has a default."""
    contents = {"index.json": INDEX, **info}
    encoded = {
        name: File(value if isinstance(value, bytes) else json.dumps(value).encode())
        for name, value in contents.items()
        if value is not None
    }
    return write_zip(
        folder,
        {
            "pkg-made-1.0-0.tar.zst": compress_zstd(tar_bytes(members)),
            "info-made-1.0-0.tar.zst": compress_zstd(tar_bytes((f"info/{name}", f) for name, f in encoded.items())),
        },
    )


def write_zip(folder: Path, members: Mapping[str, bytes]) -> Made:
    """A `.conda` of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return write_bytes(folder, "made-1.0-0.conda", out.getvalue())


def write_spec(folder: Path, spec: PackageSpec, suffix: str = ".conda") -> Made:
    """The package that a spec describes."""
    return write_bytes(folder, spec.stem + suffix, archive_bytes(spec, suffix))


def write_bytes(folder: Path, name: str, content: bytes) -> Made:
    """An archive of any content."""
    path = folder / "channel" / "linux-64" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Made(CondaPackage.from_url(path.as_uri()), PackageArchive(path))


def raw_tar(*members: tarfile.TarInfo) -> bytes:
    """A tar of members that no package should hold."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            member.mtime = EPOCH
            tar.addfile(member)
    return out.getvalue()
