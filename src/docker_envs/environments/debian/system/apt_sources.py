"""What apt in an image needs to go on with it: the archives that its packages came from, and the keys of these.

Spec: apt, sources.list(5), "DEB822-STYLE FORMAT".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docker_envs.environments.debian.indexing.keyring import open_keyring

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from docker_envs.environments.debian.declarations.source import AptSource
    from docker_envs.environments.debian.system.base import BaseSystem

APT = "apt"
_KEYRING_PACKAGE, _KEYRING = "debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"
_SOURCES = "etc/apt/sources.list.d/docker-envs.sources"
_CONFIGURED = re.compile(r"etc/apt/sources\.list\Z|etc/apt/sources\.list\.d/[^/]+\.(?:list|sources)\Z")


def apt_files(sources: Sequence[AptSource], names: Collection[str], base: BaseSystem) -> dict[str, bytes]:
    """The files that tell apt where packages come from, by path in the image.

    Nothing for images without apt, and for bases that say it themselves. Archives that are folders of this machine mean
    nothing in an image, and addresses lose their credentials.

    Args:
        sources: Where the packages came from.
        names: Of the new packages.
        base: What is below them.

    Raises:
        InvalidInputError: A keyring cannot be read.
    """
    usable = [source for source in sources if urlsplit(source.uri).scheme != "file"]
    configured = any(_CONFIGURED.match(path) and content.strip() for path, content in base.contents.items())
    if not usable or configured or APT not in {*names, *base.versions}:
        return {}
    has_keyring = _KEYRING_PACKAGE in {*names, *base.versions}
    files: dict[str, bytes] = {}
    stanzas = [_stanza(source, _signed_by(source, files, has_keyring=has_keyring)) for source in usable]
    return {_SOURCES: "\n".join(stanzas).encode(), **files}


def _signed_by(source: AptSource, files: dict[str, bytes], *, has_keyring: bool) -> str:
    """What `Signed-By` says; a key that no package has becomes one of the files."""
    if not source.signed_by:
        return _KEYRING if has_keyring else ""
    if not source.signed_by.startswith(("/", "-----BEGIN")):
        return source.signed_by
    content = b"".join(bytes(certificate) for certificate in open_keyring(source.signed_by).certificates)
    known = next((path for path, each in files.items() if each == content), None)
    path = known or f"etc/apt/keyrings/docker-envs-{len(files) + 1}.gpg"
    files[path] = content
    return f"/{path}"


def _stanza(source: AptSource, signed_by: str) -> str:
    parts = urlsplit(source.uri)
    fields = {
        "Types": "deb",
        "URIs": parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        "Suites": " ".join(source.suites),
        "Components": " ".join(source.components),
        "Architectures": " ".join(source.architectures),
        "Check-Valid-Until": "" if source.check_valid_until else "no",
        "Signed-By": signed_by,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
