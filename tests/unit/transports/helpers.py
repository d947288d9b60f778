"""What the tests of HTTP's rules share: answers that break, and a rule that notes its waits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError, TransportError
from docker_envs.transports.fetch import RetryRule

if TYPE_CHECKING:
    from collections.abc import Mapping


class FakeResponse(io.BytesIO):
    """An answer in memory that breaks after some bytes."""

    def __init__(
        self,
        content: bytes,
        *,
        status: int = 200,
        breaks_at: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content)
        self.status = status
        self.url = "https://host/path?secret=1"
        self.headers: Mapping[str, str] = headers or {}
        self._breaks_at = breaks_at

    def read(self, size: int | None = -1, /) -> bytes:
        if self._breaks_at is not None and self.tell() >= self._breaks_at:
            raise TransportError("broken", transient=True)
        return super().read(size)

    def read_limited(self, limit: int, *, source: str) -> bytes:
        raise FormatError(source, f"{limit}")


def recording(jitter: float = 1.0, **limits: float) -> tuple[RetryRule, list[float]]:
    waits: list[float] = []
    rule = RetryRule(sleep=waits.append, jitter=lambda: jitter, **limits)  # type: ignore[arg-type]
    return rule, waits
