"""What transports need of HTTP, as protocols, and the one rule for trying again.

Spec: RFC 9110, sections 10.2.3 (Retry-After), 14.2 (Range) and 15 (status codes).
"""

from __future__ import annotations

import email.utils
import io
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from docker_envs.errors import AuthenticationError, NotFoundError, TransportError
from docker_envs.streams import CHUNK_SIZE, ByteSource

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

T = TypeVar("T")

#: Seconds without a byte from the server after which a connection counts as broken.
READ_TIMEOUT = 60.0
#: How much of an answer's body is read for the text of an error, in bytes.
MAX_ERROR_SIZE = 1 << 16

_MAX_DETAIL_LENGTH = 400
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body that is streamed, and can be sent again because it can be opened again.

    Attributes:
        opener: Gives a new stream of the body.
        size: Its length in bytes.
    """

    opener: Callable[[], ByteSource]
    size: int


class Response(ByteSource, Protocol):
    """An answer whose body is still to be read; the caller closes it."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""

    def read_limited(self, limit: int, *, source: str) -> bytes:
        """The whole body.

        Raises:
            FormatError: It is longer than `limit` bytes.
        """


class Fetcher(Protocol):
    """Sends requests; safe for many threads."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        expected: Container[int] = (200,),
        timeout: float = READ_TIMEOUT,
        retry: bool = True,
    ) -> Response:
        """Send a request, follow redirects, and try again when that may help.

        Args:
            method: Of HTTP.
            url: Absolute.
            headers: `Authorization` is not sent on to another host.
            body: Sent with its length.
            expected: Statuses that are no error.
            timeout: Seconds to wait for each piece of the answer.
            retry: Whether transient errors are tried again here.

        Raises:
            TransportError: No connection, or a status that is not expected.
        """

    def open(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """GET something that must be there; see `request`."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Tries again what failed with a transient error, with exponential backoff and full jitter.

    Attributes:
        attempts: How often in all.
        first_delay: Upper end of the first wait, in seconds; it doubles each time.
        longest_delay: Upper end of every wait that the server did not ask for, in seconds.
        patience: Seconds to wait in all; a server that asks for more ends the attempts.
        sleep: Waits for seconds.
        jitter: Gives a number from 0 to 1.
    """

    attempts: int = 6
    first_delay: float = 0.5
    longest_delay: float = 20.0
    patience: float = 120.0
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def run(self, action: Callable[[], T]) -> T:
        """The result of `action`, called until it works or the rule is exhausted.

        Raises:
            TransportError: The last error.
        """
        waited = 0.0
        for attempt in range(1, self.attempts + 1):
            try:
                return action()
            except TransportError as error:
                delay = self._delay(attempt, error.retry_after)
                waited += delay
                if not error.transient or attempt == self.attempts or waited > self.patience:
                    raise
            self.sleep(delay)
        raise AssertionError("a retry rule needs at least one attempt")

    def _delay(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after + self.jitter() * self.first_delay
        return self.jitter() * min(self.longest_delay, self.first_delay * (1 << attempt - 1))


class ResumingReader(io.RawIOBase):
    """A download that goes on where a broken connection left it; bytes are not verified.

    Args:
        open_at: Sends one request for the bytes from an offset on; it may be answered with 206 or, from the start, 200.
        rule: For opening and for every read.

    Raises:
        TransportError: It cannot be opened.
    """

    def __init__(self, open_at: Callable[[int], Response], rule: RetryRule | None = None) -> None:
        super().__init__()
        self._open_at = open_at
        self._rule = rule or RetryRule()
        self._offset = 0
        self._response: Response | None = self._rule.run(self._open)

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end.

        Raises:
            TransportError: The connection broke too often.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK_SIZE), b""))
        return self._rule.run(lambda: self._read(size))

    def _read(self, size: int) -> bytes:
        if self._response is None:
            self._response = self._open()
        try:
            chunk = self._response.read(size)
        except TransportError:
            self._release()
            raise
        self._offset += len(chunk)
        return chunk

    def _open(self) -> Response:
        response = self._open_at(self._offset)
        if self._offset and response.status != 206:
            try:
                _skip(response, self._offset)
            except BaseException:
                response.close()
                raise
        return response

    def _release(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def close(self) -> None:
        """End the download."""
        self._release()
        super().close()


def _skip(response: Response, count: int) -> None:
    while count and (chunk := response.read(min(count, CHUNK_SIZE))):
        count -= len(chunk)


def range_from(offset: int) -> dict[str, str]:
    """The header that asks for the bytes from `offset` on; none for all."""
    return {"Range": f"bytes={offset}-"} if offset else {}


def status_error(method: str, response: Response, *, now: float) -> TransportError:
    """The error for an answer with a status that nobody expected, with the server's own words; reads the body.

    Args:
        method: Of the request.
        response: The answer.
        now: Seconds since 1970 UTC, for a `Retry-After` that is a date.
    """
    status = response.status
    detail = error_detail(response)
    text = f"{method} `{response.url}`: status {status}{f': {detail}' if detail else ''}"
    if status == 404:
        return NotFoundError(text, status=status)
    if status in (401, 403):
        return AuthenticationError(text, status=status)
    retry_after = parse_retry_after(response.headers.get("Retry-After"), now=now)
    hint = None
    if status == 429:
        delay = f"in {retry_after:.0f} seconds" if retry_after is not None else "later"
        hint = f"the server limits the number of requests: try again {delay}, or log in"
    transient = status in _TRANSIENT
    return TransportError(text, hint=hint, transient=transient, status=status, retry_after=retry_after)


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait, from a `Retry-After` header in either form; None when there is none that can be read."""
    if not value:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


class _ErrorItem(msgspec.Struct):
    code: str = ""
    message: str = ""


class _ErrorDocument(msgspec.Struct):
    # `errors` is of registries, `details` of token servers, the others of many HTTP APIs.
    errors: list[_ErrorItem] = []
    details: str = ""
    message: str = ""
    error: str = ""


def error_detail(response: Response) -> str:
    """What the server says about an error, in one printable line; empty when it says nothing readable.

    Spec: OCI distribution-spec 1.1, "Error Codes".
    """
    try:
        content = response.read(MAX_ERROR_SIZE)
    except TransportError:
        return ""
    try:
        document = msgspec.json.decode(content, type=_ErrorDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return _one_line(content.decode(errors="replace")) if plain else ""
    items = [": ".join(filter(None, (item.code, item.message))) for item in document.errors]
    return _one_line("; ".join(items) or document.details or document.message or document.error)


def _one_line(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_DETAIL_LENGTH else f"{line[:_MAX_DETAIL_LENGTH]}…"
