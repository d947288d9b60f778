"""Where a finished image goes, and layers while others are still being made."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from docker_envs.builder.attachments import attach_documents
from docker_envs.builder.caches.base_store import BaseStore
from docker_envs.builder.caches.remote_caches import CacheUse, RemoteCaches
from docker_envs.builder.host import parse_target_platform
from docker_envs.builder.layer_stream import LayerStream
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.pypi.resolving.index_credentials import IndexCredentials
from docker_envs.images.destination import check_destination, write_artifact
from docker_envs.images.location import Location, Transport
from docker_envs.oci.artifact import NamedArtifact

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.request import Destinations
    from docker_envs.images.transports import Transports
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image, NamedImage
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource


#: Endings of addresses that no channel of conda has.
_OF_INDEXES = (".whl", ".tar.gz")


def channel_opener(transports: Transports, access: ChannelAccess) -> Callable[[str], ByteSource]:
    """What opens http(s) URLs of channels, and of files of package indexes with what uv and pip know of these."""
    from docker_envs.transports.download import open_download

    def fetch(address: str, headers: Mapping[str, str]) -> ByteSource:
        return open_download(transports.http, address, headers=headers)

    indexes = IndexCredentials.load(os.environ)
    return lambda url: access.open(indexes.authorized(url) if url.endswith(_OF_INDEXES) else url, fetch)


class Delivery:
    """Brings one image to its destinations."""

    def __init__(
        self,
        destinations: Destinations,
        transports: Transports,
        *,
        access: ChannelAccess | None = None,
        caches: CacheUse | None = None,
    ) -> None:
        self._destinations = destinations
        self._transports = transports
        self._access = access or ChannelAccess()
        #: Remote caches, which have layers while or after the destinations get them.
        self.caches = RemoteCaches(caches or CacheUse(), transports, beside=destinations.push)

    @property
    def has_files(self) -> bool:
        """Whether files are written, which must hold the bytes of all layers."""
        return self._destinations.archive is not None or self._destinations.layout is not None

    def check(self) -> None:
        """Find out what can be known to fail before any work is done.

        Raises:
            InvalidInputError: A file is to be written where a directory is, or the other way round, or to a terminal.
            EngineError: No engine answers.
        """
        for location in self._files():
            check_destination(location)
        if self._destinations.load:
            self._transports.engine  # noqa: B018 - made, so asked

    def _files(self) -> list[Location]:
        archive, layout = self._destinations.archive, self._destinations.layout
        archives = [Location(Transport.DOCKER_ARCHIVE, path=archive)] if archive is not None else []
        return [*archives, *([Location(Transport.LAYOUT, path=layout)] if layout is not None else [])]

    def base(self, location: Location, platform: Platform, cache: CacheDirectory) -> Image:
        """A base image; see `BaseStore.open`."""
        return BaseStore(cache, self._transports, offline=self._access.offline).open(location, platform)

    def open_url(self, url: str) -> ByteSource:
        """Open an http(s) URL for reading."""
        return self._opener(url)

    @cached_property
    def _opener(self) -> Callable[[str], ByteSource]:
        return channel_opener(self._transports, self._access)

    def stream(self, cancelled: threading.Event) -> LayerStream:
        """What brings a layer to the first registry while it is made."""

        def send(opener: Callable[[], ByteSource]) -> str | None:
            return self._transports.registry.stream_layer(opener, self._destinations.push[0])

        return LayerStream(send, cancelled)

    def begin(self, layer: Layer, cancelled: threading.Event, location: str | None) -> None:
        """A layer is ready, and perhaps sent: registries may have it while others are made."""
        for target in self._destinations.push:
            self._transports.registry.push_layer(layer, target, cancelled=cancelled, location=location)
            location = None

    def deliver(self, named: NamedImage) -> None:
        """Bring an image, or an index of several platforms' images, everywhere.

        Raises:
            TransportError: A destination does not take it.
        """
        artifact = NamedArtifact.of(named)
        for location in self._files():
            write_artifact(artifact, location, self._transports)
        for target in self._destinations.push:
            self._transports.registry.push_artifact(artifact.artifact, target)
        if self._destinations.load:
            self._transports.engine.load([named], platform=parse_target_platform(None))

    def attach(self, named: NamedImage) -> None:
        """Attach documents to the image in the registries that have it now.

        Raises:
            TransportError: A registry does not take them, and they are required.
        """
        attach_documents(named, self._destinations.attachments, self._destinations.push, self._transports)
