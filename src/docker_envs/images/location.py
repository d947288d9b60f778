"""Where an image is or goes to, as people write it: `transport:place`, with skopeo's names.

Spec: containers-transports(5), for the names; what stands for itself is ours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from docker_envs.errors import InvalidInputError, InvalidReferenceError
from docker_envs.oci.reference import Reference

#: Standard input or output.
STREAM = Path("-")

_HINT = "write it as `[docker://]NAME`, `docker-daemon:NAME`, `docker-archive:FILE`, `oci-archive:FILE` or `oci:DIR`"
_UNSUPPORTED = {
    "containers-storage": "use podman's socket: `docker-daemon:NAME` with `CONTAINER_HOST`",
    "dir": "use an OCI layout: `oci:DIR`",
    "ostree": "use an OCI layout: `oci:DIR`",
    "sif": "use an archive: `docker-archive:FILE`",
}


class Transport(StrEnum):
    """A kind of place."""

    REGISTRY = "docker"
    ENGINE = "docker-daemon"
    DOCKER_ARCHIVE = "docker-archive"
    OCI_ARCHIVE = "oci-archive"
    LAYOUT = "oci"

    @property
    def is_file(self) -> bool:
        """Whether the place is a path."""
        return self not in (Transport.REGISTRY, Transport.ENGINE)


@dataclass(frozen=True, slots=True)
class Location:
    """A place of an image; `str()` is its full form, without `docker://`, which goes without saying.

    Attributes:
        transport: The kind of place.
        reference: The name in a registry or engine.
        path: The file or directory; `-` is standard input or output.
        name: Which image in a file, or what it shall be called there: a full name, a tag, or (to read) a digest.
    """

    transport: Transport
    reference: Reference | None = None
    path: Path | None = None
    name: str | None = None

    @property
    def registry_reference(self) -> Reference:
        """The name in a registry or engine.

        Raises:
            InvalidInputError: It is a file.
        """
        if self.reference is None:
            raise InvalidInputError(f"`{self}` is no name in a registry", hint="write it as `[docker://]NAME:TAG`")
        return self.reference

    @property
    def host_path(self) -> Path:
        """The path of a file or directory.

        Raises:
            InvalidInputError: It is none.
        """
        if self.path is None:
            raise InvalidInputError(f"`{self}` is no file")
        return self.path

    @property
    def is_stream(self) -> bool:
        """Whether it is standard input or output."""
        return self.path == STREAM

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference) if self.transport is Transport.REGISTRY else f"{self.transport}:{self.reference}"
        return f"{self.transport}:{self.path}{f':{self.name}' if self.name else ''}"


def parse_location(text: str) -> Location:
    """A place from what people write.

    Without a transport it is a name in a registry; `-` is an archive on standard input or output, and what starts like
    a path (`./`, `../`, `/`) is a layout if it is a directory or ends with `/`, else an archive.

    Raises:
        InvalidInputError: The transport is unknown, or its place is missing.
        InvalidReferenceError: The name is none.
    """
    if text == str(STREAM):
        return Location(Transport.DOCKER_ARCHIVE, path=STREAM)
    if text.startswith(("/", "./", "../")):
        # `Path.is_dir` would raise for names that are too long.
        is_layout = text.endswith("/") or os.path.isdir(text)  # noqa: PTH112
        return Location(Transport.LAYOUT if is_layout else Transport.DOCKER_ARCHIVE, path=Path(text))
    kind, colon, rest = text.partition(":")
    if kind in _UNSUPPORTED and colon:
        raise InvalidInputError(f"`{text}`: the transport `{kind}:` is not supported", hint=_UNSUPPORTED[kind])
    if not colon or kind not in tuple(Transport) or (kind == Transport.REGISTRY and not rest.startswith("//")):
        return Location(Transport.REGISTRY, _reference(text, text))
    transport = Transport(kind)
    if not transport.is_file:
        return Location(transport, _reference(rest.removeprefix("//"), text))
    path, _, name = rest.partition(":")
    if not path:
        raise InvalidInputError(f"`{text}` names no file", hint=_HINT)
    return Location(transport, path=Path(path), name=name or None)


def _reference(name: str, text: str) -> Reference:
    try:
        return Reference.parse(name)
    except InvalidReferenceError as error:
        raise InvalidReferenceError(text, error.reason, hint=_HINT) from error
