from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pysequoia import Tsk

from docker_envs.environments.debian.indexing.keyring import DEBIAN_KEYS, Keyring, open_keyring
from docker_envs.environments.debian.indexing.signatures import verify_clearsigned
from docker_envs.errors import InvalidInputError, VerificationError
from tests.packages.debian_archive import AT, Signer

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Origin: Tests\n- dashed\nDate: today\n"


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def verify(content: bytes, *signers: Signer, at: datetime = AT) -> bytes:
    keyring = Keyring("the keyring", tuple(signer.key.extract_certificate() for signer in signers))
    return verify_clearsigned(content, keyring, source="x/InRelease", at=at).content


def test_signed(signer: Signer) -> None:
    assert verify(signer.sign(TEXT), signer, Signer()).decode().rstrip("\n") == TEXT.rstrip("\n")


def test_only_what_was_signed_is_read(signer: Signer) -> None:
    content = signer.sign(TEXT) + b"\nEvil: yes\n"
    assert b"Evil" not in verify(content, signer)
    with pytest.raises(VerificationError, match="is not signed"):
        verify(b"Evil: yes\n\n" + content, signer)


def test_the_second_of_two_messages_does_not_count(signer: Signer) -> None:
    assert b"more" not in verify(signer.sign(TEXT) + signer.sign("more: 1\n"), signer)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"Tests", b"Toast"), (b"Date", b"date"), (b"Origin", b"Evil: yes\nOrigin"), (b"today", b"today\nEvil: yes")],
)
def test_tampered(signer: Signer, old: bytes, new: bytes) -> None:
    with pytest.raises(
        VerificationError, match=r"Archive <archive@example.org> does not fit the text, which was changed"
    ):
        verify(signer.sign(TEXT).replace(old, new, 1), signer)


def test_wrong_key(signer: Signer) -> None:
    with pytest.raises(
        VerificationError, match=r"^x/InRelease: signed by `[0-9a-f]{16,}`, which is not in the keyring$"
    ):
        verify(signer.sign(TEXT), Signer())
    with pytest.raises(VerificationError, match="not in the keyring"):
        verify(signer.sign(TEXT))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode(), "x/InRelease: is not signed"),
        (b"", "x/InRelease: is not signed"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: x\n", "its signature is missing or damaged"),
    ],
    ids=["plain", "empty", "cut"],
)
def test_unsigned(signer: Signer, content: bytes, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        verify(content, signer)


def test_cut_or_damaged_signature(signer: Signer) -> None:
    content = signer.sign(TEXT)
    start = content.index(b"-----BEGIN PGP SIGNATURE-----")
    for damaged in (
        content[:start],
        content[: start + 60],
        content[:start] + b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n",
    ):
        with pytest.raises(VerificationError, match="its signature is missing or damaged"):
            verify(damaged, signer)


def test_expired_key() -> None:
    signer = Signer(Tsk.generate("Archive <archive@example.org>", validity_seconds=3600))
    expires = signer.key.extract_certificate().expiration
    assert expires is not None
    content = signer.sign(TEXT)
    assert verify(content, signer, at=expires - timedelta(minutes=1))
    with pytest.raises(VerificationError, match=rf"the key `[0-9a-f]+` of Archive .* expired on {expires:%Y-%m-%d}"):
        verify(content, signer, at=expires)


def test_one_valid_key_of_several_is_enough(signer: Signer) -> None:
    old = Signer(Tsk.generate("Old", validity_seconds=3600))
    assert verify(signer.sign(TEXT), old, signer, at=datetime(2999, 1, 1, tzinfo=UTC))


def test_revoked_key(signer: Signer) -> None:
    certificate = signer.key.extract_certificate()
    revocation = certificate.revoke(signer.key.certifier())
    revoked = type(certificate).from_bytes(bytes(certificate) + bytes(revocation))
    keyring = Keyring("the keyring", (revoked,))
    with pytest.raises(VerificationError, match="was revoked"):
        verify_clearsigned(signer.sign(TEXT), keyring, source="x", at=AT)


def test_archive_keys_are_the_documented_ones() -> None:
    keyring = open_keyring("")
    assert {certificate.fingerprint for certificate in keyring.certificates} == set(DEBIAN_KEYS)
    for certificate in keyring.certificates:
        assert str(certificate.user_ids[0]).startswith(DEBIAN_KEYS[certificate.fingerprint])


def test_some_of_the_archive_keys() -> None:
    bookworm, trixie = [name for name, owner in DEBIAN_KEYS.items() if "Stable" in owner][1:]
    keyring = open_keyring(f"{bookworm.upper()}! {trixie}")
    assert [certificate.fingerprint for certificate in keyring.certificates] == [bookworm, trixie]
    # A subkey stands for the key that it belongs to.
    assert len(open_keyring("4cb50190207b4758a3f73a796ed0e7b82643e131").certificates) == 1


def test_keyrings_in_files(tmp_path: Path, signer: Signer) -> None:
    armored, binary = tmp_path / "a.asc", tmp_path / "b.gpg"
    armored.write_text(signer.public)
    binary.write_bytes(bytes(signer.key.extract_certificate()))
    for source in (str(armored), str(binary), signer.public):
        assert [each.fingerprint for each in open_keyring(source).certificates] == [signer.fingerprint]


def test_no_keyring(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense")
    with pytest.raises(InvalidInputError, match="holds no OpenPGP keys"):
        open_keyring(str(tmp_path / "bad"))
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        open_keyring(str(tmp_path / "none"))
    with pytest.raises(InvalidInputError, match="is not one of Debian's archive keys"):
        open_keyring("0" * 40)
