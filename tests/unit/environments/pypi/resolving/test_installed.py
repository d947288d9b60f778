"""What is installed already shows in paths of conda packages and of bases."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from docker_envs.environments.pypi.resolving.installed import (
    InstalledDistribution,
    installed_distributions,
    write_placeholder,
)
from docker_envs.environments.pypi.wheel import Wheel

if TYPE_CHECKING:
    from pathlib import Path

SITE = "lib/python3.11/site-packages"


def test_metadata_among_paths() -> None:
    paths = [
        f"{SITE}/numpy-2.1.0.dist-info/METADATA",
        f"{SITE}/numpy-2.1.0.dist-info/RECORD",
        "site-packages/Ruamel.Yaml_clib-0.2.8.dist-info/METADATA",
        f"{SITE}/old_style-1.0-py3.11.egg-info/PKG-INFO",
        f"{SITE}/older-1.0.post1-py3.11.egg-info",
        "usr/lib/python3/dist-packages/debian_one-1!2.0_local.egg-info",
        f"{SITE}/torch-2.4.0+cu121.dist-info/METADATA",
        f"{SITE}/setuptools/_vendor/packaging-24.2.dist-info/METADATA",
        f"{SITE}/broken-not.a.version.dist-info/METADATA",
        "share/numpy-9.9.dist-info/METADATA",
        f"{SITE}/numpy/version.py",
    ]
    found = installed_distributions(paths, owner="it")
    assert [(each.name, each.version) for each in found] == [
        ("numpy", "2.1.0"),
        ("old-style", "1.0"),
        ("older", "1.0.post1"),
        ("ruamel-yaml-clib", "0.2.8"),
        ("torch", "2.4.0+cu121"),
    ]
    assert {each.owner for each in found} == {"it"}


def test_a_placeholder_is_a_wheel_of_metadata(tmp_path: Path) -> None:
    metadata = (
        "Metadata-Version: 2.1\nName: A-b\nVersion: 1\nProvides-Extra: x\nRequires-Dist: c\n"
        "Requires-Dist: d ; extra == 'x'\n\nRequires-Dist: e ; extra == 'x'\n"
    )
    path = write_placeholder(tmp_path, InstalledDistribution("a-b", "1!1.0+l.1", "it", metadata))
    with Wheel(path) as wheel:
        assert (wheel.name, wheel.version) == ("a-b", "1!1.0+l.1")
        assert wheel.metadata.get_all("Requires-Dist") == ["d ; extra == 'x'"]
        assert wheel.metadata.get_all("Provides-Extra") == ["x"]
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            f"a_b-1!1.0+l.1.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")
        ]
