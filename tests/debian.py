"""Systems of real Debian packages: made by mmdebstrap, and put together of the same archives here."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import stat
import subprocess
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.environments.debian.archives.deb_archive import DebArchive
from docker_envs.environments.debian.archives.entries import DebLayer, iter_deb_entries
from docker_envs.environments.debian.archives.metadata import DebianMetadata, read_control
from docker_envs.environments.debian.system.assembly import DebianSystem, assemble
from docker_envs.environments.debian.system.base import BaseSystem
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.image import Image, scratch
from docker_envs.oci.layer import Layer
from tests.base_image import HOST_ARCHITECTURE
from tests.services import require_programs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
_HOOKS = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
# So that the archives stay, and nothing of what scripts made is cleaned away.
_KEPT = "essential/unlink,cleanup/apt,cleanup/reproducible"
#: What is in the system that tests share.
SHARED = ("python3", "python3-pip", "ca-certificates")


@dataclass(frozen=True)
class Bootstrapped:
    """What mmdebstrap made: a root, and the archives that it unpacked there."""

    root: Path

    @property
    def archives(self) -> list[Path]:
        return sorted(self.root.glob("var/cache/apt/archives/*.deb"))


def bootstrap(suite: str, folder: Path, *include: str) -> Bootstrapped:
    """A system with apt; skips the test where no mirror is reached."""
    require_programs("mmdebstrap")
    options = ["--mode=root", "--variant=apt", "--format=directory", f"--hook-dir={_HOOKS}", f"--skip={_KEPT}"]
    options += [f"--include={','.join(include)}", '--aptopt=APT::Keep-Downloaded-Packages "true"']
    done = subprocess.run(["mmdebstrap", *options, suite, str(folder), MIRROR], capture_output=True, text=True)
    if done.returncode and re.search(r"Could not (?:resolve|connect)|Temporary failure|Failed to fetch", done.stderr):
        pytest.skip(f"no Debian mirror is reached: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    return Bootstrapped(folder)


def shared_bootstrap(suite: str, factory: pytest.TempPathFactory) -> Bootstrapped:
    """The system that all tests of a run share, made by the worker that needs it first; not to be changed."""
    folder = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    made = folder / f"bootstrapped-{suite}"
    with (folder / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            bootstrap(suite, made.with_suffix(".part"), *SHARED).root.rename(made)
    return Bootstrapped(made)


@dataclass
class Packages:
    """Archives with what they say, in the order of their names."""

    archives: Sequence[Path]
    filters: Collection[str] = ()
    base: BaseSystem = field(default_factory=BaseSystem)

    def __post_init__(self) -> None:
        self.read: list[tuple[DebArchive, DebianMetadata]] = [
            (archive, read_control(archive)) for archive in map(DebArchive, self.archives)
        ]

    @property
    def metadata(self) -> list[DebianMetadata]:
        return [metadata for _, metadata in self.read]

    def needed_by(self, *names: str, without: Collection[str] = ()) -> Packages:
        """What some of them need, by the first of alternatives that is among them."""
        by_name = {metadata.name: (archive, metadata) for archive, metadata in self.read}
        wanted, pending = set[str](), list(names)
        while pending:
            name = pending.pop()
            if name in wanted or name not in by_name or name in without:
                continue
            wanted.add(name)
            control = by_name[name][1].control
            for relation in f"{control.get('Depends')},{control.get('Pre-Depends')}".split(","):
                choices = [re.split(r"[ (:]", choice.strip())[0] for choice in relation.split("|")]
                pending += [choice for choice in choices if choice in by_name][:1]
        return Packages([by_name[name][0].host_path for name in sorted(wanted)], self.filters, self.base)

    def assemble(self) -> DebianSystem:
        return assemble(self.metadata, self.base, architecture=HOST_ARCHITECTURE, filters=self.filters)

    def iter_entries(self, system: DebianSystem) -> Iterator[Entry]:
        """All packages one after the other, as they stand in one layer or in one for each."""
        for archive, metadata in self.read:
            layer = DebLayer(system.placements[metadata.control.file_stem], has_status=not system.has_dpkg)
            yield from iter_deb_entries(archive, metadata, layer)

    def image(self, *more: Entry) -> Image:
        """One layer of packages, and one of the system with more files."""
        system = self.assemble()
        image = scratch(Platform("linux", HOST_ARCHITECTURE))
        added = sorted([*system.entries, *more], key=lambda entry: entry.path.split("/"))
        for entries in (self.iter_entries(system), added):
            image = edit.append_layer(image, layer_of(entries), history={"created_by": "test"})
        return image


def layer_of(entries: Iterator[Entry] | list[Entry]) -> Layer:
    out = io.BytesIO()
    facts = write_layer(entries, out, source="test")
    descriptor = Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size)
    return Layer(descriptor, partial(io.BytesIO, out.getvalue()), diff_id=facts.diff_id)


@dataclass(frozen=True)
class Node:
    """One path of a tree; `content` is a file's digest or a link's target."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str = ""


def tree_of_folder(root: Path) -> dict[str, Node]:
    """Everything below a folder."""
    return {path.relative_to(root).as_posix(): _node(path) for path in root.rglob("*")}


def _node(path: Path) -> Node:
    status = path.lstat()
    owner, mode = (status.st_uid, status.st_gid), stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Node("link", 0o777, owner, str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Node("directory", mode, owner)
    content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
    return Node("file" if content else "other", mode, owner, content)


def tree_of_entries(entries: Iterator[Entry]) -> dict[str, Node]:
    """Entries as a container sees them, later ones instead of earlier ones; of directories without one, their mode."""
    tree: dict[str, Node] = {}
    for entry in entries:
        owner = (entry.uid, entry.gid)
        for end in (at for at, character in enumerate(entry.path) if character == "/"):
            tree.setdefault(entry.path[:end], Node("directory", 0o755, (0, 0)))
        if entry.kind is Kind.FILE:
            digest = hashlib.sha256()
            for chunk in entry.content:
                digest.update(chunk)
            tree[entry.path] = Node("file", entry.mode, owner, digest.hexdigest())
        elif entry.kind is Kind.HARDLINK:
            tree[entry.path] = tree[entry.link]
        elif entry.kind is Kind.SYMLINK:
            tree[entry.path] = Node("link", 0o777, owner, entry.link)
        else:
            tree[entry.path] = Node("directory", entry.mode, owner)
    return tree


def text_file(path: str, text: str) -> Entry:
    return file_entry(path, text.encode(), mtime=1)
