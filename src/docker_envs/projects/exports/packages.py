"""The conda packages of a record, checked, since they come from an image and get into files that programs obey."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.records.purl import channel_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.records.record import Record, RecordedPackage

_ALIAS = "https://conda.anaconda.org/"
# CEP 26: names, versions and build strings; none has a character that means something in a match spec or a list.
_SHAPES = {
    "name": re.compile(r"[A-Za-z0-9_.-]+\Z"),
    "version": re.compile(r"[A-Za-z0-9_.!+-]+\Z"),
    "build": re.compile(r"[A-Za-z0-9_.+]+\Z"),
    "subdir": re.compile(r"[a-z0-9-]+\Z"),
    "sha256": re.compile(r"[0-9a-f]{64}\Z"),
    # Neither a fragment nor the `$` of environment variables, which readers would replace.
    "url": re.compile(r"[a-z]+://[!-\"%-~]+\Z"),
}


def conda_packages(record: Record) -> tuple[RecordedPackage, ...]:
    """The packages of a record, as they are.

    Raises:
        FormatError: A field holds what no package has.
        InvalidInputError: There are packages of another kind, which no file of conda's can name.
    """
    for package in record.packages:
        if package.kind != "conda":
            raise InvalidInputError(
                f"`{package.name}` is a package of kind `{package.kind}`, which this format cannot name",
                hint="use `--format record`",
            )
        for field, shape in _SHAPES.items():
            if not shape.match(getattr(package, field)):
                raise FormatError(f"record of `{record.prefix}`", f"{field} of package {package.name!r}: no valid one")
    return record.packages


def channels(packages: Sequence[RecordedPackage]) -> list[str]:
    """The URLs of the channels that packages are from, the one of most packages first."""
    counted = Counter(channel_of(package) for package in packages)
    return sorted(counted, key=lambda url: (-counted[url], url))


def familiar_channel(url: str) -> str:
    """A channel as people write it: its name where that is enough."""
    return url.removeprefix(_ALIAS)


def pinned(packages: Sequence[RecordedPackage]) -> list[str]:
    """Match specs that nothing but these packages satisfies; with the channels where there are several."""
    several = len(channels(packages)) > 1
    return [
        f"{familiar_channel(channel_of(each)) + '::' if several else ''}{each.name}={each.version}={each.build}"
        for each in packages
    ]
