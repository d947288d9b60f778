"""The classic way without an engine: install into a directory, pack it as one layer, push with skopeo.

`python -m benchmarks.directory_build URLS TARGET WORK_DIR [BASE]`
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

INSTALL = Path(__file__).with_name("install.py")
SKOPEO = ("skopeo", "copy", "-q")


def blob(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Write a JSON blob; its digest and size."""
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def load(layout: Path, digest: str) -> dict[str, Any]:
    """A JSON blob of the layout."""
    document: dict[str, Any] = json.loads((layout / "blobs/sha256" / digest.partition(":")[2]).read_bytes())
    return document


def install(urls: str, work: Path) -> Path:
    """Install the packages; the root directory that holds them."""
    root = work / "root"
    (root / "opt").mkdir(parents=True)
    subprocess.run([sys.executable, INSTALL, urls, root / "opt/conda", "/opt/conda"], check=True)
    return root


def pack(root: Path, pipe: str) -> None:
    """Run `tar … | PIPE`."""
    tar = f"tar -C {root} --sort=name --owner=0 --group=0 -cf - opt"
    subprocess.run(["bash", "-o", "pipefail", "-c", f"{tar} | {pipe}; wait"], check=True)


def tarball(urls: str, target: str, work: Path) -> None:
    """What skopeo makes of a tarball: an image of this one layer, without the base."""
    layer = work / "layer.tar.gz"
    pack(install(urls, work), f"gzip -1 > {layer}")
    subprocess.run([*SKOPEO, "--dest-tls-verify=false", f"tarball:{layer}", f"docker://{target}"], check=True)


def on_base(urls: str, target: str, work: Path, base: str) -> None:
    """The layer on a base, in a layout that is edited by hand, with the diff_id computed while gzip works."""
    root, layout = install(urls, work), work / "layout"
    subprocess.run([*SKOPEO, "--src-tls-verify=false", f"docker://{base}", f"oci:{layout}:1"], check=True)
    layer = layout / "blobs/sha256/new"
    pack(root, f"tee >(sha256sum > {work}/diff_id) | gzip -1 > {layer}")
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = layer.stat().st_size
    layer.rename(layer.with_name(digest))
    index = json.loads((layout / "index.json").read_text())
    manifest = load(layout, index["manifests"][0]["digest"])
    config = load(layout, manifest["config"]["digest"])
    config["rootfs"]["diff_ids"].append("sha256:" + (work / "diff_id").read_text().split()[0])
    config.setdefault("history", []).append({"created_by": "tar"})
    config["config"]["Env"] = ["PATH=/opt/conda/bin:/usr/local/bin:/usr/bin:/bin"]
    manifest["config"] |= blob(layout, config)
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    manifest["layers"].append({"mediaType": media_type, "digest": f"sha256:{digest}", "size": size})
    index["manifests"][0] |= blob(layout, manifest)
    (layout / "index.json").write_text(json.dumps(index))
    subprocess.run([*SKOPEO, "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{target}"], check=True)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    (tarball if len(arguments) == 3 else on_base)(arguments[0], arguments[1], Path(arguments[2]), *arguments[3:])
