"""Whether remote caches tell the truth: some layers that they have are made of their packages, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache_entries import layer_tag
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.digest import Digest
from docker_envs.errors import VerificationError

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from docker_envs.builder.caches.cache_entries import KnownLayer
    from docker_envs.builder.caches.cached_layers import CachedLayers
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import PlannedLayer


def choose_sample(layers: Sequence[PlannedLayer], count: int | None) -> list[PlannedLayer]:
    """Some of the layers, always the same of the same set, and others of another set.

    Args:
        layers: To choose from.
        count: How many; None takes all.
    """
    seed = "".join(sorted(str(planned.key) for planned in layers))
    return sorted(layers, key=lambda planned: Digest.of(f"{seed}{planned.key}".encode()))[:count]


def verify_cached(layers: CachedLayers, sample: Sequence[PlannedLayer]) -> None:
    """Make layers of their packages, and compare them with what caches say; they are in the store then.

    Args:
        layers: Where they come from.
        sample: Layers that come from caches.

    Raises:
        VerificationError: One differs, or the metadata of a package do.
        DockerEnvsError: It cannot be made; see `LayerMaker.layer`.
    """
    said = {planned.key: layers.from_cache(planned) for planned in sample}

    def verify(planned: PlannedLayer, cancelled: threading.Event) -> None:
        known = said[planned.key]
        made = layers.make(planned, cancelled)
        if known is not None and (made.digest, made.diff_id) != (known.facts.digest, known.facts.diff_id):
            raise _difference(planned, known, made)

    map_parallel(verify, sample, workers=cores(), cost=lambda planned: planned.size)


def _difference(planned: PlannedLayer, known: KnownLayer, made: Layer) -> VerificationError:
    place = f"the cache `{known.blob.origin.name}`" if known.blob.origin else "a cache, of which it is in the store,"
    packages = ", ".join(f"`{package.display_name}`" for package in planned.packages)
    same = made.diff_id == known.facts.diff_id
    return VerificationError(
        f"layer `{planned.key}` of {packages} is `{known.facts.digest}` in {place} but `{made.digest}` when it is made"
        f" of its packages{', compressed in another way' if same else ''}",
        hint=f"delete the tag `{layer_tag(planned.key)}` there, find out who wrote it, and build without this cache",
    )
