"""The Docker engine through its API: pull, save, load. No `docker` program is needed.

Spec: Docker Engine API v1.41, "Images".
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from docker_envs.errors import AuthenticationError, DockerEnvsError, EngineError, NotFoundError, TransportError
from docker_envs.report import SILENT, Reporter, Task
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import atomic_file, storage_errors
from docker_envs.transports.files.docker_archive import iter_archive, read_archive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import NoReturn, Self

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image, NamedImage
    from docker_envs.oci.reference import Reference
    from docker_envs.streams import ByteSink

#: How long the engine may be silent, in seconds; it says nothing while it unpacks a big layer.
_SILENCE_SECONDS = 600

_START_HINT = "is it running? set `DOCKER_HOST` to reach another one"
_ACCESS_HINT = "add yourself to the group `docker`, or set `DOCKER_HOST` to an engine of your own"
_WORKING = frozenset({"Downloading", "Loading layer"})
_DONE = {"Already exists": "already there", "Download complete": "", "Pull complete": ""}
_UNKNOWN_IMAGE = ("not found", "manifest unknown", "no such image", "does not exist")
_NO_ACCESS = ("unauthorized", "denied", "authentication required", "no basic auth credentials")


class Engine:
    """A connection to a container engine, closed with `close`, as a context manager, or when nobody holds it any more.

    Args:
        base_url: Address, such as `unix:///run/docker.sock`; by default what `DOCKER_HOST` and its relatives say.
        reporter: Receives the progress of each layer.

    Raises:
        EngineError: No engine answers there, or it may not be used.
    """

    def __init__(self, base_url: str | None = None, *, reporter: Reporter = SILENT) -> None:
        from docker import APIClient
        from docker.utils import kwargs_from_env, parse_host

        self._reporter = reporter
        with _engine_errors("connect"):
            settings = kwargs_from_env()
            if base_url:
                settings["base_url"] = base_url
            _probe(str(parse_host(settings.get("base_url"))))
            self._api = APIClient(version="auto", timeout=_SILENCE_SECONDS, **settings)
            self._finalizer = weakref.finalize(self, self._api.close)

    def close(self) -> None:
        """Close the connection."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pull(self, reference: Reference, platform: Platform | None = None) -> None:
        """Let the engine pull an image, with the credentials of `docker login`.

        Raises:
            NotFoundError: The registry has no such image, or not for the platform.
            AuthenticationError: The registry refuses the credentials.
            EngineError: The engine failed.
        """
        with _engine_errors(f"pull `{reference.familiar}`"):
            events = self._api.pull(
                reference.familiar_name,
                tag=reference.identifier,
                stream=True,
                decode=True,
                platform=str(platform) if platform else None,
            )
            self._follow("pulling", events, f"pull `{reference.familiar}`")

    def save(self, references: Sequence[Reference], path: Path) -> None:
        """Save images into a `docker save` file, which appears when it is complete.

        Raises:
            NotFoundError: The engine has no such image.
            StorageError: The file cannot be written.
            EngineError: The engine failed.
        """
        with atomic_file(path) as file:
            self._save(references, file)

    def image(self, reference: Reference) -> Image:
        """An image that the engine has, through a temporary file that is gone when the image is.

        Raises:
            NotFoundError: The engine has no such image.
            EngineError: The engine failed.

        Cost: the engine packs and sends all of the image.
        """
        with storage_errors("write", Path(tempfile.gettempdir(), "image")), tempfile.TemporaryFile() as file:
            self._save([reference], file)
            file.seek(0)
            return read_archive(cast("BinaryIO", file))[0].image

    def load(self, source: Path | Sequence[NamedImage], *, platform: Platform | None = None) -> list[str]:
        """Load a `docker save` file, or images, which are streamed to the engine without a file in between.

        Args:
            source: The file or the images.
            platform: Of images for several platforms, which one an engine gets that keeps only one.

        Returns:
            What the engine says that it loaded: names, or image ids of images without one.

        Raises:
            StorageError: The file cannot be read.
            VerificationError: A layer is not what its descriptor says; the engine then keeps nothing.
            EngineError: The engine refused it, or failed.
        """
        if not isinstance(source, Path):
            return self._load(iter_archive(source, platform=platform), "load the images")
        with storage_errors("read", source), source.open("rb") as file:
            return self._load(file, f"load `{source}`")

    def _load(self, content: Iterable[bytes], action: str) -> list[str]:
        with _engine_errors(action):
            events = self._api.load_image(content, quiet=False)  # type: ignore[no-untyped-call]
            lines = self._follow("loading", events, action)
        return [line.partition(": ")[2].strip() for line in lines if line.startswith("Loaded image")]

    def _save(self, references: Sequence[Reference], sink: ByteSink) -> None:
        names = [_engine_name(reference) for reference in references]
        action = f"save {', '.join(f'`{name}`' for name in names)}"
        with _engine_errors(action):
            url = f"{self._api.base_url}/v{self._api.api_version}/images/get"
            with self._api.get(url, params={"names": names}, stream=True, timeout=_SILENCE_SECONDS) as response:
                if not response.ok:
                    _raise_refusal(action, _message(response.text), response.status_code)
                for chunk in response.iter_content(CHUNK_SIZE):
                    sink.write(chunk)

    def _follow(self, verb: str, events: Iterable[Mapping[str, Any]], action: str) -> list[str]:
        """Report progress until the engine is done; the lines that it printed."""
        tasks: dict[str, _LayerTask] = {}
        lines = []
        for event in events:
            if "error" in event:
                _raise_refusal(action, str(event["error"]))
            lines.append(str(event.get("stream", "")))
            status, name = event.get("status"), str(event.get("id", ""))
            progress = event.get("progressDetail") or {}
            if status in _WORKING and name not in tasks:
                tasks[name] = _LayerTask(self._reporter.start(verb, name, progress.get("total")))
            if status in _WORKING:
                tasks[name].reach(progress.get("current", 0))
            elif status in _DONE and name in tasks:
                tasks.pop(name).task.finish(_DONE[status])
        for left in tasks.values():
            left.task.finish()
        return lines


class _LayerTask:
    """Turns positions, which the engine gives, into steps."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._position = 0

    def reach(self, position: int) -> None:
        if position > self._position:
            self.task.advance(position - self._position)
            self._position = position


def _engine_name(reference: Reference) -> str:
    return f"{reference.familiar_name}@{reference.digest}" if reference.digest else reference.familiar


def _probe(address: str) -> None:
    """Look whether somebody listens at a socket: the system's own error tells what is wrong there."""
    scheme, _, path = address.partition("://")
    if scheme != "http+unix":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except PermissionError as error:
            raise EngineError(f"no permission to use the engine at `{path}`", hint=_ACCESS_HINT) from error
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise EngineError(f"no container engine answers at `{path}` ({reason})", hint=_START_HINT) from error


@contextlib.contextmanager
def _engine_errors(action: str) -> Iterator[None]:
    """Translate what `docker` and the HTTP libraries below it raise; our own errors pass."""
    import docker.errors
    import requests

    try:
        yield
    except DockerEnvsError:
        raise
    except docker.errors.APIError as error:
        _raise_refusal(action, str(error.explanation or error), error.status_code)
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineError(f"cannot {action}: no container engine answers ({error})", hint=_START_HINT) from error


def _message(text: str) -> str:
    import msgspec

    with contextlib.suppress(msgspec.DecodeError):
        document = msgspec.json.decode(text)
        if isinstance(document, dict):
            return str(document.get("message", text))
    return text


def _raise_refusal(action: str, reason: str, status: int | None = None) -> NoReturn:
    """Raise what the engine's answer means."""
    text = f"cannot {action}: {reason.strip()}"
    kind: type[TransportError] = EngineError
    hint = None
    if any(phrase in reason.lower() for phrase in _NO_ACCESS):
        kind, hint = AuthenticationError, "check the name, or log in with `docker login`"
    elif status == 404 or any(phrase in reason.lower() for phrase in _UNKNOWN_IMAGE):
        kind, hint = NotFoundError, "check the name and the tag; `docker pull` it first if it should be in the engine"
    raise kind(text, hint=hint, status=status)
