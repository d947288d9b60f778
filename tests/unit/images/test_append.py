from __future__ import annotations

import bz2
import gzip
import io
import os
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.archive.entry import DIRECTORY_MTIME, Entry
from docker_envs.archive.reader import iter_entries
from docker_envs.digest import Digest
from docker_envs.errors import BuildError, FormatError, InvalidInputError, PathEscapeError, StorageError
from docker_envs.images.append import HostTree, append_layers, tar_layer, tree_layer
from docker_envs.images.local_layers import temporary_store
from docker_envs.oci import media_types
from docker_envs.validate import validate_image
from tests.images import flattened
from tests.unit.archive.test_whiteout import bare, file
from tests.unit.images import make_image, text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.oci.layer import Layer
    from docker_envs.transports.blobs import BlobStore

TAR = bare(file("x", b"text" * 1000), file(".wh.gone"))
ZSTD = CompressionSetting.parse("zstd").block_compressor()


@pytest.fixture
def store() -> Iterator[BlobStore]:
    with temporary_store() as store:
        yield store


def entries(layer: Layer) -> dict[str, Entry]:
    with layer.open_tar() as stream:
        return {entry.path: entry for entry in iter_entries(stream, source="test")}


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(gzip.compress(TAR, 9), media_types.OCI_LAYER_GZIP), (bytes(ZSTD(TAR)), media_types.OCI_LAYER_ZSTD)],
    ids=["gzip", "zstd"],
)
def test_compressed_tars_keep_their_bytes(tmp_path: Path, store: BlobStore, content: bytes, media_type: str) -> None:
    path = tmp_path / "layer"
    path.write_bytes(content)
    layer = tar_layer(path, store)
    assert layer.digest == Digest.of(content)
    assert (layer.size, layer.media_type, layer.host_path) == (len(content), media_type, path)
    assert layer.diff_id == Digest.of(TAR)
    validate_image(make_image(layer))


@pytest.mark.parametrize("content", [TAR, bz2.compress(TAR)], ids=["plain", "bzip2"])
@pytest.mark.parametrize("compression", ["gzip", "zstd:3", "none"])
def test_other_tars_are_compressed_and_keep_their_diff_id(
    tmp_path: Path, store: BlobStore, content: bytes, compression: str
) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(content)
    layer = tar_layer(path, store, compression=CompressionSetting.parse(compression))
    assert layer.diff_id == Digest.of(TAR)
    assert layer.media_type.endswith(f"tar+{compression[:4]}" if compression != "none" else "tar")
    validate_image(make_image(layer))


def test_a_tar_from_standard_input(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TAR)))
    assert tar_layer(Path("-"), store).diff_id == Digest.of(TAR)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"no tar at all" * 100, FormatError, "layer.tar: "),
        (TAR[:700], FormatError, "truncated"),
        (gzip.compress(TAR)[:-4], FormatError, "truncated gzip"),
        (bare(file("x"), file("x")), FormatError, "has `x` twice"),
        (bare(file("x").__class__("../x", file("x").kind, 0o644, 0)), PathEscapeError, "outside of the root"),
    ],
    ids=["text", "truncated", "truncated-gzip", "twice", "escape"],
)
def test_what_is_no_layer(
    tmp_path: Path, store: BlobStore, content: bytes, error: type[Exception], message: str
) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        tar_layer(path, store)


def test_a_missing_tar(tmp_path: Path, store: BlobStore) -> None:
    with pytest.raises(StorageError, match="No such file"):
        tar_layer(tmp_path / "gone.tar", store)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "bin").mkdir(parents=True)
    (root / "bin/run").write_bytes(b"#!")
    (root / "bin/run").chmod(0o755)
    (root / "cache").mkdir()
    (root / "cache/x.pyc").write_bytes(b"c")
    (root / "b.pyc").write_bytes(b"c")
    os.utime(root / "bin/run", (1_600_000_000, 1_600_000_000))
    root.chmod(0o700)
    return root


def test_a_directory(tree: Path, store: BlobStore) -> None:
    found = entries(tree_layer(HostTree(tree, "opt/app"), store))
    assert list(found) == ["opt", "opt/app", "opt/app/b.pyc", "opt/app/bin", "opt/app/bin/run", "opt/app/cache",
                           "opt/app/cache/x.pyc"]  # fmt: skip
    assert (found["opt/app"].mode, found["opt/app"].mtime) == (0o755, DIRECTORY_MTIME)
    run = found["opt/app/bin/run"]
    assert (run.mode, run.mtime, run.uid, run.gid) == (0o755, 1_600_000_000, 0, 0)


def test_owner_exclusions_and_latest_time(tree: Path, store: BlobStore) -> None:
    layer = tree_layer(HostTree(tree, "a"), store, exclude=["*.pyc", "bin/r*", "none/"], owner=(1, 2), latest=5)
    found = entries(layer)
    assert list(found) == ["a", "a/bin", "a/cache"]
    assert {(entry.uid, entry.gid) for entry in found.values()} == {(1, 2)}
    assert found["a/bin"].mtime == 5
    assert list(entries(tree_layer(HostTree(tree, "a"), store, exclude=["/cache/", "bin"]))) == ["a", "a/b.pyc"]


@pytest.mark.parametrize("place", ["tmp", "tmp/deep/er", "root/x", "var/tmp/y"])
def test_well_known_directories_keep_their_modes(tree: Path, store: BlobStore, place: str) -> None:
    found = entries(tree_layer(HostTree(tree, place), store, owner=(1, 2)))
    known = {path: entry for path, entry in found.items() if path in ("tmp", "root", "var/tmp")}
    assert len(known) == 1
    for path, entry in known.items():
        assert (entry.mode, entry.uid) == (0o700 if path == "root" else 0o1777, 0)


def test_reserved_names(tmp_path: Path, store: BlobStore) -> None:
    (tmp_path / ".wh.x").touch()
    with pytest.raises(BuildError, match="mean deletions"):
        tree_layer(HostTree(tmp_path, "x"), store)


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("app:/opt/app", "app", "opt/app"),
        ("app", "app", "app"),
        ("./app/", "app", "app"),
        ("/srv/app", "/srv/app", "srv/app"),
        ("../app:/app", "../app", "app"),
        (".:/", ".", ""),
        ("a:b", "a:b", "a:b"),
        ("x.txt:/etc/", "x.txt", "etc/x.txt"),
    ],
)
def test_trees(text: str, host: str, path: str) -> None:
    assert HostTree.parse(text) == HostTree(Path(host), path)


@pytest.mark.parametrize("text", ["../app", ":/app", "app:/../x"])
def test_trees_that_land_nowhere(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        HostTree.parse(text)
    assert caught.value.hint


def test_appended_images() -> None:
    base = make_image(text_layer("a"))
    image = append_layers(base, [(text_layer("b"), "b.tar"), (text_layer("a", "new"), "/a")])
    validate_image(image)
    assert flattened(image) == {"a": b"new", "b": b"text"}
    assert image.layers[0] == base.layers[0]
    assert [entry["created_by"] for entry in image.config.history[1:]] == [
        "docker-envs append b.tar",
        "docker-envs append /a",
    ]


def test_the_same_tree_gives_the_same_layer(tree: Path, store: BlobStore, tmp_path: Path) -> None:
    first = tree_layer(HostTree(tree, "x"), store)
    tree.rename(tmp_path / "moved")
    assert tree_layer(HostTree(tmp_path / "moved", "x"), store) == first


def test_a_user_tar_by_tarfile(tmp_path: Path, store: BlobStore, tree: Path) -> None:
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as tar:
        tar.add(tree, "app")
    assert "app/bin/run" in entries(tar_layer(tmp_path / "t.tar.gz", store))
