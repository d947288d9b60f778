"""The oracle sees every kind of difference, and none where there is none."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.oracle import ALLOWED, Node, compare, read_image_tree, read_record, read_tree

if TYPE_CHECKING:
    from pathlib import Path

RECORD = {"name": "a", "files": ["b", "a"], "paths_data": {"paths": [{"_path": "b"}, {"_path": "a"}]}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "opt/conda/conda-meta").mkdir(parents=True)
    (root / "opt/conda/file").write_text("content\n")
    (root / "opt/conda/hard").hardlink_to(root / "opt/conda/file")
    (root / "opt/conda/link").symlink_to("nowhere")
    (root / "opt/conda/conda-meta/a-1-0.json").write_text(json.dumps(RECORD))
    (root / "outside").touch()
    return root


def test_a_folder_and_its_tar_stream_read_the_same(tree: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(tree, ".")
    stream.seek(0)
    expected = read_tree(tree / "opt/conda")
    assert expected.keys() == {"file", "hard", "link", "conda-meta", "conda-meta/a-1-0.json"}
    assert compare(expected, read_image_tree(stream), ()) == []


@pytest.mark.parametrize(
    ("expected", "actual", "aspect"),
    [
        (Node("file", 0o644), None, "missing"),
        (None, Node("file", 0o644), "extra"),
        (Node("file", 0o644), Node("symlink", 0o777), "kind"),
        (Node("file", 0o644), Node("file", 0o755), "mode"),
        (Node("file", 0o644, "sha256:0"), Node("file", 0o644, "sha256:1"), "content"),
        (Node("symlink", 0o777, "a"), Node("symlink", 0o777, "b"), "content"),
    ],
)
def test_every_difference_is_reported(expected: Node | None, actual: Node | None, aspect: str) -> None:
    before, after = ({"share/path": node} if node else {} for node in (expected, actual))
    (text,) = compare(before, after)
    assert text.startswith(f"share/path: {aspect}: ")


def test_an_allowed_difference_covers_only_its_aspect() -> None:
    path = "conda-meta/a-1-0.json"
    assert compare({path: Node("file", 0o600)}, {path: Node("file", 0o644)}, ALLOWED) == []
    assert compare({path: Node("file", 0o600)}, {}, ALLOWED)


def test_records_differ_by_what_they_say_only() -> None:
    other = {**RECORD, "link": {"source": "/cache"}, "files": ["a", "b", "__clobbers__/a/c"]}
    assert read_record(json.dumps(other).encode()) == read_record(json.dumps(RECORD).encode())
    assert read_record(json.dumps({**RECORD, "name": "b"}).encode()) != read_record(json.dumps(RECORD).encode())
