"""Channels of packages that others have made, for tests that run when there are such packages."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.errors import FormatError
from tests.packages.build import SUBDIRS, PackageSpec, archive_bytes, as_json, repodata_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write_real_channel(channel: Path, archives: Iterable[Path], specs: Iterable[PackageSpec] = ()) -> Path:
    """Write a channel of archives, indexed as they say themselves, and of packages of our own; returns it."""
    index: dict[str, dict[str, dict[str, object]]] = {subdir: {} for subdir in SUBDIRS}
    for subdir in SUBDIRS:
        (channel / subdir).mkdir(parents=True)
    for archive in archives:
        content = archive.read_bytes()
        record = index_json(archive)
        subdir = str(record["subdir"])
        (channel / subdir / archive.name).write_bytes(content)
        digests = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        index[subdir][archive.name] = {**record, **digests, "size": len(content)}
    for spec in specs:
        content = archive_bytes(spec, ".conda")
        (channel / spec.subdir / f"{spec.stem}.conda").write_bytes(content)
        index[spec.subdir][f"{spec.stem}.conda"] = repodata_record(spec, content)
    for subdir, records in index.items():
        old = {name: record for name, record in records.items() if name.endswith(".tar.bz2")}
        new = {name: record for name, record in records.items() if name.endswith(".conda")}
        repodata = {"info": {"subdir": subdir}, "packages": old, "packages.conda": new, "repodata_version": 1}
        (channel / subdir / "repodata.json").write_bytes(as_json(repodata))
    return channel


def index_json(archive: Path) -> dict[str, object]:
    """The `index.json` of an archive; what its name tells where that cannot be read."""
    name, version, build = archive.name.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
    named = {"name": name, "version": version, "build": build, "build_number": 0, "depends": [], "subdir": "linux-64"}
    try:
        content = PackageArchive(archive).read_metadata()["info/index.json"]
    except FormatError:
        return named
    record = {key: value for key, value in json.loads(content).items() if value is not None}
    return {**named, **record}
