"""What is worth knowing about an environment's packages, and stops no build."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FindingKind(StrEnum):
    """What a finding is about; those marked * are in the files themselves, so they show when a layer is made.

    Attributes:
        CLOBBER: Several packages bring a path; all but one lose theirs.
        CASE_CONFLICT: Paths that differ only in case or in Unicode form: one path on hosts that ignore these.
        LINK_SCRIPT: A script that an installer would run, and that is never run here.
        MAINTAINER_SCRIPT: A command of a Debian package's script that has no effect here.
        OUTSIDE_LINK: * A symbolic link that leads out of the prefix.
        SETUID_DROPPED: * A file lost its set-user-id or set-group-id bit.
        CAPABILITY: * A file has capabilities, which it keeps.
        NEEDED_LIBRARY: * A file needs a shared library of the system, which it does not have.
        NOT_COMPILED: * A module has a syntax error, and so no bytecode.
    """

    CLOBBER = "clobber"
    CASE_CONFLICT = "case-conflict"
    LINK_SCRIPT = "link-script"
    MAINTAINER_SCRIPT = "maintainer-script"
    OUTSIDE_LINK = "outside-link"
    SETUID_DROPPED = "setuid-dropped"
    CAPABILITY = "capability"
    NEEDED_LIBRARY = "needed-library"
    NOT_COMPILED = "not-compiled"


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing found; `msgspec.to_builtins` makes JSON of it.

    Attributes:
        kind: What it is about.
        package: Name of the package.
        path: Relative to the prefix.
        text: A clause for people, which reads on from package and path.
    """

    kind: FindingKind
    package: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"`{self.path}` of `{self.package}` {self.text}"
