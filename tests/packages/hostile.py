"""Channels of one broken or hostile package each, for tests of what must be refused.

Each function writes a channel into a new or empty folder and returns it; the package is named `bad`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.packages.build import (
    OLD_PLACEHOLDER,
    File,
    Node,
    PackageSpec,
    Symlink,
    archive_bytes,
    binary,
    text,
    write_archives,
)
from tests.packages.channel import RUNNABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = PackageSpec(
    "bad", files={"share/bad/file.txt": text("good\n"), "share/bad/noise.bin": File(bytes(range(256)) * 64)}
)


def _write(channel: Path, spec: PackageSpec, archive: bytes, **overrides: object) -> Path:
    return write_archives(channel, [(spec, ".conda", archive)], **overrides)


def _with_members(channel: Path, *members: tuple[str, Node]) -> Path:
    """The good package with more members, which its `paths.json` lists as if they were right."""
    spec = replace(GOOD, files={**GOOD.files, **dict(members)})
    return _write(channel, spec, archive_bytes(spec, ".conda", members=[*sorted(GOOD.files.items()), *members]))


def wrong_sha256(channel: Path) -> Path:
    """Repodata declares another sha256."""
    return _write(channel, GOOD, archive_bytes(GOOD, ".conda"), sha256="0" * 64)


def wrong_md5(channel: Path) -> Path:
    """Repodata has no sha256, and another md5."""
    spec = replace(GOOD, legacy=True)
    return _write(channel, spec, archive_bytes(spec, ".conda"), md5="0" * 32)


def truncated_conda(channel: Path) -> Path:
    """The archive stops in the middle, and repodata agrees with what is left."""
    archive = archive_bytes(GOOD, ".conda")
    return _write(channel, GOOD, archive[: len(archive) // 2])


def truncated_bz2(channel: Path) -> Path:
    """The `.tar.bz2` stops in the middle, and repodata agrees with what is left."""
    archive = archive_bytes(GOOD, ".tar.bz2")
    return write_archives(channel, [(GOOD, ".tar.bz2", archive[: len(archive) // 2])])


def parent_path(channel: Path) -> Path:
    """A member leads out of the package."""
    return _with_members(channel, ("share/../../../escaped.txt", text("escaped\n")))


def absolute_path(channel: Path) -> Path:
    """A member's path starts at the root."""
    return _with_members(channel, ("/escaped.txt", text("escaped\n")))


def path_through_symlink(channel: Path) -> Path:
    """A member is to be written through a symlink to the outside."""
    return _with_members(channel, ("share/out", Symlink("/")), ("share/out/escaped.txt", text("escaped\n")))


def duplicate_path(channel: Path) -> Path:
    """The archive has one path twice, with other bytes."""
    return _with_members(channel, ("share/bad/file.txt", text("evil\n")))


def whiteout_name(channel: Path) -> Path:
    """A file name that means deletion in an image layer."""
    return _with_members(channel, ("share/bad/.wh.foo", text("not a whiteout\n")))


def short_placeholder(channel: Path) -> Path:
    """A binary placeholder of 32 characters, which a longer prefix cannot replace."""
    return _with_members(channel, ("lib/short.so", binary(f"{OLD_PLACEHOLDER}/lib", placeholder=OLD_PLACEHOLDER)))


def missing_file(channel: Path) -> Path:
    """`paths.json` lists a file that the archive lacks."""
    spec = replace(GOOD, files={**GOOD.files, "share/bad/missing.txt": text("nowhere\n")})
    return _write(channel, spec, archive_bytes(spec, ".conda", members=sorted(GOOD.files.items())))


def wrong_content(channel: Path) -> Path:
    """`paths.json` lists another sha256 for a file than the archive's."""
    other = {**GOOD.files, "share/bad/file.txt": text("evil\n")}
    return _write(channel, GOOD, archive_bytes(GOOD, ".conda", members=sorted(other.items())))


def wrong_size(channel: Path) -> Path:
    """The archive has a file of another size than `paths.json` declares: damage, or a bomb."""
    other = {**GOOD.files, "share/bad/noise.bin": File(bytes(1 << 20))}
    return _write(channel, GOOD, archive_bytes(GOOD, ".conda", members=sorted(other.items())))


def escaping_entry_point(channel: Path) -> Path:
    """A console script whose name leads out of `bin/`."""
    spec = replace(GOOD, noarch="python", entry_points=("../../escaped = bad:main",), depends=("python",))
    python = next(package for package in RUNNABLE if package.name == "python")
    return write_archives(channel, [(each, ".conda", archive_bytes(each, ".conda")) for each in (spec, python)])


HOSTILE: tuple[Callable[[Path], Path], ...] = (
    wrong_sha256,
    wrong_md5,
    truncated_conda,
    truncated_bz2,
    parent_path,
    absolute_path,
    path_through_symlink,
    duplicate_path,
    whiteout_name,
    short_placeholder,
    missing_file,
    wrong_content,
    wrong_size,
    escaping_entry_point,
)
"""Every channel of this module, for tables of test cases."""
