"""Tiny packages as metadata, and systems of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.archives.deb_archive import DebArchive
from docker_envs.environments.debian.archives.entries import DebLayer, iter_deb_entries
from docker_envs.environments.debian.archives.metadata import DebianMetadata, read_control
from docker_envs.environments.debian.system.assembly import DebianSystem, assemble
from docker_envs.environments.debian.system.base import BaseSystem
from tests.packages.deb import write_deb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from tests.packages.build import Node


@dataclass
class Fixture:
    """A package that was written and read."""

    archive: DebArchive
    metadata: DebianMetadata


def package(folder: Path, name: str = "demo", files: Mapping[str, Node] | None = None, **options: Any) -> Fixture:
    archive = DebArchive(write_deb(folder, name, files, **options))
    return Fixture(archive, read_control(archive))


def script(text: str) -> dict[str, str]:
    """Control files with a `postinst`."""
    return {"postinst": f"#!/bin/sh\nset -e\n{text}\n"}


def system(*packages: Fixture, base: BaseSystem | None = None, **options: Any) -> DebianSystem:
    metadata = [each.metadata for each in packages]
    return assemble(metadata, base or BaseSystem(), architecture="amd64", **options)


def shown(entries: Iterable[Entry]) -> dict[str, Any]:
    """What entries are: bytes of a file, `->` and the target of a link, `/` for a directory."""
    found: dict[str, Any] = {}
    for entry in entries:
        assert entry.path not in found
        if entry.kind is Kind.FILE:
            found[entry.path] = entry.read()
            assert len(found[entry.path]) == entry.size
        elif entry.kind is Kind.DIRECTORY:
            found[entry.path] = "/"
        else:
            found[entry.path] = f"{'=' if entry.kind is Kind.HARDLINK else '-'}> {entry.link}"
    return found


def layer(fixture: Fixture, of: DebianSystem) -> dict[str, Any]:
    """A package's layer in a system."""
    wanted = DebLayer(of.placements[fixture.metadata.control.file_stem], has_status=not of.has_dpkg)
    return shown(iter_deb_entries(fixture.archive, fixture.metadata, wanted))
