"""Every error that docker-envs raises on purpose.

::

    DockerEnvsError
    ├── InvalidInputError            the author of a declaration, a reference or an option must act
    │   ├── InvalidReferenceError
    │   └── InvalidDeclarationError
    ├── FormatError                  the publisher's bytes break a specification
    │   └── PathEscapeError          a name that would leave the root it belongs to
    ├── VerificationError            bytes differ from what was promised
    │   ├── DigestMismatchError
    │   └── SizeMismatchError
    ├── TransportError               network, status, credentials, engine, disk; `transient` decides about retries
    │   ├── NotFoundError
    │   ├── AuthenticationError
    │   ├── EngineError
    │   └── StorageError
    ├── SolveError                   the solver's explanation
    └── BuildError                   conflict, limit, something that a layer cannot hold
        └── PrefixTooLongError

Facts are attributes, texts are derived from them. `hint` holds the remedy when we know one. Credentials and query
strings are removed when an error is made, so no message can leak them.
"""

from __future__ import annotations

import re

# Up to the last `@`, since passwords may hold one; not the `@` of `docker://name@sha256:…`.
# A password may have signs in it that ought to be escaped; a port has not.
_USERINFO = re.compile(r"(?<=://)(?:[^/?#\s]*|[^/?#\s:@]+:(?!\d*[/?#])[^\s`'\"]*)@(?!sha(?:256|512):)")
_TOKEN = re.compile(r"(://[^\s`'\"?]*?/t/)[^/?\s`'\"]+")
_QUERY = re.compile(r"(://[^\s`'\"?]*)\?[^\s`'\"]+")


def redact(text: str) -> str:
    """Remove user info, conda `/t/TOKEN/` parts and query strings from every URL inside `text`."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1?…", _TOKEN.sub(r"\1<TOKEN>", _USERINFO.sub("", text)))


class DockerEnvsError(Exception):
    """Root of the tree; `str()` is one clear message, `hint` the way out when there is a known one."""

    #: Whether the same request may succeed when it is tried again.
    transient: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(redact(message))
        self.hint = None if hint is None else redact(hint)


class InvalidInputError(DockerEnvsError):
    """A declaration, reference or option cannot be used as given."""


class InvalidReferenceError(InvalidInputError):
    """Text that is no image reference."""

    def __init__(self, reference: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"invalid image reference {reference!r}: {reason}", hint=hint)
        self.reference = reference
        self.reason = reason


class InvalidDeclarationError(InvalidInputError):
    """A declaration or lock file that does not say what it must.

    Attributes:
        location: The file, and where known line, column or field in it.
    """

    def __init__(self, location: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{location}: {reason}", hint=hint)
        self.location = location
        self.reason = reason


class FormatError(DockerEnvsError):
    """Bytes from outside break a specification.

    Attributes:
        source: What was read, for example a file name or a URL.
    """

    def __init__(self, source: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{source}: {reason}", hint=hint)
        self.source = source
        self.reason = reason


class PathEscapeError(FormatError):
    """A path inside an archive that is absolute, empty or points outside of the root."""

    def __init__(self, source: str, path: str) -> None:
        super().__init__(source, f"path {path!r} points outside of the root")
        self.path = path


class VerificationError(DockerEnvsError):
    """Bytes differ from what their descriptor, record or lock promised."""


class DigestMismatchError(VerificationError):
    """The digest of the bytes received is not the one promised."""

    def __init__(self, source: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{source}: wrong digest: expected {expected}, got {actual}")
        self.source = source
        self.expected = expected
        self.actual = actual


class SizeMismatchError(VerificationError):
    """More or fewer bytes than promised; sizes in bytes."""

    def __init__(self, source: str, *, expected: int, actual: int | None = None) -> None:
        got = "more" if actual is None else f"{actual:,}"
        super().__init__(f"{source}: wrong size: expected {expected:,} bytes, got {got}")
        self.source = source
        self.expected = expected
        self.actual = actual


class TransportError(DockerEnvsError):
    """Bytes could not be moved.

    Attributes:
        status: The HTTP status, when there was an answer.
        retry_after: How long the server asks to wait before the next request, in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        transient: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient
        self.status = status
        self.retry_after = retry_after


class NotFoundError(TransportError):
    """The registry, archive, layout, channel or engine does not have what was asked for."""


class AuthenticationError(TransportError):
    """Credentials are missing, refused, or could not be looked up."""


class EngineError(TransportError):
    """No container engine answers, or it refused."""


class StorageError(TransportError):
    """A local file could not be read or written, for example because the disk is full."""


class SolveError(DockerEnvsError):
    """The solver found no set of packages; the message holds its explanation."""


class BuildError(DockerEnvsError):
    """What was asked for cannot be made into an image."""


class PrefixTooLongError(BuildError):
    """The target prefix does not fit into the placeholder of a package's file; lengths in bytes."""

    def __init__(self, *, package: str, path: str, prefix: str, limit: int) -> None:
        super().__init__(
            f"package `{package}`: prefix `{prefix}` ({len(prefix.encode())} bytes) does not fit into the placeholder "
            f"of `{path}` ({limit} bytes)",
            hint=f"choose a prefix of at most {limit} bytes with `--prefix`",
        )
        self.package = package
        self.path = path
        self.prefix = prefix
        self.limit = limit
