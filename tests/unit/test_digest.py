from __future__ import annotations

import hashlib
import io
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.digest import Digest, VerifyingReader
from docker_envs.errors import DigestMismatchError, InvalidInputError, SizeMismatchError

TEXT = b"some text that is read in pieces"


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha512", 128)])
def test_digests_of_registered_algorithms(algorithm: str, length: int) -> None:
    digest = Digest(f"{algorithm}:{'0a' * (length // 2)}")
    assert (digest.algorithm, digest.hex, digest.short) == (algorithm, "0a" * (length // 2), "0a0a0a0a0a0a")
    assert pickle.loads(pickle.dumps(digest)) == digest
    assert Digest(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", "sha256", f"sha256:{'a' * 63}", f"sha256:{'a' * 65}", f"sha256:{'A' * 64}", f"sha256:{'g' * 64}",
     f"sha512:{'a' * 64}", f"md5:{'a' * 32}", f"sha256:{'a' * 64}\n", f" sha256:{'a' * 64}", f"sha256-{'a' * 64}",
     f"sha256:{'../' * 21}a", f"sha256:{'٣' * 64}"],
)  # fmt: skip
def test_no_digests(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Digest(text)
    assert str(caught.value) == f"invalid digest {text!r}"


@given(st.binary())
def test_digest_of_content(content: bytes) -> None:
    hexadecimal = hashlib.sha256(content).hexdigest()
    assert Digest.of(content) == Digest.of(memoryview(content)) == Digest.sha256(hexadecimal) == f"sha256:{hexadecimal}"


def reader(content: bytes, *, size: int | None, promised: bytes = TEXT, algorithm: str = "sha256") -> VerifyingReader:
    digest = Digest(f"{algorithm}:{hashlib.new(algorithm, promised).hexdigest()}")
    return VerifyingReader(io.BytesIO(content), source="blob", digest=digest, size=size)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [None, len(TEXT)])
@given(step=st.integers(1, 40))
def test_right_bytes_come_through(step: int, size: int | None, algorithm: str) -> None:
    stream = reader(TEXT, size=size, algorithm=algorithm)
    assert b"".join(iter(lambda: stream.read(step), b"")) == TEXT
    assert stream.read(1) == b""
    assert reader(TEXT, size=size, algorithm=algorithm).read() == TEXT


@pytest.mark.parametrize("promised", [b"", TEXT])
def test_empty_content(promised: bytes) -> None:
    assert reader(b"", size=0, promised=b"").read(1) == b""
    assert reader(b"", size=None, promised=b"").read(1) == b""


def read_into(chunks: list[bytes], stream: VerifyingReader, step: int) -> None:
    while chunk := stream.read(step):
        chunks.append(chunk)


SIZE_WRONG = [(TEXT + b"x", "more"), (TEXT + TEXT, "more"), (TEXT[:-1], f"{len(TEXT) - 1}"), (b"", "0")]


@pytest.mark.parametrize(("content", "actual"), SIZE_WRONG, ids=["long", "twice", "short", "empty"])
@given(step=st.integers(1, 80))
def test_wrong_size_is_raised_before_the_last_bytes_are_given(step: int, content: bytes, actual: str) -> None:
    stream = reader(content, size=len(TEXT))
    given_out: list[bytes] = []
    with pytest.raises(SizeMismatchError) as caught:
        read_into(given_out, stream, step)
    assert str(caught.value) == f"blob: wrong size: expected {len(TEXT)} bytes, got {actual}"
    assert len(b"".join(given_out)) < len(TEXT)


@pytest.mark.parametrize("size", [None, len(TEXT)], ids=["size-unknown", "size-known"])
@given(step=st.integers(1, 80), position=st.integers(0, len(TEXT) - 1))
def test_wrong_bytes_never_end_well(step: int, position: int, size: int | None) -> None:
    content = bytearray(TEXT)
    content[position] ^= 1
    stream = reader(bytes(content), size=size)
    given_out: list[bytes] = []
    with pytest.raises(DigestMismatchError) as caught:
        read_into(given_out, stream, step)
    assert caught.value.expected == Digest.of(TEXT)
    assert caught.value.actual == Digest.of(bytes(content))
    if size is not None:
        assert len(b"".join(given_out)) < len(TEXT)
    # Asking again must not make it look complete.
    with pytest.raises(DigestMismatchError):
        stream.read(step)


def test_too_long_without_a_size_is_a_wrong_digest() -> None:
    with pytest.raises(DigestMismatchError):
        reader(TEXT + b"x", size=None).read()


def test_buffered_readers_get_verified_bytes() -> None:
    with io.BufferedReader(reader(TEXT, size=len(TEXT))) as buffered:
        assert buffered.read(4) == TEXT[:4]
        assert buffered.read() == TEXT[4:]
    with pytest.raises(SizeMismatchError):
        io.BufferedReader(reader(TEXT[:-1], size=len(TEXT))).read()


def test_closing_closes_what_is_underneath() -> None:
    below = io.BytesIO(TEXT)
    with VerifyingReader(below, source="blob", digest=Digest.of(TEXT)) as stream:
        assert stream.readable()
        assert stream.read(0) == b""
    assert below.closed
    stream.close()
