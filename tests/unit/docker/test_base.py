from __future__ import annotations

import gc
import io
import tarfile
import tempfile
from typing import TYPE_CHECKING, BinaryIO

import pytest

from docker_envs.docker.base import Image
from docker_envs.errors import BuildError, FormatError, InvalidInputError, InvalidReferenceError, StorageError
from docker_envs.transports.files.docker_archive import iter_archive
from docker_envs.validate import validate_image
from tests.images import flattened, make_image, named

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image as OciImage

FIRST, SECOND = {"etc/layer": b"first\n", "a": b"1"}, {"etc/layer": b"second\n", "b": b"2"}


def file_of(*images: tuple[OciImage, str]) -> io.BytesIO:
    return io.BytesIO(b"".join(iter_archive([named(image, *name.split()) for image, name in images])))


def open_image(name: str = "app:1") -> Image:
    (image,) = Image.from_file(file_of((make_image(FIRST, SECOND), name)))
    return image


def written(image: Image) -> bytes:
    out = io.BytesIO()
    image.write_file(out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["text", "path", "file", "memory"])
def test_images_from_a_file(tmp_path: Path, kind: str) -> None:
    content = file_of((make_image(FIRST, SECOND), "app:1"), (make_image(SECOND), "127.0.0.1:5000/team/other:x"))
    path = tmp_path / "images.tar"
    path.write_bytes(content.getvalue())
    with path.open("rb") as file:
        sources: dict[str, str | Path | BinaryIO] = {"text": str(path), "path": path, "file": file, "memory": content}
        images = Image.from_file(sources[kind])
    assert [(image.name, image.tag) for image in images] == [("app", "1"), ("127.0.0.1:5000/team/other", "x")]
    assert flattened(images[0].image) == FIRST | SECOND
    assert flattened(images[1].image) == SECOND


def test_layers_stand_base_first() -> None:
    image = open_image()
    image.add_layer_contents({"etc/layer": b"third\n"})
    assert [flattened_layer(image, index)["etc/layer"] for index in range(3)] == [b"first\n", b"second\n", b"third\n"]
    assert flattened(image.image)["etc/layer"] == b"third\n"


def flattened_layer(image: Image, index: int) -> dict[str, bytes]:
    with image.layers[index].open_tar() as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in found.items() if file}


def test_config_history_and_order_survive_everything(tmp_path: Path) -> None:
    original = make_image(FIRST, SECOND)
    image = open_image()
    image.add_layer_contents({"etc/layer": b"third\n"})
    image.name = "127.0.0.1:5000/extended"
    image.write_file(tmp_path / "extended.tar")
    (again,) = Image.from_file(tmp_path / "extended.tar")
    config = again.image.config
    assert config.container == original.config.container
    assert config.diff_ids[:2] == original.config.diff_ids
    assert config.history[:2] == original.config.history
    assert [entry["created_by"] for entry in config.history] == [
        "layer 0",
        "layer 1",
        "docker-envs add_layer_contents /etc/layer",
    ]
    assert again.layers[:2] == original.layers
    again.remove_layer()
    assert (again.image.config.document, again.layers) == (original.config.document, original.layers)


def test_an_unchanged_image_is_written_as_it_was() -> None:
    content = file_of((make_image(FIRST, SECOND), "app:1 app:2")).getvalue()
    (image,) = Image.from_file(io.BytesIO(content))
    assert written(image) == content


def test_removing_layers_from_the_top() -> None:
    image = open_image()
    image.remove_layer()
    assert flattened(image.image) == FIRST
    image.remove_layer()
    assert image.layers == ()
    with pytest.raises(InvalidInputError, match="no layer"):
        image.remove_layer()
    validate_image(image.image)


def test_a_directory_becomes_a_layer(tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_bytes(b"new")
    (tmp_path / "tree/lib.a").write_bytes(b"static")
    image = open_image()
    image.add_layer_path(
        tmp_path / "tree", filter=lambda header: None if header.name.endswith(".a") else header, arcpath="/opt/app"
    )
    assert flattened(image.image) == {**FIRST, **SECOND, "opt/app/sub/file": b"new"}
    assert image.image.config.history[-1]["created_by"] == "docker-envs add_layer_path /opt/app"
    validate_image(image.image)


def test_a_path_lands_where_tarfile_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for path, expected in (("sub", "sub/file"), ("./", "sub/file"), (str(tmp_path), f"{str(tmp_path)[1:]}/sub/file")):
        image = Image(make_image())
        image.add_layer_path(path)
        assert flattened(image.image) == {expected: b"x"}
    with pytest.raises(InvalidInputError, match="no place in an image"):
        Image(make_image()).add_layer_path("../x")


def test_the_same_contents_give_the_same_image(tmp_path: Path) -> None:
    images = []
    for order in (("a", "b"), ("b", "a")):
        image = open_image()
        image.add_layer_contents({f"/etc/{name}": name.encode() for name in order})
        images.append(written(image))
    assert images[0] == images[1]


def test_reserved_and_changing_files_are_refused(tmp_path: Path) -> None:
    image = open_image()
    before = image.image
    with pytest.raises(BuildError, match=r"\.wh\.file"):
        image.add_layer_contents({"etc/.wh.file": b""})
    (tmp_path / "log").write_bytes(b"x")

    def grow(header: tarfile.TarInfo) -> tarfile.TarInfo:
        (tmp_path / "log").write_bytes(b"longer than before")
        return header

    with pytest.raises(BuildError, match="instead of the declared 1"):
        image.add_layer_path(tmp_path / "log", filter=grow, arcpath="log")
    assert image.image is before


def test_hard_links_stay_in_their_layer(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"same")
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    image = Image(make_image())
    image.add_layer_path(tmp_path, arcpath="/")
    with image.layers[0].open_tar() as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as tar:
        assert [(member.name, member.type, member.linkname) for member in tar] == [
            ("one", tarfile.REGTYPE, ""),
            ("two", tarfile.LNKTYPE, "one"),
        ]


@pytest.mark.parametrize("name", ["app", "team/app", "127.0.0.1:5000/app", "localhost:5000/team/app", "ghcr.io/o/r"])
def test_names(name: str) -> None:
    image = open_image()
    image.name = name
    assert (image.name, image.tag) == (name, "1")
    image.tag = "v2"
    (again,) = Image.from_file(io.BytesIO(written(image)))
    assert (again.name, again.tag) == (name, "v2")


def test_an_image_without_a_name() -> None:
    image = Image(make_image(FIRST))
    assert (image.name, image.tag) == (None, "latest")
    with pytest.raises(InvalidInputError, match="without a name") as refused:
        image.tag = "1"
    assert refused.value.hint == "set `name` first"
    image.name = "app"
    assert (image.name, image.tag) == ("app", "latest")
    assert repr(image).startswith("<Image app:latest: 1 layers, sha256:")


@pytest.mark.parametrize("name", ["", "UPPER", "app:2", "a b", "http://x/y"])
def test_what_is_no_name(name: str) -> None:
    image = open_image()
    with pytest.raises(InvalidReferenceError):
        image.name = name
    assert image.name == "app"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Image.from_file(tmp_path / "gone.tar")
    with pytest.raises(FormatError):
        Image.from_file(io.BytesIO(b"no tar" * 500))


def test_new_layers_live_as_long_as_images_that_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = open_image()
    holder.add_layer_contents({"new": b"x"})
    immutable = holder.image
    del holder
    gc.collect()
    assert flattened(immutable)["new"] == b"x"
    assert len(list(tmp_path.iterdir())) == 1
    del immutable
    gc.collect()
    assert list(tmp_path.iterdir()) == []
