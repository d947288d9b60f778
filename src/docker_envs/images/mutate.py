"""What a container of an image runs, its labels and annotations, changed without touching layers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError
from docker_envs.oci import edit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.oci.config import ImageConfig
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image

_PORT = re.compile(r"(\d{1,5})(/(?:tcp|udp|sctp))?\Z")
_SIGNAL = re.compile(r"(SIG[A-Z0-9]+([+-]\d+)?|\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Changes of a config and manifest; None, or nothing in a collection, leaves a field as it is.

    Attributes:
        labels: To set.
        removed_labels: To remove; `labels` may set them again.
        annotations: To set on the manifest.
        env: To set.
        removed_env: To remove; `env` may set them again.
        entrypoint: Empty removes it; a new one removes the image's command, as in a Dockerfile.
        cmd: Empty removes it.
        user: Empty removes it, as in all fields that follow.
        workdir: Where processes start.
        stop_signal: Name or number.
        ports: `PORT[/PROTOCOL]`, added; an empty text removes those before it, the image's among them.
        volumes: Absolute paths, added; an empty text removes as well.
        platform: What the image shall say that it runs on.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    removed_labels: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    removed_env: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    cmd: Sequence[str] | None = None
    user: str | None = None
    workdir: str | None = None
    stop_signal: str | None = None
    ports: Sequence[str] = ()
    volumes: Sequence[str] = ()
    platform: Platform | None = None

    def __post_init__(self) -> None:
        for port in filter(None, self.ports):
            match = _PORT.match(port)
            if not match or not 0 < int(match[1]) < 65536:
                raise InvalidInputError(f"invalid port {port!r}", hint="write it as `8080` or `53/udp`")
        for path in filter(None, (*self.volumes, self.workdir)):
            if not path.startswith("/"):
                raise InvalidInputError(f"{path!r} is no absolute path", hint=f"write it as `/{path}`")
        if self.stop_signal and not _SIGNAL.match(self.stop_signal):
            raise InvalidInputError(f"invalid signal {self.stop_signal!r}", hint="write it as `SIGTERM` or `15`")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self == Mutation()


def mutate_image(image: Image, mutation: Mutation) -> Image:
    """The image with changes; layers and history stay. Annotations make an image in Docker's format OCI's."""
    config = image.config
    if mutation.removed_env or mutation.env:
        config = config.without_env(mutation.removed_env).with_env(mutation.env)
    config = config.without_labels(mutation.removed_labels)
    if mutation.labels:
        config = config.with_labels(mutation.labels)
    if changes := _container_changes(config, mutation):
        config = config.with_container(**changes)
    if mutation.platform is not None:
        config = config.with_platform(mutation.platform)
    return edit.with_annotations(edit.with_config(image, config), mutation.annotations)


def _container_changes(config: ImageConfig, mutation: Mutation) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if mutation.entrypoint is not None:
        changes |= {"Entrypoint": list(mutation.entrypoint) or None, "Cmd": None}
    if mutation.cmd is not None:
        changes["Cmd"] = list(mutation.cmd) or None
    texts = {"User": mutation.user, "WorkingDir": mutation.workdir, "StopSignal": mutation.stop_signal}
    changes |= {name: text or None for name, text in texts.items() if text is not None}
    ports = [port and (port if "/" in port else f"{port}/tcp") for port in mutation.ports]
    for name, items in (("ExposedPorts", ports), ("Volumes", mutation.volumes)):
        if items:
            changes[name] = _with_keys(config.container.get(name), items)
    return changes


def _with_keys(known: Any, items: Sequence[str]) -> dict[str, Any] | None:
    """A set of the specification's kind, an object with empty values, with more items; None when none is left."""
    keys = dict(known) if isinstance(known, dict) else {}
    for item in items:
        if item:
            keys[item] = {}
        else:
            keys.clear()
    return keys or None
