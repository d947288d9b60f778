"""Files of layers that differ, against what flattening both images gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.errors import DigestMismatchError
from docker_envs.images.compare_files import ChangedFile, FileChanges, compare_files
from tests.unit.archive import test_whiteout as model
from tests.unit.archive.test_whiteout import file, link, symlink
from tests.unit.images import bare_layer, make_image, make_layer
from tests.unit.images.test_browse import image_of

if TYPE_CHECKING:
    import io


def changes(before: list[Entry], after: list[Entry]) -> FileChanges:
    common = make_layer(file_entry("common", b"", mtime=0))
    return compare_files(make_image(common, bare_layer(*before)), make_image(common, bare_layer(*after)))


def flat(stack: tuple[model.Layer, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    for entry in iter_flattened([model.opener(model.tar(layer)) for layer in stack], source="test"):
        found[entry.path] = found[entry.link] if entry.kind is Kind.HARDLINK else (entry.kind, entry.link, entry.read())
    return found


@settings(max_examples=150)
@given(model.STACKS, model.STACKS)
def test_images_without_common_layers(one: tuple[model.Layer, ...], two: tuple[model.Layer, ...]) -> None:
    before, after = (image_of(*(model.tar(layer) for layer in stack)) for stack in (one, two))
    assume(not {layer.diff_id for layer in before.layers} & {layer.diff_id for layer in after.layers})
    old, new = flat(one), flat(two)
    found = compare_files(before, after)
    assert {path for path in found.added if path[1:] in new} == {f"/{path}" for path in new.keys() - old.keys()}
    assert {path for path in found.removed if path[1:] in old} == {f"/{path}" for path in old.keys() - new.keys()}
    expected = {f"/{path}" for path in old.keys() & new.keys() if old[path] != new[path]}
    assert {each.path for each in found.changed} == expected


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (file("a", b"1"), file("a", b"2"), ("content",)),
        (file("a"), Entry("a", Kind.FILE, 0o755, 0), ("mode",)),
        (file("a"), Entry("a", Kind.FILE, 0o644, 0, uid=1), ("owner",)),
        (file("a"), Entry("a", Kind.FILE, 0o644, 0, xattrs={"user.x": b"1"}), ("xattrs",)),
        (symlink("a", "x"), symlink("a", "y"), ("link",)),
        (Entry("a", Kind.CHARACTER_DEVICE, 0o644, 0), Entry("a", Kind.CHARACTER_DEVICE, 0o644, 0, device=(1, 2)),
         ("device",)),
        (symlink("a", "x"), Entry("a", Kind.SYMLINK, 0o777, 0, link="y", gid=3), ("owner", "link")),
    ],
)  # fmt: skip
def test_what_changed(before: Entry, after: Entry, what: tuple[str, ...]) -> None:
    # The helper for bare layers knows no extended attributes.
    pair = [make_image(make_layer(entry)) for entry in (before, after)]
    assert compare_files(*pair).changed == (ChangedFile("/a", what),)


def test_times_do_not_count() -> None:
    assert not changes([file_entry("a", b"x", mtime=1)], [file_entry("a", b"x", mtime=2)])


def test_hard_links_are_the_file_that_they_name() -> None:
    assert changes([file("a", b"x"), file("b", b"x")], [file("a", b"x"), link("b", "a")]) == FileChanges(
        added=(), removed=(), changed=()
    )


def test_what_a_layer_removes_from_lower_ones_is_removed() -> None:
    assert changes([file("x")], [file("d/.wh.a"), file("x")]).removed == ("/d/a",)
    assert changes([file("d/.wh.a"), file("x")], [file("x")]).added == ("/d/a",)
    assert changes([file("x")], [file("x"), file("d/.wh..wh..opq")]).removed == ("/d/*",)
    both = changes([file("a", b"1")], [file(".wh.a"), file("b")])
    assert (both.removed, both.added) == (("/a",), ("/b",))


def test_a_layer_that_removes_and_adds_hides_what_is_below() -> None:
    for marker in ("d/.wh..wh..opq", ".wh.d"):
        upper = [file(marker), directory_entry("d"), file("d/new")]
        after = make_image(bare_layer(file("d/old")), bare_layer(*upper))
        assert "/d/old" not in compare_files(make_image(make_layer()), after).added
        assert "/d/new" in compare_files(make_image(make_layer()), after).added


def test_layers_of_both_are_not_read() -> None:
    def fail() -> io.BytesIO:
        raise AssertionError("read")

    common = replace(make_layer(file("common")), opener=fail)
    found = compare_files(make_image(common), make_image(common, make_layer(file("a"))))
    assert found == FileChanges(added=("/a",), removed=(), changed=())


def test_damaged_layer() -> None:
    wrong = replace(make_layer(file("a")), diff_id=make_layer(file("b")).diff_id)
    with pytest.raises(DigestMismatchError):
        compare_files(make_image(), make_image(wrong))
