"""What is known of a plan's layers before they are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.builder.caches.layer_store import LayerStore

if TYPE_CHECKING:
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.request import BuildRequest
    from docker_envs.planner.plan import Plan, PlannedLayer


class Origin(StrEnum):
    """Where a layer will come from.

    Attributes:
        STORE: The local store has it.
        CACHE: A remote cache has it.
        BUILD: It has to be made.
    """

    STORE = "store"
    CACHE = "cache"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class ExpectedLayer:
    """A layer that will be.

    Attributes:
        planned: What it is made of.
        origin: Where it will come from.
        size: Compressed, in bytes; estimated when it has to be made.
    """

    planned: PlannedLayer
    origin: Origin
    size: int


def expect_layers(request: BuildRequest, plan: Plan, caches: RemoteCaches) -> list[ExpectedLayer]:
    """Look every layer of a plan up, bottom first; nothing is made."""
    store = LayerStore(request.cache / "layers", trusted=caches.names)
    stored = {planned.key: store.get(planned.key) for planned in plan.layers}
    absent = [key for key, facts in stored.items() if facts is None]
    cached = caches.find_layers(absent, request.compression.kind)
    expected = []
    for planned in plan.layers:
        if (facts := stored[planned.key]) is not None:
            expected.append(ExpectedLayer(planned, Origin.STORE, facts.size))
        elif planned.key in cached:
            expected.append(ExpectedLayer(planned, Origin.CACHE, cached[planned.key].facts.size))
        else:
            expected.append(ExpectedLayer(planned, Origin.BUILD, planned.estimated_size(request.compression)))
    return expected
