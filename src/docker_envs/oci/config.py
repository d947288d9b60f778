"""The image config: platform, what a container runs, diff_ids and history.

Spec: OCI image-spec 1.1, config.md; Docker Image Specification v1.2, "Image JSON Field Descriptions".
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.fields import Fields, canonical_json
from docker_envs.oci.descriptor import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The largest config that is read, in bytes; as podman's and skopeo's limit. Decoded, one takes many times its size.
MAX_CONFIG_SIZE = 4 << 20


@dataclass(frozen=True)
class ImageConfig:
    """An image config; immutable, `with_…` methods give a changed copy in canonical bytes.

    Attributes:
        raw: The bytes as received or as we write them; their digest is the image id.
        document: The decoded JSON, fields that we do not know included.
    """

    raw: bytes
    document: dict[str, Any]

    @classmethod
    def parse(cls, raw: bytes, *, source: str) -> ImageConfig:
        """Parse a config and check the fields that we rely on.

        Raises:
            FormatError: `raw` is no image config.
        """
        fields = Fields.parse(raw, source=source)
        Platform.from_fields(fields)
        rootfs = fields.object("rootfs")
        for index, diff_id in enumerate(rootfs.strings("diff_ids")):
            try:
                Digest(diff_id)
            except InvalidInputError as error:
                raise rootfs.error(f"diff_ids[{index}]", str(error)) from error
        container = fields.get("config", dict)
        if container is not None:
            inner = Fields(container, source, "config.")
            inner.strings("Env")
            inner.string_map("Labels")
        for _ in fields.objects("history"):
            pass
        return cls(raw, fields.document)

    @classmethod
    def make(cls, document: dict[str, Any]) -> ImageConfig:
        """A config from a document, in canonical bytes."""
        return cls(canonical_json(document), document)

    @classmethod
    def empty(cls, platform: Platform) -> ImageConfig:
        """The config of `scratch`: no layers, nothing to run."""
        return cls.make(
            {**platform.to_json(), "config": {}, "rootfs": {"type": "layers", "diff_ids": []}, "history": []}
        )

    @cached_property
    def digest(self) -> Digest:
        """Digest of the config: the image id."""
        return Digest.of(self.raw)

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return Platform(self.document["os"], self.document["architecture"], self.document.get("variant") or None)

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """Digests of the uncompressed layers, base layer first."""
        return tuple(Digest(text) for text in self.document["rootfs"].get("diff_ids") or ())

    @property
    def history(self) -> tuple[dict[str, Any], ...]:
        """How the image came about, oldest first; entries with `empty_layer` belong to no layer."""
        return tuple(self.document.get("history") or ())

    @property
    def container(self) -> dict[str, Any]:
        """The `config` object: Env, Cmd, Entrypoint, User, WorkingDir, Labels, …; do not change it."""
        return self.document.get("config") or {}

    @property
    def env(self) -> dict[str, str]:
        """Environment variables in their order."""
        return dict(item.partition("=")[::2] for item in self.container.get("Env") or ())

    @property
    def labels(self) -> dict[str, str]:
        """Labels."""
        return dict(self.container.get("Labels") or {})

    def with_layer(self, diff_id: Digest, history: Mapping[str, Any]) -> ImageConfig:
        """One more layer on top, with its history entry.

        Layers that the history does not speak of get empty entries first, so that the new entry meets its layer.
        """
        document = copy.deepcopy(self.document)
        document["rootfs"]["diff_ids"] = [*self.diff_ids, diff_id]
        filled = sum(1 for entry in self.history if not entry.get("empty_layer"))
        unknown: list[dict[str, Any]] = [{} for _ in range(len(self.diff_ids) - filled)]
        document["history"] = [*self.history, *unknown, dict(history)]
        return ImageConfig.make(document)

    def without_top_layer(self) -> ImageConfig:
        """Without the topmost layer, its history entry, and the empty entries above that one.

        Raises:
            InvalidInputError: There is no layer.
        """
        if not self.diff_ids:
            raise InvalidInputError("the image has no layer to remove")
        document = copy.deepcopy(self.document)
        document["rootfs"]["diff_ids"] = list(self.diff_ids[:-1])
        history = list(self.history)
        filled = [index for index, entry in enumerate(history) if not entry.get("empty_layer")]
        if len(filled) == len(self.diff_ids):
            document["history"] = history[: filled[-1]]
        return ImageConfig.make(document)

    def with_container(self, **changes: Any) -> ImageConfig:
        """Set fields of the `config` object by their names in the specification; None removes one."""
        document = copy.deepcopy(self.document)
        container = dict(document.get("config") or {})
        for name, value in changes.items():
            if value is None:
                container.pop(name, None)
            else:
                container[name] = value
        document["config"] = container
        return ImageConfig.make(document)

    def with_env(self, changes: Mapping[str, str]) -> ImageConfig:
        """Set environment variables; known ones keep their place, new ones follow."""
        merged = {**self.env, **changes}
        return self.with_container(Env=[f"{name}={value}" for name, value in merged.items()])

    def without_env(self, names: Iterable[str]) -> ImageConfig:
        """Remove environment variables."""
        removed = set(names)
        kept = [f"{name}={value}" for name, value in self.env.items() if name not in removed]
        return self.with_container(Env=kept) if removed & self.env.keys() else self

    def with_labels(self, changes: Mapping[str, str]) -> ImageConfig:
        """Set labels."""
        return self.with_container(Labels={**self.labels, **changes})

    def without_labels(self, names: Iterable[str]) -> ImageConfig:
        """Remove labels."""
        removed = set(names)
        kept = {name: value for name, value in self.labels.items() if name not in removed}
        return self.with_container(Labels=kept or None) if removed & self.labels.keys() else self

    def with_platform(self, platform: Platform) -> ImageConfig:
        """Say that the image runs on another platform."""
        document = {name: value for name, value in self.document.items() if name != "variant"}
        return ImageConfig.make({**document, **platform.to_json()})

    def with_rootfs(self, diff_ids: Iterable[Digest], history: Iterable[Mapping[str, Any]]) -> ImageConfig:
        """For other layers, with their history; all else stays."""
        document = copy.deepcopy(self.document)
        document["rootfs"] = {**document["rootfs"], "diff_ids": list(diff_ids)}
        document["history"] = [dict(entry) for entry in history]
        return ImageConfig.make(document)

    def with_created(self, created: str) -> ImageConfig:
        """Set the time of creation, RFC 3339."""
        return ImageConfig.make({**self.document, "created": created})


def check_layer_count(config: ImageConfig, layers: Sequence[object], *, source: str) -> None:
    """Check that a config and a manifest speak of the same layers.

    Raises:
        FormatError: Their numbers differ.
    """
    if len(config.diff_ids) != len(layers):
        raise FormatError(source, f"the manifest has {len(layers)} layers, the config {len(config.diff_ids)} diff_ids")
