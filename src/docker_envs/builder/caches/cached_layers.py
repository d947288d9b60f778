"""The layers of a plan, each from where it costs least: the store, a remote cache, or made of its packages."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache_entries import KnownLayer, layer_tag
from docker_envs.builder.layers import stored_layer
from docker_envs.builder.parallel import checked
from docker_envs.errors import (
    DigestMismatchError,
    FormatError,
    SizeMismatchError,
    StorageError,
    TransportError,
    VerificationError,
)
from docker_envs.oci.layer import Layer
from docker_envs.streams import CHUNK_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from docker_envs.archive.layer_writer import LayerFacts
    from docker_envs.builder.caches.layer_store import LayerStore
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.layers import LayerMaker, Tee
    from docker_envs.digest import Digest
    from docker_envs.environments.findings import Finding
    from docker_envs.planner.plan import PlannedLayer
    from docker_envs.report import Reporter, Task
    from docker_envs.streams import ByteSource


@dataclass(frozen=True, slots=True)
class Makers:
    """What makes layers, and knows nothing of caches: `during` the build on all cores, `after` it in one thread."""

    during: LayerMaker
    after: LayerMaker


class CachedLayers:
    """Finds layers or has them made; to be used from several threads.

    Args:
        store: Where layers are kept, with those that came from the caches.
        caches: Asked for what is not there.
        makers: Make what is nowhere.
        archives: Host path of each package's archive, by sha256.
        reporter: Hears of what is downloaded, and of damaged entries.
    """

    def __init__(
        self,
        store: LayerStore,
        caches: RemoteCaches,
        makers: Makers,
        archives: Mapping[str, Path],
        *,
        reporter: Reporter,
    ) -> None:
        self._store = store
        self._caches = caches
        self._makers = makers
        self._archives = archives
        self._compression = makers.during.compression
        self._reporter = reporter
        self._remote: dict[Digest, KnownLayer] = {}

    def find(self, layers: Sequence[PlannedLayer]) -> list[PlannedLayer]:
        """Look all layers up, and return those that have to be made."""
        absent = [planned for planned in layers if self._store.get(planned.key) is None]
        self._remote = self._caches.find_layers([planned.key for planned in absent], self._compression)
        return [planned for planned in absent if planned.key not in self._remote]

    def layer(self, planned: PlannedLayer, cancelled: threading.Event, *, local: bool, tee: Tee | None = None) -> Layer:
        """A layer.

        Args:
            planned: What it is made of.
            cancelled: Set when it is no longer wanted.
            local: Whether its bytes will be needed here; else one in a cache stays there until it is opened.
            tee: What a layer that is made now is written through.

        Raises:
            VerificationError: A cache has other metadata of a package than the package.
            DockerEnvsError: As `LayerMaker.layer` does.
        """
        known = self._remote.get(planned.key)
        if known is None or local:
            return self._local(planned, cancelled, self._makers.during, tee)
        opener = partial(self._open, planned, known)
        return Layer(known.blob.descriptor, opener, known.blob.origin, diff_id=known.facts.diff_id)

    def _local(
        self, planned: PlannedLayer, cancelled: threading.Event, maker: LayerMaker, tee: Tee | None = None
    ) -> Layer:
        facts = self._store.get(planned.key)
        if facts is None and planned.key in self._remote:
            with self._store.locked(planned.key, cancelled):
                facts = self._store.get(planned.key) or self._download(planned, cancelled)
        return self.make(planned, cancelled, maker, tee) if facts is None else self._stored(facts)

    def _stored(self, facts: LayerFacts) -> Layer:
        return stored_layer(self._store, facts, self._compression)

    def make(
        self,
        planned: PlannedLayer,
        cancelled: threading.Event,
        maker: LayerMaker | None = None,
        tee: Tee | None = None,
    ) -> Layer:
        """The layer made of its packages, now or before, whatever caches have.

        Raises:
            VerificationError: A cache has other metadata of a package than the package.
            DockerEnvsError: As `LayerMaker.layer` does.
        """
        for package in planned.packages:
            self._caches.prove_metadata(package, self._archives)
        return (maker or self._makers.during).layer(planned, cancelled, tee)

    def _open(self, planned: PlannedLayer, known: KnownLayer) -> ByteSource:
        """The bytes of a layer in a cache, by way of the store, so that all of it is verified and stays here."""
        layer = self._local(planned, threading.Event(), self._makers.after)
        if layer.digest != known.facts.digest:
            source = f"layer `{planned.title}`, which a cache has as `{layer_tag(planned.key)}`, made of its packages"
            raise DigestMismatchError(source, expected=known.facts.digest, actual=layer.digest)
        return layer.opener()

    def _download(self, planned: PlannedLayer, cancelled: threading.Event) -> LayerFacts | None:
        known = self._remote[planned.key]
        origin = known.blob.origin.name if known.blob.origin else ""
        task = self._reporter.start("fetch", known.title or planned.title, known.facts.size)

        def write(file: BinaryIO) -> LayerFacts:
            _copy_verified(known, file, cancelled, task)
            return known.facts

        try:
            facts = self._store.make(planned.key, write, findings=known.findings, title=known.title, origin=origin)
        except StorageError:
            raise
        except (FormatError, VerificationError, TransportError) as error:
            self._reporter.warning(f"`{layer_tag(planned.key)}` in the cache `{origin}` is ignored: {error}")
            return None
        task.finish()
        return facts

    def known(self, planned: PlannedLayer, layer: Layer) -> KnownLayer:
        """All that is known of a layer that `layer` gave."""
        facts = self._store.get(planned.key)
        if facts is None:
            return self._remote[planned.key]
        return KnownLayer(layer, facts, tuple(self._store.findings(planned.key)), planned.title)

    def findings(self, planned: PlannedLayer) -> Sequence[Finding]:
        """What was found in the files of a layer when it was made."""
        here = self._store.get(planned.key) is not None
        return self._store.findings(planned.key) if here else self._remote[planned.key].findings

    def all_from_caches(self, layers: Sequence[PlannedLayer]) -> list[PlannedLayer]:
        """Those that caches tell of; see `from_cache`."""
        return [planned for planned in layers if self.from_cache(planned) is not None]

    def from_cache(self, planned: PlannedLayer) -> KnownLayer | None:
        """What a remote cache says of a layer, now or when it was downloaded; None of one that was made here."""
        facts = self._store.get(planned.key)
        if facts is None:
            return self._remote.get(planned.key)
        if not self._store.origin(planned.key):
            return None
        return KnownLayer(self._stored(facts), facts, tuple(self._store.findings(planned.key)), planned.title)


class _Tee(io.RawIOBase):
    """A stream whose bytes are written to a file as well."""

    def __init__(self, stream: ByteSource, file: BinaryIO, task: Task) -> None:
        super().__init__()
        self._stream = stream
        self._file = file
        self._task = task

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._file.write(chunk)
        if chunk:
            self._task.advance(len(chunk))
        return chunk

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _copy_verified(known: KnownLayer, file: BinaryIO, cancelled: threading.Event, task: Task) -> None:
    """Write a layer's blob, and compare all of its facts meanwhile."""
    layer = Layer(known.blob.descriptor, lambda: _Tee(known.blob.opener(), file, task), diff_id=known.facts.diff_id)
    size = 0
    with layer.open_tar() as tar:
        for chunk in checked(iter(lambda: tar.read(CHUNK_SIZE), b""), cancelled):
            size += len(chunk)
            if size > known.facts.tar_size:
                break
    if size != known.facts.tar_size:
        raise SizeMismatchError(f"layer {known.facts.digest.short}", expected=known.facts.tar_size, actual=size)
