"""What engines say, in our own errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError, DockerEnvsError, EngineError, NotFoundError, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

START_HINT = "is it running? set `DOCKER_HOST` to reach another one"

_UNKNOWN_IMAGE = ("not found", "manifest unknown", "no such image", "does not exist", "image not known")
_NO_ACCESS = ("unauthorized", "denied", "authentication required", "no basic auth credentials")
#: Reasons of the engine's own machine that sound like a refusal of credentials.
_NOT_OF_CREDENTIALS = ("permission denied",)
#: What Docker says of layers that it cannot decompress.
_UNREADABLE_LAYER = ("invalid tar header", "unexpected eof")


@contextlib.contextmanager
def engine_errors(action: str) -> Iterator[None]:
    """Translate what `docker` and the HTTP libraries below it raise; our own errors pass.

    Args:
        action: What the engine is asked to do, for messages: `cannot {action}: …`.
    """
    import docker.errors
    import requests

    try:
        yield
    except DockerEnvsError:
        raise
    except docker.errors.APIError as error:
        raise_refusal(action, str(error.explanation or error), error.status_code)
    except docker.errors.DockerException as error:
        raise EngineError(f"cannot {action}: {error}") from error
    except requests.RequestException as error:
        raise_broken(action, error)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # `docker` takes the form of answers for granted.
        raise EngineError(f"cannot {action}: the engine's answer makes no sense ({type(error).__name__})") from error


def raise_broken(action: str, error: BaseException) -> NoReturn:
    """Raise that the engine did not finish its answer, or gave none."""
    reason = str(error) or type(error).__name__
    raise EngineError(f"cannot {action}: the engine broke off ({reason})", hint=START_HINT) from error


def raise_refusal(action: str, reason: str, status: int | None = None) -> NoReturn:
    """Raise what the engine's answer means."""
    text = f"cannot {action}: {reason.strip()}"
    kind: type[TransportError] = EngineError
    hint = None
    said = reason.lower()
    if "no space left on device" in said:
        hint = "the engine's disk is full: free some space there, for example with `docker system prune`"
    elif any(phrase in said for phrase in _UNREADABLE_LAYER):
        hint = "if a layer is compressed with zstd: Docker takes those from version 23 on, gzip works everywhere"
    elif any(phrase in said for phrase in _NO_ACCESS) and not any(phrase in said for phrase in _NOT_OF_CREDENTIALS):
        kind, hint = AuthenticationError, "check the name, or log in with `docker login`"
    elif status == 404 or any(phrase in said for phrase in _UNKNOWN_IMAGE):
        kind, hint = NotFoundError, "check the name and the tag; `docker pull` it first if it should be in the engine"
    raise kind(text, hint=hint, status=status)


def error_message(text: str) -> str:
    """The reason in the body of a refusal."""
    import msgspec

    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        document = msgspec.json.decode(text)
        if isinstance(document, dict):
            return str(document.get("message") or document.get("cause") or text)
    return text
