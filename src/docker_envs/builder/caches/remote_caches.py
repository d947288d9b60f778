"""The remote layer caches of a build: what is looked up in all of them, and what is written to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from docker_envs.builder.caches.cache_entries import metadata_tag
from docker_envs.builder.caches.metadata_store import read_kept
from docker_envs.builder.caches.remote_cache import RemoteCache
from docker_envs.builder.parallel import map_parallel
from docker_envs.errors import VerificationError
from docker_envs.transports.parallel import run_parallel

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from docker_envs.archive.compression import Compression
    from docker_envs.builder.caches.cache_entries import KnownLayer
    from docker_envs.builder.caches.metadata_store import KeptMetadata
    from docker_envs.digest import Digest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.planned import PlannedPackage
    from docker_envs.images.transports import Transports
    from docker_envs.oci.blob import Blob
    from docker_envs.oci.reference import Reference
    from docker_envs.planner.plan import PlannedLayer

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Entries that are asked for at once; they are small, so that only the way to the registry takes time.
_LOOKUPS = 16
#: Layers that are written at once after a build, and metadata of one layer's packages.
_WRITES = 4


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Which remote caches a build uses, and how.

    Attributes:
        sources: Repositories that are read, the first that has something wins.
        targets: Repositories that are written.
        verify: How many layers from caches are made anew and compared; None is all of them.
    """

    sources: tuple[Reference, ...] = ()
    targets: tuple[Reference, ...] = ()
    verify: int | None = 0


class RemoteCaches:
    """All remote caches of a build; safe for many threads.

    Args:
        use: Which they are.
        transports: How registries are reached.
        beside: Repositories that will have all layers, and of which layers can be mounted.
    """

    def __init__(self, use: CacheUse, transports: Transports, *, beside: Sequence[Reference] = ()) -> None:
        names = dict.fromkeys((*use.sources, *use.targets))
        caches = {each: RemoteCache(each, transports.registry, transports.reporter) for each in names}
        self._sources = [caches[each] for each in dict.fromkeys(use.sources)]
        self._targets = [caches[each] for each in dict.fromkeys(use.targets)]
        self._beside = tuple(beside)
        # Metadata by the sha256 of packages: all that are written with layers, and of those that nobody has compared
        # with the archive where they are from.
        self._metadata: dict[str, KeptMetadata] = {}
        self._unproven: dict[str, RemoteCache] = {}
        self._postponed: list[tuple[PlannedLayer, KnownLayer]] = []

    @property
    def names(self) -> frozenset[str]:
        """The repositories that are read, and so trusted."""
        return frozenset(cache.name for cache in self._sources)

    @property
    def are_written(self) -> bool:
        """Whether there is any that is written."""
        return bool(self._targets)

    def find_layers(self, keys: Sequence[Digest], compression: Compression) -> dict[Digest, KnownLayer]:
        """The layers of some keys that any cache has; each cache is asked for what those before it lack."""
        found: dict[Digest, KnownLayer] = {}
        for cache in self._sources:
            missing = [key for key in dict.fromkeys(keys) if key not in found]
            answers = _at_once(partial(cache.layer, compression=compression), missing)
            found |= {key: layer for key, layer in zip(missing, answers, strict=True) if layer is not None}
        return found

    def find_metadata(self, packages: Sequence[CondaPackage]) -> dict[str, KeptMetadata]:
        """The metadata of packages that any cache has, by their sha256; those without are not looked for."""
        found: dict[str, KeptMetadata] = {}
        for cache in self._sources:
            missing = [package for package in packages if package.sha256 and package.sha256 not in found]
            answers = _at_once(cache.metadata, missing)
            for package, kept in zip(missing, answers, strict=True):
                if kept is not None and package.sha256:
                    found[package.sha256] = kept
                    self._unproven[package.sha256] = cache
        return found

    def remember(self, sha256: str, kept: KeptMetadata) -> None:
        """Have the metadata of a package written with its layer; those that are here already stay."""
        self._metadata.setdefault(sha256, kept)

    def prove_metadata(self, package: PlannedPackage, archives: Mapping[str, Path]) -> None:
        """Compare the metadata that a cache gave with those in the archive, before a layer is made with them.

        Args:
            package: The package; of most nothing is to be proven.
            archives: Host path of each package's archive, by sha256; asked only when there is something to compare.

        Raises:
            VerificationError: They differ.
        """
        cache = self._unproven.get(package.sha256)
        if cache is None:
            return
        if read_kept(archives[package.sha256], package.size) != self._metadata[package.sha256]:
            raise VerificationError(
                f"the cache `{cache.name}` has other metadata of `{package.display_name}` than the package",
                hint=f"find out who wrote `{metadata_tag(package.sha256)}` there, and build without this cache",
            )
        self._unproven.pop(package.sha256, None)

    def keep(self, planned: PlannedLayer, layer: KnownLayer, cancelled: threading.Event) -> None:
        """Write a layer, and before it the metadata of its packages, to all caches that lack it."""
        for cache in self._targets:
            if not cache.lacks_layer(planned.key):
                continue
            known = [package.sha256 for package in planned.packages if package.sha256 in self._metadata]
            put = partial(self._put_metadata, cache, cancelled)
            _at_once(put, known, workers=_WRITES)
            cache.put_layer(planned.key, replace(layer, blob=self._near(layer, cache)), cancelled)

    def postpone(self, planned: PlannedLayer, layer: KnownLayer, _: threading.Event) -> None:
        """Have a layer written by `finish`."""
        self._postponed.append((planned, layer))

    def finish(self) -> None:
        """Write what was postponed; the image is where it belongs by now."""
        postponed, self._postponed = self._postponed, []
        run_parallel([partial(self.keep, *each) for each in postponed], workers=_WRITES)

    def _put_metadata(self, cache: RemoteCache, cancelled: threading.Event, sha256: str) -> None:
        cache.put_metadata(sha256, self._metadata[sha256], cancelled)

    def _near(self, layer: KnownLayer, cache: RemoteCache) -> Blob:
        """The blob with an origin in the cache's registry, when there is one to mount it from."""
        registry = cache.reference.registry
        if layer.blob.origin is not None and layer.blob.origin.registry == registry:
            return layer.blob
        origin = next((each for each in self._beside if each.registry == registry), layer.blob.origin)
        return replace(layer.blob, origin=origin)


def _at_once(ask: Callable[[Item], Result], items: Sequence[Item], *, workers: int = _LOOKUPS) -> list[Result]:
    return map_parallel(lambda item, _: ask(item), items, workers=workers, cost=lambda _: 0)
