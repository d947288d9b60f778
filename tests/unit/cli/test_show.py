"""`show`: what is printed, what is read, and which terminal gets what."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from docker_envs.cli.text import human_size
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.records.record import RecordedLayer
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from tests.builds import environment
from tests.images import ARM64, named
from tests.recorded import debian_package, package, record
from tests.recorded_images import numpy_image, with_record
from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Run, runner
from tests.unit.images import make_image, make_layer, text_layer
from tests.unit.records.test_inventory import conda, dpkg, pypi, text

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.records.record import RecordedPackage

EVIL = "evil\x1b]0;x\x07[red]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capfdbinary)


def stored(image: Image, name: str = "image") -> str:
    write_layout(Path(name), [named(image, "localhost/x:1")])
    return f"oci:{name}"


def test_recorded_image(run: Run) -> None:
    image = numpy_image()
    sizes = [f"{layer.size} B" for layer in image.layers]
    assert run("show", stored(image)).text.splitlines() == [
        "localhost/x:1",
        f"digest       {image.digest}",
        "platform     linux/amd64",
        f"size         {human_size(sum(layer.size for layer in image.layers))} in 4 layers",
        "base         docker.io/library/debian:12@sha256:" + "b" * 64,
        f"environment  /opt/conda: 3 packages, {human_size(sum(layer.size for layer in image.layers[1:]))} in layers",
        "packages     3 conda",
        f"not read     1 layer of the base ({sizes[0]}); `--all` reads them",
        "",
        "layer   size  package  version  build  archive",
        f"    0  {sizes[0]:>5}  (base)",
        f"    1  {sizes[1]:>5}  python   1.3.1    h_0      100 B",
        "              zlib     1.3.1    h_0      100 B",
        f"    2  {sizes[2]:>5}  numpy    1        h_0      100 B",
        f"    3  {sizes[3]:>5}  (record of the environment)",
    ]


def test_the_base_is_read_when_asked_for(run: Run) -> None:
    base = make_layer(dpkg(libc6="2.36"))
    own = text_layer("x")
    image = with_record(make_image(base, own), record(package(), layers=()))
    text = run("show", stored(image), "--all").text
    assert "packages     1 deb\n" in text
    assert "not read" not in text
    assert "libc6    2.36" in text


def test_packages_of_several_kinds(run: Run) -> None:
    layer = make_layer(text("usr/bin/git"))
    own = record(
        package("git"),
        debian_package("git", "1:2.39.5-0+deb12u2"),
        layers=(RecordedLayer(diff_id=str(layer.diff_id), packages=("git", "deb:git")),),
    )
    lines = run("show", stored(with_record(make_image(layer), own))).text.splitlines()
    assert "packages     1 conda, 1 deb" in lines
    table = [line.split() for line in lines[lines.index("") + 1 :]]
    assert table[0][2:] == ["package", "version", "build", "kind", "archive"]
    assert table[1][-5:] == ["git", "1:2.39.5-0+deb12u2", "deb", "200", "B"]
    assert table[2] == ["git", "1.3.1", "h_0", "conda", "100", "B"]


def test_image_of_somebody_else(run: Run) -> None:
    image = make_image(text_layer("bin/sh"), make_layer(conda("b"), pypi("a"), dpkg(c="1")))
    text = run("show", stored(image)).text
    assert "packages     1 conda, 1 deb, 1 pypi\n" in text
    assert "(step 0)" in text
    assert run("show", stored(make_image(text_layer("x")), "empty")).text.count("packages     none found") == 1


def test_settings_and_history(run: Run) -> None:
    image = numpy_image()
    config = image.config.with_container(Entrypoint=["a b", "c"], Cmd=["d"], User="me", WorkingDir="/w")
    image = type(image)(config, image.layers, annotations=image.annotations)
    text = run("show", stored(image), "--history").text
    for line in ("entrypoint   'a b' c", "cmd          d", "user         me", "workdir      /w"):
        assert f"{line}\n" in text
    assert text.splitlines()[-5:][0] == "history"
    assert text.splitlines()[-1] == "    3                       docker-envs: record"


def test_hostile_names(run: Run) -> None:
    evil: RecordedPackage = replace(package(EVIL), license=EVIL, version=EVIL)
    own = text_layer("x")
    recorded = record(evil)
    recorded = replace(recorded, layers=(replace(recorded.layers[0], diff_id=str(own.diff_id)),))
    image = with_record(make_image(own), recorded)
    text = run("show", stored(image)).text
    assert "\x1b" not in text
    assert "evil\\x1b]0;x\\x07[red]" in text
    assert json.loads(run("show", "oci:image", "--json").text)["packages"][0]["name"] == EVIL


def test_problems_are_told(run: Run) -> None:
    image = with_record(make_image(text_layer("x")), record(package()))
    assert "problem      `/opt/conda`: the image lacks layer" in run("show", stored(image)).text


def test_of_an_index_one_image_and_the_names_of_all(run: Run, tmp_path: Path) -> None:
    arm = make_image(text_layer("x"), platform=ARM64)
    write_layout(tmp_path / "both", [NamedImage(numpy_image(), (Reference.parse("x:1"),), (arm,))])
    found = json.loads(run("show", "oci:both", "--platform", "linux/arm64", "--json").text)
    assert found["platform"] == "linux/arm64/v8"
    write_layout(tmp_path / "amd", [NamedImage(numpy_image(), (Reference.parse("x:1"),), (arm,))])
    found = json.loads(run("show", "oci:both", "--json").text)
    assert found["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    assert run("show", "oci:both", "--platform", "linux/s390x").status == 4


def test_only_documents_and_the_record_are_fetched(run: Run) -> None:
    simulator, image = RegistrySimulator(), numpy_image()
    with simulator.running():
        reference = f"{simulator.address}/x:1"
        RegistryClient().push_image(image, Reference.parse(reference))
        simulator.log.clear()
        assert "numpy" in run("show", reference).text
        assert sorted(request.path for request in simulator.log if "blobs" in request.path) == sorted(
            f"/v2/x/blobs/{digest}" for digest in (image.config.digest, image.layers[-1].digest)
        )


def test_damaged_record(run: Run) -> None:
    image = numpy_image()
    broken = image.config.with_labels({"io.docker-envs.records": str(image.layers[0].diff_id)})
    done = run("show", stored(type(image)(broken, image.layers)))
    assert done.status == 5
    assert "it has no record of an environment" in done.stderr


def on_terminal(width: int, *arguments: str, **variables: str) -> str:
    """What a command shows on a terminal of a width."""
    parent, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    command = [sys.executable, "-m", "docker_envs", *arguments]
    done = subprocess.Popen(
        command, stdout=child, stderr=subprocess.DEVNULL, env=environment(Path("cache"), **variables)
    )
    os.close(child)
    shown = b""
    while True:
        try:
            chunk = os.read(parent, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(parent)
    assert done.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def test_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = stored(numpy_image())
    wide = on_terminal(120, "show", place, TERM="xterm-256color", COLUMNS="120")
    assert "\x1b[" in wide
    assert "build" in wide
    for width in (50, 70):
        plain = on_terminal(width, "show", place, TERM="xterm-256color", NO_COLOR="1", COLUMNS=str(width))
        table = re.sub(r"\x1b\[[0-9;]*m", "", plain).partition("\n\n")[2].splitlines()
        assert table[0].split() == ["layer", "size", "package", "version", "archive"]
        assert max(map(len, table)) <= width
        assert "3" in re.sub(r"\x1b\[[0-9]*m", "", plain)
        assert "\x1b[36m" not in plain
