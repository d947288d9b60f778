"""Shared libraries that wheels expect of the system, seen while their files pass by.

Wheels bring all libraries but a few, which their platform tags promise to be there. On a usual system they are; one
that is put together of chosen packages may lack them, and then an import fails in the container.

Spec: PyPA, auditwheel, `policy/manylinux-policy.json` (libraries of `manylinux_2_28`); System V ABI, "Dynamic Section",
`DT_NEEDED`, whose names stand in a table of strings that end with NUL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.findings import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.archive.entry import Entry

#: Libraries that wheels do not bring, the C library's own aside, and Debian's package of each.
SYSTEM_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libatomic.so.1": "libatomic1",
    "libexpat.so.1": "libexpat1",
    "libgcc_s.so.1": "libgcc-s1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}

_NAMES = {b"\0%b\0" % name.encode(): name for name in SYSTEM_LIBRARIES}
_LONGEST = max(map(len, _NAMES))
_LIBRARY = re.compile(r".*\.so(?:\.[0-9]+)*\Z")


def with_needs(entries: Iterable[Entry], *, package: str, findings: list[Finding]) -> Iterator[Entry]:
    """The same entries; which libraries they need of the system is known when the last one was read.

    Args:
        entries: Of a wheel.
        package: Its name.
        findings: Receives one for each library.

    Cost: one search of each shared library; memory for a chunk.
    """
    found: dict[str, str] = {}
    for entry in entries:
        if entry.kind is Kind.FILE and _LIBRARY.match(entry.path):
            entry.content = _watched(entry.content, entry.path, found)
        yield entry
    for name, path in sorted(found.items()):
        findings.append(Finding(FindingKind.NEEDED_LIBRARY, package, path, f"needs `{name}`"))


def needed_library(finding: Finding) -> str:
    """The library that such a finding is about."""
    return finding.text.partition("`")[2].rstrip("`")


def _watched(content: Iterable[bytes], path: str, found: dict[str, str]) -> Iterator[bytes]:
    before = b""
    for chunk in content:
        window = before + chunk
        for needle, name in _NAMES.items():
            if name not in found and needle in window:
                found[name] = path
        before = window[-_LONGEST:]
        yield chunk
