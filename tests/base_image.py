"""A tiny multi-layer base image with a shell, made of this host's own programs, without network."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.packages.build import Directory, File, Node, Symlink, tar_bytes, text

HOST_ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"
ARCHITECTURES = ("amd64", "arm64")
PROGRAMS = ("sh", "cat", "env", "id", "ls", "stat", "test", "true")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

ENV = ("PATH=/usr/local/bin:/usr/bin:/bin", "FIXTURE=base image")
CMD = ("/bin/sh", "-c", "echo hello from the base")
LABELS = {"org.example.fixture": "base", "org.example.spaces": "two  words"}


@dataclass(frozen=True)
class BaseImage:
    """References of one image in three shapes: OCI manifest, Docker manifest v2 schema 2, index of two platforms."""

    oci: str
    docker: str
    index: str


def host_programs() -> dict[str, Node]:
    """A shell and a few programs in `bin/`: static busybox, or else the host's own with their libraries."""
    busybox = Path("/bin/busybox")
    if busybox.exists():
        links = {f"bin/{name}": Symlink("busybox") for name in PROGRAMS}
        return {"bin/busybox": File(busybox.read_bytes(), 0o755), **links}
    files: dict[str, Node] = {}
    for name in PROGRAMS:
        program = next(path for path in (Path("/bin", name), Path("/usr/bin", name)) if path.exists())
        files[f"bin/{name}"] = File(program.read_bytes(), 0o755)
        listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listing):
            files[library.lstrip("/")] = File(Path(library).read_bytes(), 0o755)
    return files


def layer_contents(architecture: str) -> list[dict[str, Node]]:
    """The layers' paths, base first; all three touch `etc/layer`, and the last removes `etc/doomed`."""
    first: dict[str, Node] = {
        **host_programs(),
        "etc/architecture": text(f"{architecture}\n"),
        "etc/doomed": text("removed by the third layer\n"),
        "etc/group": text("root:x:0:\n"),
        "etc/layer": text("first\n"),
        "etc/passwd": text("root:x:0:0:root:/root:/bin/sh\n"),
        "root": Directory(0o700),
        "srv": Directory(),
        "tmp": Directory(0o1777),
        "usr/bin/env": Symlink("../../bin/env"),
    }
    second: dict[str, Node] = {"etc/layer": text("second\n"), "srv/second.txt": text("second\n")}
    third: dict[str, Node] = {"etc/.wh.doomed": text(""), "etc/layer": text("third\n")}
    return [first, second, third]


class Layout:
    """An OCI image layout that is being written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add_blob(self, content: bytes, media_type: str, **fields: object) -> dict[str, object]:
        """Store a blob; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        (self.root / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **fields}

    def add_json(self, value: object, media_type: str, **fields: object) -> dict[str, object]:
        return self.add_blob(json.dumps(value).encode(), media_type, **fields)

    def add_image(self, architecture: str) -> dict[str, object]:
        """Store one platform's image; the descriptor of its manifest."""
        tars = [tar_bytes(sorted(content.items())) for content in layer_contents(architecture)]
        config = self.add_json(image_config(architecture, tars), CONFIG)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [self.add_blob(gzip.compress(tar, 6, mtime=0), LAYER) for tar in tars],
            "annotations": {"org.example.fixture": "kept"},
        }
        variant = {"variant": "v8"} if architecture == "arm64" else {}
        target = {"architecture": architecture, "os": "linux", **variant}
        return self.add_json(manifest, MANIFEST, platform=target)

    def write_index(self, **tagged: dict[str, object]) -> None:
        key = "org.opencontainers.image.ref.name"
        manifests = [{**found, "annotations": {key: tag}} for tag, found in tagged.items()]
        (self.root / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
        )


def image_config(architecture: str, tars: list[bytes]) -> dict[str, object]:
    """A config with most fields set, an unknown one, and a history with an entry that made no layer."""
    created = "2024-01-02T03:04:05Z"
    history: list[dict[str, object]] = [
        {"created": created, "created_by": f"layer {n}"} for n in ("one", "two", "three")
    ]
    history.insert(1, {"created": created, "created_by": "ENV FIXTURE=base image", "empty_layer": True})
    return {
        "architecture": architecture,
        "author": "the fixtures",
        "config": {
            "Cmd": CMD,
            "Env": ENV,
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": LABELS,
            "StopSignal": "SIGINT",
            "User": "0:0",
            "WorkingDir": "/srv",
        },
        "created": created,
        "history": history,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]},
        "x-fixture": {"kept": True},
    }


def write_layout(root: Path) -> Path:
    """Write an OCI layout with the tags `single` (this host's platform) and `index` (amd64 and arm64)."""
    layout = Layout(root)
    images = {architecture: layout.add_image(architecture) for architecture in ARCHITECTURES}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(images.values())}
    layout.write_index(single=images[HOST_ARCHITECTURE], index=layout.add_json(index, INDEX))
    return root


def push_base_image(layout: Path, registry: str) -> BaseImage:
    """Copy a layout of `write_layout` to a registry on plain HTTP with skopeo."""
    repository = f"{registry}/fixture/base"
    image = BaseImage(f"{repository}:oci", f"{repository}:docker", f"{repository}:index")
    for reference, source, options in (
        (image.oci, "single", ("--format=oci",)),
        (image.docker, "single", ("--format=v2s2",)),
        (image.index, "index", ("--all",)),
    ):
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", *options]
        subprocess.run([*command, f"oci:{layout}:{source}", f"docker://{reference}"], check=True)
    return image
