"""The archives of Debian that the machine at hand uses in place of Debian's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docker_envs.environments.debian.declarations.sources_files import host_sources
from docker_envs.errors import DockerEnvsError

if TYPE_CHECKING:
    from docker_envs.environments.debian.declarations.source import AptSource

_OWN = ("debian.org",)
_NAMES = ("debian", "debian-security")
#: What is checked where no key is named.
_DEFAULT_KEYS = "/usr/share/keyrings/debian-archive-keyring."


def machine_archives(root: Path = Path("/")) -> tuple[AptSource, ...]:
    """Mirrors of Debian that a machine is set up with; none if it uses Debian's own, or is of another distribution.

    What cannot be read counts as not there, since the answer is a proposal.

    Args:
        root: Of the machine's files.
    """
    try:
        release = (root / "etc/os-release").read_text(errors="replace").splitlines()
        found = host_sources(root / "etc/apt")
    except (OSError, DockerEnvsError):
        return ()
    if "ID=debian" not in release:
        return ()
    mirrors = [source for source in found if _is_of_debian(source)]
    if all(_is_own(source) for source in mirrors):
        return ()
    return tuple(
        replace(source, signed_by="") if source.signed_by.startswith(_DEFAULT_KEYS) else source for source in mirrors
    )


def _is_of_debian(source: AptSource) -> bool:
    """Not an archive of somebody else's packages for Debian."""
    name = urlsplit(source.uri).path.rstrip("/").rpartition("/")[2]
    return name in _NAMES and "main" in source.components


def _is_own(source: AptSource) -> bool:
    host = urlsplit(source.uri).hostname or ""
    return host in _OWN or host.endswith(tuple(f".{name}" for name in _OWN))
