"""Archives come onto this machine verified, or not at all."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages.fetching import PackageFetcher
from docker_envs.builder.parallel import Cancelled
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import (
    AuthenticationError,
    DigestMismatchError,
    FormatError,
    NotFoundError,
    SizeMismatchError,
    StorageError,
    TransportError,
    VerificationError,
)
from docker_envs.report import SILENT
from docker_envs.transports.download import open_download
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.simulators.http_server import Answer, HttpSimulator, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
NAME = "x-1-0.conda"


class Channel(HttpSimulator):
    """Serves one package at any path; `content` may be changed."""

    content = CONTENT

    def answer(self, request: Request) -> Answer:
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        return Answer(206 if start else 200, self.content[start:])


@pytest.fixture
def server() -> Iterator[Channel]:
    channel = Channel()
    with channel.running():
        yield channel


@pytest.fixture
def fetcher(tmp_path: Path) -> PackageFetcher:
    http = HttpClient(rule=RetryRule(attempts=3, sleep=lambda _: None))
    return PackageFetcher(CacheDirectory(tmp_path), open_url=partial(open_download, http), reporter=SILENT)


def package(server: Channel, **facts: object) -> CondaPackage:
    facts = {"sha256": SHA256, "md5": MD5, "size": len(CONTENT), **facts}
    url = f"{server.url}/t/TOKEN/ch/linux-64/{NAME}"
    return CondaPackage("x", "1", "0", "linux-64", url, **facts)  # type: ignore[arg-type]


def fetch(fetcher: PackageFetcher, package: CondaPackage) -> Path:
    fetched = fetcher.fetch(package, threading.Event())
    assert (fetched.sha256, fetched.size) == (hashlib.sha256(fetched.host_path.read_bytes()).hexdigest(), len(CONTENT))
    assert fetched.host_path.name == NAME
    return fetched.host_path


def kept(tmp_path: Path) -> list[str]:
    return sorted(
        path.relative_to(tmp_path / "packages").as_posix() for path in tmp_path.rglob("packages/**/*") if path.is_file()
    )


def test_a_download_is_kept_and_not_repeated(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    assert fetch(fetcher, package(server)) == fetch(fetcher, package(server))
    assert server.asked == [f"GET /t/TOKEN/ch/linux-64/{NAME}"]
    assert kept(tmp_path) == [f"sha256-{SHA256}/{NAME}"]


@pytest.mark.parametrize("damaged", [CONTENT[:-1] + b"\0", CONTENT[:-1], CONTENT + b"\0"])
def test_what_is_kept_is_verified_again_and_replaced_when_damaged(
    fetcher: PackageFetcher, server: Channel, damaged: bytes
) -> None:
    path = fetch(fetcher, package(server))
    path.write_bytes(damaged)
    assert fetch(fetcher, package(server)) == path
    assert path.read_bytes() == CONTENT
    assert len(server.log) == 2
    path.write_bytes(damaged)
    server.content = damaged
    with pytest.raises(VerificationError):
        fetch(fetcher, package(server))


def test_a_channel_that_has_only_md5(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    fetch(fetcher, package(server, sha256=None))
    fetch(fetcher, package(server, sha256=None))
    assert len(server.log) == 1
    assert kept(tmp_path) == [f"md5-{MD5}/{NAME}"]
    with pytest.raises(DigestMismatchError) as caught:
        fetch(fetcher, package(server, sha256=None, md5="0" * 32))
    assert (caught.value.expected, caught.value.actual) == (f"md5:{'0' * 32}", f"md5:{MD5}")


@pytest.mark.parametrize("digest", ["a/../../../x", "A" * 64, "0" * 63])
def test_no_digest_leads_out_of_the_cache(
    fetcher: PackageFetcher, server: Channel, tmp_path: Path, digest: str
) -> None:
    for bad in (package(server, sha256=digest), package(server, sha256=None, md5=digest)):
        with pytest.raises(FormatError, match=r"^package `x-1-0`: its address or digest is none$"):
            fetch(fetcher, bad)
    dots = replace(package(server), url=f"{server.url}/ch/%2e%2e")
    with pytest.raises(FormatError, match="its address or digest is none"):
        fetch(fetcher, dots)
    assert (list(tmp_path.iterdir()), len(server.log)) == ([], 0)


def test_without_any_digest_nothing_kept_is_trusted(fetcher: PackageFetcher, server: Channel) -> None:
    bare = package(server, sha256=None, md5=None)
    fetch(fetcher, bare)
    fetch(fetcher, bare)
    assert len(server.log) == 2


@pytest.mark.parametrize(
    ("facts", "kind", "message"),
    [
        ({"sha256": "0" * 64}, DigestMismatchError, f": wrong digest: expected sha256:{'0' * 64}, got sha256:{SHA256}"),
        ({"size": 5}, SizeMismatchError, ": wrong size: expected 5 bytes, got more"),
        ({"size": len(CONTENT) + 1}, SizeMismatchError, ": wrong size: expected 1,048,577 bytes, got 1,048,576"),
    ],
    ids=["digest", "larger", "smaller"],
)
def test_what_is_not_as_promised_leaves_nothing(
    fetcher: PackageFetcher,
    server: Channel,
    tmp_path: Path,
    facts: dict[str, object],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind) as caught:
        fetch(fetcher, package(server, **facts))
    assert str(caught.value).endswith(message)
    assert NAME in str(caught.value)
    assert "TOKEN" not in str(caught.value).replace("<TOKEN>", "")
    assert kept(tmp_path) == []


def test_more_than_promised_is_not_read_to_its_end(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    server.content = CONTENT * 64
    with pytest.raises(SizeMismatchError):
        fetch(fetcher, package(server))
    assert kept(tmp_path) == []


def test_a_download_that_breaks_leaves_nothing(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    server.faults = [("GET", Answer(body=CONTENT, sent=100_000))] * 20
    with pytest.raises(TransportError):
        fetch(fetcher, package(server))
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFoundError), (401, AuthenticationError), (403, AuthenticationError)]
)
def test_what_the_server_refuses(
    fetcher: PackageFetcher, server: Channel, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    server.faults = [("GET", Answer(status))]
    with pytest.raises(kind) as caught:
        fetch(fetcher, package(server))
    assert f"status {status}" in str(caught.value)
    assert "TOKEN" not in str(caught.value).replace("<TOKEN>", "")
    assert kept(tmp_path) == []


def test_a_busy_server_is_asked_again(fetcher: PackageFetcher, server: Channel) -> None:
    server.faults = [("GET", Answer(503)), ("GET", Answer(429))]
    fetch(fetcher, package(server))
    assert len(server.log) == 3


def test_a_local_channel_is_read_in_place(fetcher: PackageFetcher, tmp_path: Path) -> None:
    path = tmp_path / "a b" / "linux-64" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    local = CondaPackage.from_url(path.as_uri(), sha256=SHA256)
    assert fetch(fetcher, local) == path
    assert not (tmp_path / "cache").exists()
    path.write_bytes(b"other")
    with pytest.raises(DigestMismatchError):
        fetch(fetcher, local)
    assert path.read_bytes() == b"other"
    path.unlink()
    with pytest.raises(NotFoundError) as caught:
        fetch(fetcher, local)
    assert str(caught.value) == f"package `x-1-0` is not at `{path}`"


def test_giving_up_leaves_nothing(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        fetcher.fetch(package(server), cancelled)
    assert kept(tmp_path) == []


def test_a_cache_that_cannot_be_written(fetcher: PackageFetcher, server: Channel, tmp_path: Path) -> None:
    (tmp_path / "packages").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        fetch(fetcher, package(server))
