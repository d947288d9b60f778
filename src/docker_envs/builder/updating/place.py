"""Where an environment is in its image, and the image with other layers in that place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from docker_envs.builder.activate import ENTRYPOINT
from docker_envs.errors import BuildError
from docker_envs.oci.edit import to_oci, with_annotations
from docker_envs.records.record import RECORD_LABEL

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from docker_envs.oci.config import ImageConfig
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.records.record import FoundRecord, Record

_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True)
class Place:
    """An environment in an image.

    Attributes:
        image: The image, with OCI's media types.
        record: What the environment is.
        first: Index of its lowest layer.
        top: Index of the layer of its record, which is right above its other layers.
    """

    image: Image
    record: Record
    first: int
    top: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The environment's layers, that of the record left out."""
        return self.image.layers[self.first : self.top]

    @property
    def below(self) -> Image:
        """What the environment stands on; its config is that of the image, which has all of the base's labels."""
        layers = self.image.layers[: self.first]
        config = self.image.config.with_rootfs([layer.diff_id for layer in layers], self.image.config.history)
        return replace(self.image, layers=layers, config=config, received=None)


def find_place(image: Image, found: FoundRecord) -> Place:
    """Where the environment of a record is.

    Raises:
        BuildError: Its layers are not below the record, as when somebody changed the image.
    """
    image = to_oci(image)
    record = found.record
    top = max(index for index, layer in enumerate(image.layers) if layer.diff_id == found.layer.diff_id)
    first = top - len(record.layers)
    actual: list[str] = [layer.diff_id for layer in image.layers[max(first, 0) : top]]
    if actual != [layer.diff_id for layer in record.layers]:
        raise BuildError(
            f"the layers of the environment `{record.prefix}` are not those that its record names",
            hint="somebody changed the image after it was built; build it anew",
        )
    return Place(image, record, first, top)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLayers:
    """What comes in the place of an environment's layers.

    Attributes:
        layers: Lowest first, the record's last.
        titles: What each holds, for the history.
        created: Time for image and history, RFC 3339.
        variables: Environment variables to set.
        removed: Those to remove.
        activated: All that activation sets.
        entrypoint: Whether an entrypoint activates the environment.
    """

    layers: Sequence[Layer]
    titles: Sequence[str]
    created: str
    variables: Mapping[str, str]
    removed: Sequence[str]
    activated: Collection[str]
    entrypoint: bool


def replace_layers(place: Place, new: NewLayers) -> Image:
    """The image with an environment's layers replaced; what is below and above stays, so does what it runs."""
    image = place.image
    layers = (*image.layers[: place.first], *new.layers, *image.layers[place.top + 1 :])
    config = image.config.with_rootfs([layer.diff_id for layer in layers], _history(place, new))
    config = _with_variables(config, place, new)
    config = _with_entrypoint(config, f"{place.record.prefix}/{ENTRYPOINT}", wanted=new.entrypoint)
    labels = _renamed(config.labels, place, new)
    config = config.with_created(new.created).with_labels(labels)
    changed = replace(image, layers=layers, config=config, received=None)
    return with_annotations(changed, _renamed(image.annotations, place, new))


def _history(place: Place, new: NewLayers) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = [
        {"created": new.created, "created_by": f"docker-envs build: {title}"} for title in new.titles
    ]
    history, count = place.image.config.history, len(place.image.layers)
    filled = [index for index, entry in enumerate(history) if not entry.get("empty_layer")]
    if len(filled) != count:
        return [*({} for _ in range(place.first)), *own, *({} for _ in range(count - place.top - 1))]
    return [*history[: filled[place.first]], *own, *history[filled[place.top] + 1 :]]


def _with_variables(config: ImageConfig, place: Place, new: NewLayers) -> ImageConfig:
    """As a build has them: those of the environment behind those of the base, by name."""
    if not (new.variables or new.removed):
        return config
    config = config.without_env(new.removed)
    own = {*place.record.variables, *place.record.container.env, *new.activated} - {"PATH"}
    tail = {name: value for name, value in {**config.env, **new.variables}.items() if name in own}
    return config.without_env(tail).with_env(
        {**{name: value for name, value in new.variables.items() if name not in own}, **dict(sorted(tail.items()))}
    )


def _with_entrypoint(config: ImageConfig, program: str, *, wanted: bool) -> ImageConfig:
    """With the program in front of whatever runs, or without it."""
    entrypoint = list(config.container.get("Entrypoint") or ())
    if wanted == (entrypoint[:1] == [program]):
        return config
    changed = [program, *entrypoint] if wanted else entrypoint[1:]
    return config.with_container(Entrypoint=changed or None)


def _renamed(texts: Mapping[str, str], place: Place, new: NewLayers) -> dict[str, str]:
    """The time of creation, and the names of layers with records, as labels and annotations have them."""
    old, record = place.image.layers[place.top].diff_id, new.layers[-1].diff_id
    records = [record if name == old else name for name in texts.get(RECORD_LABEL, "").split()]
    return {_CREATED: new.created, **({RECORD_LABEL: " ".join(records)} if records else {})}
