"""The accounts of an image: what the base has, read when somebody asks, and the layer with those it lacks."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MODE, Entry, Kind, file_entry
from docker_envs.builder.application.account_files import AccountFiles
from docker_envs.errors import FormatError, NotFoundError
from docker_envs.images.browse import FileTree
from docker_envs.paths import image_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.builder.application.accounts import Group, User
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter

#: The largest file of accounts that is read, in bytes.
_MAX_SIZE = 4 << 20
_PATHS = {"passwd": "etc/passwd", "group": "etc/group", "shadow": "etc/shadow"}
# Homes of users who have none.
_NO_HOMES = ("/", "/nonexistent", "/dev/null")


@dataclass(frozen=True, slots=True)
class PlannedAccounts:
    """What is known about accounts before a layer is made.

    Attributes:
        files: Those of the image, with what was declared; None when only numbers are used.
        entries: The layer's, without contents of the base that stay as they are; empty when the base has it all.
    """

    files: AccountFiles | None = None
    entries: tuple[Entry, ...] = ()

    def owner(self, text: str) -> tuple[int, int]:
        """Numbers of `USER[:GROUP]`, see `AccountFiles.owner`."""
        return (self.files or AccountFiles()).owner(text)


@dataclass(frozen=True, slots=True)
class BaseAccounts:
    """Where accounts are from that there are already.

    Attributes:
        image: The base image.
        over: Entries of a layer above it that has accounts of its own, with contents.
    """

    image: Image
    over: Sequence[Entry] = ()


def plan_accounts(
    base: BaseAccounts,
    users: Sequence[User],
    groups: Sequence[Group],
    *,
    owners: Iterable[str],
    mtime: int,
    reporter: Reporter,
) -> PlannedAccounts:
    """Merge what is declared with what the base has.

    Args:
        base: What there is already.
        users: To be there.
        groups: To be there.
        owners: All `USER[:GROUP]` that will be asked for.
        mtime: Of all entries, in seconds since 1970 UTC.
        reporter: Hears of layers that are read.

    Raises:
        InvalidInputError: They contradict each other.
        FormatError: A file of the base is too large.
        TransportError: The base cannot be read.

    Cost: nothing when only numbers are used; else the base's layers are read from the top until one has the files.
    """
    names = [name for owner in owners for name in owner.split(":")]
    if not users and not groups and all(name.isdecimal() for name in names):
        return PlannedAccounts()
    known, found = _read(base, reporter)
    merged = known.with_accounts(users, groups)
    entries = []
    for name, path in _PATHS.items():
        text, before = getattr(merged, name), getattr(known, name)
        if text is not None and (text != before or (name not in found and (users or groups))):
            entry = file_entry(path, os.fsencode(text), mtime=mtime)
            if name in found:
                entry.path, entry.mode = found[name].path, found[name].mode
                entry.uid, entry.gid = found[name].uid, found[name].gid
            entries.append(entry)
    entries += [_home(user, merged, mtime) for user in users if known.user(user.name) is None and _has_home(user)]
    return PlannedAccounts(merged, tuple(entries))


def _has_home(user: User) -> bool:
    return user.home_path not in _NO_HOMES


def _home(user: User, files: AccountFiles, mtime: int) -> Entry:
    uid, gid = files.owner(user.name)
    path = image_path(user.home_path.lstrip("/"), source=f"home of `{user.name}`")
    return Entry(path, Kind.DIRECTORY, DIRECTORY_MODE, mtime, uid=uid, gid=gid)


def _read(base: BaseAccounts, reporter: Reporter) -> tuple[AccountFiles, dict[str, Entry]]:
    """The files there are, and their entries; with root alone where there are none."""
    over = {entry.path: entry for entry in base.over}
    found = {name: over[path] for name, path in _PATHS.items() if path in over}
    files = AccountFiles(**{name: os.fsdecode(entry.read()) for name, entry in found.items()})
    missing = {name: path for name, path in _PATHS.items() if name not in found}
    with FileTree(base.image, wanted=missing.values(), reporter=reporter) as tree:
        for name, path in missing.items():
            try:
                place = tree.resolve(path)
                entry = tree.entry(place)
            except NotFoundError:
                continue
            if entry.size > _MAX_SIZE:
                raise FormatError(f"/{path} of the base", f"it has {entry.size:,} bytes, more than {_MAX_SIZE:,}")
            with tree.open(place) as stream:
                files = replace(files, **{name: os.fsdecode(stream.read())})
            found[name] = entry
    return files, found
