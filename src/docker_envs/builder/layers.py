"""From a planned layer to a layer, through the local store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.archive.layer_writer import write_layer
from docker_envs.builder.parallel import checked, cores
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer, file_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor
    from pathlib import Path
    from typing import BinaryIO

    from docker_envs.archive.entry import Entry
    from docker_envs.archive.layer_writer import LayerFacts
    from docker_envs.builder.caches.layer_store import LayerStore
    from docker_envs.environments.findings import Finding
    from docker_envs.planner.plan import PlannedLayer
    from docker_envs.report import Reporter, Task
    from docker_envs.streams import ByteSink

    #: Takes the file of a layer that is made now, and gives what it is to be written to.
    Tee = Callable[[BinaryIO], ByteSink]

#: Media types of layers.
LAYER_MEDIA_TYPES = {
    Compression.NONE: media_types.OCI_LAYER_TAR,
    Compression.GZIP: media_types.OCI_LAYER_GZIP,
    Compression.ZSTD: media_types.OCI_LAYER_ZSTD,
}


def stored_layer(store: LayerStore, facts: LayerFacts, compression: Compression) -> Layer:
    """A layer that is in a store."""
    descriptor = Descriptor(LAYER_MEDIA_TYPES[compression], facts.digest, facts.size)
    return file_layer(descriptor, facts.diff_id, store.blob_path(facts))


class LayerMaker:
    """Makes layers, or finds them made; to be used from several threads.

    Args:
        store: Where layers are kept.
        archives: Host path of each package's archive, by sha256.
        compression: Codec and level.
        executor: Where blocks are compressed; None compresses in the threads that ask.
        reporter: Hears about each layer.
    """

    def __init__(
        self,
        store: LayerStore,
        archives: Mapping[str, Path],
        *,
        compression: CompressionSetting,
        executor: Executor | None,
        reporter: Reporter,
    ) -> None:
        self._store = store
        self._archives = archives
        self._compression = compression
        self._executor = executor
        self._reporter = reporter
        # Who waits for another builder or for the network leaves the cores to others.
        self._making = threading.Semaphore(cores())

    @property
    def compression(self) -> Compression:
        """How layers are compressed."""
        return self._compression.kind

    def layer(self, planned: PlannedLayer, cancelled: threading.Event, tee: Tee | None = None) -> Layer:
        """The layer, from the store when it is there; of several builders that want to make it, one does.

        No more are made at once than there are cores. What is made here is written through `tee`.

        Raises:
            FormatError: A package is damaged.
            BuildError: A package holds what a layer cannot.
            StorageError: The layer cannot be written; nothing is kept.
        """
        facts = self._store.get(planned.key)
        if facts is None:
            with self._store.locked(planned.key, cancelled):
                # Another builder may have made it meanwhile.
                facts = self._store.get(planned.key) or self._make(planned, cancelled, tee)
        return self._layer(facts)

    def _make(self, planned: PlannedLayer, cancelled: threading.Event, tee: Tee | None) -> LayerFacts:
        findings: list[Finding] = []

        def write(file: BinaryIO) -> LayerFacts:
            out = file if tee is None else tee(file)
            return self._pack(checked(self._entries(planned, task, findings), cancelled), out, planned.title)

        with self._making:
            task = self._reporter.start("build", planned.title, planned.size)
            facts = self._store.make(planned.key, write, findings=findings, title=planned.title)
            task.finish()
        return facts

    def layer_of_entries(self, entries: Iterable[Entry], *, title: str) -> Layer:
        """A layer of a few entries that are at hand.

        Raises:
            StorageError: The layer cannot be written; nothing is kept.
        """
        return self._layer(self._store.add(lambda file: self._pack(entries, file, title)))

    def _layer(self, facts: LayerFacts) -> Layer:
        return stored_layer(self._store, facts, self._compression.kind)

    def _pack(self, entries: Iterable[Entry], file: ByteSink, title: str) -> LayerFacts:
        return write_layer(entries, file, source=title, compression=self._compression, executor=self._executor)

    def _entries(self, planned: PlannedLayer, task: Task, findings: list[Finding]) -> Iterator[Entry]:
        shared: set[str] = set()
        for package in planned.packages:
            common = package.shared_paths
            for entry in package.iter_entries(self._archives[package.sha256], findings):
                if entry.path in common:
                    if entry.path in shared:
                        continue
                    shared.add(entry.path)
                yield entry
            task.advance(package.size)
