"""Layers that no tool would write: only our own errors, in bounded memory, and the same view by both readers."""

from __future__ import annotations

import contextlib
import io
import zlib
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import OPAQUE
from docker_envs.errors import DockerEnvsError
from docker_envs.images.append import tar_layer
from docker_envs.images.browse import FileTree
from docker_envs.images.flatten import write_flattened
from docker_envs.images.local_layers import temporary_store
from tests.unit.archive.test_whiteout import bare, file, link, symlink
from tests.unit.images import make_image
from tests.unit.images.test_browse import image_of
from tests.unit.memory import peak_memory

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image

NAMES = st.sampled_from(["a", "b", ".wh.a", ".wh.b", OPAQUE, ".wh."])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TARGETS = st.sampled_from(["a", "b", "a/b", "../a", "/b/a", "..", "", "a/../b", "/"])


@st.composite
def odd_entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from([Kind.FILE, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK, Kind.FIFO]))
    entry = Entry(draw(PATHS), kind, 0o644, draw(st.sampled_from([0, -1, 1 << 40])))
    if kind is Kind.FILE:
        return file(entry.path, draw(st.sampled_from([b"", b"text"])))
    if kind is Kind.SYMLINK:
        entry.link = draw(TARGETS)
    elif kind is Kind.HARDLINK:
        entry.link = draw(PATHS)
    return entry


STACKS = st.lists(st.lists(odd_entries(), max_size=6), min_size=1, max_size=3)


def browsed(image: Image) -> dict[str, Kind]:
    """Everything that is found from the root down; also looks everything up by its name, and reads it."""
    seen = {}
    with FileTree(image) as tree:
        for entry in tree.iter_directory("", recursive=True):
            seen[entry.path] = entry.kind
            assert tree.resolve(entry.path, follow=False) == entry.path
            with contextlib.suppress(DockerEnvsError):
                place = tree.resolve(entry.path)
                if tree.entry(place).kind is Kind.FILE:
                    tree.open(place).close()
    return seen


@settings(max_examples=500)
@given(STACKS, TARGETS)
@example([[link("a", "b"), link("b", "a")]], "a")
@example([[symlink("a", "a/a")]], "a/b")
def test_odd_layers_give_no_foreign_errors(stack: list[list[Entry]], path: str) -> None:
    image = image_of(*(bare(*layer) for layer in stack))
    with contextlib.suppress(DockerEnvsError):
        browsed(image)
    with contextlib.suppress(DockerEnvsError):
        write_flattened(image, io.BytesIO())
    with FileTree(image) as tree, contextlib.suppress(DockerEnvsError):
        tree.listed(path)


@settings(max_examples=500)
@given(st.lists(st.lists(PATHS, max_size=5, unique=True), min_size=1, max_size=3))
def test_both_readers_see_the_same_where_parents_have_no_entries(stack: list[list[str]]) -> None:
    layers = []
    for paths in stack:
        # Below a file of the same layer, or of a marker, nothing can be.
        kept = [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
        clean = [path for path in kept if not any(part.startswith(".wh.") for part in path.split("/")[:-1])]
        layers.append(bare(*(file(path) for path in clean if not path.endswith("/.wh.") and path != ".wh.")))
    image = image_of(*layers)
    out = io.BytesIO()
    write_flattened(image, out)
    out.seek(0)
    assert browsed(image) == {entry.path: entry.kind for entry in iter_entries(out, source="test")}


def bomb(size: int) -> bytes:
    """A gzip file of a tar with one file of zeros."""
    compressor = zlib.compressobj(9, wbits=31)
    header = tar_header.encode(Entry("zeros", Kind.FILE, 0o644, 0, size=size))
    piece = bytes(1 << 20)
    parts = [compressor.compress(header), *(compressor.compress(piece) for _ in range(size >> 20))]
    return b"".join([*parts, compressor.compress(bytes(1024)), compressor.flush()])


class _Nowhere(io.RawIOBase):
    def write(self, content: object) -> int:
        return len(memoryview(content))  # type: ignore[arg-type]


def test_big_files_pass_in_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "bomb.tar.gz").write_bytes(bomb(128 << 20))
    with temporary_store() as store:
        image = make_image(tar_layer(tmp_path / "bomb.tar.gz", store))
        assert peak_memory(lambda: write_flattened(image, _Nowhere())) < 8 << 20
        assert peak_memory(lambda: browsed(image)) < 12 << 20
        assert peak_memory(lambda: tar_layer(tmp_path / "bomb.tar.gz", store)) < 8 << 20
