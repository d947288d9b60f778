from __future__ import annotations

import io
import json
import os
import resource
import shutil
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.errors import (
    InvalidInputError,
    StorageError,
    VerificationError,
)
from docker_envs.oci import media_types
from docker_envs.transports.files.docker_archive import write_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.validate import validate_image
from tests.images import make_image, make_layer, named

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image

ONE, TWO = make_image({"a": b"1"}), make_image({"a": b"1"}, {"a": b"2"})


def snapshot(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def names(path: Path) -> list[list[str]]:
    return [[reference.familiar for reference in each.references] for each in read_layout(path)]


def test_reading_gives_what_was_written(tmp_path: Path) -> None:
    write_layout(tmp_path / "new/layout", [named(TWO, "127.0.0.1:5000/app:1")])
    (found,) = read_layout(tmp_path / "new/layout")
    assert found.references == named(TWO, "127.0.0.1:5000/app:1").references
    assert found.image.manifest.raw == TWO.manifest.raw
    assert found.image.config.raw == TWO.config.raw
    validate_image(found.image)


def test_manifests_in_dockers_format_become_ocis(tmp_path: Path) -> None:
    image = make_image({"a": b"1"}, docker=True)
    write_layout(tmp_path / "layout", [named(image), named(ONE)])
    (found,) = read_layout(tmp_path / "layout")
    assert found.image.media_type == media_types.OCI_MANIFEST
    assert found.image.config.raw == image.config.raw
    assert [layer.digest for layer in found.image.layers] == [layer.digest for layer in image.layers]
    validate_image(found.image)


def test_two_directories_are_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_layout(tmp_path / name, [named(ONE, "app:1"), named(TWO, "app:2")])
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_the_archive_and_the_directory_hold_the_same(tmp_path: Path) -> None:
    images = [named(ONE, "app:1"), named(TWO, "app:2")]
    write_layout(tmp_path / "layout", images)
    write_archive(images, tmp_path / "app.tar")
    shutil.unpack_archive(tmp_path / "app.tar", tmp_path / "unpacked", filter="data")
    (tmp_path / "unpacked/manifest.json").unlink()
    assert snapshot(tmp_path / "unpacked") == snapshot(tmp_path / "layout")


def test_an_existing_layout_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "layout"
    write_layout(path, [named(ONE, "app:1")])
    document = json.loads((path / "index.json").read_bytes())
    document["annotations"] = {"kept": "yes"}
    document["manifests"][0]["x-kept"] = True
    (path / "index.json").write_text(json.dumps(document))
    write_layout(path, [named(TWO, "app:2")])
    assert names(path) == [["app:1"], ["app:2"]]
    after = json.loads((path / "index.json").read_bytes())
    assert after["annotations"] == {"kept": "yes"}
    assert after["manifests"][0] == document["manifests"][0]


def test_the_same_tag_is_replaced(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [named(ONE, "app:1"), named(ONE, "app:2")])
    write_layout(tmp_path / "layout", [named(TWO, "app:1")])
    found = {each.references[0].familiar: each.image.digest for each in read_layout(tmp_path / "layout")}
    assert found == {"app:1": TWO.digest, "app:2": ONE.digest}


def test_an_image_without_name_is_listed_once(tmp_path: Path) -> None:
    for image in (ONE, TWO, ONE):
        write_layout(tmp_path / "layout", [named(image)])
    assert len(read_layout(tmp_path / "layout")) == 2
    assert len(json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]) == 2


def test_an_empty_directory_becomes_a_layout(tmp_path: Path) -> None:
    write_layout(tmp_path, [named(ONE, "app:1")])
    assert names(tmp_path) == [["app:1"]]


def test_two_images_cannot_share_a_tag(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="two images are to be called `1`"):
        write_layout(tmp_path / "layout", [named(ONE, "a:1"), named(TWO, "b:1")])
    assert not (tmp_path / "layout").exists()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(InvalidInputError, match="neither empty nor an OCI image layout"):
        write_layout(tmp_path, [named(ONE)])
    assert snapshot(tmp_path) == {"precious": b"x"}


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        write_layout(tmp_path / "file", [named(ONE)])


def broken() -> Image:
    layer = make_layer({"z": b"broken"})
    return make_image({"fine": b"1"}, replace(layer, opener=partial(io.BytesIO, b"x" * layer.size)))


@pytest.mark.parametrize("before", ["none", "empty", "layout"])
def test_a_failure_leaves_the_directory_as_it_was(tmp_path: Path, before: str) -> None:
    path = tmp_path / "layout"
    if before == "empty":
        path.mkdir()
    elif before == "layout":
        write_layout(path, [named(ONE, "app:1")])
    expected = snapshot(tmp_path)
    with pytest.raises(VerificationError):
        write_layout(path, [named(TWO, "app:1"), named(broken(), "app:2")])
    assert snapshot(tmp_path) == expected


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    image = make_image(make_layer({"big": bytes(range(256)) * 1000}, CompressionSetting.parse("none")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match="cannot write") as refused:
            write_layout(tmp_path / "layout", [named(image)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free some space" in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_writers_wait_for_one_another(tmp_path: Path) -> None:
    images = [named(make_image({"a": b"%d" % number}), f"app:{number}") for number in range(8)]
    threads = [threading.Thread(target=write_layout, args=(tmp_path / "layout", [image])) for image in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(tmp_path / "layout")) == [[f"app:{number}"] for number in range(8)]


def test_files_may_be_read_by_all_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_layout(tmp_path / "layout", [named(ONE)])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "layout").rglob("*") if path.is_file()} == {0o644}
