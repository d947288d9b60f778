"""The packages of a record, checked, since they come from an image and get into files that programs obey."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.records.purl import channel_of
from docker_envs.records.record import CONDA, DEB, PYPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.records.record import Record, RecordedPackage

_ALIAS = "https://conda.anaconda.org/"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
# Neither a fragment nor the `$` of environment variables, which readers would replace.
_URL = re.compile(r"[a-z]+://[!-\"%-~]+\Z")
#: What fields hold, by the kind of package; nothing that means something else where it gets to.
_SHAPES = {
    # CEP 26: names, versions and build strings.
    CONDA: {
        "name": re.compile(r"[A-Za-z0-9_.-]+\Z"),
        "version": re.compile(r"[A-Za-z0-9_.!+-]+\Z"),
        "build": re.compile(r"[A-Za-z0-9_.+]+\Z"),
        "subdir": re.compile(r"[a-z0-9-]+\Z"),
        "sha256": _SHA256,
        "url": _URL,
    },
    # PyPA specifications, "Names and normalization", "Version specifiers".
    PYPI: {
        "name": re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z"),
        "version": re.compile(r"[A-Za-z0-9][A-Za-z0-9_.!+-]*\Z"),
        "sha256": _SHA256,
        "url": _URL,
    },
    # Debian Policy 5.6.7, 5.6.8, 5.6.12.
    DEB: {
        "name": re.compile(r"[a-z0-9][a-z0-9+.-]+\Z"),
        "version": re.compile(r"[0-9][0-9A-Za-z.+~:-]*\Z"),
        "subdir": re.compile(r"[a-z0-9-]+\Z"),
        "sha256": _SHA256,
        "url": _URL,
    },
}
_NAMES = {CONDA: "conda packages", PYPI: "packages from PyPI", DEB: "Debian packages"}


def packages_of(record: Record, kind: str) -> tuple[RecordedPackage, ...]:
    """The packages of one kind, as they are.

    Raises:
        FormatError: A field of any package holds what none has.
        InvalidInputError: This release does not know the kind of a package.
    """
    for package in record.packages:
        if package.kind not in _SHAPES:
            raise InvalidInputError(
                f"`{package.name}` is a package of kind `{package.kind}`, which this release does not know"
            )
        for field, shape in _SHAPES[package.kind].items():
            if not shape.match(getattr(package, field)):
                raise FormatError(f"record of `{record.prefix}`", f"{field} of package {package.name!r}: no valid one")
    return tuple(package for package in record.packages if package.kind == kind)


def refuse_others(record: Record, *kinds: str) -> None:
    """Refuse a record with packages that a format cannot name.

    Raises:
        InvalidInputError: There are packages of another kind than these.
    """
    other = next((package for package in record.packages if package.kind not in kinds), None)
    if other is not None:
        what = _NAMES.get(other.kind, f"kind `{other.kind}`")
        raise InvalidInputError(
            f"`{other.name}` is among the {what} of the image, which this format cannot name",
            hint="`--format docker-env.yaml` can; `--format requirements.txt` and `--format apt.txt` have these alone",
        )


def conda_packages(record: Record) -> tuple[RecordedPackage, ...]:
    """The packages of a record that has none but conda's.

    Raises:
        FormatError: A field holds what no package has.
        InvalidInputError: There are packages of another kind, which no file of conda's can name.
    """
    found = packages_of(record, CONDA)
    refuse_others(record, CONDA)
    return found


def requirements(record: Record) -> list[str]:
    """The distributions of a record as lines for pip, each with version and hash.

    Raises:
        FormatError: A field holds what no package has.
        InvalidInputError: This release does not know the kind of a package.
    """
    return [
        f"{each.name}{f' @ {each.url}' if each.direct else f'=={each.version}'} --hash=sha256:{each.sha256}"
        for each in packages_of(record, PYPI)
    ]


def debian_requests(record: Record) -> list[str]:
    """The Debian packages of a record as apt takes them, each with its version.

    Raises:
        FormatError: A field holds what no package has.
        InvalidInputError: This release does not know the kind of a package.
    """
    return [f"{each.name}={each.version}" for each in packages_of(record, DEB)]


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
