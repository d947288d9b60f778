"""The classic way without an engine: install into a directory, pack it as one layer, push with skopeo.

`python -m benchmarks.directory_build URLS BASE TARGET WORK_DIR`
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

INSTALL = Path(__file__).with_name("install.py")


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


def main() -> None:
    urls, base, target, work = sys.argv[1:]
    root, layout = Path(work) / "root", Path(work) / "layout"
    (root / "opt").mkdir(parents=True)
    subprocess.run([sys.executable, INSTALL, urls, root / "opt/conda", "/opt/conda"], check=True)
    skopeo = ["skopeo", "copy", "-q"]
    subprocess.run([*skopeo, "--src-tls-verify=false", f"docker://{base}", f"oci:{layout}:1"], check=True)
    layer = layout / "blobs/sha256/new"
    tar = f"tar -C {root} --sort=name --owner=0 --group=0 -cf - opt"
    script = f"{tar} | tee >(sha256sum > {work}/diff_id) | gzip -1 > {layer}; wait"
    subprocess.run(["bash", "-o", "pipefail", "-c", script], check=True)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = layer.stat().st_size
    layer.rename(layer.with_name(digest))
    index = json.loads((layout / "index.json").read_text())
    manifest = load(layout, index["manifests"][0]["digest"])
    config = load(layout, manifest["config"]["digest"])
    config["rootfs"]["diff_ids"].append("sha256:" + (Path(work) / "diff_id").read_text().split()[0])
    config.setdefault("history", []).append({"created_by": "tar"})
    config["config"]["Env"] = ["PATH=/opt/conda/bin:/usr/local/bin:/usr/bin:/bin"]
    manifest["config"] |= blob(layout, config)
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    manifest["layers"].append({"mediaType": media_type, "digest": f"sha256:{digest}", "size": size})
    index["manifests"][0] |= blob(layout, manifest)
    (layout / "index.json").write_text(json.dumps(index))
    subprocess.run([*skopeo, "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{target}"], check=True)


if __name__ == "__main__":
    main()
