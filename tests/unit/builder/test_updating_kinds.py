"""Images with wheels or Debian packages get other conda packages; what fits no more is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.records.record import read_records
from docker_envs.transports.files.layout import read_layout
from docker_envs.validate import validate_image
from tests.builds import Outcome, docker_envs
from tests.images import flattened
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.distribution import write_distribution
from tests.simulators.package_index import PackageIndexSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.oci.image import Image

#: What pip reads on the building host takes no part.
VARIABLES = {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "", "PIP_EXTRA_INDEX_URL": ""}
SITE = "opt/conda/lib/python3.11/site-packages"


def known(version: str, **files: str) -> PackageSpec:
    """A conda package that brings the distribution `known`."""
    metadata = text(f"Metadata-Version: 2.1\nName: known\nVersion: {version}\n")
    content = {
        "site-packages/known.py": text(version),
        f"site-packages/known-{version}.dist-info/METADATA": metadata,
        **{f"site-packages/{name}.py": text(each) for name, each in files.items()},
    }
    return PackageSpec("known-conda", version, content, ("python",), noarch="python", index={"timestamp": 1000})


def python(version: str) -> PackageSpec:
    minor = version.rpartition(".")[0]
    return PackageSpec("python", version, {f"bin/python{minor}": text("", 0o755)}, build="fake_0_cpython")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndexSimulator]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_distribution(folder, "web", "2.0", requires=["helper", "known<2"])
    write_distribution(folder, "helper", "1.0")
    with (simulator := PackageIndexSimulator(folder)).running():
        yield simulator


@pytest.fixture
def place(tmp_path: Path) -> Path:
    specs = [python("3.11.4"), python("3.11.9"), python("3.12.1"), known("1.0"), known("1.5"), known("2.0")]
    clashing = known("1.9", web="mine")
    write_channel(tmp_path / "channel", [*specs, clashing, PackageSpec("leaf", "1.0"), PackageSpec("leaf", "1.1")])
    return tmp_path


def run(place: Path, *arguments: str) -> Outcome:
    channel = (place / "channel").as_uri()
    return docker_envs(*arguments, "-c", channel, cache=place / "cache", variables=VARIABLES)


def read(path: Path) -> Image:
    (named,) = read_layout(path)
    validate_image(named.image)
    return named.image


def build(place: Path, index: PackageIndexSimulator, name: str, *conda: str) -> Image:
    pip = {"pip": [f"--index-url {index.index_url}", "web"]}
    document = {"channels": [(place / "channel").as_uri()], "dependencies": [*conda, pip]}
    (place / "environment.yml").write_text(json.dumps(document))
    options = ("--base", "scratch", "--platform", "linux/amd64", "--oci", str(place / name), "-i", "x:1")
    done = docker_envs(
        "build", "-f", str(place / "environment.yml"), *options, cache=place / "cache", variables=VARIABLES
    )
    assert done.status == 0, done.stderr
    return read(place / name)


def update(place: Path, *specs: str, command: str = "update") -> Outcome:
    return run(place, command, f"oci:{place / 'before'}", *specs, "--to", f"oci:{place / 'after'}:1")


OLD = ("python=3.11.4", "known-conda=1.0", "leaf=1.0")


def test_wheels_stay_when_conda_packages_change(place: Path, index: PackageIndexSimulator) -> None:
    before = build(place, index, "before", *OLD)
    done = update(place, "leaf")
    assert done.status == 0, done.stderr
    after = read(place / "after")
    assert after.digest == build(place, index, "built", "python=3.11.4", "known-conda=1.0", "leaf=1.1").digest
    new = {layer.digest for layer in after.layers} - {layer.digest for layer in before.layers}
    assert len(new) == 2  # that of `leaf`, and of the record


def test_what_a_wheel_needs_may_become_another_that_it_takes(place: Path, index: PackageIndexSimulator) -> None:
    build(place, index, "before", *OLD)
    assert update(place, "known-conda=1.5").status == 0
    (found,) = read_records(read(place / "after"))
    assert found.record.by_name["known-conda"].version == "1.5"
    assert found.record.by_name["pypi:web"].depends == ("known-conda", "pypi:helper", "python")


def test_python_stays_with_its_wheels(place: Path, index: PackageIndexSimulator) -> None:
    """Its minor version does, whatever is newest."""
    build(place, index, "before", *OLD)
    assert update(place, "python=3.11").status == 0
    after = read(place / "after")
    assert read_records(after)[0].record.by_name["python"].version == "3.11.9"
    assert f"{SITE}/web.py" in flattened(after) or f"{SITE}/web/__init__.py" in flattened(after)


@pytest.mark.parametrize(
    ("command", "specs", "status", "message"),
    [
        ("update", ("known-conda=2.0",), 6, "would lack what they need: `web` needs `known<2`"),
        ("update", ("python=3.12", "known-conda=1.0"), 6, "the wheels in the image are for Python 3.11.4, not 3.12.1"),
        ("update", ("known-conda=1.9",), 6, "both have `/opt/conda/lib/python3.11/site-packages/web.py`"),
        ("update", ("web",), 2, "`web` is a distribution from PyPI, and only conda's packages can be changed"),
        ("remove", ("web",), 2, "`web` is a distribution from PyPI"),
        ("remove", ("pypi:web",), 2, "`web` is a distribution from PyPI"),
        ("remove", ("known-conda",), 2, "`pypi:web` cannot be without what shall go"),
        ("remove", ("python",), 2, "cannot be without what shall go"),
    ],
)
def test_what_is_refused(
    place: Path, index: PackageIndexSimulator, command: str, specs: tuple[str, ...], status: int, message: str
) -> None:
    build(place, index, "before", *OLD)
    done = update(place, *specs, command=command)
    assert (done.status, message in done.stderr) == (status, True), done.stderr
    assert not (place / "after").exists()


def test_wheels_go_with_what_they_need(place: Path, index: PackageIndexSimulator) -> None:
    build(place, index, "before", *OLD)
    done = update(place, "known-conda", "--with-dependents", command="remove")
    assert done.status == 0, done.stderr
    (found,) = read_records(read(place / "after"))
    assert sorted(found.record.by_name) == ["leaf", "pypi:helper", "python"]
    assert SYSTEM_TITLE not in {layer.title for layer in found.record.layers}
