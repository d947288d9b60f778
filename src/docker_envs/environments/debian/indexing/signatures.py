"""Clearsigned texts: verified with OpenPGP, and read for nothing but what was signed.

Spec: RFC 9580, section 7 (cleartext signature framework).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pysequoia import Cert

    from docker_envs.environments.debian.indexing.keyring import Keyring, SigningKey

_OR_LAPSED = "or has expired, or is by a subkey that was revoked"
_MARK = b"-----BEGIN PGP SIGNED MESSAGE-----"


@dataclass(frozen=True, slots=True)
class SignedText:
    """What was signed.

    Attributes:
        content: The text without its armor.
        fingerprints: Of the keys whose signatures hold, sorted.
    """

    content: bytes
    fingerprints: tuple[str, ...]


def verify_clearsigned(content: bytes, keyring: Keyring, *, source: str, at: datetime) -> SignedText:
    """What is in a clearsigned text, if a key of the keyring signed it.

    Args:
        content: The text with its signatures.
        keyring: Keys that count.
        source: What was read, for messages.
        at: When the key must be valid, with a time zone.

    Raises:
        VerificationError: There is no signature, none by a key of the keyring, or it does not fit the text; or the key
            has expired or was revoked.
    """
    from pysequoia import verify

    if not content.startswith(_MARK):
        raise VerificationError(
            f"{source}: is not signed", hint="an archive has an `InRelease` that its keys signed; check the address"
        )
    signers: list[str] = []

    def certificates(key_ids: list[str]) -> Sequence[Cert]:
        signers.extend(key_ids)
        return keyring.certificates

    try:
        verified = verify(content, certificates)
    except Exception as error:
        raise VerificationError(*_reason(signers, keyring, source, at)) from error
    known = keyring.keys()
    good = sorted({signature.signing_key for signature in verified.valid_sigs})
    valid = [fingerprint for fingerprint in good if _problem(known[fingerprint], at) is None]
    if not valid:
        raise VerificationError(f"{source}: {_problem(known[good[0]], at)}")
    return SignedText(verified.bytes or b"", tuple(valid))


def _reason(signers: Sequence[str], keyring: Keyring, source: str, at: datetime) -> tuple[str]:
    """Why a text that claims to be signed does not count; the library does not tell."""
    if not signers:
        return (f"{source}: its signature is missing or damaged",)
    known = keyring.keys()
    ours = [known[signer.lower()] for signer in signers if signer.lower() in known]
    if not ours:
        names = ", ".join(f"`{signer.lower()}`" for signer in sorted(signers))
        return (f"{source}: signed by {names}, which is not in {keyring.source}",)
    problem = next(filter(None, (_problem(key, at) for key in ours)), None)
    otherwise = f"the signature by {ours[0].owner} does not fit the text, which was changed, {_OR_LAPSED}"
    return (f"{source}: {problem or otherwise}",)


def _problem(key: SigningKey, at: datetime) -> str | None:
    if key.revoked:
        return f"the key `{key.fingerprint}` of {key.owner} was revoked"
    if key.expires is not None and key.expires <= at:
        return f"the key `{key.fingerprint}` of {key.owner} expired on {key.expires:%Y-%m-%d}"
    return None
