"""A mirror of PyPI and of Debian's archive on this machine, so that the network's mood is in no figure.

What somebody asks for the first time comes from the network and is kept; from then on, it is answered from files, with
the headers that caches look at. The page of `https://HOST/PATH` is at `/https/HOST/PATH`. Links in pages of a package
index lead to the mirror as well. What stands in the folder `local` is served below `/local/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import socket
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.services import running

from benchmarks.building.services import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_KEPT_HEADERS = ("Content-Type", "Cache-Control", "ETag", "Last-Modified")
_SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
# What PyPI says, and copies of it may not.
_FOR_MINUTES, _FOREVER = "max-age=600, public", "max-age=365000000, immutable, public"
_LINK = re.compile(rb'(?<=")(https?)://')
_METADATA = ".metadata"
_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_TRIES = 3
_SECONDS = 60


@dataclass(frozen=True)
class Mirror:
    """A mirror that runs.

    Attributes:
        address: `http://127.0.0.1:port`.
        folder: Where its files are kept.
    """

    address: str
    folder: Path

    def url(self, url: str) -> str:
        """Where the mirror has a page of the network."""
        scheme, _, rest = url.partition("://")
        return f"{self.address}/{scheme}/{rest}"

    @property
    def local(self) -> Path:
        """A folder that is served as it is, at `local_url`."""
        return self.folder / "local"

    @property
    def local_url(self) -> str:
        """See `local`."""
        return f"{self.address}/local"

    def count(self) -> int:
        """How many pages came from the network so far."""
        return sum(1 for _ in self.folder.glob("*.json"))


@contextlib.contextmanager
def run_mirror(folder: Path, log: Path) -> Iterator[Mirror]:
    """Run a mirror in a process of its own.

    Args:
        folder: Where its files are kept; may hold those of an earlier run.
        log: What it prints.
    """
    (folder / "local").mkdir(parents=True, exist_ok=True)
    port = free_port()

    def ready() -> Mirror | None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return Mirror(f"http://127.0.0.1:{port}", folder)
        return None

    with running([sys.executable, "-m", "benchmarks.declaring.mirror", str(folder), str(port)], log, ready) as found:
        yield found


@dataclass(frozen=True)
class _Page:
    status: int
    headers: dict[str, str]
    body: str

    def is_known(self, asked: Message) -> bool:
        """Whether the client has it already."""
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        return any(asked[mine] and asked[mine] == self.headers.get(theirs) for mine, theirs in pairs)


class _Pages:
    """Pages of the network, each fetched once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def page(self, path: str, accept: str) -> _Page:
        kind = _SIMPLE_JSON if _SIMPLE_JSON in accept else ""
        key = hashlib.sha256(f"{unquote(path)} {kind}".encode()).hexdigest()
        facts = self.folder / f"{key}.json"
        with self._locks[key]:
            if not facts.exists():
                page = self._fetch(path, kind or "*/*", self.folder / key)
                facts.with_suffix(".part").write_text(json.dumps(asdict(page)))
                facts.with_suffix(".part").rename(facts)
            return _Page(**json.loads(facts.read_text()))

    def _fetch(self, path: str, accept: str, body: Path) -> _Page:
        scheme, _, rest = path.lstrip("/").partition("/")
        request = urllib.request.Request(f"{scheme}://{rest}", headers={"Accept": accept})
        for turn in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=_SECONDS) as answer, body.open("wb") as file:
                    shutil.copyfileobj(answer, file)
                headers = {name: value for name in _KEPT_HEADERS if (value := answer.headers.get(name))}
                if headers.get("Content-Type", "").partition(";")[0] == _SIMPLE_JSON:
                    body.write_bytes(_with_metadata(_LINK.sub(rb"/\1/", body.read_bytes())))
                    headers.setdefault("Cache-Control", _FOR_MINUTES)
                elif path.endswith((".whl", _METADATA)):
                    headers.setdefault("Cache-Control", _FOREVER)
                return _Page(answer.status, headers, body.name)
            except urllib.error.HTTPError as error:
                if error.code in _MISSING or turn == _TRIES - 1:
                    return self._metadata(path, body) or _Page(error.code, {}, "")
            except OSError:
                if turn == _TRIES - 1:
                    raise
        raise AssertionError

    def _metadata(self, path: str, body: Path) -> _Page | None:
        """The metadata of a wheel, where the index has no such file."""
        wheel = path.removesuffix(_METADATA)
        if wheel == path or (page := self.page(wheel, "")).status != HTTPStatus.OK:
            return None
        with zipfile.ZipFile(self.folder / page.body) as archive:
            name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            body.write_bytes(archive.read(name))
        return _Page(HTTPStatus.OK, page.headers, body.name)


def _with_metadata(page: bytes) -> bytes:
    """A page of an index that offers the metadata of all wheels, as PyPI does and copies of it may not (PEP 658)."""
    document = json.loads(page)
    for file in document["files"]:
        if file["filename"].endswith(".whl"):
            file.setdefault("core-metadata", True)
    return json.dumps(document).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path) -> None:
        self.pages = _Pages(folder)
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are sent one by one, so that without this each answer would wait for the client's acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the log is for what goes wrong."""

    def _answer(self, *, with_body: bool) -> None:
        folder = self.server.pages.folder
        if self.path.startswith("/local/"):
            path = folder / unquote(self.path).lstrip("/")
            status = HTTPStatus.OK if path.is_file() else HTTPStatus.NOT_FOUND
            page = _Page(status, {}, str(path.relative_to(folder)))
        else:
            page = self.server.pages.page(self.path, self.headers.get("Accept", ""))
        if page.is_known(self.headers):
            page = _Page(HTTPStatus.NOT_MODIFIED, page.headers, "")
        body = folder / page.body if page.status == HTTPStatus.OK else None
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(body.stat().st_size if body else 0))
        self.end_headers()
        if body and with_body:
            with body.open("rb") as file:
                self.connection.sendfile(file)


if __name__ == "__main__":
    _Server(int(sys.argv[2]), Path(sys.argv[1])).serve_forever()
