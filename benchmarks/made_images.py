"""Images and directories that are made for measurements."""

from __future__ import annotations

import random
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import scratch
from docker_envs.oci.layer import file_layer
from docker_envs.transports.registry.client import host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker_envs.oci.image import Image

MB = 1_000_000


def random_image(folder: Path, *, size: int, layers: int) -> Image:
    """An image of random files, so that its layers are as big when they are compressed.

    Args:
        folder: Where the layers' blobs are kept.
        size: Of all layers, in bytes.
        layers: How many.
    """
    numbers, count = random.Random(0), size // layers // MB

    def entries(index: int) -> Iterator[Entry]:
        content = (numbers.randbytes(MB) for _ in range(count))
        yield Entry(f"opt/layer-{index}", Kind.FILE, 0o644, 0, count * MB, content)

    return _image(folder, [entries(index) for index in range(layers)])


def file_image(folder: Path, tree: Path, *, layers: int) -> Image:
    """An image of the files of a directory."""
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]

    def entries(index: int) -> Iterator[Entry]:
        for path in files[index::layers]:
            yield file_entry(f"opt/{path.relative_to(tree)}", path.read_bytes(), mtime=0)

    return _image(folder, [entries(index) for index in range(layers)])


def _image(folder: Path, layers: Sequence[Iterator[Entry]]) -> Image:
    image = scratch(host_platform())
    for index, entries in enumerate(layers):
        path = folder / f"layer-{index}"
        with path.open("wb") as out:
            facts = write_layer(entries, out, source="benchmark")
        layer = file_layer(Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size), facts.diff_id, path)
        image = edit.append_layer(image, layer, history={"created_by": f"layer {index}"})
    return image


def make_directory(folder: Path, *, size: int) -> int:
    """The files of the Python that runs this, several times if that is needed to fill the size; the size in bytes."""
    sources = sorted({Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")})
    written = 0
    for copy in range(1000):
        for source in sources:
            for path in sorted(source.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    target = folder / f"copy-{copy}" / source.name / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
                    written += target.stat().st_size
                    if written >= size:
                        return written
    return written
