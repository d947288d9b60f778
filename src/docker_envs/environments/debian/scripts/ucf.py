"""`ucf` and `ucfr`: configuration files that packages copy, and the registry from which upgrades know them.

Spec: ucf(1), ucfr(1).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.file_commands import split_options

if TYPE_CHECKING:
    from docker_envs.environments.debian.scripts.file_commands import FileCommands
    from docker_envs.environments.debian.system.files import SystemFiles

_STATE = "/var/lib/ucf"
#: Smaller files are kept as they were installed, in bytes.
_CACHED = 25_600


def ucf(words: list[str], commands: FileCommands) -> bool:
    """Copy a file to where there is none, and remember how it was; one that is there stays."""
    options, names = split_options(words, ("--sum-file", "--state-dir", "--src-dir"))
    if {"-p", "--purge"} & set(options):
        return True
    files = commands.files
    if len(names) != 2 or names[1] in files:
        return bool(names) and names[-1] in files
    content = files.read(names[0])
    if content is None or not commands.by_name["cp"](names):
        return False
    if _STATE in files:
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        _register(f"{_STATE}/hashfile", f"{digest}  {names[1]}", names[1], files)
        if len(content) < _CACHED or "--three-way" in options:
            cached = f"{_STATE}/cache/{names[1].replace('/', ':')}"
            return commands.by_name["cp"]([names[0], cached])
    return True


def ucfr(words: list[str], files: SystemFiles) -> bool:
    """Remember which package a configuration file belongs to."""
    options, names = split_options(words, ("--state-dir",))
    if {"-p", "--purge"} & set(options) or _STATE not in files:
        return True
    if len(names) != 2:
        return False
    _register(f"{_STATE}/registry", f"{names[0]} \t {names[1]}", names[1], files)
    return True


def _register(path: str, line: str, name: str, files: SystemFiles) -> None:
    """Put a line at the end of a list, instead of the one about the same file."""
    content = files.read(path) if path in files else b""
    if content is None:
        # What the base has of it is not known here.
        return
    lines = [each for each in content.decode("utf-8", "surrogateescape").splitlines() if each.split()[-1:] != [name]]
    files.write(path, "".join(f"{each}\n" for each in [*lines, line]).encode("utf-8", "surrogateescape"))
