"""What is written from a record is what its readers take; a record of somebody hostile is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.environments.conda.declarations.environment_yml import read_environment_yml
from docker_envs.environments.conda.declarations.explicit import read_explicit
from docker_envs.environments.conda.declarations.pixi_lock import read_pixi_lock
from docker_envs.environments.debian.declarations.apt_txt import read_apt_txt
from docker_envs.environments.pypi.declarations.declaration import PypiRequirement
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.errors import FormatError, InvalidInputError, NotFoundError
from docker_envs.oci.descriptor import Platform
from docker_envs.projects.exports.export import ExportFormat, export_record
from docker_envs.records.record import RecordedPython
from tests.recorded import CHANNEL, package, record, recorded_image

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.records.record import Record, RecordedPackage

AMD64 = Platform("linux", "amd64")
OTHER = "https://conda.example/a"
PACKAGES = (
    package("a-b", depends=("a_b",)),
    package("a_b", version="1!2.0+x"),
    package("noarch-only", channel=OTHER, subdir="noarch", build="pyh_0", license=""),
)
RECORD = record(*PACKAGES, variables={"A": "1.10", "B": "two: words"})


def export(made: Record, kind: ExportFormat) -> str:
    return export_record(recorded_image(made), made, kind)


def test_environment_yml(tmp_path: Path) -> None:
    text = export(RECORD, ExportFormat.ENVIRONMENT_YML)
    declaration = read_environment_yml(tmp_path / "environment.yml", text)
    assert declaration.channels == ("conda-forge", OTHER, "nodefaults")
    assert declaration.specs == (
        "conda-forge::a-b=1.3.1=h_0",
        "conda-forge::a_b=1!2.0+x=h_0",
        f"{OTHER}::noarch-only=1.3.1=pyh_0",
    )
    assert declaration.variables == RECORD.variables


def test_one_channel_is_named_once() -> None:
    text = export(record(package("zlib")), ExportFormat.ENVIRONMENT_YML)
    assert text == "channels:\n- conda-forge\n- nodefaults\ndependencies:\n- zlib=1.3.1=h_0\n"


def test_explicit(tmp_path: Path) -> None:
    text = export(RECORD, ExportFormat.EXPLICIT)
    assert text.startswith("# platform: linux-64\n@EXPLICIT\nhttps://")
    found = read_explicit(tmp_path / "list.txt", text, platform=AMD64).packages
    assert found is not None
    assert [(each.url, each.sha256) for each in found] == [(each.url, each.sha256) for each in PACKAGES]


def test_pixi_lock(tmp_path: Path) -> None:
    file = tmp_path / "pixi.lock"
    file.write_text(export(RECORD, ExportFormat.PIXI_LOCK))
    found = read_pixi_lock(file, environment="default", platform=AMD64).packages
    assert found is not None
    assert {(each.name, each.url, each.sha256) for each in found} == {
        (each.name, each.url, each.sha256) for each in PACKAGES
    }


def test_order_of_channels() -> None:
    names = export(record(*PACKAGES[2:], package("x", CHANNEL), package("y", CHANNEL)), ExportFormat.PIXI_LOCK)
    assert names.index(f"url: {CHANNEL}/") < names.index(f"url: {OTHER}/")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "https://conda.example/linux-64/a-1-0.conda\nhttps://evil.example/linux-64/b-1-0.conda"},
        {"url": "https://conda.example/${SECRET}/linux-64/a-1-0.conda"},
        {"url": "https://conda.example/linux-64/a-1-0.conda#0"},
        {"url": ""},
        {"name": "a[channel=x]"},
        {"name": "a b"},
        {"version": "1,<2"},
        {"version": ""},
        {"build": "*"},
        {"subdir": "linux-64\n"},
        {"sha256": "0"},
    ],
)
@pytest.mark.parametrize("kind", [each for each in ExportFormat if each is not ExportFormat.RECORD])
def test_hostile_records(kind: ExportFormat, fields: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="no valid one"):
        export(record(package(**fields)), kind)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "pypi", "version": "1 --index-url=https://evil.example"},
        {"kind": "pypi", "version": "1; x"},
        {"kind": "pypi", "name": "-r x"},
        {"kind": "pypi", "url": "https://x/${SECRET}.whl"},
        {"kind": "pypi", "sha256": "0"},
        {"kind": "deb", "version": "1\nother"},
        {"kind": "deb", "version": "1/sid"},
        {"kind": "deb", "version": "*"},
        {"kind": "deb", "name": "Git"},
        {"kind": "deb", "subdir": "amd64 i386"},
    ],
)
@pytest.mark.parametrize(
    "kind",
    [ExportFormat.ENVIRONMENT_YML, ExportFormat.DOCKER_ENV_YAML, ExportFormat.REQUIREMENTS_TXT, ExportFormat.APT_TXT],
)
def test_hostile_records_of_other_kinds(kind: ExportFormat, fields: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="no valid one"):
        export(record(package(**{"name": "zlib", **fields})), kind)


FLASK = package("flask", kind="pypi", build="", subdir="", version="3.0", url="https://x/flask-3.0-py3-none-any.whl")
OWN = package("own", kind="pypi", build="", subdir="", version="1", direct=True, url="https://x/own-1-py3-none-any.whl")
GIT = package("git", kind="deb", build="", subdir="amd64", version="1:2.47.3-0+deb13u1", url="http://x/pool/git.deb")
HASH = f"--hash=sha256:{FLASK.sha256}"


@pytest.mark.parametrize("kind", [ExportFormat.EXPLICIT, ExportFormat.PIXI_LOCK])
@pytest.mark.parametrize(("other", "what"), [(FLASK, "packages from PyPI"), (GIT, "Debian packages")])
def test_files_of_conda_name_nothing_else(kind: ExportFormat, other: RecordedPackage, what: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        export(record(package("zlib"), other), kind)
    assert str(caught.value) == f"`{other.name}` is among the {what} of the image, which this format cannot name"


def test_a_kind_that_is_not_known() -> None:
    with pytest.raises(InvalidInputError, match="`zlib` is a package of kind `rpm`, which this release does not know"):
        export(record(package("zlib", kind="rpm")), ExportFormat.DOCKER_ENV_YAML)


def test_environment_yml_with_packages_from_pypi(tmp_path: Path) -> None:
    text = export(record(package("python"), FLASK, OWN), ExportFormat.ENVIRONMENT_YML)
    assert text.endswith(
        f"- python=1.3.1=h_0\n- pip:\n  - flask==3.0 {HASH}\n  - own @ {OWN.url} --hash=sha256:{OWN.sha256}\n"
    )
    declaration = read_environment_yml(tmp_path / "environment.yml", text, with_pip=True)
    assert [line.text for line in declaration.pip] == [
        f"flask==3.0 {HASH}", f"own @ {OWN.url} --hash=sha256:{OWN.sha256}",
    ]  # fmt: skip


def test_environment_yml_cannot_name_debian_packages() -> None:
    with pytest.raises(InvalidInputError, match="`git` is among the Debian packages"):
        export(record(package("zlib"), GIT), ExportFormat.ENVIRONMENT_YML)


def test_environment_yml_cannot_name_another_python() -> None:
    python = RecordedPython(layout="venv", program="/usr/bin/python3", version="3.13", site_packages="lib")
    with pytest.raises(InvalidInputError, match="for a Python that is none of conda's"):
        export(record(FLASK, python=python, prefix="/opt/venv"), ExportFormat.ENVIRONMENT_YML)


def test_lists(tmp_path: Path) -> None:
    mixed = record(package("zlib"), FLASK, GIT)
    text = export(mixed, ExportFormat.REQUIREMENTS_TXT)
    assert text == f"flask==3.0 {HASH}\n"
    (tmp_path / "requirements.txt").write_text(text)
    (found,) = read_requirements_txt(tmp_path / "requirements.txt").requirements
    assert isinstance(found, PypiRequirement)
    assert (found.text, found.hashes) == ("flask==3.0", (f"sha256:{FLASK.sha256}",))
    (tmp_path / "apt.txt").write_text(export(mixed, ExportFormat.APT_TXT))
    assert [str(each) for each in read_apt_txt(tmp_path / "apt.txt").requests] == ["git=1:2.47.3-0+deb13u1"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ExportFormat.REQUIREMENTS_TXT, "the record of `/opt/conda` has no packages from PyPI"),
        (ExportFormat.APT_TXT, "the record of `/opt/conda` has no Debian packages"),
    ],
)
def test_lists_without_items(kind: ExportFormat, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        export(record(package("zlib")), kind)
