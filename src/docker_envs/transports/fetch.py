"""What transports need of HTTP, as protocols, and the one rule for trying again.

Spec: RFC 9110, sections 10.2.3 (Retry-After) and 15 (status codes).
"""

from __future__ import annotations

import email.utils
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from docker_envs.errors import AuthenticationError, NotFoundError, TransportError, VerificationError
from docker_envs.streams import ByteSource

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Container, Mapping

T = TypeVar("T")

#: Seconds without a byte from the server after which a connection counts as broken.
READ_TIMEOUT = 60.0
#: How much of an answer's body is read for the text of an error, in bytes.
MAX_ERROR_SIZE = 1 << 16

_MAX_DETAIL_LENGTH = 400
# 499 is what proxies, and registries behind them, answer when the connection between the two broke.
_TRANSIENT_REFUSALS = frozenset({408, 425, 429, 499})
# Not implemented, HTTP version not supported, network authentication required.
_FINAL_FAILURES = frozenset({501, 505, 511})
# How often a wait looks whether it shall end, in seconds.
_WATCH_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body that is streamed, and can be sent again because it can be opened again.

    Attributes:
        opener: Gives a new stream of the body.
        size: Its length in bytes; None when nobody knows yet, and it is sent in chunks (RFC 9112, section 7.1).
    """

    opener: Callable[[], ByteSource]
    size: int | None


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

    @property
    def rule(self) -> RetryRule:
        """How transient errors are tried again."""

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
            body: Sent with its length when that is known.
            expected: Statuses that are no error.
            timeout: Seconds to wait for each piece of the answer.
            retry: Whether transient errors are tried again here.

        Raises:
            TransportError: No connection, or a status that is not expected.
        """

    def open(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """GET something that must be there; see `request`."""

    def name_host(self, host: str, *, insecure: bool = False) -> None:
        """Learn that the user named a host.

        Args:
            host: `host:port`, or `host` with the usual port. Servers may send us there, wherever it is.
            insecure: Its certificate is not checked.
        """

    def check_target(self, source: str, target: str) -> None:
        """Refuse to be sent from one URL to another, as redirects, locations of uploads and token servers do.

        Args:
            source: URL of who sends us.
            target: Absolute URL of where to.

        Raises:
            TransportError: It leaves TLS, or leads to this machine or to a private network, from outside of that.
        """


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Tries again what failed with a transient error, with exponential backoff and full jitter.

    Attributes:
        attempts: How often in all, without progress.
        first_delay: Upper end of the first wait, in seconds; it doubles each time.
        longest_delay: Upper end of every wait that the server did not ask for, in seconds.
        patience: Seconds to wait in all, without progress; a server that asks for more ends the attempts.
        deadline: Seconds without progress, attempts included, after which nothing is tried again.
        silence: Seconds that a server may be silent, where a request does not allow less.
        sleep: Waits for seconds.
        jitter: Gives a number from 0 to 1.
        clock: Monotonic seconds.
    """

    attempts: int = 6
    first_delay: float = 0.5
    longest_delay: float = 20.0
    patience: float = 120.0
    deadline: float = 600.0
    silence: float = 900.0
    sleep: Callable[[float], object] = field(default=time.sleep, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def run(
        self,
        action: Callable[[], T],
        *,
        progress: Callable[[], int] = lambda: 0,
        cancelled: threading.Event | None = None,
    ) -> T:
        """The result of `action`, called until it works or the rule is exhausted.

        Args:
            action: What to try.
            progress: A count of what is done for good. When it grew, attempts, waits and time are counted anew.
            cancelled: When set, nothing is tried again.

        Raises:
            TransportError: The last error.
        """
        attempt, waited, since, reached = 0, 0.0, self.clock(), progress()
        while True:
            try:
                return action()
            except TransportError as error:
                if (count := progress()) > reached:
                    attempt, waited, since, reached = 0, 0.0, self.clock(), count
                attempt += 1
                delay = self._delay(attempt, error.retry_after)
                waited += delay
                late = waited > self.patience or self.clock() - since + delay > self.deadline
                if not error.transient or attempt >= self.attempts or late:
                    raise
                self._wait(delay, cancelled)
                if cancelled is not None and cancelled.is_set():
                    raise

    def run_verified(
        self,
        action: Callable[[], T],
        *,
        progress: Callable[[], int] = lambda: 0,
        cancelled: threading.Event | None = None,
    ) -> T:
        """As `run`; what is not as promised is moved once more, for a proxy or a cache may have been at fault.

        Raises:
            TransportError: The last error.
            VerificationError: It was wrong twice.
        """
        try:
            return self.run(action, progress=progress, cancelled=cancelled)
        except VerificationError:
            return self.run(action, progress=progress, cancelled=cancelled)

    def _delay(self, attempt: int, retry_after: float | None) -> float:
        if retry_after is not None:
            return retry_after + self.jitter() * self.first_delay
        return self.jitter() * min(self.longest_delay, self.first_delay * (1 << attempt - 1))

    def _wait(self, delay: float, cancelled: threading.Event | None) -> None:
        if cancelled is None:
            self.sleep(delay)
            return
        while delay > 0 and not cancelled.is_set():
            self.sleep(min(delay, _WATCH_INTERVAL))
            delay -= _WATCH_INTERVAL


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
    transient = status in _TRANSIENT_REFUSALS or (500 <= status < 600 and status not in _FINAL_FAILURES)
    return TransportError(text, hint=hint, transient=transient, status=status, retry_after=retry_after)


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait, from a `Retry-After` header in either form; None when there is none that can be read."""
    if not value:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
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


# Made here, for msgspec may crash when several threads are the first to use a type.
_ERROR_DECODER = msgspec.json.Decoder(_ErrorDocument)


def error_detail(response: Response) -> str:
    """What the server says about an error, in one printable line; empty when it says nothing readable.

    Spec: OCI distribution-spec 1.1, "Error Codes".
    """
    try:
        content = response.read(MAX_ERROR_SIZE)
    except TransportError:
        return ""
    try:
        document = _ERROR_DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return one_line(content.decode(errors="replace")) if plain else ""
    items = [": ".join(filter(None, (item.code, item.message))) for item in document.errors]
    return one_line("; ".join(items) or document.details or document.message or document.error)


def one_line(text: str) -> str:
    """What a server sent, fit for a message: printable, without line breaks, and not too long."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_DETAIL_LENGTH else f"{line[:_MAX_DETAIL_LENGTH]}…"
