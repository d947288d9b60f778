"""Rebases many images in a local registry onto a patched base, and counts what moves.

    .venv/bin/python -m benchmarks.rebase [--images N] [--layers N] [--jobs N]

Every image has a repository and layers of its own on one old base, as a registry of an institute has them. The patched
base is in the same registry. What was read and sent is counted in the registry's log, by kind of blob.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.images import make_layer
from tests.services import run_registry

from benchmarks import measure
from docker_envs.builder.configure import base_annotations
from docker_envs.oci import edit
from docker_envs.oci.image import Image, scratch
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient, host_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOB = re.compile(r'http\.request\.method=(\w+) .*http\.request\.uri="/v2/[^"]*/blobs/(?:uploads/)?([^"]*)"')


def debian(number: int, layers: int) -> Image:
    """A base that says that it is Debian, as official ones do; 1 MB a layer, which does not compress."""
    image, numbers = scratch(host_platform()), random.Random(number)
    for index in range(layers):
        history = {"created_by": f"# debian.sh --arch 'amd64' out/ 'bookworm' '@{number}'" if not index else "RUN"}
        layer = make_layer({f"usr/lib/{index}": numbers.randbytes(1_000_000)})
        image = edit.append_layer(image, layer, history=history)
    return edit.with_config(image, image.config.with_env({"PATH": "/usr/bin", "RELEASE": str(number)}))


def environment(base: Image, reference: Reference, number: int, layers: int) -> Image:
    """An image of an environment on a base, as builds leave it in a registry."""
    image, numbers = base, random.Random(-number)
    for index in range(layers):
        layer = make_layer({f"opt/conda/lib/{index}": numbers.randbytes(10_000)})
        image = edit.append_layer(image, layer, history={"created_by": f"docker-envs build: package {index}"})
    image = edit.with_config(image, image.config.with_env({"PATH": "/opt/conda/bin:/usr/bin"}))
    return edit.with_annotations(image, base_annotations(reference, base))


def moved(log: str, layers: Mapping[str, int]) -> dict[str, int]:
    """Requests by kind, and bytes of layers that were read, out of a registry's log."""
    counts = {"layers read": 0, "layer bytes read": 0, "layers mounted": 0, "uploads": 0, "requests": 0}
    for line in log.splitlines():
        if "http.response.status" not in line:
            continue
        counts["requests"] += 1
        if found := _BLOB.search(line):
            method, rest = found.groups()
            is_layer = rest in layers
            counts["layers read"] += method == "GET" and is_layer
            counts["layer bytes read"] += layers.get(rest, 0) if method == "GET" else 0
            counts["layers mounted"] += method == "POST" and "mount=" in rest
            counts["uploads"] += method in ("PUT", "PATCH")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--layers", type=int, default=8, help="of each image, above its base")
    parser.add_argument("--base-layers", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_registry(Path(folder), in_memory=True) as registry:
        client = RegistryClient()
        bases = [Reference.parse(f"{registry}/base/debian:{number}") for number in (1, 2)]
        old, new = (debian(number, arguments.base_layers) for number in (1, 2))
        client.push_image(old, bases[0])
        client.push_image(new, bases[1])
        sizes = {str(layer.digest): layer.size for image in (old, new) for layer in image.layers}
        old = client.image(bases[0])
        names = []
        for number in range(arguments.images):
            names.append(f"{registry}/team/environment-{number}:1")
            image = environment(old, bases[0], number, arguments.layers)
            sizes |= {str(layer.digest): layer.size for layer in image.layers}
            client.push_image(image, Reference.parse(names[-1]))
        listing, log = Path(folder, "images"), Path(folder, "log")
        listing.write_text("\n".join(names))
        before, start = log.stat().st_size, time.perf_counter()
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "docker_envs",
            "rebase",
            "--onto",
            str(bases[1]),
            "--file",
            listing,
        ]
        done = measure.run([*command, "--jobs", str(arguments.jobs), "--json"])
        seconds, summary = time.perf_counter() - start, json.loads(done.stdout)
        counts = moved(log.read_bytes()[before:].decode(), sizes)
        again = measure.run([*command, "--json"])
    print(f"{arguments.images} images of {arguments.base_layers} + {arguments.layers} layers, onto a patched base")
    print(f"  {summary['rebased']} rebased, {summary['failed']} failed in {seconds:.2f} s")
    print(f"  {again.seconds:.2f} s for the same again, with {json.loads(again.stdout)['unchanged']} unchanged")
    for name, count in counts.items():
        print(f"  {name:18} {count:10,}")
    print(
        f"  base bytes sent    {summary['base_bytes_sent']:10,}\n  peak memory        {done.peak_memory / 1e6:8.0f} MB"
    )


if __name__ == "__main__":
    main()
