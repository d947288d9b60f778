"""Directories, files and links that `tmpfiles.d` asks for, made once; on a machine, systemd makes them when it starts.

Spec: tmpfiles.d(5).
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.accounts import Accounts
    from docker_envs.environments.debian.system.files import SystemFiles

_DIRECTORIES = frozenset("dDvqQ")
_FIELDS = 7
# What is there only while a machine runs, and is mounted by the engine or emptied.
_RUNTIME = ("/dev/", "/proc/", "/sys/", "/tmp/")  # noqa: S108 - a place in images


def create_files(text: str, files: SystemFiles, accounts: Accounts) -> None:
    """Make what a file of `tmpfiles.d` names and what is not there; other lines, and unreadable ones, mean nothing."""
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        if len(words) < 2 or "%" in words[1] or not words[1].startswith("/") or words[1].startswith(_RUNTIME):
            continue
        _create(words + ["-"] * (_FIELDS - len(words)), files, accounts)


def _create(words: list[str], files: SystemFiles, accounts: Accounts) -> None:
    kind, path, mode, user, group, _, argument = words[:_FIELDS]
    if "^" in kind or "!" in kind:
        # The content is a credential of the machine, or the line means its start.
        return
    kind = kind.rstrip("-=~$+")
    there = files.lookup(path, follow=False)
    bits = mode.lstrip(":~")
    wanted = int(bits, 8) if bits and set(bits) <= set("01234567") else None
    if there is not None:
        if kind not in (*_DIRECTORIES, "z") or there.kind is not Kind.DIRECTORY or mode.startswith(":"):
            return
    elif kind in _DIRECTORIES:
        files.make_directory(path)
    elif kind == "f":
        files.write(path, b"" if argument == "-" else argument.encode())
    elif kind == "L" and argument != "-":
        files.link(path, argument)
        return
    else:
        return
    owner = (None if user == "-" else accounts.uid(user), None if group == "-" else accounts.gid(group))
    files.change(path, mode=wanted, owner=owner)
