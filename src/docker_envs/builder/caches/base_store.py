"""Base images that were used before: manifest, config and layers by digest, so that nothing is fetched twice."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from docker_envs.builder.caches.cache import mark_used
from docker_envs.digest import Digest
from docker_envs.errors import NotFoundError
from docker_envs.images.location import Transport
from docker_envs.images.source import open_image
from docker_envs.oci.artifact import Artifact, Links
from docker_envs.oci.descriptor import Descriptor
from docker_envs.transports.blobs import BlobStore

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.blob import Blob
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource

AnyBlob = TypeVar("AnyBlob", "Blob", "Layer")

#: The largest manifest that is kept, in bytes.
_MAX_MANIFEST = 4 << 20


class BaseStore:
    """Opens base images; those in registries by way of a store in the cache directory.

    Args:
        cache: The cache directory.
        transports: How registries are reached.
        offline: Whether they must not be.
    """

    def __init__(self, cache: CacheDirectory, transports: Transports, *, offline: bool = False) -> None:
        self._places = [each for each in (cache, cache.below) if each is not None]
        self._transports = transports
        self._offline = offline

    def open(self, location: Location, platform: Platform) -> Image:
        """A base image; of one in a registry, no layer is read until somebody opens it.

        Raises:
            NotFoundError: There is none, or none for the platform, or it is not here and must not be fetched.
            FormatError: It breaks its specification.
            TransportError: It cannot be reached.
        """
        if location.transport is not Transport.REGISTRY:
            return open_image(location, self._transports, platform=platform)
        kept = self._kept(location, platform)
        if kept is not None:
            return self._with_store(kept)
        if self._offline:
            raise NotFoundError(
                f"the base `{location}` is not in the cache, and `--offline` forbids the network",
                hint="name a base by its digest, as a lock does, and build once without `--offline`",
            )
        image = open_image(location, self._transports, platform=platform)
        for raw, digest in ((image.manifest.raw, image.digest), (image.config.raw, image.config.digest)):
            BlobStore(self._places[0].bases).add(digest, io.BytesIO(raw), source=str(location))
        return self._with_store(image)

    def _kept(self, location: Location, platform: Platform) -> Image | None:
        """The image of a digest, if manifest and config are here; an index is not kept."""
        reference = location.registry_reference
        if reference.digest is None:
            return None
        manifest = self._find(reference.digest)
        if manifest is None or manifest.stat().st_size > _MAX_MANIFEST:
            return None
        raw = manifest.read_bytes()
        if Digest.of(raw) != reference.digest:
            return None
        links, media_type = Links.parse(raw, source=str(location))
        blobs = [self._transports.registry.blob(reference, descriptor) for descriptor in links.blobs]
        if links.documents or not blobs or self._find(blobs[0].digest) is None:
            return None
        blobs[0] = self._by_store(blobs[0])
        descriptor = Descriptor(media_type, reference.digest, len(raw))
        image = Artifact(descriptor, raw, tuple(blobs), source=str(location)).image()
        return image if platform.accepts(image.config.platform) else None

    def _with_store(self, image: Image) -> Image:
        return replace(image, layers=tuple(self._by_store(layer) for layer in image.layers))

    def _by_store(self, blob: AnyBlob) -> AnyBlob:
        return replace(blob, opener=partial(self._open, blob))

    def _open(self, blob: Blob) -> ByteSource:
        path = self._find(blob.digest)
        if path is not None and path.stat().st_size == blob.size:
            return path.open("rb")
        if self._offline:
            raise NotFoundError(
                f"layer {blob.digest.short} of the base is not in the cache, and `--offline` forbids the network",
                hint="build once without `--offline`",
            )
        return self._add(blob).open("rb")

    def _find(self, digest: Digest) -> Path | None:
        for place in self._places:
            path = BlobStore(place.bases).path(digest)
            if path.is_file():
                mark_used(place.bases, path)
                return path
        return None

    def _add(self, blob: Blob) -> Path:
        store = BlobStore(self._places[0].bases)
        task = self._transports.reporter.start("fetch", f"layer {blob.digest.short} of the base", blob.size)
        with blob.opener() as stream:
            source = f"blob {blob.digest.short}"
            path = store.add(blob.digest, stream, source=source, size=blob.size, watch=task.advance)
        task.finish()
        return path
