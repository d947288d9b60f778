"""The oldest form of `docker save` files: `repositories`, and for each layer `<id>/json` and `<id>/layer.tar`.

Its images have no config of their own: it is made of the topmost layer's `json` as Docker 1.10 did when it migrated.

Spec: Docker Image Specification v1.0.0, "Combined Image JSON + Filesystem Changeset Format"; v1.2, "Image JSON Field
Descriptions".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docker_envs.errors import FormatError, InvalidReferenceError
from docker_envs.fields import Fields
from docker_envs.oci.budget import DocumentBudget
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.archive_files import read_small_file
from docker_envs.transports.files.archived_layers import ArchivedLayers

if TYPE_CHECKING:
    from docker_envs.transports.files.archive_files import ImageFiles

REPOSITORIES_FILE = "repositories"

_ID = re.compile(r"[0-9a-f]{64}\Z")
# Docker itself made none with more.
_MAX_LAYERS = 127
# Fields of a layer's `json` that belong to the layer, not to the image.
_LAYER_FIELDS = frozenset({"id", "parent", "Size", "parent_id", "layer_id", "throwaway"})


def read_v1_images(files: ImageFiles) -> list[NamedImage]:
    """The images that `repositories` names.

    Raises:
        FormatError: Something is damaged or missing, or a layer is its own ancestor or has too many.

    Cost: reads every layer, because nothing states their digests.
    """
    source = f"{files.source}: {REPOSITORIES_FILE}"
    repositories = Fields.parse(read_small_file(files, REPOSITORIES_FILE, MAX_MANIFEST_SIZE), source=source)
    names: dict[str, list[Reference]] = {}
    for repository in repositories.document:
        for tag, layer_id in repositories.string_map(repository).items():
            names.setdefault(layer_id, []).append(_reference(repository, tag, source))
    layers, budget = ArchivedLayers(files), DocumentBudget(files.source)
    return [NamedImage(_read_image(files, top, layers, budget), tuple(found)) for top, found in names.items()]


def _reference(repository: str, tag: str, source: str) -> Reference:
    try:
        return Reference.parse(f"{repository}:{tag}")
    except InvalidReferenceError as error:
        raise FormatError(source, str(error)) from error


def _read_image(files: ImageFiles, top: str, layers: ArchivedLayers, budget: DocumentBudget) -> Image:
    chain = _read_chain(files, top, budget)
    paths = [f"{layer_id}/layer.tar" for layer_id in chain]
    diff_ids = [layers.diff_id(path) for path in paths]
    document = {
        "os": "linux",
        "architecture": "amd64",
        **{name: value for name, value in chain[top].document.items() if name not in _LAYER_FIELDS},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [_history(fields) for fields in chain.values()],
    }
    config = ImageConfig.make(document)
    config = ImageConfig.parse(config.raw, source=f"{files.source}: {top}/json")
    found = tuple(layers.layer(path, diff_id) for path, diff_id in zip(paths, diff_ids, strict=True))
    return Image(config, found)


def _read_chain(files: ImageFiles, top: str, budget: DocumentBudget) -> dict[str, Fields]:
    """The `json` of a layer and all its ancestors by id, base layer first."""
    chain: dict[str, Fields] = {}
    layer_id: str | None = top
    while layer_id:
        if layer_id in chain:
            raise FormatError(files.source, f"layer `{layer_id}` is its own ancestor")
        if len(chain) == _MAX_LAYERS:
            raise FormatError(files.source, f"layer `{top}` has more than {_MAX_LAYERS - 1} ancestors")
        if not _ID.match(layer_id):
            raise FormatError(files.source, f"{layer_id!r} is no layer id")
        path = f"{layer_id}/json"
        raw = read_small_file(files, path, MAX_CONFIG_SIZE)
        budget.take(len(raw))
        chain[layer_id] = Fields.parse(raw, source=f"{files.source}: {path}")
        layer_id = chain[layer_id].get("parent", str)
    return dict(reversed(chain.items()))


def _history(fields: Fields) -> dict[str, Any]:
    entry = {name: fields.get(name, str) for name in ("created", "author", "comment")}
    if fields.get("container_config", dict):
        entry["created_by"] = " ".join(fields.object("container_config").strings("Cmd"))
    return {name: value for name, value in entry.items() if value}
