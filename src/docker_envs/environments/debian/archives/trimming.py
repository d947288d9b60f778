"""Filters: files of packages that containers rarely need, under the names that they have for other environments.

A filter decides by a file's path alone. Copyright files stay, as licences ask for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Collection

    from docker_envs.archive.entry import Entry

# Others (`tests`, `pycache`) mean files that Debian packages do not have, or that make the package what it is.
_RULES = {
    "docs": re.compile(
        r"usr/share/doc/(?!(?:[^/]+/)*copyright\Z)|usr/share/(?:man|info|gtk-doc|help|doc-base|lintian|linda|bug|groff)/"
    ),
    "headers": re.compile(r"usr/include/(?!(?:[^/]+/)?python[^/]+/pyconfig[^/]*\.h\Z)"),
    "static-libs": re.compile(r".*\.l?a\Z"),
    "js-maps": re.compile(r".*\.js\.map\Z"),
    "locales": re.compile(r"usr/share/(?:locale|i18n)/(?!locale\.alias\Z)"),
}


def trimming_of(path: str, filters: Collection[str]) -> str | None:
    """The name of the filter that leaves a path out; None when none does."""
    return next((name for name, rule in _RULES.items() if name in filters and rule.match(path)), None)


def trimmed_paths(files: Collection[Entry], filters: Collection[str]) -> frozenset[str]:
    """Which of a package's files are left out; never its directories, nor a file that a hard link which stays leads to.

    Args:
        files: Of the package, with merged paths.
        filters: Names of filters; those that mean nothing here are passed over.
    """
    if not filters:
        return frozenset()
    found = {entry.path for entry in files if entry.kind is not Kind.DIRECTORY and trimming_of(entry.path, filters)}
    needed = {entry.link for entry in files if entry.kind is Kind.HARDLINK and entry.path not in found}
    return frozenset(found - needed)
