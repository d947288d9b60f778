"""A conda package that was chosen: where it is, and the digests that prove it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from docker_envs.errors import InvalidInputError

_SUFFIXES = (".conda", ".tar.bz2")
_CREDENTIALS = re.compile(r"(?<=://)[^/]*@|/t/[^/]+(?=/)")


@dataclass(frozen=True, slots=True)
class CondaPackage:
    """One package of a lock.

    Attributes:
        name: Normalised name.
        version: Version as the channel writes it.
        build: Build string.
        subdir: `linux-64`, `noarch`, …
        url: Where the archive is; may hold credentials, so never print or store it (`public_url` is for that).
        sha256: Of the archive, 64 hexadecimal digits.
        md5: Of the archive, where the channel has nothing else.
        size: Of the archive in bytes, when known.
    """

    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None

    @classmethod
    def from_url(cls, url: str, *, sha256: str | None = None, md5: str | None = None) -> CondaPackage:
        """A package known by its URL alone: `…/SUBDIR/NAME-VERSION-BUILD.conda`.

        Raises:
            InvalidInputError: The URL does not end like that.
        """
        parts = PurePosixPath(unquote(urlsplit(url).path)).parts
        stem = next((parts[-1].removesuffix(end) for end in _SUFFIXES if parts and parts[-1].endswith(end)), "")
        fields = stem.rsplit("-", 2)
        if len(fields) != 3 or len(parts) < 3 or not all(fields):
            raise InvalidInputError(f"`{_CREDENTIALS.sub('', url)}` is not the address of a conda package")
        return cls(fields[0], fields[1], fields[2], parts[-2], url, sha256, md5)

    @property
    def file_name(self) -> str:
        """Name of the archive."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def display_name(self) -> str:
        """`name-version-build`."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def public_url(self) -> str:
        """The URL that may be written down: no credentials, no query, and of a local channel only its last part.

        A path of the building host means nothing inside an image, and would make its digest depend on the host.
        """
        parts = urlsplit(_CREDENTIALS.sub("", self.url))
        if parts.scheme == "file":
            return f"file:///{'/'.join(PurePosixPath(parts.path).parts[-3:]).lstrip('/')}"
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    @property
    def public_channel(self) -> str:
        """The channel part of `public_url`, with a slash at its end."""
        return self.public_url.rsplit("/", 2)[0] + "/"
