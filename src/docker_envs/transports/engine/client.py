"""Docker and podman through their APIs: pull, save, load. Neither's program is needed.

Spec: Docker Engine API v1.41, "Images"; podman serves the same, and its own API beside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from docker_envs.errors import EngineError, InvalidInputError
from docker_envs.oci.artifact import Artifact, NamedArtifact
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.report import SILENT, Reporter, Task
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import atomic_file, storage_errors
from docker_envs.transports.engine.address import SILENCE_SECONDS, connect, engine_addresses
from docker_envs.transports.engine.answers import engine_errors, error_message, raise_refusal
from docker_envs.transports.engine.pulling import LocalEngine, load_by_pulling, tags
from docker_envs.transports.files.docker_archive import iter_archive, read_archive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image
    from docker_envs.streams import ByteSink

_WORKING = frozenset({"Downloading", "Loading layer"})
_DONE = {"Already exists": "already there", "Download complete": "", "Pull complete": ""}


class Engine:
    """A connection to a container engine, closed with `close`, as a context manager, or when nobody holds it any more.

    Args:
        base_url: Address, such as `unix:///run/docker.sock`; by default what environment variables and Docker's
            configuration say, or else the first usual socket that answers.
        reporter: Receives the progress of each layer.

    Raises:
        EngineError: No engine answers there, or it may not be used.
    """

    def __init__(self, base_url: str | None = None, *, reporter: Reporter = SILENT) -> None:
        self._reporter = reporter
        self._api, self._socket_path = connect(engine_addresses(os.environ, base_url))
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
        with engine_errors(f"pull `{reference.familiar}`"):
            events = self._api.pull(
                reference.name,
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

    def load(
        self, source: Path | Sequence[NamedImage | NamedArtifact], *, platform: Platform | None = None
    ) -> list[str]:
        """Load a `docker save` file, or images, without a file in between.

        An engine on this machine fetches from us the layers that it lacks; others, and all images if one has no tag,
        are streamed whole. No image gets a name before all are loaded, unless they are streamed.

        Args:
            source: The file or the images.
            platform: Of images for several platforms, which one the engine gets, or else the first.

        Returns:
            Names, or what the engine says of images without one.

        Raises:
            InvalidInputError: Something is no container image.
            StorageError: The file cannot be read.
            VerificationError: A layer is not what its descriptor says; the engine then keeps nothing.
            EngineError: The engine refused it, or failed.
        """
        if isinstance(source, Path):
            with storage_errors("read", source), source.open("rb") as file:
                return self._load(file, f"load `{source}`")
        if self._socket_path is not None:
            images = [_for_platform(named, platform) for named in source]
            engine = LocalEngine(self._api, self._socket_path, is_podman=self._is_podman())
            if all(map(tags, images)) and load_by_pulling(engine, images, self._reporter):
                return [reference.familiar for named in images for reference in tags(named)]
        return self._load(iter_archive(source, platform=platform), "load the images")

    def program(self) -> list[str]:
        """The beginning of a command line that talks to this engine: its program, and where the engine is.

        Raises:
            EngineError: Neither is there.
        """
        kinds = ("podman", "docker") if self._is_podman() else ("docker",)
        found = next((kind for kind in kinds if shutil.which(kind)), None)
        if found is None:
            raise EngineError(f"the program `{kinds[0]}` is not installed", hint="it runs containers; install it")
        # Both find an engine that is elsewhere by the variables and contexts that led us there.
        place = {"docker": "--host", "podman": "--url"}[found]
        return [found, place, f"unix://{self._socket_path}"] if self._socket_path is not None else [found]

    def _is_podman(self) -> bool:
        with engine_errors("connect"), self._api.get(f"{self._api.base_url}/_ping") as response:
            return str(response.headers.get("Server", "")).startswith("Libpod")

    def _load(self, content: Iterable[bytes], action: str) -> list[str]:
        with engine_errors(action):
            events = self._api.load_image(content, quiet=False)  # type: ignore[no-untyped-call]
            lines = self._follow("loading", events, action)
        # podman puts the names of all images into one line.
        loaded = [line.partition(": ")[2] for line in lines if line.startswith("Loaded image")]
        return [_familiar(name.strip()) for names in loaded for name in names.split(",")]

    def _save(self, references: Sequence[Reference], sink: ByteSink) -> None:
        names = [_engine_name(reference) for reference in references]
        action = f"save {', '.join(f'`{reference.familiar}`' for reference in references)}"
        with engine_errors(action):
            url = f"{self._api.base_url}/v{self._api.api_version}/images/get"
            with self._api.get(url, params={"names": names}, stream=True, timeout=SILENCE_SECONDS) as response:
                if not response.ok:
                    raise_refusal(action, error_message(response.text), response.status_code)
                for chunk in response.iter_content(CHUNK_SIZE):
                    sink.write(chunk)

    def _follow(self, verb: str, events: Iterable[Any], action: str) -> list[str]:
        """Report progress until the engine is done; the lines that it printed."""
        tasks: dict[str, _LayerTask] = {}
        lines = []
        refusals = []
        for event in events:
            if not isinstance(event, dict):
                continue
            if "error" in event:
                refusals.append(str(event["error"]))  # and on to the end, which frees the connection
            lines.append(str(event.get("stream", "")))
            status, name = str(event.get("status")), str(event.get("id", ""))
            if status in _WORKING and name not in tasks:
                tasks[name] = _LayerTask(self._reporter.start(verb, name, _progress(event, "total")))
            if status in _WORKING:
                tasks[name].reach(_progress(event, "current") or 0)
            elif status in _DONE and name in tasks:
                tasks.pop(name).task.finish(_DONE[status])
        if refusals:
            raise_refusal(action, refusals[0])
        for left in tasks.values():
            left.task.finish()
        return lines


def _progress(event: Mapping[str, Any], name: str) -> int | None:
    detail = event.get("progressDetail")
    value = detail.get(name) if isinstance(detail, dict) else None
    return value if isinstance(value, int) else None


class _LayerTask:
    """Turns positions, which the engine gives, into steps."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._position = 0

    def reach(self, position: int) -> None:
        if position > self._position:
            self.task.advance(position - self._position)
            self._position = position


def _for_platform(named: NamedImage | NamedArtifact, platform: Platform | None) -> NamedArtifact:
    artifact = Artifact.of_named(named) if isinstance(named, NamedImage) else named.artifact
    chosen = artifact.select(platform) if platform is not None else None
    images = artifact.images() if chosen is None else [chosen]
    if not images or not images[0].is_image:
        raise InvalidInputError(f"an engine takes container images only, not `{artifact.media_type}`")
    return NamedArtifact(images[0], named.references)


def _familiar(name: str) -> str:
    """An image's name as Docker shows it; an image id stays as it is."""
    return name if name.startswith("sha256:") else Reference.parse(name).familiar


def _engine_name(reference: Reference) -> str:
    return f"{reference.name}@{reference.digest}" if reference.digest else f"{reference.name}:{reference.tag}"
