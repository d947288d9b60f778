"""Distributions that are installed already, by conda or in the base: they stay as they are.

Which ones a conda package brings is seen in its list of paths, so no table from conda's names to those of PyPI is
needed. uv learns about them as wheels that have nothing in them, which constraints name: so it takes no other version,
looks for none in an index, and leaves their dependencies to who installed them.

Spec: PyPA specifications, "Recording installed projects", "Binary distribution format".
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_METADATA = re.compile(
    r"(?:^|/)(?:site|dist)-packages/(?P<name>[^/]+?)-(?P<version>[^/-]+)"
    r"(?:\.dist-info/METADATA|(?:-py3[^/-]*)?\.egg-info(?:/PKG-INFO)?)\Z"
)
_WHEEL = "Wheel-Version: 1.0\nGenerator: docker-envs\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EXTRA = re.compile(r"\bextra\s*==")


@dataclass(frozen=True, slots=True)
class InstalledDistribution:
    """A distribution that is there.

    Attributes:
        name: Normalised name.
        version: Its version, normalised.
        owner: Who installed it, for messages: a conda package, or the base image.
        metadata: Its `METADATA`, where it is known; without it nobody knows what its extras need.
    """

    name: str
    version: str
    owner: str
    metadata: str | None = None


def installed_distributions(paths: Iterable[str], *, owner: str) -> list[InstalledDistribution]:
    """The distributions whose metadata are among paths, sorted by name.

    What is below a package's own directory (copies that it vendors) is none; neither is one whose version no index
    could have.
    """
    return sorted(_found(paths, owner), key=lambda each: each.name)


def _found(paths: Iterable[str], owner: str) -> Iterator[InstalledDistribution]:
    for path in paths:
        match = _METADATA.search(path)
        if match is None:
            continue
        try:
            version = Version(match["version"].replace("_", "-"))
        except InvalidVersion:
            continue
        yield InstalledDistribution(canonicalize_name(match["name"]), str(version), owner)


def write_placeholder(folder: Path, installed: InstalledDistribution) -> Path:
    """A wheel with metadata alone: its name, its version, and what its extras need."""
    stem = f"{installed.name.replace('-', '_')}-{installed.version}"
    metadata = f"Metadata-Version: 2.1\nName: {installed.name}\nVersion: {installed.version}\n"
    headers = HeaderParser().parsestr(installed.metadata or "")
    metadata += "".join(f"Provides-Extra: {extra}\n" for extra in headers.get_all("Provides-Extra", []))
    needed = [each for each in headers.get_all("Requires-Dist", []) if _EXTRA.search(each)]
    metadata += "".join(f"Requires-Dist: {each}\n" for each in needed)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("METADATA", metadata), ("WHEEL", _WHEEL), ("RECORD", "")):
            archive.writestr(f"{stem}.dist-info/{name}", content)
    return path
