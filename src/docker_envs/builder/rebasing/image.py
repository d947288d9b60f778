"""An image on another base: layers, history, config and annotations; no layer is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from docker_envs.builder.configure import BASE_DIGEST, BASE_NAME, base_annotations
from docker_envs.builder.rebasing.config import merge_records, rebased_document
from docker_envs.errors import BuildError
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.edit import to_oci
from docker_envs.records.record import RECORD_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.oci.image import Image
    from docker_envs.oci.reference import Reference

#: The most layers that engines can stack.
MAX_LAYERS = 127


@dataclass(frozen=True, slots=True)
class Base:
    """A base image of one platform.

    Attributes:
        image: The image, of which only manifest and config are known.
        name: What it is called, for messages.
        reference: Its name in a registry; None of one from elsewhere.
    """

    image: Image
    name: str
    reference: Reference | None = None


def rebase_image(image: Image, old: Base, new: Base) -> Image:
    """The image with its own layers on a new base, with OCI's media types.

    The result depends on the three images alone. An image that `docker-envs build` made becomes what a build of the
    same packages on the new base makes, where both bases set the same variables and annotations.

    Raises:
        BuildError: The image is not on the old base, the new base is for another platform, or has too many layers.
    """
    check_base(image, old)
    check_platform(image, new)
    moved, base = to_oci(image), to_oci(new.image)
    own = moved.layers[len(old.image.layers) :]
    layers = (*base.layers, *own)
    if len(layers) > MAX_LAYERS:
        raise BuildError(
            f"{len(own)} layers on the {len(base.layers)} of `{new.name}` are more than the {MAX_LAYERS} "
            "that engines can stack",
            hint="make one layer of all layers of the base or the image with `docker-envs flatten`",
        )
    named = base_annotations(new.reference, new.image)
    document = rebased_document(image.config, old.image.config, new.image.config)
    document["config"] = _with_labels(document["config"], named)
    config = ImageConfig.make(document).with_rootfs(
        [layer.diff_id for layer in layers], rebased_history(image.config, old.image.config, new.image.config)
    )
    annotations = _annotations(image, old.image, new.image) | named
    return replace(moved, config=config, layers=layers, annotations=annotations, received=None)


def check_base(image: Image, base: Base) -> None:
    """Check that an image stands on a base.

    Raises:
        BuildError: It does not; the message names the first layer that differs.
    """
    expected, actual = base.image.config.diff_ids, image.config.diff_ids
    hint = "name the base that it was made on with `--old-base`"
    for number, diff_id in enumerate(expected):
        if number >= len(actual):
            raise BuildError(
                f"not made on `{base.name}`: that has {len(expected)} layers, the image only {len(actual)}", hint=hint
            )
        if diff_id != actual[number]:
            raise BuildError(
                f"not made on `{base.name}`: layer {number + 1} is {actual[number].short}, that of the base "
                f"{diff_id.short}",
                hint=hint,
            )


def check_platform(image: Image, base: Base) -> None:
    """Check that a base is for what the image's programs are for.

    Raises:
        BuildError: It is not.
    """
    ours, theirs = image.platform, base.image.platform
    if not (ours.accepts(theirs) and theirs.accepts(ours)):
        raise BuildError(f"the image is for `{ours}`, the base `{base.name}` for `{theirs}`")


def rebased_history(image: ImageConfig, old: ImageConfig, new: ImageConfig) -> list[dict[str, Any]]:
    """The new base's history, then the image's own part; each layer that a history lacks gets an empty entry."""
    own = _own_history(image, old)
    missing = max(len(new.diff_ids) - _filled(new.history), 0)
    return [*new.history, *({} for _ in range(missing)), *own]


def _own_history(image: ImageConfig, old: ImageConfig) -> list[dict[str, Any]]:
    own_layers = len(image.diff_ids) - len(old.diff_ids)
    history = image.history
    if _filled(history) != len(image.diff_ids):
        return [{} for _ in range(own_layers)]
    filled = [index for index, entry in enumerate(history) if not entry.get("empty_layer")]
    start = filled[len(old.diff_ids) - 1] + 1 if old.diff_ids else 0
    if history[: len(old.history)] == old.history:
        # Entries without a layer at the end of the base's are the base's as well.
        start = max(start, len(old.history))
    return list(history[start:])


def _filled(history: Sequence[dict[str, Any]]) -> int:
    return sum(not entry.get("empty_layer") for entry in history)


def _annotations(image: Image, old: Image, new: Image) -> dict[str, str]:
    """The image's; what it has from the old base follows, but nothing is added: builders seldom inherit them."""
    kept = {
        name: new.annotations.get(name) if old.annotations.get(name) == value else value
        for name, value in image.annotations.items()
    }
    records = merge_records(*(each.annotations.get(RECORD_LABEL, "") for each in (image, old, new)))
    named = {RECORD_LABEL: records} if RECORD_LABEL in image.annotations and records else {}
    return _unnamed({name: value for name, value in kept.items() if value is not None} | named)


def _with_labels(container: dict[str, Any], named: dict[str, str]) -> dict[str, Any]:
    labels = {**_unnamed(container.get("Labels") or {}), **named}
    without = {name: value for name, value in container.items() if name != "Labels"}
    return {**without, **({"Labels": labels} if labels else {})}


def _unnamed(texts: dict[str, str]) -> dict[str, str]:
    """Without what names a base."""
    return {name: value for name, value in texts.items() if name not in (BASE_NAME, BASE_DIGEST)}
