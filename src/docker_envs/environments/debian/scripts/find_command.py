"""`find … -delete`: what it removes of the model of a system's files.

Spec: POSIX.1-2024, XCU 3 "find"; GNU find for `-maxdepth`, `-mindepth`, `-empty` and `-delete`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.files import SystemFiles

_KINDS = {"f": (Kind.FILE, Kind.HARDLINK), "d": (Kind.DIRECTORY,), "l": (Kind.SYMLINK,)}


def delete_found(words: list[str], files: SystemFiles) -> bool:
    """Remove what is found; False for other tests, and for a directory that something is in."""
    places: list[str] = []
    rest = list(words)
    while rest and not rest[0].startswith(("-", "(", "!")):
        places.append(rest.pop(0))
    tests: dict[str, str] = {}
    while rest and rest[0] != "-delete":
        name = rest.pop(0)
        if name == "-empty":
            tests[name] = ""
        elif name in ("-maxdepth", "-mindepth", "-type", "-name") and rest and name not in tests:
            tests[name] = rest.pop(0)
        else:
            return False
    depths = [tests.get("-mindepth", "0"), tests.get("-maxdepth", "99")]
    if rest != ["-delete"] or not all(map(str.isdecimal, depths)) or tests.get("-type", "f") not in _KINDS:
        return False
    found = [path for place in places for path in _found(place, tests, files)]
    for path in sorted(found, reverse=True):
        entry = files.lookup(path, follow=False)
        if entry is not None and entry.kind is Kind.DIRECTORY and files.below(path):
            return False
        files.remove(path)
    return True


def _found(place: str, tests: dict[str, str], files: SystemFiles) -> list[str]:
    root = files.lookup(place, follow=False)
    if root is None or root.kind is not Kind.DIRECTORY:
        return []
    least, most = int(tests.get("-mindepth", "0")), int(tests.get("-maxdepth", "99"))
    resolved = files.resolve(place)
    candidates = [(0, f"/{resolved}"), *((path[len(resolved) :].count("/"), f"/{path}") for path in files.below(place))]
    return [path for depth, path in candidates if least <= depth <= most and _passes(path, tests, files)]


def _passes(path: str, tests: dict[str, str], files: SystemFiles) -> bool:
    entry = files.lookup(path, follow=False)
    if entry is None or ("-type" in tests and entry.kind not in _KINDS[tests["-type"]]):
        return False
    if "-name" in tests and not fnmatchcase(path.rpartition("/")[2], tests["-name"]):
        return False
    return "-empty" not in tests or _is_empty(path, entry, files)


def _is_empty(path: str, entry: Entry, files: SystemFiles) -> bool:
    if entry.kind is Kind.DIRECTORY:
        return not files.below(path)
    return entry.kind is Kind.FILE and entry.size == 0
