"""Podman's settings for registries: mirrors, other locations, which are insecure, which are blocked.

Spec: containers-registries.conf(5), version 2, and containers-registries.conf.d(5). Of these, `[[registry]]` tables
are read. Short names (`unqualified-search-registries`, aliases) are not: ours mean Docker Hub. Prefixes with a tag or
digest are refused.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker_envs.errors import FormatError, InvalidInputError, InvalidReferenceError
from docker_envs.fields import Fields
from docker_envs.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SYSTEM = Path("/etc/containers")
_VARIABLE = "CONTAINERS_REGISTRIES_CONF"


class MirrorUse(StrEnum):
    """For which pulls a mirror is used: the values of `pull-from-mirror`."""

    ALL = "all"
    DIGEST_ONLY = "digest-only"
    TAG_ONLY = "tag-only"

    def serves(self, reference: Reference) -> bool:
        """Whether a reference is pulled from the mirror."""
        return self is MirrorUse.ALL or (self is MirrorUse.DIGEST_ONLY) == (reference.digest is not None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where repositories are: a registry, and what stands before their names there.

    Attributes:
        registry: Host with optional port.
        path: Without slashes around; may be empty.
        insecure: Whether the certificate is not checked, and plain HTTP allowed.
        use: For which pulls.
    """

    registry: str
    path: str = ""
    insecure: bool = False
    use: MirrorUse = MirrorUse.ALL

    def reference(self, wanted: Reference, rest: str) -> Reference:
        """What an image is called here; `rest` is its name behind the prefix."""
        return replace(wanted, registry=self.registry, repository="/".join(filter(None, (self.path, rest))))


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A `[[registry]]` table.

    Attributes:
        prefix: Of the names that it is for; `*.example.com` for hosts below a domain.
        location: Where these are; None if where they say.
        mirrors: Tried before that, in their order.
        insecure: As in `Place`.
        blocked: Whether pulling is forbidden.
        source: The file.
    """

    prefix: str
    location: Place | None = None
    mirrors: tuple[Place, ...] = ()
    insecure: bool = False
    blocked: bool = False
    source: str = ""

    def rest(self, name: str) -> str | None:
        """What follows the prefix in a name (registry and repository); None if it is not for this table."""
        if self.prefix.startswith("*."):
            host, _, rest = name.partition("/")
            return rest if host.rpartition(":")[0].endswith(self.prefix[1:]) or host.endswith(self.prefix[1:]) else None
        head, rest = name[: len(self.prefix)], name[len(self.prefix) :]
        return rest.removeprefix("/") if head == self.prefix and rest[:1] in ("", "/") else None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an image is pulled from.

    Attributes:
        mirrors: References at mirrors, to be tried in this order; each with whether it is insecure.
        primary: Where it is, if no mirror has it.
        insecure: Whether `primary` is.
    """

    mirrors: tuple[tuple[Reference, bool], ...]
    primary: Reference
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class RegistriesConf:
    """All tables, one for each prefix."""

    entries: Mapping[str, RegistryEntry] = field(default_factory=dict)

    @classmethod
    def load(cls, files: Iterable[Path] | None = None) -> RegistriesConf:
        """Read the files that are there, later ones replacing tables with the same prefix.

        Args:
            files: By default those that `default_files` names.

        Raises:
            FormatError: A file is damaged.
            InvalidInputError: A file cannot be read.
        """
        entries = {}
        for file in default_files() if files is None else files:
            for entry in _read(file):
                entries[entry.prefix] = entry
        return cls(entries)

    def sources(self, reference: Reference) -> Sources:
        """Where to pull from.

        Raises:
            InvalidInputError: Pulling it is forbidden.
        """
        entry, rest = self._find(reference.name)
        if entry is None:
            return Sources((), reference)
        if entry.blocked:
            raise InvalidInputError(f"`{entry.source}` forbids to pull from `{entry.prefix}`")
        mirrors = tuple(
            (place.reference(reference, rest), place.insecure) for place in entry.mirrors if place.use.serves(reference)
        )
        primary = entry.location.reference(reference, rest) if entry.location else reference
        return Sources(mirrors, primary, entry.insecure)

    def is_insecure(self, name: str) -> bool:
        """Whether a registry itself, rather than a mirror, is insecure: for all, or for one repository in it."""
        entry, _ = self._find(name)
        return entry is not None and entry.insecure

    def is_remapped(self, name: str) -> bool:
        """Whether what is pulled from a repository may come from elsewhere: a mirror, or another location."""
        entry, _ = self._find(name)
        return entry is not None and bool(entry.mirrors or entry.location)

    def _find(self, name: str) -> tuple[RegistryEntry | None, str]:
        """The table with the longest prefix, and what follows the prefix."""
        matches = [(entry, rest) for entry in self.entries.values() if (rest := entry.rest(name)) is not None]
        return max(matches, key=lambda match: len(match[0].prefix), default=(None, ""))


def default_files() -> list[Path]:
    """The user's `registries.conf` or else the system's, and what is in `registries.conf.d` beside it.

    Beside the system's, the user's folder counts too. `CONTAINERS_REGISTRIES_CONF` names the only file that is read.
    """
    if named := os.environ.get(_VARIABLE):
        return [Path(named)]
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "containers"
    has_own = (user / "registries.conf").exists()
    files = [(user if has_own else _SYSTEM) / "registries.conf"]
    for folder in [user] if has_own else [_SYSTEM, user]:
        files += sorted((folder / "registries.conf.d").glob("*.conf"))
    return [file for file in files if file.is_file()]


def _read(file: Path) -> list[RegistryEntry]:
    source = f"`{file}`"
    try:
        document = tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise InvalidInputError(f"cannot read {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(source, "not in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(source, f"no valid TOML: {error}") from error
    fields = Fields.of(document, source=source)
    if any(_listed(fields, name) for name in ("insecure", "block")):
        raise FormatError(source, "version 1 of the format", hint="write `[[registry]]` tables, which are version 2")
    return [_entry(table) for table in fields.objects("registry")]


def _listed(fields: Fields, name: str) -> Any:
    """What version 1 of the format has in `[registries.NAME]`."""
    old = fields.document.get("registries")
    table = old.get(name) if isinstance(old, dict) else None
    return isinstance(table, dict) and table.get("registries")


def _entry(table: Fields) -> RegistryEntry:
    insecure = table.get("insecure", bool) or False
    location = (table.get("location", str) or "").rstrip("/")
    prefix = (table.get("prefix", str) or "").rstrip("/") or location
    is_wildcard = prefix.startswith("*.")
    if not location and not is_wildcard:
        raise table.error("location", "missing")
    if not is_wildcard:
        _place(table, prefix, name="prefix")
    elif "/" in prefix or "*" in prefix[1:]:
        raise table.error("prefix", f"expected `*.` and a domain, got {prefix!r}")
    by_digest = table.get("mirror-by-digest-only", bool) or False
    return RegistryEntry(
        prefix,
        _place(table, location, insecure=insecure) if location and location != prefix else None,
        tuple(_mirror(mirror, by_digest=by_digest) for mirror in table.objects("mirror")),
        insecure,
        table.get("blocked", bool) or False,
        table.source.strip("`"),
    )


def _mirror(table: Fields, *, by_digest: bool) -> Place:
    use = MirrorUse.DIGEST_ONLY if by_digest else MirrorUse.ALL
    if text := table.get("pull-from-mirror", str):
        if by_digest:
            raise table.error("pull-from-mirror", "not beside `mirror-by-digest-only` of the registry")
        try:
            use = MirrorUse(text)
        except ValueError:
            raise table.error("pull-from-mirror", f"expected one of {', '.join(MirrorUse)}, got {text!r}") from None
    place = _place(table, table.require("location", str).rstrip("/"), insecure=table.get("insecure", bool) or False)
    return replace(place, use=use)


def _place(table: Fields, text: str, *, name: str = "location", insecure: bool = False) -> Place:
    # Two more components: with one, Docker Hub's `library/` would be added.
    end = "x/x"
    try:
        reference = Reference.parse(f"{text}/{end}")
    except InvalidReferenceError as error:
        raise table.error(name, f"expected `host[:port][/path]`, got {text!r}: {error.reason}") from error
    if "." not in text and ":" not in text and reference.registry != text.partition("/")[0]:
        raise table.error(name, f"expected `host[:port][/path]`, got {text!r}, which names no host")
    if "@" in text or ":" in text.partition("/")[2]:
        raise table.error(name, f"expected no tag or digest, got {text!r}")
    return Place(reference.registry, reference.repository.removesuffix(end).rstrip("/"), insecure)
