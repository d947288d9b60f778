from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, InvalidInputError, NotFoundError
from docker_envs.images.browse import FileTree
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer
from tests.unit.archive import test_whiteout as model
from tests.unit.archive.test_whiteout import STICKY, bare, file, link, symlink
from tests.unit.images import make_image

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.streams import ByteSource


def plain(tar: bytes) -> Layer:
    descriptor = Descriptor(media_types.OCI_LAYER_TAR, Digest.of(tar), len(tar))
    return Layer(descriptor, lambda: io.BytesIO(tar), diff_id=Digest.of(tar))


def image_of(*tars: bytes) -> Image:
    return make_image(*map(plain, tars))


def names(image: Image, path: str = "/", *, recursive: bool = False) -> list[str]:
    with FileTree(image) as tree:
        listed = tree.listed(path)
        if listed.kind is not Kind.DIRECTORY:
            return [listed.path]
        return [entry.path for entry in tree.iter_directory(listed.path, recursive=recursive)]


def content(image: Image, path: str) -> bytes:
    with FileTree(image, wanted=[path]) as tree, tree.open(tree.resolve(path)) as stream:
        return stream.read()


@settings(max_examples=300)
@given(model.STACKS)
def test_the_tree_is_what_flattening_gives(stack: tuple[model.Layer, ...]) -> None:
    tars = [model.tar(layer) for layer in stack]
    flat: dict[str, object] = {}
    for entry in iter_flattened([model.opener(tar) for tar in tars], source="test"):
        flat[entry.path] = flat[entry.link] if entry.kind is Kind.HARDLINK else (entry.kind, entry.link, entry.read())
    tree = FileTree(image_of(*tars))
    seen: dict[str, object] = {}
    for entry in list(tree.iter_directory("", recursive=True)):
        text = b""
        if entry.kind is Kind.FILE:
            with tree.open(entry.path) as stream:
                text = stream.read()
        seen[entry.path] = (entry.kind, entry.link, text)
    assert seen == flat
    assert list(seen) == sorted(seen, key=lambda path: path.split("/"))


BASE = bare(
    STICKY,
    file("d/a", b"base a"),
    file("d/b", b"base b"),
    file("etc/os-release", b"ID=base"),
    symlink("link", "d"),
    symlink("d/up", "../etc"),
    symlink("absolute", "/etc/os-release"),
    symlink("dangling", "nowhere"),
    symlink("loop", "loop"),
    symlink("out", "../../../etc"),
)
IMAGE = image_of(BASE, bare(file("d/.wh.a"), file("d/c/deep", b"top"), link("d/hard", "d/c/deep")))


def test_directories() -> None:
    assert names(IMAGE) == ["absolute", "d", "dangling", "etc", "link", "loop", "out"]
    assert names(IMAGE, "d") == ["d/b", "d/c", "d/hard", "d/up"]
    assert names(IMAGE, "/d/", recursive=True) == ["d/b", "d/c", "d/c/deep", "d/hard", "d/up"]


def test_attributes() -> None:
    found = {entry.path: entry for entry in FileTree(IMAGE).iter_directory("", recursive=True)}
    assert found["d"].mode == 0o1777
    assert (found["d/hard"].kind, found["d/hard"].size) == (Kind.FILE, 3)
    assert found["dangling"].link == "nowhere"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/link", ["d/b", "d/c", "d/hard", "d/up"]),
        ("link/up", ["etc/os-release"]),
        ("out", ["etc/os-release"]),
        ("/d/../etc", ["etc/os-release"]),
        ("../../etc", ["etc/os-release"]),
        ("d/b", ["d/b"]),
        ("absolute", ["absolute"]),
        ("dangling", ["dangling"]),
    ],
)
def test_where_paths_lead(path: str, expected: list[str]) -> None:
    assert names(IMAGE, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/d/b", b"base b"),
        ("link/b", b"base b"),
        ("absolute", b"ID=base"),
        ("d/hard", b"top"),
        ("out/os-release", b"ID=base"),
    ],
)
def test_contents(path: str, expected: bytes) -> None:
    assert content(IMAGE, path) == expected


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("d/a", NotFoundError, "the image has no `/d/a`"),
        ("dangling", NotFoundError, "the image has no `/dangling`"),
        ("loop", InvalidInputError, "too many symbolic links"),
        ("d/b/x", InvalidInputError, "`/d/b` in the image is no directory"),
        ("d/b/", InvalidInputError, "`/d/b` in the image is no directory"),
        ("d", InvalidInputError, "`/d` in the image is a directory, no file"),
    ],
)
def test_what_cannot_be_read(path: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        content(IMAGE, path)


def test_the_nearest_name_is_a_hint() -> None:
    with pytest.raises(NotFoundError) as caught:
        content(IMAGE, "etc/os-releese")
    assert caught.value.hint == "did you mean `/etc/os-release`?"


def unread(layer: Layer) -> Layer:
    def fail() -> ByteSource:
        raise AssertionError("must not be opened")

    return dataclasses.replace(layer, opener=fail)


def test_only_the_layers_needed_are_read() -> None:
    image = make_image(unread(plain(BASE)), plain(bare(file("d/.wh..wh..opq"), file("d/new", b"x"), file("e", b"e"))))
    assert content(image, "e") == b"e"
    assert names(image, "d") == ["d/new"]
    assert names(image, "e") == ["e"]
    with pytest.raises(AssertionError, match="must not be opened"):
        names(image, "/")


def test_a_layer_is_read_once_for_what_was_announced_and_again_for_what_was_not() -> None:
    opened = []
    base = plain(BASE)

    def opener() -> ByteSource:
        opened.append(1)
        return base.opener()

    image = make_image(dataclasses.replace(base, opener=opener))
    tree = FileTree(image, wanted=["/d/a", "etc/os-release"])
    for path in ("d/a", "etc/os-release"):
        tree.open(path).close()
    assert len(opened) == 1
    tree.open("d/b").close()
    assert len(opened) == 2


def test_contents_of_a_damaged_layer_are_never_given() -> None:
    layer = plain(BASE)
    damaged = BASE.replace(b"base b", b"evil b")
    with pytest.raises(DigestMismatchError):
        content(make_image(dataclasses.replace(layer, opener=lambda: io.BytesIO(damaged))), "d/b")


@pytest.mark.parametrize("entry", [link("a", "gone"), link("a", "a")], ids=["missing", "itself"])
def test_hard_links_to_nothing(entry: Entry) -> None:
    with pytest.raises(FormatError, match="hard link to nothing"):
        content(image_of(bare(entry)), "a")


def test_a_hard_link_to_a_lower_layer() -> None:
    assert content(image_of(bare(file("a", b"low")), bare(link("b", "a"))), "b") == b"low"


def test_deep_directories() -> None:
    deep = "/".join("a" * 1200)
    assert len(names(image_of(bare(file(deep))), recursive=True)) == 1200


def test_of_several_entries_the_last_counts() -> None:
    assert content(image_of(bare(file("a", b"1"), file("a", b"2"))), "a") == b"2"


def test_big_files_are_spooled() -> None:
    big = bytes(range(256)) * (40 << 10)
    image = image_of(bare(directory_entry("x"), file_entry("x/big", big, mtime=0), file("z", b"after")))
    assert content(image, "x/big") == big
