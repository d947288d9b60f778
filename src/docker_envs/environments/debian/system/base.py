"""The system that packages are put on top of: what a base image has, as far as new packages have to do with it.

Spec: dpkg(1), "Files"; Debian Policy 4.7, section 6.6 ("Details of unpack phase") for what an upgrade removes, and
section 10.7.3 for configuration files, of which those that somebody changed stay.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.archives.placement import Placement
from docker_envs.environments.debian.solving.installed import parse_status
from docker_envs.environments.debian.stanzas import parse_stanzas
from docker_envs.environments.debian.system.model import Diversion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.debian.archives.metadata import DebianMetadata
    from docker_envs.environments.debian.solving.installed import InstalledPackage

DPKG = "var/lib/dpkg"
STATUS, STATUS_DIRECTORY, DIVERSIONS = f"{DPKG}/status", f"{DPKG}/status.d", f"{DPKG}/diversions"
OS_RELEASE = "usr/lib/os-release"

#: Paths of files whose contents a `BaseSystem` needs: dpkg's database, configuration, and what apt trusts.
NEEDED = re.compile(
    rf"{DPKG}/(?!info/[^/]+\.(?:md5sums|symbols|shlibs|templates|preinst|postinst|prerm|postrm|config)\Z)"
    r"|etc/(?!ssl/certs/)|usr/lib/os-release\Z|usr/share/keyrings/[^/]+\.(?:gpg|asc|pgp)\Z"
    r"|usr/share/ca-certificates/.+\.crt\Z"
)
_CONFFILE = re.compile(r"^\s*(/\S+) ([0-9a-f]{32})\b", re.MULTILINE)
_SOURCE = "the base's list of packages"


def parse_release(content: bytes) -> dict[str, str]:
    """The values of an `os-release`.

    Spec: os-release(5).
    """
    lines = content.decode("utf-8", "replace").splitlines()
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines) if value}


@dataclass(frozen=True)
class BaseSystem:
    """What packages are put on top of; empty for an image from nothing.

    Attributes:
        entries: All its files, directories and links as a container sees them, without contents.
        contents: Of the files that `NEEDED` names, by path.
    """

    entries: Sequence[Entry] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict)

    def installed(self, architecture: str) -> tuple[InstalledPackage, ...]:
        """The packages that it has, sorted by name.

        Args:
            architecture: Debian's name of it; packages for others are left out.

        Raises:
            FormatError: dpkg's list cannot be read.
        """
        return parse_status(self._statuses(), source=_SOURCE, architecture=architecture)

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Versions of its packages by their name.

        Raises:
            FormatError: dpkg's list cannot be read.
        """
        stanzas = (stanza for text in self._statuses() for stanza in parse_stanzas(text, source=_SOURCE))
        return {
            stanza["package"]: stanza.get("version", "")
            for stanza in stanzas
            if "package" in stanza and stanza.get("status", "install ok installed").endswith(" installed")
        }

    @cached_property
    def release(self) -> Mapping[str, str]:
        """The values of its `os-release`, empty where it has none."""
        return parse_release(self.contents.get(OS_RELEASE, b""))

    @property
    def diversions(self) -> dict[str, Diversion]:
        """Paths that its packages and its administrator diverted."""
        lines = self._text(DIVERSIONS).splitlines()
        triples = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
        return {path: Diversion(path, target, "" if name == ":" else name) for path, target, name in triples}

    def changed_conffiles(self, packages: Sequence[DebianMetadata]) -> frozenset[str]:
        """Configuration files of packages that the base has in a form of its own, which therefore stay."""
        wanted = {path for package in packages for path in package.conffiles} & self.contents.keys()
        if not wanted:
            return frozenset()
        known = {path[1:]: digest for text in self._statuses() for path, digest in _CONFFILE.findall(text)}
        shipped = {path: package.md5sums.get(path) for package in packages for path in package.conffiles}
        found = {path: hashlib.md5(self.contents[path], usedforsecurity=False).hexdigest() for path in wanted}
        return frozenset(path for path, digest in found.items() if digest not in (known.get(path), shipped[path]))

    def outdated(
        self, packages: Sequence[DebianMetadata], present: Collection[str], links: Mapping[str, str]
    ) -> tuple[str, ...]:
        """What packages of the base had that come in another version now, and nobody has any more, sorted.

        Args:
            packages: The new ones.
            present: Paths of files and links that are in the image above the base.
            links: Directories that are links in the image, with what they lead to.
        """
        replaced = {package.name for package in packages} & self.versions.keys()
        if not replaced:
            return ()
        placement = Placement(links)
        conffiles = {path[1:] for text in self._statuses() for path, _ in _CONFFILE.findall(text)}
        others: set[str] = set()
        old: set[str] = set()
        for name, paths in self._lists():
            (old if name in replaced else others).update(map(placement.of_file, paths))
        files = {entry.path for entry in self.entries if entry.kind is not Kind.DIRECTORY}
        return tuple(sorted((old & files) - others - set(present) - conffiles))

    def _lists(self) -> Iterator[tuple[str, list[str]]]:
        """Names of its packages with the paths that each has."""
        for path, content in self.contents.items():
            directory, _, name = path.rpartition("/")
            lines = content.decode("utf-8", "surrogateescape").splitlines()
            if directory == f"{DPKG}/info" and name.endswith(".list"):
                yield name.removesuffix(".list").partition(":")[0], [line.lstrip("/") for line in lines]
            elif directory == STATUS_DIRECTORY and name.endswith(".md5sums"):
                yield name.removesuffix(".md5sums"), [line[34:] for line in lines]

    def _statuses(self) -> list[str]:
        apart = sorted(
            path for path in self.contents if path.startswith(f"{STATUS_DIRECTORY}/") and not path.endswith(".md5sums")
        )
        return [self._text(path) for path in (STATUS, *apart) if path in self.contents]

    def _text(self, path: str) -> str:
        return self.contents.get(path, b"").decode("utf-8", "surrogateescape")
