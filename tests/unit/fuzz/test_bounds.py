"""Memory stays bounded, whatever sizes are announced and however much comes."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import open_decompressed
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.errors import DockerEnvsError, FormatError, SizeMismatchError, TransportError
from docker_envs.images.browse import FileTree
from docker_envs.oci import media_types
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive
from tests.fuzz.documents import DIGEST
from tests.fuzz.registry import Hostile
from tests.fuzz.tars import header, padded, record, summed
from tests.unit.images.test_browse import image_of
from tests.unit.memory import peak_memory
from tests.unit.transports.registry.helpers import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
MANY = 20_000

pytestmark = pytest.mark.timeout(120)


def refused_within(limit: int, action: Callable[[], object], message: str, error: type[DockerEnvsError]) -> None:
    """Check that an action is refused, and needs at most `limit` bytes to see that it must be."""

    def work() -> None:
        with pytest.raises(error, match=message):
            action()

    assert peak_memory(work) < limit


def read_entries(content: bytes) -> None:
    for entry in iter_entries(io.BytesIO(content), source="test"):
        for _ in entry.content:
            pass


@pytest.mark.parametrize("bits", [33, 61, 63, 80])
@pytest.mark.parametrize("flag", [b"0", b"x", b"L"])
@pytest.mark.parametrize("reader", [read_entries, lambda content: read_archive(io.BytesIO(content))])
def test_sizes_that_no_disk_has(bits: int, flag: bytes, reader: Callable[[bytes], object]) -> None:
    block = header(flag)
    block[124:136] = b"\x80" + (1 << bits).to_bytes(11, "big")
    content = bytes(summed(block)) + bytes(4096)
    refused_within(2 * MIB, lambda: reader(content), r"truncated|impossible|limit", FormatError)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_archives_that_are_bombs(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(128 * MIB))
    refused_within(4 * MIB, lambda: read_archive(io.BytesIO(bomb)), "no image archive", FormatError)


@pytest.mark.parametrize("exponent", [18, 21, 31])
def test_zstd_windows_that_no_memory_has(exponent: int) -> None:
    # RFC 8878, section 3.1.1.1: a window of 2^(10 + exponent) bytes, and a block of one repeated byte.
    frame = b"\x28\xb5\x2f\xfd\0" + bytes([exponent << 3]) + (100 << 3 | 3).to_bytes(3, "little") + b"a"
    with pytest.raises(FormatError, match="damaged zstd stream"):
        open_decompressed(io.BytesIO(frame), source="test").read()


def pax(records: bytes, flag: bytes = b"x") -> bytes:
    return bytes(header(flag, size=len(records))) + padded(records)


def test_directories_with_many_attributes() -> None:
    attribute = pax(record("SCHILY.xattr.user.a", bytes(MIB - 100)))
    content = b"".join(attribute + bytes(header(b"5", f"d{number}")) for number in range(70)) + bytes(1024)
    image = image_of(content)

    def browse() -> None:
        with FileTree(image) as tree:
            assert len(list(tree.iter_directory(""))) == 70

    assert peak_memory(browse) < 8 * MIB
    opener = image.layers[0].open_tar
    refused_within(80 * MIB, lambda: list(iter_flattened([opener], source="test")), "bytes of attributes", FormatError)


@pytest.mark.parametrize("reader", [read_entries, lambda content: read_archive(io.BytesIO(content))])
def test_links_longer_than_any_path(reader: Callable[[bytes], object]) -> None:
    content = (pax(record("linkpath", b"x" * 900_000)) + bytes(header(b"2"))) * 3 + bytes(1024)
    refused_within(8 * MIB, lambda: reader(content), "linkpath of 900,000 bytes", FormatError)


def test_attributes_for_all_entries() -> None:
    shared = pax(b"".join(record(f"SCHILY.xattr.{number}", b"") for number in range(1100)), b"g")
    content = shared + bytes(header()) * MANY
    refused_within(4 * MIB, lambda: read_entries(content), "1,100 records", FormatError)


def test_names_of_members_that_fill_the_memory() -> None:
    shared = pax(record("linkpath", b"x" * 4000), b"g")
    content = shared + b"".join(bytes(header(b"2", f"{number}")) for number in range(MANY)) + bytes(1024)
    refused_within(100 * MIB, lambda: read_archive(io.BytesIO(content)), "names of more than", FormatError)


@pytest.mark.parametrize("look", ["browse", "flatten"])
def test_memory_for_each_path_is_bounded(look: str) -> None:
    content = b"".join(bytes(header(b"0", f"d{number % 100}/{number}")) for number in range(MANY)) + bytes(1024)
    image = image_of(content)

    def work() -> None:
        if look == "browse":
            with FileTree(image) as tree:
                assert sum(1 for _ in tree.iter_directory("", recursive=True)) == MANY + 100
        else:
            openers = [layer.open_tar for layer in image.layers]
            assert sum(1 for _ in iter_flattened(openers, source="test")) == MANY + 100

    assert peak_memory(work) < 4 * MIB + 1000 * MANY


class Endless(Hostile):
    """A registry with one good manifest, and else an answer that never ends."""

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n"

    def pieces(self, line: bytes) -> Iterator[bytes]:
        if line.startswith(b"GET /v2/ "):
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        elif b"/good" in line:
            blob = {"mediaType": media_types.OCI_CONFIG, "digest": DIGEST, "size": 10}
            body = json.dumps({"schemaVersion": 2, "config": blob, "layers": []}).encode()
            yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        else:
            head = Endless.head if b"/token" in line else self.head
            yield head.replace(b"HOST", self.address.encode())
            yield from itertools.repeat(bytes(1 << 16).replace(b"\0", b" "))


@pytest.mark.parametrize(
    ("head", "path", "limit", "message", "error"),
    [
        pytest.param(b"", "app:1", 40, "longer than 8,388,608 bytes", FormatError, id="manifest"),
        pytest.param(b"", "app:good", 8, "wrong size", SizeMismatchError, id="config"),
        pytest.param(b"HTTP/1.1 500 E\r\n\r\n", "app:1", 4, "status 500", TransportError, id="error"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", "app:1", 4, "broke", TransportError, id="header"),
        pytest.param(b"HTTP/1.1 ", "app:1", 4, "broke", TransportError, id="status line"),
        pytest.param(
            b'HTTP/1.1 401 U\r\nWWW-Authenticate: Bearer realm="http://HOST/token"\r\n\r\n', "app:1", 8,
            "longer than 1,048,576 bytes", FormatError, id="token",
        ),
    ],
)  # fmt: skip
def test_answers_without_end(head: bytes, path: str, limit: int, message: str, error: type[DockerEnvsError]) -> None:
    server = Endless()
    server.head = head or server.head
    with server.running():
        name = Reference.parse(f"{server.address}/{path}")
        refused_within(limit * MIB, lambda: client().artifact(name).image(), message, error)


def test_lists_without_end() -> None:
    with Endless().running() as server:
        name = Reference.parse(f"{server.address}/app")
        refused_within(40 * MIB, lambda: list(client().tags(name)), "longer than 8,388,608 bytes", FormatError)
