"""What `--json` prints has the fields that `docs/commands.md` shows.

`build` is in `test_build.py`, `plan` in `test_plan.py`, `verify` in `test_verify.py`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.entry import file_entry
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout_writing import write_layout
from tests.builds import ROOT
from tests.images import ARM64, named
from tests.recorded_images import numpy_image
from tests.unit.cli.runner import Run, runner
from tests.unit.images import make_image, make_layer

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (ROOT / "docs/commands.md").read_text()
LAYERS = [make_layer(file_entry("etc/motd", text, mtime=0)) for text in (b"old\n", b"new\n")]
IMAGE, ARM = make_image(*LAYERS), make_image(*LAYERS, platform=ARM64)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    write_layout(tmp_path / "recorded", [named(numpy_image("1"), "localhost/x:1")])
    write_layout(tmp_path / "update", [named(numpy_image("2"), "localhost/x:1")])
    write_layout(tmp_path / "one", [named(IMAGE, "localhost/x:1")])
    write_layout(tmp_path / "rebased", [named(make_image(*LAYERS, make_layer()), "localhost/x:1")])
    write_layout(tmp_path / "both", [NamedImage(IMAGE, (Reference.parse("x:1"),), (ARM,))])
    (tmp_path / "one/blobs/sha256" / ("0" * 64)).write_bytes(b"of nobody")
    (tmp_path / "file").touch()
    (tmp_path / "cache/layers/blobs/sha256").mkdir(parents=True)
    (tmp_path / "cache/layers/blobs/sha256/0123456789abcdef").write_bytes(b"damaged")
    return runner(monkeypatch, capfdbinary)


def documented(command: str) -> list[Any]:
    """The JSON blocks of a command's section."""
    _, _, text = COMMANDS.partition(f"\n## `docker-envs {command}")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)]


def shape(value: Any, like: Any) -> Any:
    """Names and types of a document, as deep as another one goes."""
    if isinstance(value, dict) and like:
        return {name: shape(child, like.get(name)) for name, child in value.items()}
    if isinstance(value, list) and like:
        return [shape(child, like[0]) for child in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize(
    ("command", "block", "arguments"),
    [
        ("show", 0, ["oci:recorded"]),
        ("inspect", 0, ["oci:one"]),
        ("inspect", 1, ["oci:both"]),
        ("ls", 0, ["oci:one", "etc/motd"]),
        ("validate", 0, ["oci:both"]),
        ("copy", 0, ["oci:both", "oci:copy:1"]),
        ("append", 0, ["oci:one", "--path", "file:/file", "-t", "oci:more:1"]),
        ("rebase", 0, ["oci:rebased:1", "--onto", "oci:one", "--old-base", "oci:one"]),
        ("layout gc", 0, ["one"]),
        ("cache du", 0, ["--cache-dir", "cache"]),
        ("cache ls", 0, ["--cache-dir", "cache"]),
        ("cache prune", 0, ["--max-size", "0", "--cache-dir", "cache"]),
        ("cache verify", 0, ["--repair", "--cache-dir", "cache"]),
    ],
)
def test_json_has_the_documented_fields(run: Run, command: str, block: int, arguments: list[str]) -> None:
    expected = documented(command)[block]
    found = json.loads(run(*command.split(), *arguments, "--json").text)
    if command in ("ls", "cache ls"):
        (found,) = found
    assert shape(found, expected) == shape(expected, expected)
    assert list(found) == list(expected)


def test_a_difference_has_the_documented_fields(run: Run) -> None:
    (expected,) = documented("diff")
    done = run("diff", "oci:recorded", "oci:one", "--files", "--json")
    assert done.status == 1
    found = json.loads(done.stdout)
    assert list(found) == list(expected)
    for name in ("before", "packages", "layers", "files", "pull", "unpack"):
        assert list(found[name]) == list(expected[name])
    assert [list(change) for change in found["settings"]] == [list(expected["settings"][0])]
    assert list(found["packages"]["removed"][0]) == list(documented("show")[0]["packages"][0])
    assert list(found["layers"]["added"][0]) == list(documented("show")[0]["layers"][0])
    (changed,) = json.loads(run("diff", "oci:recorded", "oci:update", "--json").stdout)["packages"]["changed"]
    assert list(changed) == list(expected["packages"]["changed"][0])


@pytest.mark.parametrize("change", [["mutate", "--user", "x"], ["flatten"]], ids=lambda change: change[0])
def test_changes_print_what_append_prints(run: Run, change: list[str]) -> None:
    found = json.loads(run(*change, "oci:one", "-t", "oci:out:1", "--json").text)
    assert list(found) == list(documented("append")[0])


def test_every_block_has_its_case() -> None:
    names = re.findall(r"^## `docker-envs ([a-z]+(?: [a-z]+)?)", COMMANDS, re.MULTILINE)
    blocks = {name: len(documented(name)) for name in names}
    expected = {
        "lock": 1,
        "build": 1,
        "plan": 1,
        "inspect": 2,
        "ls": 1,
        "validate": 1,
        "copy": 1,
        "append": 1,
        "rebase": 1,
        "update": 1,
        "verify": 1,
    }
    expected |= {"layout gc": 1, "cache du": 1, "cache ls": 1, "cache prune": 1, "cache verify": 1}
    expected |= {"show": 1, "diff": 1}
    assert {name: count for name, count in blocks.items() if count} == expected
