"""`@EXPLICIT` lists: the address of each package, with or without its digest.

Spec: conda CEP 23, "Text spec input files"; `conda list --explicit` with `--md5` or `--sha256`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import expand_variables
from docker_envs.environments.conda.subdirs import KNOWN_SUBDIRS, NOARCH, subdir_of
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

MARK = "@EXPLICIT"

ARCHIVE_SUFFIXES = (".conda", ".tar.bz2")

_PLATFORM = re.compile(r"# *platform: *(\S+)")
_LACKING = re.compile(r"# *no URL for: *(\S+)")
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")
_MD5 = re.compile(r"(?:md5:)?([0-9a-fA-F]{32})\Z")


def is_explicit(text: str) -> bool:
    """Whether a text is such a list."""
    return any(line.strip() == MARK for line in text.splitlines())


def read_explicit(path: Path, text: str, *, platform: Platform) -> Declaration:
    """Read the text of an `@EXPLICIT` list.

    Args:
        path: The file; paths in it are relative to its directory.
        text: Its content.
        platform: What the packages shall run on.

    Raises:
        InvalidDeclarationError: A line is no address, its digest is none, its package is for another platform, or there
            is no address.
    """
    packages, notes = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        place = f"{path}:{number}"
        if lacking := _LACKING.match(line):
            notes.append(f"{place}: the list does not say where `{lacking[1]}` is, so the image lacks it")
        if named := _PLATFORM.match(line):
            _check_subdir(named[1], platform, place)
        if line and not line.startswith("#") and line != MARK:
            packages.append(_package(line, path, place, platform))
    if not packages:
        raise InvalidDeclarationError(str(path), "lists no packages")
    return Declaration(packages=tuple(packages), source=str(path), notes=tuple(notes))


def _package(line: str, path: Path, place: str, platform: Platform) -> CondaPackage:
    url, _, checksum = line.partition("#")
    sha256, md5 = _SHA256.match(checksum), _MD5.match(checksum)
    if checksum and not sha256 and not md5:
        raise InvalidDeclarationError(
            place, f"{checksum!r} is neither an md5 nor a sha256 digest", hint="they have 32 or 64 hexadecimal digits"
        )
    try:
        url = expand_variables(url.strip())
        if not urlsplit(url).scheme and not url.endswith(ARCHIVE_SUFFIXES):
            raise InvalidInputError(f"`{url}` is not the address of a conda package")
        package = CondaPackage.from_url(
            url if urlsplit(url).scheme else (path.parent / url).resolve().as_uri(),
            sha256=sha256[1].lower() if sha256 else None,
            md5=md5[1].lower() if md5 else None,
        )
    except InvalidInputError as error:
        raise InvalidDeclarationError(place, str(error), hint=error.hint) from error
    if package.subdir in KNOWN_SUBDIRS:
        _check_subdir(package.subdir, platform, place)
    return package


def _check_subdir(subdir: str, platform: Platform, place: str) -> None:
    wanted = subdir_of(platform)
    if subdir not in (wanted, NOARCH):
        raise InvalidDeclarationError(
            place,
            f"is for `{subdir}`, but the image is for `{wanted}`",
            hint="a list serves one platform: choose it with `--platform`",
        )
