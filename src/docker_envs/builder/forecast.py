"""What is known of a plan's layers before they are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.builder.layer_store import LayerStore

if TYPE_CHECKING:
    from docker_envs.builder.request import BuildRequest
    from docker_envs.planner.plan import Plan, PlannedLayer


class Origin(StrEnum):
    """Where a layer will come from.

    Attributes:
        STORE: The local store has it.
        BUILD: It has to be made.
    """

    STORE = "store"
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


def expect_layers(request: BuildRequest, plan: Plan) -> list[ExpectedLayer]:
    """Look every layer of a plan up, bottom first; nothing is made."""
    store = LayerStore(request.cache / "layers")
    expected = []
    for planned in plan.layers:
        facts = store.get(planned.key)
        if facts is None:
            estimate = planned.estimated_size(request.compression)
            expected.append(ExpectedLayer(planned, Origin.BUILD, estimate))
        else:
            expected.append(ExpectedLayer(planned, Origin.STORE, facts.size))
    return expected
