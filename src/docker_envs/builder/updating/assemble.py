"""The image of an update: new layers, the record, and a config that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.configure import timestamp_text
from docker_envs.builder.packages.base_system import required_glibc
from docker_envs.builder.updating.place import NewLayers, replace_layers
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.records.record import RecordedLayer, record_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.layers import LayerMaker
    from docker_envs.builder.updating.planned import Update
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.records.record import Record

_ENTRYPOINT = "entrypoint"


def assemble(update: Update, layers: Sequence[Layer], maker: LayerMaker) -> Image:
    """The image with its new layers.

    Args:
        update: What becomes of it.
        layers: Those of packages, lowest first.
        maker: Makes the others that are new.

    Raises:
        StorageError: A layer cannot be written.
    """
    others = _others(update, maker)
    record = maker.layer_of_entries(record_entries(_record(update, layers, others)), title="record")
    titles = [planned.title for planned in update.after.plan.layers]
    variables, removed = _variables(update)
    return replace_layers(
        update.place,
        NewLayers(
            layers=[*layers, *(layer for _, layer in others), record],
            titles=[*titles, *(title for title, _ in others), "record of the environment"],
            created=_created(update),
            variables=variables,
            removed=removed,
            activated=update.activation.activation.variables,
            entrypoint=bool(update.activation.entrypoint),
        ),
    )


def _others(update: Update, maker: LayerMaker) -> list[tuple[str, Layer]]:
    """The layers without packages: as they are, but for the entrypoint if the packages want another one."""
    place, script = update.place, update.activation.entrypoint
    pairs = zip(place.record.layers, place.layers, strict=True)
    others = [(known.title, layer) for known, layer in pairs if not known.packages]
    if script == update.was_activated.entrypoint:
        return others
    others = [(title, layer) for title, layer in others if title != _ENTRYPOINT]
    if script:
        entries = update.activation.entries(place.record.prefix)
        others.append((_ENTRYPOINT, maker.layer_of_entries(entries, title=_ENTRYPOINT)))
    return others


def _record(update: Update, layers: Sequence[Layer], others: Sequence[tuple[str, Layer]]) -> Record:
    plan, old = update.after.plan, update.place.record
    conda = plan.environment.conda
    is_compiled = conda.is_compiled or plan.environment.pypi.is_compiled
    compiling = CompilePolicy.ALWAYS if is_compiled else CompilePolicy.NEVER
    of_packages = [
        RecordedLayer(diff_id=str(layer.diff_id), packages=tuple(each.qualified_name for each in planned.packages))
        for planned, layer in zip(plan.layers, layers, strict=True)
    ]
    return msgspec.structs.replace(
        old,
        packages=update.packages,
        layers=(*of_packages, *(RecordedLayer(diff_id=str(layer.diff_id), title=title) for title, layer in others)),
        settings=msgspec.structs.replace(old.settings, compile=compiling.value),
        requires={"glibc": wanted[0]} if (wanted := required_glibc(conda.metadata)) else {},
    )


def _variables(update: Update) -> tuple[dict[str, str], list[str]]:
    """Variables that the new packages set otherwise, and those that nobody sets any more."""
    record = update.place.record
    was, now = update.was_activated.activation, update.activation.activation
    changed = {name: value for name, value in now.variables.items() if was.variables.get(name) != value}
    gone = [name for name in was.variables if name not in now.variables and name not in now.removed]
    changed |= {name: record.variables[name] for name in gone if name in record.variables}
    removed = [*gone, *(name for name in now.removed if name not in was.removed)]
    asked = record.container.env
    return (
        {name: value for name, value in changed.items() if name not in asked},
        [name for name in removed if name not in asked and name not in changed],
    )


def _created(update: Update) -> str:
    """When the newest package was built, unless another time was declared."""
    before, after = (timestamp_text(side.plan.environment.timestamp) for side in (update.before, update.after))
    declared = str(update.place.image.config.document.get("created") or before)
    return after if declared == before else declared
