"""Which packages share a layer after an update: those that did before, so that all other layers stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.planner.layering import DEFAULT_MAX_LAYERS, Strategy, UserGroup

if TYPE_CHECKING:
    from collections.abc import Collection

    from docker_envs.records.record import Record


def updated_groups(record: Record, names: Collection[str], *, other_layers: int) -> list[tuple[str, ...]]:
    """The packages of each layer, lowest first.

    A package stays in its layer. One that is new joins the group that was asked for it, or gets a layer of its own on
    top of the others; when there is no room for that, all new ones share a layer, or else the topmost one.

    Args:
        record: What is in the image; layers whose packages are all gone go as well.
        names: Qualified names of the packages that there shall be.
        other_layers: Layers of the image that hold no packages of this environment.
    """
    wanted, known = set(names), record.by_name.keys()
    layers = [[name for name in layer.packages if name in wanted] for layer in record.layers if layer.packages]
    found = [set(layer) for layer in layers if layer]
    new = [name for name in sorted(wanted - known) if not _joined(name, found, record)]
    room = (record.settings.max_layers or DEFAULT_MAX_LAYERS) - other_layers - len(found)
    if found and new and (record.settings.layers == Strategy.ONE or room < 1):
        found[-1].update(new)
    elif len(new) <= room:
        found += [{name} for name in new]
    elif new:
        found.append(set(new))
    return [tuple(sorted(layer)) for layer in found]


def _joined(name: str, layers: list[set[str]], record: Record) -> bool:
    """Put a package into the layer of the group that matches it, if there is one."""
    groups = [UserGroup.parse(text) for text in record.settings.groups]
    group = next((group for group in groups if group.matches(name)), None)
    layer = next((layer for layer in layers if group is not None and all(map(group.matches, layer))), None)
    if layer is not None:
        layer.add(name)
    return layer is not None
