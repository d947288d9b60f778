"""One repository of a registry as a layer cache: entries are asked for and written, and failures stop no build."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache_entries import (
    KnownLayer,
    layer_entry,
    layer_tag,
    metadata_entry,
    metadata_tag,
    read_layer_entry,
    read_metadata_entry,
)
from docker_envs.errors import DockerEnvsError, FormatError, NotFoundError, TransportError, VerificationError

if TYPE_CHECKING:
    from docker_envs.archive.compression import Compression
    from docker_envs.builder.caches.metadata_store import KeptMetadata
    from docker_envs.digest import Digest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.oci.artifact import Artifact
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter
    from docker_envs.transports.registry.client import RegistryClient


class RemoteCache:
    """A repository with entries; safe for many threads.

    What cannot be read or written is warned of once, and not tried again.

    Args:
        reference: The repository.
        client: Talks to the registry.
        reporter: Hears of what goes wrong, and of layers that are written.
    """

    def __init__(self, reference: Reference, client: RegistryClient, reporter: Reporter) -> None:
        self.reference = reference
        self._client = client
        self._reporter = reporter
        self._lock = threading.Lock()
        self._reads = True
        self._writes = True
        # Tags that are there for sure, and tags to be written without asking.
        self._present: set[str] = set()
        self._absent: set[str] = set()

    @property
    def name(self) -> str:
        """Registry and repository."""
        return self.reference.name

    def layer(self, key: Digest, compression: Compression) -> KnownLayer | None:
        """The layer of a key, if it is here; one request, and none of its bytes move."""
        tag = layer_tag(key)
        artifact = self._fetch(tag)
        try:
            return None if artifact is None else read_layer_entry(artifact, key, compression)
        except FormatError as error:
            self.ignore(tag, error)
            return None

    def metadata(self, package: CondaPackage) -> KeptMetadata | None:
        """The metadata of a package whose sha256 is known, if they are here; one request, for very large ones two."""
        tag = metadata_tag(package.sha256 or "")
        artifact = self._fetch(tag)
        try:
            return None if artifact is None else read_metadata_entry(artifact, package)
        except (FormatError, VerificationError, NotFoundError) as error:
            self.ignore(tag, error)
        except TransportError as error:
            self._stop_reading(error)
        return None

    def _fetch(self, tag: str) -> Artifact | None:
        if not self._reads:
            return None
        try:
            artifact = self._client.artifact(self.reference.with_tag(tag))
        except NotFoundError:
            self._absent.add(tag)
            return None
        except (FormatError, VerificationError) as error:
            self.ignore(tag, error)
            return None
        except TransportError as error:
            self._stop_reading(error)
            return None
        self._present.add(tag)
        return artifact

    def ignore(self, tag: str, error: DockerEnvsError) -> None:
        """Warn of an entry that is of no use; it will be written anew, if this is to be written at all."""
        self._present.discard(tag)
        self._absent.add(tag)
        self._reporter.warning(f"`{tag}` in the cache `{self.name}` is ignored: {error}")

    def _stop_reading(self, error: TransportError) -> None:
        with self._lock:
            was_read, self._reads = self._reads, False
            if error.status is None:
                self._writes = False
        if was_read:
            self._warn("read", error)

    def _warn(self, verb: str, error: DockerEnvsError) -> None:
        hint = f"; {error.hint}" if error.hint else ""
        self._reporter.warning(
            f"the cache `{self.name}` cannot be {verb}, so the build goes on without it: {error}{hint}"
        )

    def lacks_layer(self, key: Digest) -> bool:
        """Whether a layer is to be written; at most one request."""
        return self._lacks(layer_tag(key))

    def _lacks(self, tag: str) -> bool:
        if not self._writes or tag in self._present:
            return False
        if tag in self._absent:
            return True
        try:
            if self._client.digest(self.reference.with_tag(tag)) is None:
                self._absent.add(tag)
                return True
        except TransportError as error:
            self._stop_writing(error)
            return False
        self._present.add(tag)
        return False

    def put_metadata(self, sha256: str, kept: KeptMetadata, cancelled: threading.Event) -> None:
        """Write the metadata of a package, unless they are here."""
        tag = metadata_tag(sha256)
        if self._lacks(tag) and (artifact := metadata_entry(kept)) is not None:
            self._put(tag, artifact, cancelled)

    def put_layer(self, key: Digest, layer: KnownLayer, cancelled: threading.Event) -> None:
        """Write a layer, its blob first, unless it is here."""
        tag = layer_tag(key)
        if not self._lacks(tag):
            return
        artifact = layer_entry(key, layer)
        if artifact is None:
            self._reporter.message(f"note: `{layer.title}` is not written to a cache: too much is to be said about it")
            return
        task = self._reporter.start("cache", layer.title or layer.facts.digest.short, layer.facts.size)
        if outcome := self._put(tag, artifact, cancelled):
            task.finish(outcome)

    def _put(self, tag: str, artifact: Artifact, cancelled: threading.Event) -> str | None:
        try:
            outcome = self._client.put_artifact(artifact, self.reference.with_tag(tag), cancelled=cancelled)
        except DockerEnvsError as error:
            if cancelled.is_set():
                raise
            self._stop_writing(error)
            return None
        self._present.add(tag)
        return outcome

    def _stop_writing(self, error: DockerEnvsError) -> None:
        with self._lock:
            was_written, self._writes = self._writes, False
        if was_written:
            self._warn("written", error)
