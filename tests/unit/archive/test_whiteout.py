"""Flattened layers against a model that applies one layer after the other to a tree, as an engine does.

OCI image-spec 1.1, layer.md: "Whiteout files MUST only apply to resources in lower/parent layers. Files that are
present in the same layer as a whiteout file can only be hidden by whiteout files in subsequent layers."
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.archive.whiteout import OPAQUE, PREFIX, iter_flattened
from docker_envs.archive.writer import TarWriter
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from docker_envs.streams import ByteSource


class Node(NamedTuple):
    """What the tree has at a path; hard links to one file share `inode`."""

    kind: str
    text: str
    inode: int


Tree = dict[str, Node]
DIRECTORY = Node(Kind.DIRECTORY.value, "", 0)


class Layer(NamedTuple):
    """What one layer adds (parents before children) and what it takes away."""

    nodes: Tree
    removed: frozenset[str]
    opaque: frozenset[str]


def apply(tree: Tree, layer: Layer) -> Tree:
    """The model: remove first, then add, as the markers speak of lower layers only."""
    for path in layer.removed:
        tree = {other: node for other, node in tree.items() if other != path and not other.startswith(f"{path}/")}
    for path in layer.opaque:
        tree = {other: node for other, node in tree.items() if not other.startswith(f"{path}/" if path else "")}
    for path, node in layer.nodes.items():
        if node.kind != Kind.DIRECTORY.value:
            tree = {other: seen for other, seen in tree.items() if not other.startswith(f"{path}/")}
        tree[path] = node
    return tree


PARTS = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@st.composite
def layers(draw: st.DrawFn, number: int) -> Layer:
    nodes: Tree = {}
    files: list[str] = []
    for path in draw(st.lists(PATHS, max_size=6, unique=True)):
        parents = [path[:index] for index, character in enumerate(path) if character == "/"]
        if path in nodes or any(nodes.get(parent, DIRECTORY).kind != DIRECTORY.kind for parent in parents):
            continue
        nodes.update({parent: DIRECTORY for parent in parents if parent not in nodes})
        kind = draw(st.sampled_from(["directory", "file", "file", "symlink", "hardlink", "hardlink"]))
        if kind == "directory":
            nodes[path] = DIRECTORY
        elif kind == "hardlink" and files:
            nodes[path] = nodes[draw(st.sampled_from(files))]
            files.append(path)
        else:
            type_flag = Kind.SYMLINK if kind == "symlink" else Kind.FILE
            nodes[path] = Node(type_flag.value, f"layer {number} {path}", len(files) + 100 * number + 1)
            files.append(path)
    removed = frozenset(draw(st.lists(PATHS, max_size=2)))
    opaque = frozenset(draw(st.lists(st.one_of(PATHS, st.just("")), max_size=1)))
    # A marker stands in a directory, so that must be one in this layer, too.
    directories = {"", *(path for path, node in nodes.items() if node is DIRECTORY)}
    removed = frozenset(path for path in removed if path.rpartition("/")[0] in directories)
    return Layer(nodes, removed, opaque & directories)


STACKS = st.integers(1, 4).flatmap(lambda count: st.tuples(*(layers(number) for number in range(count))))


def tar(layer: Layer) -> bytes:
    """A layer's tar; a hard link names any earlier path of its file, so that chains come about."""
    out = bytearray()
    last: dict[int, str] = {}
    for path in sorted(layer.removed):
        head, slash, name = path.rpartition("/")
        out += tar_header.encode(file_entry(f"{head}{slash}{PREFIX}{name}", b"", mtime=0))
    for path in sorted(layer.opaque):
        out += tar_header.encode(file_entry(f"{path}/{OPAQUE}".lstrip("/"), b"", mtime=0))
    for path, node in layer.nodes.items():
        if node is DIRECTORY:
            out += tar_header.encode(directory_entry(path))
            continue
        if node.inode in last:
            out += tar_header.encode(Entry(path, Kind.HARDLINK, 0o644, 0, link=last[node.inode]))
        elif node.kind == Kind.SYMLINK.value:
            out += tar_header.encode(Entry(path, Kind.SYMLINK, 0o777, 0, link=node.text))
        else:
            text = node.text.encode()
            out += tar_header.encode(file_entry(path, text, mtime=0)) + text + tar_header.padding(len(text))
        last[node.inode] = path
    return bytes(out) + bytes(1024)


def opener(archive: bytes) -> Callable[[], ByteSource]:
    return lambda: io.BytesIO(archive)


def flatten(archives: Iterable[bytes]) -> Tree:
    """What comes out, with hard links resolved; a link that comes before its file fails."""
    found: Tree = {}
    for index, entry in enumerate(iter_flattened([opener(archive) for archive in archives], source="test")):
        assert entry.path not in found
        if entry.kind is Kind.HARDLINK:
            found[entry.path] = found[entry.link]
        elif entry.kind is Kind.DIRECTORY:
            found[entry.path] = DIRECTORY
        else:
            text = entry.link if entry.kind is Kind.SYMLINK else entry.read().decode()
            found[entry.path] = Node(entry.kind.value, text, index)
    return found


def shape(tree: Tree) -> dict[str, tuple[str, str, frozenset[str]]]:
    """The tree with each file's other names in place of its inode."""
    names: dict[int, set[str]] = {}
    for path, node in tree.items():
        names.setdefault(node.inode if node is not DIRECTORY else -1, set()).add(path)
    return {
        path: (node.kind, node.text, frozenset() if node is DIRECTORY else frozenset(names[node.inode]))
        for path, node in tree.items()
    }


@settings(max_examples=1000)
@given(STACKS)
def test_shows_what_an_engine_would(stack: tuple[Layer, ...]) -> None:
    expected: Tree = {}
    for layer in stack:
        expected = apply(expected, layer)
    assert shape(flatten(tar(layer) for layer in stack)) == shape(expected)


def layer_of(*entries: Entry) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write, source="test")
    for entry in entries:
        if entry.path.rpartition("/")[2].startswith(PREFIX):
            out.write(tar_header.encode(entry))  # the writer refuses such names
        else:
            writer.add(entry)
    writer.close()
    return out.getvalue()


def file(path: str, text: bytes = b"") -> Entry:
    return file_entry(path, text, mtime=0)


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.HARDLINK, 0o644, 0, link=target)


def symlink(path: str, target: str) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, 0, link=target)


def texts(*archives: bytes) -> dict[str, str]:
    """Files and links by path, without directories."""
    return {path: node.text for path, node in flatten(archives).items() if node is not DIRECTORY}


BASE = layer_of(file("d/a", b"base a"), file("d/b", b"base b"), file("e", b"base e"))


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        ([file("d/.wh.a")], {"d/b": "base b", "e": "base e"}),
        ([file(".wh.d")], {"e": "base e"}),
        ([file(".wh.d"), file("d/new", b"n")], {"d/new": "n", "e": "base e"}),
        ([file("d/.wh..wh..opq"), file("d/new", b"n")], {"d/new": "n", "e": "base e"}),
        ([file("d/new", b"n"), file("d/.wh..wh..opq")], {"d/new": "n", "e": "base e"}),
        ([file(".wh..wh..opq"), file("x", b"n")], {"x": "n"}),
        ([file("d", b"now a file")], {"d": "now a file", "e": "base e"}),
        ([file("e/x", b"below")], {"d/a": "base a", "d/b": "base b", "e/x": "below"}),
        ([symlink("d", "e")], {"d": "e", "e": "base e"}),
        ([file("d/a", b"new"), file("d/.wh.a")], {"d/a": "new", "d/b": "base b", "e": "base e"}),
        ([file("d/.wh.absent")], {"d/a": "base a", "d/b": "base b", "e": "base e"}),
    ],
    ids=["file", "directory", "directory-replaced", "opaque", "opaque-last", "opaque-root", "file-over-directory",
         "directory-over-file", "symlink-over-directory", "whiteout-beside-its-name", "whiteout-of-nothing"],
)  # fmt: skip
def test_markers(upper: list[Entry], expected: dict[str, str]) -> None:
    assert texts(BASE, layer_of(*upper)) == expected


def test_upper_layers_win_from_the_base_up() -> None:
    assert texts(layer_of(file("a", b"base")), layer_of(file("a", b"middle")), layer_of(file("a", b"top"))) == {
        "a": "top"
    }


def bare(*entries: Entry) -> bytes:
    """A layer without entries for parents, as other tools write them."""
    return b"".join(tar_header.encode(each) + each.read() + tar_header.padding(each.size) for each in entries) + bytes(
        1024
    )


STICKY = Entry("d", Kind.DIRECTORY, 0o1777, 7)


def test_directories_keep_their_attributes_below_layers_that_do_not_name_them() -> None:
    layers = [bare(STICKY, file("d/a")), bare(file("d/b/c", b"upper"))]
    found = list(iter_flattened([opener(layer) for layer in layers], source="test"))
    assert [(entry.path, entry.mode) for entry in found] == [
        ("d", 0o1777), ("d/b", 0o755), ("d/b/c", 0o644), ("d/a", 0o644)
    ]  # fmt: skip


def test_the_uppermost_entry_of_a_directory_counts() -> None:
    layers = [bare(STICKY), bare(directory_entry("d")), bare(file("d/b"))]
    found = list(iter_flattened([opener(layer) for layer in layers], source="test"))
    assert [(entry.path, entry.mode) for entry in found] == [("d", 0o755), ("d/b", 0o644)]


def test_a_directory_that_an_upper_layer_removed_has_no_attributes_left() -> None:
    layers = [bare(STICKY, file("d/a")), bare(file(".wh.d"), file("d/b"))]
    found = iter_flattened([opener(layer) for layer in layers], source="test")
    assert [(entry.path, entry.mode) for entry in found] == [("d", 0o755), ("d/b", 0o644)]


def test_the_last_of_several_entries_of_a_layer_counts() -> None:
    layer = bare(directory_entry("d"), file("d/a", b"1"), file("x"), file("d/a", b"22"), STICKY, file("d/a", b"333"))
    entries = [(entry.path, entry.mode, entry.read()) for entry in iter_flattened([opener(layer)], source="test")]
    assert entries == [("x", 0o644, b""), ("d", 0o1777, b""), ("d/a", 0o644, b"333")]


def test_an_unnamed_parent_hides_a_file() -> None:
    assert list(flatten([bare(file("d", b"file")), bare(file("d/b", b"upper"))])) == ["d", "d/b"]


def test_directories_stay_when_all_in_them_is_gone() -> None:
    layers = [bare(file("d", b"file")), bare(file("d/x/a"), file("e/b")), bare(file("d/x/.wh.a"), file(".wh.e"))]
    assert list(flatten(layers)) == ["d", "d/x"]


def test_hidden_file_ends_the_directory_below_it() -> None:
    layers = [layer_of(file("a/old", b"x")), layer_of(file("a", b"file")), layer_of(file("a/new", b"y"))]
    assert texts(*layers) == {"a/new": "y"}


def test_hard_links_to_a_hidden_file_share_one_copy() -> None:
    lower = layer_of(file("a", b"text"), link("b", "a"), link("c", "b"), link("d", "c"))
    entries = iter_flattened([opener(lower), opener(layer_of(file(".wh.a"), file("b", b"own")))], source="test")
    found = [(entry.path, entry.kind, entry.link, entry.read()) for entry in entries]
    assert found == [
        ("b", Kind.FILE, "", b"own"),
        ("c", Kind.FILE, "", b"text"),
        ("d", Kind.HARDLINK, "c", b""),
    ]


def test_hard_link_to_a_hidden_symbolic_link() -> None:
    assert texts(layer_of(symlink("a", "t"), link("b", "a")), layer_of(file(".wh.a"))) == {"b": "t"}


def test_big_file_under_its_second_name_keeps_its_content() -> None:
    text = b"0123456789" * 100_000
    assert texts(layer_of(file("a", text), link("b", "a")), layer_of(file(".wh.a"))) == {"b": text.decode()}


def test_damaged_layer() -> None:
    with pytest.raises(FormatError, match="test: truncated tar archive"):
        flatten([BASE[:700]])
