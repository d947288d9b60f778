"""A package index of Python behind HTTP that lets in whom a test tells it, and remembers what it was asked.

Spec: PyPA specifications, "Simple repository API" (PEP 503, PEP 691).
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tests.simulators.http_server import Answer, HttpSimulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulators.http_server import Request

USER, PASSWORD = "someone", "pass@word:1"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class PackageIndexSimulator(HttpSimulator):
    """Serves the wheels and sources in a folder under `/simple` and `/files`.

    Args:
        folder: The files.
        private: Whether a user is needed.
    """

    def __init__(self, folder: Path, *, private: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._private = private

    @property
    def index_url(self) -> str:
        return f"{self.url}/simple"

    @property
    def authorized_url(self) -> str:
        return self.index_url.replace("://", f"://{USER}:{PASSWORD.replace('@', '%40').replace(':', '%3A')}@")

    def answer(self, request: Request) -> Answer:
        if self._private and request.authorization != BASIC:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="index"'})
        kind, _, rest = request.path.lstrip("/").partition("/")
        if kind == "files":
            file = self._folder / rest
            return Answer(body=file.read_bytes()) if file.is_file() else Answer(404)
        name = rest.strip("/")
        files = [path for path in sorted(self._folder.iterdir()) if _name_of(path) == name]
        if kind != "simple" or not files:
            return Answer(404)
        document = {
            "meta": {"api-version": "1.0"},
            "name": name,
            "files": [
                {
                    "filename": path.name,
                    "url": f"../../files/{path.name}",
                    "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
                    "size": path.stat().st_size,
                }
                for path in files
            ],
        }
        headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        return Answer(body=json.dumps(document).encode(), headers=headers)


def _name_of(path: Path) -> str:
    return canonicalize_name(path.name.rpartition("-")[0] if path.name.endswith(".tar.gz") else path.name.split("-")[0])
