"""`diff`: exit status, text, Markdown and what is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace as changed

from docker_envs.oci.edit import with_config
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from tests.images import named
from tests.recorded import package, record
from tests.recorded_images import numpy_image, with_record
from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Run, runner
from tests.unit.images import make_image, make_layer, text_layer
from tests.unit.records.test_inventory import conda, dpkg

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image

ONE, TWO = numpy_image("1"), numpy_image("2")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store(tmp_path, one=ONE, two=TWO)


def store(folder: Path, **images: Image) -> None:
    for name, image in images.items():
        write_layout(folder / name, [named(image, "localhost/x:1")])


@pytest.mark.usefixtures("stored")
def test_the_same(run: Run) -> None:
    done = run("diff", "oci:one", "oci:one")
    assert done.text.splitlines() == [
        f"--- oci:one ({ONE.digest})",
        f"+++ oci:one ({ONE.digest})",
        "nothing is different",
        "4 layers in common; to pull: nothing; to unpack: nothing",
    ]
    assert run("diff", "oci:one", "oci:one", "--format", "markdown").text == (
        "### `oci:one` → `oci:one`\n\nNothing is different.\n"
    )


@pytest.mark.usefixtures("stored")
def test_an_updated_package(run: Run) -> None:
    done = run("diff", "oci:one", "oci:two")
    assert done.status == 1
    old, new = ([f"layer {layer.digest.short}  {layer.size:>6} B" for layer in each.layers] for each in (ONE, TWO))
    size = TWO.layers[2].size + TWO.layers[3].size
    assert done.stdout.decode().splitlines() == [
        f"--- oci:one ({ONE.digest})",
        f"+++ oci:two ({TWO.digest})",
        "~ numpy  1  →  2",
        f"- {old[2]}  numpy",
        f"- {old[3]}  (record)",
        f"+ {new[2]}  numpy",
        f"+ {new[3]}  (record)",
        f"2 layers in common; to pull: {size} B in 2 layers; to unpack: {size} B in 2 layers",
    ]


@pytest.mark.usefixtures("stored")
def test_markdown(run: Run) -> None:
    text = run("diff", "oci:one", "oci:two", "--format", "markdown", "--files").stdout.decode()
    assert text.startswith("### `oci:one` → `oci:two`\n\n1.1 kB → 1.1 kB; 2 layers in common; to pull: ")
    assert "\n| ~ | `numpy` | `1` | `2` |\n" in text
    assert "\n<details><summary>2 new layers, 2 layers gone</summary>\n" in text
    assert "\n<details><summary>Files: 0 added, 0 removed, 2 changed</summary>\n" in text
    assert "\n    ~ /opt/conda/numpy (content)\n" in text


@pytest.mark.usefixtures("stored")
def test_settings(run: Run, tmp_path: Path) -> None:
    config = ONE.config.with_env({"A": "1|2`3"}).with_labels({"x": "y\n<b>"}).with_container(Cmd=["a", "b"])
    store(tmp_path, other=with_config(ONE, config))
    lines = run("diff", "oci:one", "oci:other").stdout.decode().splitlines()
    assert lines[2:5] == ['+ config.Cmd: ["a", "b"]', "+ env.A: 1|2`3", "+ label.x: y\\x0a<b>"]
    lines = run("diff", "oci:other", "oci:one").stdout.decode().splitlines()
    assert lines[3] == "- env.A: 1|2`3"
    text = run("diff", "oci:one", "oci:other", "--format", "markdown").stdout.decode()
    assert "| `env.A` |  | `` 1\\|2`3 `` |" in text
    assert "| `label.x` |  | `y\\x0a<b>` |" in text


@pytest.mark.usefixtures("stored")
def test_files(run: Run) -> None:
    assert "~ /opt/conda/numpy (content)\n" in run("diff", "oci:one", "oci:two", "--files").stdout.decode()
    found = json.loads(run("diff", "oci:one", "oci:two", "--json").stdout)
    assert found["files"] is None
    assert found == json.loads(run("diff", "oci:one", "oci:two", "--format", "json").stdout)


@pytest.mark.usefixtures("stored")
def test_trouble(run: Run, tmp_path: Path) -> None:
    assert run("diff", "oci:one", "oci:missing").status == 4
    assert run("diff", "oci:one", "::").status == 2
    broken = make_image(replace(text_layer("a"), diff_id=text_layer("b").diff_id))
    store(tmp_path, broken=broken)
    assert run("diff", "oci:one", "oci:broken").status == 5


def test_with_an_image_of_somebody_else_all_is_compared(run: Run, tmp_path: Path) -> None:
    base = make_layer(dpkg(libc6="1"))
    layers = [make_layer(conda("zlib", version)) for version in ("1.3.1", "2")]
    own = changed(record(package()), layers=(changed(record(package()).layers[0], diff_id=str(layers[0].diff_id)),))
    store(tmp_path, own=with_record(make_image(base, layers[0]), own), other=make_image(base, layers[1]))
    lines = run("diff", f"oci:{tmp_path}/own", f"oci:{tmp_path}/other").stdout.decode().splitlines()
    assert lines[2] == "~ zlib  1.3.1  →  2"
    assert not any("libc6" in line or line.startswith("note") for line in lines)


def test_what_was_not_compared_is_told(run: Run, tmp_path: Path) -> None:
    own = text_layer("x")
    content = changed(record(package()), layers=(changed(record(package()).layers[0], diff_id=str(own.diff_id)),))
    bases = [make_layer(dpkg(libc6=version)) for version in "12"]
    store(tmp_path, **{f"on{n}": with_record(make_image(base, own), content) for n, base in enumerate(bases)})
    places = [f"oci:{tmp_path}/on{number}" for number in range(2)]
    text = run("diff", *places).stdout.decode()
    assert text.endswith("note: packages of 2 different layers of the base were not compared\n")
    assert "note" not in run("diff", *places, "--all").stdout.decode()
    assert "~ libc6  1 (deb)  →  2 (deb)\n" in run("diff", *places, "--all").stdout.decode()
    assert "Note: `packages of 2" in run("diff", *places, "--format", "markdown").stdout.decode()


def test_of_two_recorded_images_only_records_are_fetched(run: Run) -> None:
    simulator = RegistrySimulator()
    with simulator.running():
        for tag, image in (("1", ONE), ("2", TWO)):
            RegistryClient().push_image(image, Reference.parse(f"{simulator.address}/x:{tag}"))
        simulator.log.clear()
        places = [f"{simulator.address}/x:{tag}" for tag in "12"]
        assert run("diff", *places).status == 1
        fetched = {request.path.rpartition("/")[2] for request in simulator.log if "blobs" in request.path}
        assert fetched == {
            str(digest) for each in (ONE, TWO) for digest in (each.config.digest, each.layers[-1].digest)
        }
        simulator.log.clear()
        assert run("diff", *places, "--files").status == 1
        fetched = {request.path.rpartition("/")[2] for request in simulator.log if "blobs" in request.path}
        assert {str(layer.digest) for layer in ONE.layers[:2]} & fetched == set()
        assert {str(layer.digest) for layer in (*ONE.layers[2:], *TWO.layers[2:])} <= fetched


def test_long_lists_of_files_are_cut_in_markdown(run: Run, tmp_path: Path) -> None:
    store(tmp_path, few=make_image(), many=make_image(*(text_layer(f"file-{n:03}") for n in range(250))))
    places = [f"oci:{tmp_path}/{name}" for name in ("few", "many")]
    text = run("diff", *places, "--files", "--format", "markdown").stdout.decode()
    assert "    … and 50 more\n" in text
    assert "file-250" not in text
    assert run("diff", *places, "--files").stdout.decode().count("+ /file-") == 250
