"""The number under which OpenSSL looks for a certificate: a hash of its subject in canonical form.

Spec: RFC 5280, section 4.1 (the fields of a certificate); X.690 (DER); OpenSSL, `X509_NAME_hash_ex(3)`: SHA-1 over the
encoded attributes, texts as UTF-8 in lower case with single spaces, its first four bytes in little-endian order.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.+?)-----END ", re.DOTALL)
_SEQUENCE, _SET, _VERSION, _UTF8 = 0x30, 0x31, 0xA0, 0x0C
# Types of texts, with what their bytes are; OpenSSL takes T61 for Latin-1.
_TEXTS = {
    **dict.fromkeys((0x0C,), "utf-8"),
    **dict.fromkeys((0x13, 0x16, 0x1A), "ascii"),
    0x14: "latin-1",
    0x1E: "utf-16-be",
    0x1C: "utf-32-be",
}
# ASCII alone is folded, as OpenSSL does.
_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(65, 91)})


def subject_hash(certificate: bytes, *, source: str) -> str:
    """Eight hexadecimal digits for the first certificate of a PEM file.

    Raises:
        FormatError: There is none, or it cannot be read.
    """
    found = _PEM.search(certificate)
    if found is None:
        raise FormatError(source, "no certificate in PEM")
    try:
        subject = _subject(base64.b64decode(b"".join(found[1].split()), validate=True))
        canonical = b"".join(_canonical_set(body) for _, body in _elements(subject))
    except (IndexError, ValueError, binascii.Error) as error:
        raise FormatError(source, f"damaged certificate ({error})") from error
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _subject(der: bytes) -> bytes:
    """The attributes of the subject: the fifth field behind the version, if there is one."""
    certificate = next(_elements(der))[1]
    fields = [(tag, body) for tag, body in _elements(next(_elements(certificate))[1]) if tag != _VERSION]
    if fields[4][0] != _SEQUENCE:
        raise ValueError("no subject")
    return fields[4][1]


def _canonical_set(body: bytes) -> bytes:
    pairs = []
    for _, pair in _elements(body):
        (identifier, name), (tag, value) = _elements(pair)
        if tag in _TEXTS:
            text = value.decode(_TEXTS[tag]).translate(_LOWER)
            tag, value = _UTF8, re.sub(r"[ \t\n\v\f\r]+", " ", text).strip(" ").encode()
        pairs.append(_encode(_SEQUENCE, _encode(identifier, name) + _encode(tag, value)))
    return _encode(_SET, b"".join(sorted(pairs)))


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[position : position + count], "big")
            position += count
        if position + length > len(der):
            raise ValueError("truncated")
        yield tag, der[position : position + length]
        position += length


def _encode(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
