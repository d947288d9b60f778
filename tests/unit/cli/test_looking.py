"""`ls`, `cat`, `export` and `validate`."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from tests.images import named
from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Run, runner
from tests.unit.images import make_image, make_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = "evil\x1b]0;x\x07\nname"
IMAGE = make_image(
    make_layer(
        directory_entry("etc"),
        file_entry("etc/gone", b"", mtime=0),
        file_entry("etc/motd", b"old\n", mtime=0),
        Entry("etc/link", Kind.SYMLINK, 0o777, 0, link="motd"),
        Entry("tmp", Kind.DIRECTORY, 0o1777, 86400, uid=1, gid=2),
    ),
    make_layer(file_entry(EVIL, b"x", mtime=0), file_entry("etc/motd", b"new\0\n", mode=0o4755, mtime=1_700_000_000)),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def layout(tmp_path: Path) -> str:
    write_layout(tmp_path / "layout", [named(IMAGE, "localhost/x:1")])
    return f"oci:{tmp_path}/layout"


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    with simulator.running():
        RegistryClient().push_image(IMAGE, Reference.parse(f"{simulator.address}/x:1"))
        simulator.log.clear()
        yield simulator


def test_ls(run: Run, layout: str) -> None:
    assert run("ls", layout).text == "etc\nevil\\x1b]0;x\\x07\\x0aname\ntmp\n"
    assert run("ls", layout, "/etc").text == "gone\nlink\nmotd\n"
    assert run("ls", "-R", layout, "/").text.splitlines()[:4] == ["etc", "etc/gone", "etc/link", "etc/motd"]
    assert run("ls", layout, "etc/motd").text == "motd\n"


def test_ls_long(run: Run, layout: str) -> None:
    lines = [line.split() for line in run("ls", "-l", layout, "etc").text.splitlines()]
    assert lines[1] == ["lrwxrwxrwx", "0:0", "0", "1970-01-01", "00:00", "link", "->", "motd"]
    assert lines[2] == ["-rwsr-xr-x", "0:0", "5", "2023-11-14", "22:13", "motd"]
    assert run("ls", "-l", layout).text.splitlines()[-1].split() == [
        "drwxrwxrwt", "1:2", "0", "1970-01-02", "00:00", "tmp"
    ]  # fmt: skip


def test_ls_long_of_the_far_future(run: Run, tmp_path: Path) -> None:
    image = make_image(make_layer(file_entry("x", b"", mtime=1 << 40)))
    write_layout(tmp_path / "future", [named(image, "x:1")])
    assert "9999-12-31 23:59" in run("ls", "-l", f"oci:{tmp_path}/future").text


def test_ls_json(run: Run, layout: str) -> None:
    entries = json.loads(run("ls", "--json", layout).text)
    assert entries[1]["path"] == f"/{EVIL}"
    assert entries[2] == {
        "path": "/tmp", "type": "directory", "mode": "1777", "uid": 1, "gid": 2, "size": 0, "mtime": 86400
    }  # fmt: skip
    assert json.loads(run("ls", "--json", layout, "/etc/link").text)[0]["link"] == "motd"


def test_cat(run: Run, layout: str) -> None:
    assert run("cat", layout, "/etc/link", "etc/motd").stdout == b"new\0\nnew\0\n"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("etc/mott", 4, "error: the image has no `/etc/mott`\nhint: did you mean `/etc/motd`?\n"),
        ("etc", 2, "error: `/etc` in the image is a directory, no file\n"),
    ],
)
def test_cat_prints_all_or_nothing(run: Run, layout: str, path: str, status: int, error: str) -> None:
    done = run("cat", layout, "etc/motd", path)
    assert (done.status, done.stdout, done.stderr) == (status, b"", error)


def gets(simulator: RegistrySimulator) -> list[str]:
    return [str(request).rpartition("/")[2] for request in simulator.log if str(request).startswith("GET /v2/x/blobs")]


def test_a_registry_gives_only_the_layers_that_are_needed_and_each_once(run: Run, registry: RegistrySimulator) -> None:
    name = f"{registry.address}/x:1"
    config, (base, top) = IMAGE.config.digest, (layer.digest for layer in IMAGE.layers)
    assert run("cat", name, "etc/motd").stdout == b"new\0\n"
    assert gets(registry) == [config, top]
    registry.log.clear()
    assert run("cat", name, "etc/link").stdout == b"new\0\n"
    assert gets(registry) == [config, top, base]
    registry.log.clear()
    assert run("export", name).status == 0
    assert sorted(gets(registry)) == sorted([config, top, base])
    registry.log.clear()
    assert run("validate", "--fast", name).status == 0
    assert gets(registry) == [config]


def names(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.getnames()


def test_export(run: Run, layout: str, tmp_path: Path) -> None:
    printed = run("export", layout).stdout
    assert names(printed) == [EVIL, "etc", "etc/motd", "etc/gone", "etc/link", "tmp"]
    assert run("export", layout, "-o", tmp_path / "out.tar").stdout == b""
    assert (tmp_path / "out.tar").read_bytes() == printed
    assert run("export", layout, "-o", "/dev/null").status == 0
    done = run("export", layout, "-o", tmp_path)
    assert (done.status, done.stderr) == (2, f"error: cannot write the tar `{tmp_path}`: it is a directory\n")


def test_a_tar_is_not_written_to_a_terminal(run: Run, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    done = run("export", layout)
    assert (done.status, done.stdout) == (2, b"")
    assert "a tar is not written to a terminal" in done.stderr


def test_validate(run: Run, layout: str) -> None:
    size = sum(layer.size for layer in IMAGE.layers) + len(IMAGE.config.raw)
    assert run("validate", layout).text == f"ok: 1 image, 2 layers, {size} B\n"
    document = json.loads(run("validate", "--json", layout).text)
    assert document == {
        "digest": IMAGE.digest, "valid": True, "images": 1, "layers": 2, "size": size, "skipped": 0, "missing": 0,
        "problems": [],
    }  # fmt: skip


def test_validate_lists_every_problem(run: Run, layout: str, tmp_path: Path) -> None:
    for layer in IMAGE.layers:
        path = tmp_path / "layout/blobs/sha256" / layer.digest.hex
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = run("validate", layout)
    assert (done.status, done.stdout) == (5, b"")
    problems = [line for line in done.stderr.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 2
    assert all(layer.digest.short in line for layer, line in zip(IMAGE.layers, problems, strict=True))
    assert done.stderr.splitlines()[-1] == f"error: `{layout}` has 2 problems"
    assert run("validate", "--fast", layout).status == 0
    done = run("validate", "--json", layout)
    assert (done.status, json.loads(done.stdout)["valid"]) == (5, False)


def test_fast_validation_misses_blobs(run: Run, registry: RegistrySimulator) -> None:
    base, top = (layer.digest for layer in IMAGE.layers)
    del registry.repository("x").blobs[base]
    registry.repository("x").blobs[top] = b"short"
    for options in ([], ["--fast"]):
        done = run("validate", *options, f"{registry.address}/x:1")
        assert done.status == 5
        assert [digest.short in done.stderr for digest in (base, top)] == [True, True]
        assert done.stderr.splitlines()[-1].endswith("has 2 problems")


def test_all_platforms_are_validated(run: Run, tmp_path: Path) -> None:
    other = dataclasses.replace(IMAGE, config=IMAGE.config.with_env({"A": "2"}), received=None)
    write_layout(tmp_path / "two", [NamedImage(IMAGE, (Reference.parse("x:1"),), (other,))])
    assert run("validate", f"oci:{tmp_path}/two").text.startswith("ok: 2 images, 2 layers, ")
