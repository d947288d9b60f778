"""Where packages come from: an archive's address, its suites and components."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

from docker_envs.errors import InvalidInputError

DEFAULT_SUITE = "trixie"
DEFAULT_COMPONENTS = ("main",)
DEFAULT_MIRROR = "http://deb.debian.org"
SNAPSHOT_ARCHIVE = "http://snapshot.debian.org/archive"

_SCHEMES = ("http", "https", "file")
#: Archives that snapshot.debian.org keeps, by the last part of their path.
_SNAPSHOT_NAMES = ("debian", "debian-security", "debian-ports", "debian-debug")
_TIME_FORMATS = ("%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d", "%Y-%m-%d")
_WORD = re.compile(r"[0-9A-Za-z._/~+-]+")


@dataclass(frozen=True, slots=True)
class AptSource:
    """One archive, and what of it is used.

    Attributes:
        uri: `http`, `https` or `file`; may hold credentials, so never print or store it.
        suites: Names of suites, or codenames; one that ends with a slash is a directory that has its own index.
        components: `main`, `contrib`, …; empty for such directories alone.
        signed_by: Path of a keyring, an armored key, or fingerprints of keys; empty for Debian's archive keys.
        architectures: What it is used for; empty for all.
        check_valid_until: Whether its indexes get too old by their own word.

    Raises:
        InvalidInputError: The address cannot be used, a suite or component is malformed, or there is no suite.

    Spec: apt, sources.list(5).
    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    signed_by: str = ""
    architectures: tuple[str, ...] = ()
    check_valid_until: bool = True

    def __post_init__(self) -> None:
        if not _is_address(self.uri):
            # What is no URL may hold a password all the same, in a place where nothing else would take it away.
            raise InvalidInputError(
                f"`{self.uri.rpartition('@')[2]}` is not the address of an archive",
                hint="it starts with `https://`, `http://` or `file:`",
            )
        if not self.suites:
            raise InvalidInputError(f"`{self.uri}` is named without a suite", hint=f"such as `{DEFAULT_SUITE}`")
        for word in (*self.suites, *self.components):
            if not _WORD.fullmatch(word) or ".." in word.split("/"):
                raise InvalidInputError(f"{word!r} is neither a suite nor a component of an archive")
        flat = {suite.endswith("/") for suite in self.suites}
        if flat != {not self.components}:
            raise InvalidInputError(
                f"suites of `{self.uri}` need components, unless they end with a slash",
                hint="such as `main`; a directory that ends with a slash has none",
            )

    @property
    def root(self) -> str:
        """The address with a slash at its end."""
        return self.uri.rstrip("/") + "/"

    @property
    def public_uri(self) -> str:
        """The address without credentials."""
        parts = urlsplit(self.uri)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def at(self, time: datetime, *, archive: str = SNAPSHOT_ARCHIVE) -> AptSource:
        """As it was at a time.

        Args:
            time: With a time zone.
            archive: A service with the addresses of snapshot.debian.org.

        Raises:
            InvalidInputError: Nobody keeps its history.
        """
        name = urlsplit(self.uri).path.rstrip("/").rpartition("/")[2]
        if name not in _SNAPSHOT_NAMES:
            raise InvalidInputError(
                f"`{self.uri}` has no snapshots",
                hint=f"these have: {', '.join(f'`…/{each}`' for each in _SNAPSHOT_NAMES)}",
            )
        return replace(self, uri=f"{archive.rstrip('/')}/{name}/{snapshot_text(time)}", check_valid_until=False)


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:  # brackets that hold no IPv6 address
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname if parts.scheme != "file" else parts.path)


def debian_sources(
    suite: str = DEFAULT_SUITE,
    components: tuple[str, ...] = DEFAULT_COMPONENTS,
    *,
    mirror: str = DEFAULT_MIRROR,
    signed_by: str = "",
) -> tuple[AptSource, ...]:
    """A suite of Debian with its updates and its security updates, as an installed system has them.

    Args:
        suite: Codename of a release; `sid` and `unstable` have no updates.
        components: Such as `main`.
        mirror: Has `/debian` and `/debian-security`.
        signed_by: As in `AptSource`.
    """
    rolling = suite in ("sid", "unstable", "experimental")
    suites = (suite,) if rolling else (suite, f"{suite}-updates")
    main = AptSource(f"{mirror.rstrip('/')}/debian", suites, components, signed_by)
    security = AptSource(f"{mirror.rstrip('/')}/debian-security", (f"{suite}-security",), components, signed_by)
    return (main,) if rolling else (main, security)


def parse_snapshot(text: str) -> datetime:
    """Parse the time of a snapshot: `20250520T000000Z`, `2025-05-20T00:00:00Z` or `2025-05-20`, all in UTC.

    Raises:
        InvalidInputError: It is none.
    """
    for form in _TIME_FORMATS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise InvalidInputError(f"{text!r} is not the time of a snapshot", hint="write it as `20250520T000000Z`")


def snapshot_text(time: datetime) -> str:
    """A time as snapshot.debian.org writes it."""
    return time.astimezone(UTC).strftime(_TIME_FORMATS[0])
