"""The distributions, or the Debian packages, of a record as a plain list.

Spec: pip docs, "Requirements File Format"; repo2docker docs, "Configuration files", `apt.txt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import NotFoundError
from docker_envs.projects.exports.packages import debian_requests, requirements

if TYPE_CHECKING:
    from docker_envs.records.record import Record


def requirements_txt(record: Record) -> str:
    """Every distribution from PyPI with version and hash; other packages are left out.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: This release does not know the kind of a package.
        NotFoundError: There is none.
    """
    return _lines(requirements(record), "packages from PyPI", record)


def apt_txt(record: Record) -> str:
    """Every Debian package with its version; other packages are left out, and where they are from.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: This release does not know the kind of a package.
        NotFoundError: There is none.
    """
    return _lines(debian_requests(record), "Debian packages", record)


def _lines(lines: list[str], what: str, record: Record) -> str:
    if not lines:
        raise NotFoundError(f"the record of `{record.prefix}` has no {what}")
    return "\n".join([*lines, ""])
