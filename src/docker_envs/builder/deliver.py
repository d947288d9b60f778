"""Where a finished image goes, and layers while others are still being made."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from docker_envs.builder.host import parse_target_platform
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.errors import InvalidInputError
from docker_envs.oci.artifact import Artifact

if TYPE_CHECKING:
    import threading

    from docker_envs.builder.request import Destinations
    from docker_envs.oci.image import NamedImage
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource
    from docker_envs.transports.engine.client import Engine
    from docker_envs.transports.http import HttpClient
    from docker_envs.transports.registry.client import RegistryClient


class Delivery:
    """Brings one image to its destinations.

    Transports are made when the first one needs them, so that a build without network loads none.
    """

    def __init__(
        self,
        destinations: Destinations,
        *,
        plain_http: tuple[str, ...],
        reporter: Reporter,
        access: ChannelAccess | None = None,
    ) -> None:
        self._destinations = destinations
        self._plain_http = plain_http
        self._reporter = reporter
        self._access = access or ChannelAccess()

    @cached_property
    def http(self) -> HttpClient:
        """The HTTP client."""
        from docker_envs.transports.http import HttpClient

        return HttpClient()

    @cached_property
    def registry(self) -> RegistryClient:
        """The registry client."""
        from docker_envs.transports.registry.client import RegistryClient

        return RegistryClient(http=self.http, plain_http=self._plain_http, reporter=self._reporter)

    @cached_property
    def engine(self) -> Engine:
        """The local engine.

        Raises:
            EngineError: None answers.
        """
        from docker_envs.transports.engine.client import Engine

        return Engine(reporter=self._reporter)

    def check(self) -> None:
        """Find out what can be known to fail before any work is done.

        Raises:
            InvalidInputError: A file is to be written where a directory is, or the other way round.
            EngineError: No engine answers.
        """
        archive, layout = self._destinations.archive, self._destinations.layout
        if archive is not None and archive.is_dir():
            raise InvalidInputError(f"cannot write the archive `{archive}`: it is a directory")
        if layout is not None and layout.exists() and not layout.is_dir():
            raise InvalidInputError(f"cannot write the layout `{layout}`: it is no directory")
        if self._destinations.load:
            self.engine  # noqa: B018 - made, so asked

    def open_url(self, url: str) -> ByteSource:
        """Open an http(s) URL for reading."""
        from docker_envs.transports.download import open_download

        return self._access.open(url, lambda address, headers: open_download(self.http, address, headers=headers))

    def begin(self, layer: Layer, cancelled: threading.Event) -> None:
        """A layer is ready: registries may have it while others are made."""
        for target in self._destinations.push:
            self.registry.push_layer(layer, target, cancelled=cancelled)

    def deliver(self, named: NamedImage) -> None:
        """Bring an image, or an index of several platforms' images, everywhere.

        Raises:
            TransportError: A destination does not take it.
        """
        destinations = self._destinations
        here = parse_target_platform(None)
        size = sum({layer.digest: layer.size for image in named.images for layer in image.layers}.values())
        if destinations.archive is not None:
            from docker_envs.transports.files.docker_archive import write_archive

            task = self._reporter.start("write", str(destinations.archive), size)
            write_archive([named], destinations.archive, platform=here, task=task)
            task.finish()
        if destinations.layout is not None:
            from docker_envs.transports.files.layout_writing import write_layout

            task = self._reporter.start("write", str(destinations.layout), size)
            write_layout(destinations.layout, [named], task=task)
            task.finish()
        for target in destinations.push:
            self.registry.push_artifact(Artifact.of_named(named), target)
        if destinations.load:
            self.engine.load([named], platform=here)
