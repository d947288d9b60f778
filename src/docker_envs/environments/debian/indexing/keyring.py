"""Keyrings: the public keys by which an archive is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pysequoia import Cert

#: Primary keys of `keys/debian-archive-keyring.gpg`, which is that file of Debian's package `debian-archive-keyring`
#: 2023.3+deb12u2. They are published at https://ftp-master.debian.org/keys.html.
DEBIAN_KEYS = {
    "1f89983e0081fde018f3cc9673a4f27b8dd47936": "Debian Archive Automatic Signing Key (11/bullseye)",
    "ac530d520f2f3269f5e98313a48449044aad5c5d": "Debian Security Archive Automatic Signing Key (11/bullseye)",
    "a4285295fc7b1a81600062a9605c66f00d6c9793": "Debian Stable Release Key (11/bullseye)",
    "b8b80b5b623eab6ad8775c45b7c5d7d6350947f8": "Debian Archive Automatic Signing Key (12/bookworm)",
    "05ab90340c0c5e797f44a8c8254cf3b5aec0a8f0": "Debian Security Archive Automatic Signing Key (12/bookworm)",
    "4d64fec119c2029067d6e791f8d2585b8783d481": "Debian Stable Release Key (12/bookworm)",
    "04b54c3cdca79751b16bc6b5225629df75b188bd": "Debian Archive Automatic Signing Key (13/trixie)",
    "5e04a1e3223a19a20706e20f9904613d4cce68c6": "Debian Security Archive Automatic Signing Key (13/trixie)",
    "41587f7db8c774bccf131416762f67a0b2c39de4": "Debian Stable Release Key (13/trixie)",
}

_FINGERPRINTS = re.compile(r"(?:[0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?!?\s*)+")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MAX_KEYRING = 16 << 20
_SUBKEYS = ("PublicKey", "PublicSubkey")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs, or that others belong to.

    Attributes:
        fingerprint: In lower case.
        key_id: The short form that old signatures name.
        owner: Who it says it belongs to.
        expires: From when on it counts no more; None for never.
        revoked: Whether its owner took it back.
    """

    fingerprint: str
    key_id: str
    owner: str
    expires: datetime | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class Keyring:
    """Public keys.

    Attributes:
        source: Where they are from, for messages.
        certificates: As the OpenPGP library has them.
    """

    source: str
    certificates: tuple[Cert, ...]

    def keys(self) -> dict[str, SigningKey]:
        """Primary keys and subkeys by fingerprint, and again by key id."""
        found = [key for certificate in self.certificates for key in _keys(certificate)]
        return {name: key for key in found for name in (key.fingerprint, key.key_id)}


def is_self_contained(signed_by: str) -> bool:
    """Whether keys are named without a file: as an armored key, or by fingerprints of Debian's."""
    return signed_by.startswith("-----BEGIN") or _FINGERPRINTS.fullmatch(signed_by) is not None


def open_keyring(signed_by: str) -> Keyring:
    """The keyring that an archive is checked with.

    Args:
        signed_by: Path of a file with keys, armored or not; an armored key; fingerprints of Debian's archive keys; or
            empty for all of these.

    Raises:
        InvalidInputError: There is no such file, or it holds no keys.
    """
    if signed_by.startswith("-----BEGIN"):
        return Keyring("the key in the declaration", _parse(signed_by.encode(), "the key in the declaration"))
    if not signed_by or _FINGERPRINTS.fullmatch(signed_by):
        return _debian_keyring(fingerprint.rstrip("!").lower() for fingerprint in signed_by.split())
    try:
        with Path(signed_by).open("rb") as file:
            content = file.read(_MAX_KEYRING)
    except OSError as error:
        raise InvalidInputError(
            f"keyring `{signed_by}` cannot be read: {error.strerror}",
            hint="name a file with the archive's public keys, or install the package that has it",
        ) from error
    return Keyring(f"`{signed_by}`", _parse(content, f"`{signed_by}`"))


def _debian_keyring(fingerprints: Iterable[str]) -> Keyring:
    content = resources.files(__package__).joinpath("keys", "debian-archive-keyring.gpg").read_bytes()
    certificates = _parse(content, "Debian's archive keys")
    wanted = set(fingerprints)
    known = {key.fingerprint for certificate in certificates for key in _keys(certificate)}
    if unknown := wanted - known:
        raise InvalidInputError(
            f"`{min(unknown)}` is not one of Debian's archive keys", hint="name a file with the key instead"
        )
    chosen = [each for each in certificates if not wanted or wanted & {key.fingerprint for key in _keys(each)}]
    return Keyring("Debian's archive keys", tuple(chosen))


def _parse(content: bytes, source: str) -> tuple[Cert, ...]:
    from pysequoia import Cert

    try:
        certificates = tuple(Cert.split_bytes(content))
    except Exception as error:
        raise InvalidInputError(f"{source}: holds no OpenPGP keys") from error
    if not certificates:
        raise InvalidInputError(f"{source}: holds no OpenPGP keys")
    return certificates


def _keys(certificate: Cert) -> list[SigningKey]:
    """The primary key and the subkeys; a subkey lives no longer than its primary key.

    Of several bindings of a subkey, as there are when its life was extended, the newest counts (RFC 9580, 5.2.3.10).
    """
    from pysequoia.packet import PacketPile, SignatureType

    owner = next(map(str, certificate.user_ids), certificate.fingerprint)
    found: list[SigningKey] = []
    bound = _LONG_AGO
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.fingerprint is not None:
            created, bound = packet.key_created, _LONG_AGO
            found.append(
                SigningKey(
                    packet.fingerprint, packet.key_id or "", owner, certificate.expiration, certificate.is_revoked
                )
            )
        elif packet.signature_type == SignatureType.SubkeyBinding and (at := packet.signature_created or bound) > bound:
            bound, period = at, packet.key_validity_period
            ends = [certificate.expiration, created + period if created is not None and period else None]
            end = min((each.astimezone(UTC) for each in ends if each is not None), default=None)
            found[-1] = replace(found[-1], expires=end)
    return found
