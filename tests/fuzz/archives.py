"""Image archives and layouts that are almost right: each document is changed before its digest is taken."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from docker_envs.oci import media_types
from tests.fuzz.damage import damaged
from tests.fuzz.documents import changed
from tests.fuzz.tars import NAMES, compressed, header, odd_header, odd_members, odd_tar, padded, tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzz.choices import Choices

GOOD_TAR = tar([("a", b"text"), ("d/b", b"more")])


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _layer(choices: Choices) -> tuple[bytes, str]:
    """A layer as stored, and its diff_id."""
    content = GOOD_TAR if choices.number(2) == 0 else odd_tar(choices)
    return compressed(content, choices), _digest(content)


def config(*diff_ids: str) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Env": ["A=b"], "Cmd": ["/bin/sh"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created_by": "step"} for _ in diff_ids],
    }


class Blobs:
    """The files of a layout by their paths."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, content: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
        """Keep a blob; its descriptor."""
        digest = _digest(content)
        self.files[f"blobs/sha256/{digest.partition(':')[2]}"] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}


def manifest(blobs: Blobs, choices: Choices) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Keep an image; the descriptors of its manifest, its config and its layers."""
    layers, diff_ids = [], []
    for _ in range(1 + choices.number(2)):
        content, diff_id = _layer(choices)
        kinds = [media_types.OCI_LAYER_GZIP, media_types.OCI_LAYER_TAR, media_types.DOCKER_LAYER_FOREIGN]
        layers.append(blobs.add(content, choices.pick(kinds)))
        diff_ids.append(diff_id)
    configured = blobs.add(changed(config(*diff_ids), choices), media_types.OCI_CONFIG)
    kind = choices.pick([media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST])
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": configured,
        "layers": layers,
        "annotations": {"a": "b"},
        "subject": {"mediaType": kind, "digest": _digest(b""), "size": 0},
    }
    platform = {"os": "linux", "architecture": "amd64"}
    return blobs.add(changed(document, choices), kind, platform=platform), configured, layers


def entry(blobs: Blobs, choices: Choices) -> dict[str, Any]:
    """An image, or indexes around it."""
    found = manifest(blobs, choices)[0]
    for _ in range(choices.pick([0, 0, 1, 2, 8, 9])):
        entries = [found] * (1 + choices.number(3))
        document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries, "annotations": {}}
        found = blobs.add(changed(document, choices, most=1), media_types.OCI_INDEX)
    if choices.number(8) == 7:
        kind = "application/vnd.oci.artifact.manifest.v1+json"
        found = blobs.add(changed({"mediaType": kind, "blobs": [found], "subject": found}, choices), kind)
    return found


def layout_files(choices: Choices) -> dict[str, bytes]:
    """The files of an OCI layout."""
    blobs = Blobs()
    entries = [entry(blobs, choices) for _ in range(1 + choices.number(2))]
    for each in entries:
        each["annotations"] = {"org.opencontainers.image.ref.name": "app:1", "io.containerd.image.name": "app:1"}
    index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}
    return {
        "oci-layout": changed({"imageLayoutVersion": "1.0.0"}, choices, most=1),
        "index.json": changed(index, choices),
        **blobs.files,
    }


def _both(choices: Choices) -> dict[str, bytes]:
    files = layout_files(choices)
    names = list(files)
    listed = [{"Config": choices.pick(names), "RepoTags": ["app:1"], "Layers": [choices.pick(names)]}]
    return {**files, "manifest.json": changed(listed, choices)}


def _saved(choices: Choices) -> dict[str, bytes]:
    """What `docker save` wrote before it knew of OCI."""
    layers = [_layer(choices) for _ in range(1 + choices.number(2))]
    configured = changed(config(*(diff_id for _, diff_id in layers)), choices)
    name = f"{sha256(configured).hexdigest()}.json"
    files = {f"{number}/layer.tar": content for number, (content, _) in enumerate(layers)}
    foreign = {layers[0][1]: {"mediaType": media_types.OCI_LAYER_GZIP, "digest": _digest(b""), "size": 1}}
    image = {"Config": name, "RepoTags": ["app:1"], "Layers": list(files)}
    listed = [image | ({"LayerSources": foreign} if choices.number(2) else {})] * (1 + choices.number(2))
    return {name: configured, **files, "manifest.json": changed(listed, choices)}


def _oldest(choices: Choices) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    ids = [f"{number:064x}" for number in range(1 + choices.number(3))]
    for number, layer_id in enumerate(ids):
        parent = {"parent": ids[number - 1]} if number else {}
        step = {"container_config": {"Cmd": ["step"]}, "config": {"Env": ["A=b"]}}
        document = {"id": layer_id, **parent, "os": "linux", "architecture": "amd64", **step}
        files[f"{layer_id}/json"] = changed(document, choices, most=1)
        files[f"{layer_id}/layer.tar"] = _layer(choices)[0]
    return {**files, "repositories": changed({"app": {"1": ids[-1], "2": ids[0]}}, choices)}


_FORMS: tuple[Callable[[Choices], dict[str, bytes]], ...] = (_both, layout_files, _saved, _oldest)


def archive(choices: Choices) -> bytes:
    """An archive of one of the forms that there were."""
    files = choices.pick(_FORMS)(choices)
    parts = []
    for name, content in files.items():
        match choices.number(24):
            case 23:
                parts.append(bytes(header(choices.pick([b"1", b"2"]), name, 0, choices.pick([*files, *NAMES]))))
            case 22:
                parts.append(odd_header(choices, size=len(content)) + padded(content))
            case 21:
                continue
            case _:
                parts.append(bytes(header(name=name, size=len(content))) + padded(content))
    if choices.number(4) == 3:
        parts.insert(choices.number(len(parts) + 1), odd_members(choices, most=3))
    content = b"".join(parts) + bytes(1024)
    if choices.number(6) == 5:
        content = damaged(content, choices)
    return compressed(content, choices) if choices.number(4) == 3 else content
