"""What is written from a record is what its readers take; a record of somebody hostile is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.environments.conda.declarations.environment_yml import read_environment_yml
from docker_envs.environments.conda.declarations.explicit import read_explicit
from docker_envs.environments.conda.declarations.pixi_lock import read_pixi_lock
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.oci.descriptor import Platform
from docker_envs.projects.exports.export import ExportFormat, export_record
from tests.recorded import CHANNEL, package, record, recorded_image

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.records.record import Record

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


def test_other_kinds_of_packages() -> None:
    with pytest.raises(InvalidInputError, match="`flask` is a package of kind `pypi`"):
        export(record(package("flask", kind="pypi")), ExportFormat.EXPLICIT)
