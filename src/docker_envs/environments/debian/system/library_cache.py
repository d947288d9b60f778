"""`/etc/ld.so.cache`, as ldconfig would write it: which library has which name.

The loader finds what is in its own directories without it, but not what is in those that `ld.so.conf.d` names, and
`ctypes.util.find_library` finds nothing at all. It is made from names alone: Debian's libraries have a link named as
the library names itself, or that name (Debian Policy 8.1), and their packages ship the link.

Spec: glibc, `sysdeps/generic/dl-cache.h` (`struct cache_file_new`), `elf/dl-cache.c` (the order of `_dl_cache_libcmp`).
"""

from __future__ import annotations

import functools
import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker_envs.environments.debian.system.files import SystemFiles

PLACE = "/etc/ld.so.cache"
_CONFIG = "/etc/ld.so.conf"
_MAX_INCLUDED = 8
_MAX_PATH = 4096
# Class, byte order and machine of ELF files with the flags that stand for them in the cache.
# Spec: elf(5); glibc, `sysdeps/generic/ldconfig.h` (`FLAG_ELF_LIBC6` and the `FLAG_…_LIB…` of architectures).
_FLAGS = {
    "amd64": (b"\x02\x01", 62, 0x0303),
    "arm64": (b"\x02\x01", 183, 0x0A03),
    "armhf": (b"\x01\x01", 40, 0x0903),
    "i386": (b"\x01\x01", 3, 0x0003),
    "ppc64el": (b"\x02\x01", 21, 0x0503),
    "riscv64": (b"\x02\x01", 243, 0x1003),
}
#: Where the loader looks at the end, whatever its configuration says.
_SYSTEM = ("/lib", "/usr/lib")
_LIBRARY = re.compile(r"(?:lib|ld-).*\.so(?:\.|\Z)|ld\.so\.")
_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN = 2
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")


def library_cache(files: SystemFiles, machines: Mapping[str, bytes], architecture: str) -> bytes | None:
    """The bytes of the cache, what a base has in its own included; None for architectures whose flags are not known.

    Args:
        files: Of the system.
        machines: The first bytes of ELF files, by path.
        architecture: Debian's name of it.
    """
    if architecture not in _FLAGS:
        return None
    form, machine, flags = _FLAGS[architecture]
    head = form, machine
    libraries: list[tuple[str, str]] = []
    seen: set[str] = set()
    for directory in [*_directories(files, _CONFIG, 0), *_SYSTEM]:
        place = files.resolve(directory)
        if place not in seen:
            seen.add(place)
            libraries += ((name, f"{directory}/{name}") for name in _names(files, place, machines, head))
    known = _decode(files.read(PLACE) or b"", flags)
    libraries += (each for each in known if each not in libraries and each[1] in files)
    return _encode(sorted(libraries, key=functools.cmp_to_key(_compare)), flags)


def _directories(files: SystemFiles, config: str, depth: int) -> Iterator[str]:
    text = (files.read(config) or b"").decode("utf-8", "replace")
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"] and depth < _MAX_INCLUDED:
            for pattern in words[1:]:
                for found in files.glob(pattern if pattern.startswith("/") else f"/etc/{pattern}"):
                    yield from _directories(files, found, depth + 1)
        elif len(words) == 1 and words[0].startswith("/"):
            yield words[0].rstrip("/")


def _names(files: SystemFiles, place: str, machines: Mapping[str, bytes], head: tuple[bytes, int]) -> list[str]:
    """Names under which the libraries of a directory are found: those of links, and of files without one."""
    here = [path for path in files.below(f"/{place}") if "/" not in path[len(place) + 1 :]]
    found: dict[str, str] = {}
    for path in here:
        name = path.rpartition("/")[2]
        library = files.lookup(f"/{path}")
        if library is not None and _LIBRARY.match(name) and _is_for(machines.get(library.path, b""), head):
            found[name] = library.path
    linked = {target for name, target in found.items() if f"{place}/{name}" != target}
    return [name for name, target in found.items() if f"{place}/{name}" != target or target not in linked]


def _is_for(start: bytes, head: tuple[bytes, int]) -> bool:
    return start[4:6] == head[0] and int.from_bytes(start[18:20], "little") == head[1]


def _compare(first: tuple[str, str], second: tuple[str, str]) -> int:
    """Descending, as the loader searches it."""
    return _compare_names(second[0], first[0]) or (first[1] > second[1]) - (first[1] < second[1])


def _compare_names(first: str, second: str) -> int:
    """Numbers inside of names count as numbers, and come behind everything else."""
    ones, twos = (re.findall(r"[0-9]+|[^0-9]", text) for text in (first, second))
    for one, two in zip(ones, twos, strict=False):
        if one.isdigit() and two.isdigit():
            if int(one) != int(two):
                return int(one) - int(two)
        elif one.isdigit() or two.isdigit():
            return 1 if one.isdigit() else -1
        elif one != two:
            return ord(one) - ord(two)
    return len(ones) - len(twos)


def _decode(cache: bytes, flags: int) -> list[tuple[str, str]]:
    """What a cache of the base has for an architecture; nothing when it is damaged, or of an older format."""
    if not cache.startswith(_MAGIC) or len(cache) < _HEADER.size:
        return []
    _, count, _, _, _ = _HEADER.unpack_from(cache)
    if _HEADER.size + count * _ENTRY.size > len(cache):
        return []
    entries = _ENTRY.iter_unpack(cache[_HEADER.size : _HEADER.size + count * _ENTRY.size])
    return [
        (_text(cache, key), _text(cache, value))
        for kind, key, value, _, extra in entries
        if (kind, extra) == (flags, 0)
    ]


def _text(cache: bytes, start: int) -> str:
    return cache[start : start + _MAX_PATH].partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _encode(libraries: list[tuple[str, str]], flags: int) -> bytes:
    start = _HEADER.size + _ENTRY.size * len(libraries)
    strings = bytearray()
    entries = bytearray()
    for name, path in libraries:
        value = start + len(strings)
        # The name is the end of the path.
        entries += _ENTRY.pack(flags, value + len(path.encode()) - len(name.encode()), value, 0, 0)
        strings += path.encode("utf-8", "surrogateescape") + b"\0"
    header = _HEADER.pack(_MAGIC, len(libraries), len(strings), _LITTLE_ENDIAN, 0)
    return bytes(header + entries + strings)
