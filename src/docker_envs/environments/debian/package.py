"""A Debian package that was chosen: where it is, and the digest that proves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """One package of a lock.

    Attributes:
        name: As in the field `Package`.
        version: With epoch and revision: `1:2.39.5-0+deb12u2`.
        architecture: `amd64`, `all`, …
        url: Where the `.deb` is; may hold credentials, so never print or store it (`public_url` is for that).
        sha256: Of the `.deb`, 64 hexadecimal digits.
        size: Of the `.deb` in bytes.
        source: Name of the source package; empty where it is that of the package.
        source_version: Version of the source package; empty where it is that of the package.
        depends: The field `Depends` as it stands.
        pre_depends: The field `Pre-Depends` as it stands.
        section: The field `Section`.
        priority: The field `Priority`: `required`, `important`, `standard`, `optional` or `extra`.
        multi_arch: The field `Multi-Arch`: `same`, `foreign`, `allowed`, or empty for `no`.
        essential: Whether dpkg refuses to remove it.
        installed_size: What it takes on disk by its own estimate, in KiB; 0 where it does not say.
        requested: Whether the declaration names it itself.

    Spec: Debian Policy 4.7, sections 5.3 and 5.6.
    """

    name: str
    version: str
    architecture: str
    url: str
    sha256: str
    size: int
    source: str = ""
    source_version: str = ""
    depends: str = ""
    pre_depends: str = ""
    section: str = ""
    priority: str = ""
    multi_arch: str = ""
    essential: bool = False
    installed_size: int = 0
    requested: bool = False

    @property
    def md5(self) -> None:
        """Never: archives have SHA-256 digests."""
        return

    @property
    def file_name(self) -> str:
        """Name of the archive, which lacks the epoch: `git_2.39.5-0+deb12u2_amd64.deb`."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def display_name(self) -> str:
        """`name:architecture=version`, as apt takes it."""
        return f"{self.name}:{self.architecture}={self.version}"

    @property
    def source_name(self) -> str:
        """Name of the source package."""
        return self.source or self.name

    @property
    def public_url(self) -> str:
        """The URL that may be written down: no credentials, no query, and of a local archive only the file's name."""
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            return f"file:///{self.file_name}"
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
