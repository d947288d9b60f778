"""What was read of a wheel as bytes, so that its archive is opened once for a place."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from docker_envs.digest import Digest
from docker_envs.environments.pypi.planned import ReadWheel
from docker_envs.fields import canonical_json

if TYPE_CHECKING:
    from packaging.markers import Environment

    from docker_envs.environments.pypi.installation import Installation
    from docker_envs.environments.pypi.package import PypiPackage

#: Raised whenever `read_wheel` returns something else for the same wheel, or the encoding changes.
WHEEL_FORMAT = 1


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    size: int
    files: dict[str, int]
    metadata_folder: str
    license: str
    requires: tuple[str, ...]
    conditions: tuple[str, ...]


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(_Kept)


def wheel_key(package: PypiPackage, installation: Installation, environment: Environment) -> str | None:
    """Names all that `read_wheel` looks at; None for a wheel without a digest.

    Args:
        package: The wheel.
        installation: Where it goes.
        environment: Values of markers there.
    """
    if package.sha256 is None:
        return None
    direct_url = package.direct_url()
    facts = [
        package.sha256,
        package.file_name,
        package.requested,
        direct_url.decode() if direct_url else None,
        asdict(installation),
        {name: str(value) for name, value in environment.items()},
    ]
    return Digest.of(canonical_json(facts)).hex


def encode_wheel(read: ReadWheel) -> bytes | None:
    """A wheel as bytes; None for what the encoding cannot hold, such as names that are no UTF-8."""
    try:
        return msgspec.msgpack.encode(
            _Kept(read.size, dict(read.files), read.metadata_folder, read.license, read.requires, read.conditions)
        )
    except (UnicodeEncodeError, OverflowError):
        return None


def decode_wheel(content: bytes, package: PypiPackage, installation: Installation) -> ReadWheel | None:
    """A wheel from bytes; None when these are of another format, or of a wheel of another size.

    Args:
        content: What `encode_wheel` gave for the same key.
        package: The wheel, which has a digest.
        installation: Where it goes.
    """
    try:
        kept = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if package.sha256 is None or package.size not in (None, kept.size):
        return None
    return ReadWheel(
        package,
        package.sha256,
        kept.size,
        installation,
        kept.files,
        kept.metadata_folder,
        kept.license,
        kept.requires,
        kept.conditions,
    )
