"""A conda channel behind HTTP that lets in whom a test tells it, and remembers what it was asked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.simulators.http_server import Answer, HttpSimulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulators.http_server import Request

USER, PASSWORD, TOKEN, BEARER = "someone", "pass@word:1", "tk-5ecret", "bearer-5ecret"
SECRETS = (PASSWORD, TOKEN, BEARER, "pass%40word")
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class ChannelSimulator(HttpSimulator):
    """Serves a folder under `/channel`.

    Args:
        folder: The channel.
        private: Whether a user, a bearer token or a conda token is needed.
    """

    def __init__(self, folder: Path, *, private: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._private = private

    @property
    def channel(self) -> str:
        return f"{self.url}/channel"

    def answer(self, request: Request) -> Answer:
        path = request.path.removeprefix(f"/t/{TOKEN}")
        allowed = path != request.path or request.authorization in (BASIC, f"Bearer {BEARER}")
        if self._private and not allowed:
            return Answer(401)
        file = self._folder / path.removeprefix("/channel/")
        return Answer(body=file.read_bytes()) if file.is_file() else Answer(404)
