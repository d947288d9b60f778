"""What a container runs on a new base: what came from the old base follows, what is the image's own stays.

The rules are a merge of three: whatever in the image's config equals the old base's was taken over from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.builder.activate import ENTRYPOINT
from docker_envs.builder.configure import DEFAULT_PATH
from docker_envs.records.record import RECORD_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.oci.config import ImageConfig

#: Fields of `config` whose members are merged one by one.
_KEYED = ("Labels", "ExposedPorts", "Volumes")
#: Fields that have rules of their own.
_APART = frozenset({*_KEYED, "Env", "Entrypoint", "Cmd"})
#: Parts of the document that are made of layers.
_OF_LAYERS = frozenset({"config", "rootfs", "history"})


def rebased_document(image: ImageConfig, old: ImageConfig, new: ImageConfig) -> dict[str, Any]:
    """The config of an image on its new base, but for what it says of layers.

    Args:
        image: The image's.
        old: That of the base it has.
        new: That of the base it gets.

    Spec: OCI image-spec 1.1, config.md, "Properties".
    """
    document = _follow(image.document, old.document, new.document, without=_OF_LAYERS)
    container = _follow(image.container, old.container, new.container, without=_APART)
    container |= _merged_fields(image, old, new)
    return {**document, "config": container, "rootfs": image.document["rootfs"]}


def merge_keys(image: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Members one by one, in the order of the new base: added, changed and removed ones are the image's doing."""
    merged = {}
    for name, value in new.items():
        if name in image:
            merged[name] = value if name in old and image[name] == old[name] else image[name]
        elif name not in old:
            merged[name] = value
    own = {name: value for name, value in image.items() if name not in new and (name, value) not in old.items()}
    return {**merged, **own}


def merge_records(image: str, old: str, new: str) -> str:
    """Names of layers with records: the new base's, and on top of these the image's own."""
    return " ".join([*new.split(), *(name for name in image.split() if name not in old.split())])


def _merged_fields(image: ImageConfig, old: ImageConfig, new: ImageConfig) -> dict[str, Any]:
    env = merge_keys(image.env, old.env, new.env)
    env |= {name: _merge_path(name, image.env[name], old.env, new.env) for name in env if _is_path(name, image, old)}
    fields: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in env.items()]}
    for name in _KEYED:
        fields[name] = merge_keys(*(each.container.get(name) or {} for each in (image, old, new)))
    records = merge_records(*(each.labels.get(RECORD_LABEL, "") for each in (image, old, new)))
    fields["Labels"] |= {RECORD_LABEL: records} if records else {}
    fields |= _merge_commands(image.container, old.container, new.container)
    # What is empty stays as the new base writes it: null, empty, or not at all.
    empty = {name: value for name, value in new.container.items() if name in fields and not value and not fields[name]}
    return {name: value for name, value in fields.items() if value} | empty


def _is_path(name: str, image: ImageConfig, old: ImageConfig) -> bool:
    return name.endswith("PATH") and name in image.env and image.env[name] != old.env.get(name)


def _merge_path(name: str, image: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A search path: what the image put in front of the old base's, or behind it, stays there."""
    default = DEFAULT_PATH if name == "PATH" else ""
    before, after = old.get(name) or default, new.get(name) or default
    # As if between colons, so that only whole directories match.
    head, found, tail = f":{image}:".partition(f":{before}:")
    if not before or not found:
        return image
    return ":".join(filter(None, (head[1:], after, tail[:-1])))


def _merge_commands(image: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Entrypoint and command, which belong together: an entrypoint of the image's own keeps the image's command."""
    entrypoint, cmd = image.get("Entrypoint") or [], image.get("Cmd") or []
    wrapper = entrypoint[:1] if entrypoint and str(entrypoint[0]).endswith(f"/{ENTRYPOINT}") else []
    if entrypoint[len(wrapper) :] != (old.get("Entrypoint") or []):
        return {"Entrypoint": entrypoint, "Cmd": cmd}
    follows = cmd == (old.get("Cmd") or [])
    return {
        "Entrypoint": [*wrapper, *(new.get("Entrypoint") or [])],
        "Cmd": (new.get("Cmd") or []) if follows else cmd,
    }


def _follow(
    image: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any], *, without: frozenset[str]
) -> dict[str, Any]:
    """Fields as a whole; one that is absent, null or empty says the same."""
    merged = {}
    for name in [*new, *(name for name in image if name not in new)]:
        if name in without:
            continue
        source = new if (image.get(name) or None) == (old.get(name) or None) else image
        if name in source:
            merged[name] = source[name]
    return merged
