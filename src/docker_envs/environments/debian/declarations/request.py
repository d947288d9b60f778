"""What somebody asks for, as `apt-get install` takes it: `git`, `git=1:2.39*`, `git/bookworm-backports`."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

from docker_envs.environments.debian.relations import NAME_PATTERN
from docker_envs.errors import InvalidInputError

_REQUEST = re.compile(
    rf"(?P<name>{NAME_PATTERN})(?::(?P<architecture>[a-z0-9-]+))?"
    r"(?:=(?P<version>[0-9A-Za-z.+~:*?-]+))?(?:/(?P<suite>[0-9A-Za-z._/-]+))?"
)


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """One package that shall be there; `str()` is how it is written.

    Attributes:
        name: Of a package, or of a virtual package that one package alone provides.
        architecture: Empty for that of the image.
        version: A version, with `*` and `?` as in a shell; empty for any.
        suite: Suite or codename of the release it comes from; empty for any.
    """

    name: str
    architecture: str = ""
    version: str = ""
    suite: str = ""

    @classmethod
    def parse(cls, text: str) -> PackageRequest:
        """Parse `name[:architecture][=version][/suite]`.

        Raises:
            InvalidInputError: It has another shape.
        """
        match = _REQUEST.fullmatch(text.strip())
        if match is None:
            raise InvalidInputError(
                f"{text!r} does not name a Debian package", hint="write `name`, `name=version` or `name/suite`"
            )
        return cls(match["name"], match["architecture"] or "", match["version"] or "", match["suite"] or "")

    def allows(self, version: str) -> bool:
        """Whether a version is one that was asked for."""
        return not self.version or fnmatch.fnmatchcase(version, self.version)

    def __str__(self) -> str:
        parts = ((":", self.architecture), ("=", self.version), ("/", self.suite))
        return self.name + "".join(f"{sign}{part}" for sign, part in parts if part)
