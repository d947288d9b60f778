"""What an image is and what is in it, as one value for people, programs and comparisons."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.records.databases import InstalledPackage
from docker_envs.records.inventory import take_inventory
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.oci.image import Image
    from docker_envs.records.inventory import Inventory
    from docker_envs.report import Reporter

_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"


class Role(StrEnum):
    """What a layer is for."""

    BASE = "base"
    ENVIRONMENT = "environment"
    RECORD = "record"
    OTHER = "other"


class BaseImage(msgspec.Struct, frozen=True, kw_only=True):
    """What the image says that it stands on; empty where it does not say."""

    name: str = ""
    digest: str = ""


class EnvironmentOverview(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that has a record.

    Attributes:
        prefix: Where it is.
        packages: How many packages it has.
        size: Of its layers as stored, in bytes.
        settings: How its layers were made, where that is not the default.
        variables: Variables that its declaration sets.
    """

    prefix: str
    packages: int
    size: int
    settings: dict[str, Any]
    variables: dict[str, str]


class LayerOverview(msgspec.Struct, frozen=True, kw_only=True):
    """A layer.

    Attributes:
        digest: Of the blob.
        diff_id: Of the uncompressed tar.
        media_type: Of the blob.
        size: Of the blob, in bytes.
        role: `base`: below all environments; `environment`; `record`: of an environment; `other`.
        packages: Names of the packages in it, as far as they are known.
        read: Whether all packages in it are known.
        created_by: What the image's history says of it.
    """

    digest: str
    diff_id: str
    media_type: str
    size: int
    role: Role
    packages: tuple[str, ...]
    read: bool
    created_by: str


class HistoryStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the image's history; `layer` is the number of its layer, null for a step without one."""

    created: str
    created_by: str
    comment: str
    layer: int | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """An image and what is in it.

    Attributes:
        names: Where it is.
        digest: Of the manifest.
        image_id: Of the config.
        media_type: Of the manifest.
        platform: What it runs on.
        platforms: All platforms of the index that it was found in; else its own.
        created: As the image says, or empty.
        size: Of all layers as stored, in bytes.
        base: What it says that it stands on.
        config: The config's `config` object.
        annotations: Of the manifest.
        environments: Those that have records.
        layers: All layers, the base's first.
        packages: All packages that are known.
        unread: Numbers of the layers that may have more packages, for they were not read.
        problems: What could not be read.
        history: All steps, oldest first.
    """

    names: tuple[str, ...]
    digest: str
    image_id: str
    media_type: str
    platform: str
    platforms: tuple[str, ...]
    created: str
    size: int
    base: BaseImage | None
    config: dict[str, Any]
    annotations: dict[str, str]
    environments: tuple[EnvironmentOverview, ...]
    layers: tuple[LayerOverview, ...]
    packages: tuple[InstalledPackage, ...]
    unread: tuple[int, ...]
    problems: tuple[str, ...]
    history: tuple[HistoryStep, ...]

    def to_json(self) -> dict[str, Any]:
        """The overview as a JSON document; sizes in bytes."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    def in_layer(self) -> dict[int, list[InstalledPackage]]:
        """Packages by the numbers of their layers, the largest first."""
        found = defaultdict(list)
        for package in sorted(self.packages, key=lambda each: (-(each.size or each.installed_size or 0), each.name)):
            found[package.layer].append(package)
        return dict(found)


def look_into(
    image: Image,
    *,
    names: Iterable[str] = (),
    platforms: Iterable[str] = (),
    everything: bool = False,
    reporter: Reporter = SILENT,
) -> Overview:
    """Find out what an image is; which layers are read is said at `take_inventory`.

    Args:
        image: The image.
        names: Where it is.
        platforms: Of the index that it is in; by default its own.
        everything: Whether layers that no record speaks of are read although there is one.
        reporter: Hears of layers that are read.

    Raises:
        FormatError: A layer or record is damaged.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.
    """
    inventory = take_inventory(image, everything=everything, reporter=reporter)
    history = _history(image)
    return Overview(
        names=tuple(names),
        digest=str(image.digest),
        image_id=str(image.config.digest),
        media_type=image.media_type,
        platform=str(image.platform),
        platforms=tuple(platforms) or (str(image.platform),),
        created=_string(image.config.document.get("created")),
        size=sum(layer.size for layer in image.layers),
        base=_base(image),
        config=image.config.container,
        annotations=image.annotations,
        environments=_environments(image, inventory),
        layers=_layers(image, inventory, history),
        packages=inventory.packages,
        unread=inventory.unread,
        problems=inventory.problems,
        history=history,
    )


def _base(image: Image) -> BaseImage | None:
    said = {**image.config.labels, **image.annotations}
    name, digest = said.get(_BASE_NAME, ""), said.get(_BASE_DIGEST, "")
    return BaseImage(name=name, digest=digest) if name or digest else None


def _environments(image: Image, inventory: Inventory) -> tuple[EnvironmentOverview, ...]:
    sizes = {str(layer.diff_id): layer.size for layer in image.layers}
    return tuple(
        EnvironmentOverview(
            prefix=found.record.prefix,
            packages=len(found.record.packages),
            size=sum(sizes.get(layer.diff_id, 0) for layer in found.record.layers) + found.layer.size,
            settings=found.record.to_json().get("settings", {}),
            variables=found.record.variables,
        )
        for found in inventory.records
    )


def _layers(image: Image, inventory: Inventory, history: tuple[HistoryStep, ...]) -> tuple[LayerOverview, ...]:
    names = defaultdict(list)
    for package in inventory.packages:
        names[package.layer].append(package.name)
    steps = {step.layer: step.created_by for step in history if step.layer is not None}
    roles = _roles(image, inventory)
    return tuple(
        LayerOverview(
            digest=str(layer.digest),
            diff_id=str(layer.diff_id),
            media_type=layer.media_type,
            size=layer.size,
            role=roles[number],
            packages=tuple(names[number]),
            read=number not in inventory.unread,
            created_by=steps.get(number, ""),
        )
        for number, layer in enumerate(image.layers)
    )


def _roles(image: Image, inventory: Inventory) -> list[Role]:
    own = {found.layer.diff_id for found in inventory.records}
    theirs = {layer.diff_id for found in inventory.records for layer in found.record.layers}
    roles: list[Role] = []
    for layer in image.layers:
        if layer.diff_id in own:
            roles.append(Role.RECORD)
        elif layer.diff_id in theirs:
            roles.append(Role.ENVIRONMENT)
        else:
            below = inventory.records and all(role is Role.BASE for role in roles)
            roles.append(Role.BASE if below else Role.OTHER)
    return roles


def _history(image: Image) -> tuple[HistoryStep, ...]:
    filled = sum(1 for entry in image.config.history if not entry.get("empty_layer"))
    # A history that speaks of other layers says nothing about these.
    numbers = iter(range(len(image.layers))) if filled == len(image.layers) else iter(())
    return tuple(
        HistoryStep(
            created=_string(entry.get("created")),
            created_by=" ".join(_string(entry.get("created_by")).split()),
            comment=_string(entry.get("comment")),
            layer=None if entry.get("empty_layer") else next(numbers, None),
        )
        for entry in image.config.history
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
