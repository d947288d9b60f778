"""A wheel that was chosen: where it is, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from docker_envs.errors import InvalidInputError, redact
from docker_envs.fields import canonical_json


@dataclass(frozen=True, slots=True)
class PypiPackage:
    """One wheel of a lock; has all that `environments.base.LockedPackage` asks for.

    Attributes:
        name: Normalised name of the distribution.
        version: Its version, normalised.
        url: Where the wheel is; may hold credentials, so never print or store it (`public_url` is for that).
        file_name: Name of the wheel.
        sha256: Of the wheel, 64 hexadecimal digits.
        size: Of the wheel in bytes, when known.
        direct: Whether the declaration named this very file, and not a version in an index.
        requested: Whether the declaration named the distribution itself.
    """

    name: str
    version: str
    url: str
    file_name: str
    sha256: str | None = None
    size: int | None = None
    direct: bool = False
    requested: bool = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        file_name: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
        direct: bool = False,
    ) -> Self:
        """A wheel known by its address.

        Args:
            url: Where it is.
            file_name: Its name, where the address does not end in it.
            sha256: Of the wheel.
            size: In bytes.
            direct: Whether the declaration named this very file.

        Raises:
            InvalidInputError: It is no wheel.
        """
        name = file_name or PurePosixPath(unquote(urlsplit(url).path)).name
        try:
            distribution, version, _, _ = parse_wheel_filename(name)
        except InvalidWheelFilename as error:
            raise InvalidInputError(f"`{redact(url)}` is not the address of a wheel") from error
        bare = urlunsplit(urlsplit(url)._replace(fragment=""))
        return cls(canonicalize_name(distribution), str(version), bare, name, sha256, size, direct)

    @property
    def md5(self) -> None:
        """Never: what has no sha256 has no digest."""
        return

    @property
    def display_name(self) -> str:
        """`name-version`."""
        return f"{self.name}-{self.version}"

    @property
    def public_url(self) -> str:
        """The URL that may be written down: no credentials, no query, and of a local file only its name."""
        return _public_url(self.url, self.file_name)

    def as_requested(self) -> Self:
        """The same, named by the declaration itself."""
        return replace(self, requested=True)

    def direct_url(self) -> bytes | None:
        """The content of `direct_url.json`; None for what came from an index, or from a file of the building host.

        Spec: PyPA specifications, "Recording the Direct URL Origin of installed distributions" (PEP 610).
        """
        if not self.direct or self.url.startswith("file:"):
            return None
        archive = {} if self.sha256 is None else {"hashes": {"sha256": self.sha256}}
        return canonical_json({"url": self.public_url, "archive_info": archive})


@dataclass(frozen=True, slots=True)
class PypiSdist:
    """A source distribution that was chosen; has all that `environments.base.LockedPackage` asks for.

    Attributes:
        name: Normalised name of the distribution.
        version: Its version, normalised.
        url: Where it is; may hold credentials, so never print or store it (`public_url` is for that).
        file_name: Its name.
        sha256: Of it, 64 hexadecimal digits.
        size: In bytes, when known.
        requested: Whether the declaration named the distribution itself.
    """

    name: str
    version: str
    url: str
    file_name: str
    sha256: str | None = None
    size: int | None = None
    requested: bool = False

    @property
    def md5(self) -> None:
        """Never: what has no sha256 has no digest."""
        return

    @property
    def display_name(self) -> str:
        """`name-version`."""
        return f"{self.name}-{self.version}"

    @property
    def public_url(self) -> str:
        """As of `PypiPackage`."""
        return _public_url(self.url, self.file_name)


def _public_url(url: str, file_name: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return f"file:///{file_name}"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
