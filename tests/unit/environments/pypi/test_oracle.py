"""Tiny wheels of every sort, as uv installs them and as they are in a layer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docker_envs.environments.pypi.virtual_environment import VirtualEnvironment
from tests.installed_wheels import ALLOWED, MTIME, install_with_uv, link_wheels, read_tree, unexplained
from tests.packages.distribution import write_distribution

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAM = str(Path(sys.executable).resolve())


def wheels(folder: Path) -> list[Path]:
    everything = {
        "every/__init__.py": b"def main(): ...\n",
        "every/data.bin": bytes(range(256)),
        "every/ünï/β.py": b"",
        "every/tool.sh": b"#!/bin/sh\n",
        "{data}/purelib/every_pure.py": b"",
        "{data}/platlib/every_plat.so": b"\x7fELF",
        "{data}/headers/every.h": b"#define EVERY\n",
        "{data}/data/share/every/a b,c.txt": b"x",
        "{data}/data/etc/every.conf": b"y",
        "{data}/scripts/every-old": b"#!python\nprint()\n",
        "{data}/scripts/every-flags": b"#!python -E\nprint()\n",
        "{data}/scripts/every-shell": b"#!/bin/sh\n",
        "{data}/scripts/every-binary": b"\x7fELF\x00",
        "{info}/entry_points.txt": (
            b"[console_scripts]\nevery = every:main\nevery-sub = every.cli : App.run [extra]\n"
            b"[gui_scripts]\nevery-gui = every:main\n[other]\nx = y:z\n"
        ),
        "{info}/licenses/LICENSE": b"free\n",
    }
    return [
        write_distribution(
            folder,
            "every-sort",
            "2.0+local.1",
            tag=f"cp{VERSION.replace('.', '')}-none-any",
            files=everything,
            modes={"every/tool.sh": 0o775},
        ),
        write_distribution(folder, "space.one", files={"space/one/__init__.py": b"1\n"}),
        write_distribution(folder, "Space_Two", files={"space/two/__init__.py": b"2\n"}),
        write_distribution(folder, "empty", files={}),
    ]


@pytest.mark.parametrize("by_name", [True, False], ids=["by-name", "by-path"])
def test_what_uv_installs(tmp_path: Path, *, by_name: bool) -> None:
    prefix = tmp_path / "venv"
    built = wheels(tmp_path / "wheels")
    install_with_uv(built, prefix, PROGRAM, folder=tmp_path, by_name=by_name)
    ours = link_wheels(built, VirtualEnvironment(str(prefix), PROGRAM, VERSION, MTIME))
    assert unexplained(ours, read_tree(prefix)) == []


def test_every_allowed_difference_has_a_reason() -> None:
    assert all(each.reason and each.only in ("uv", "image", "") for each in ALLOWED)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (f"lib/python{VERSION}/site-packages/every/data.bin", b"z"),
        ("bin/every-sub", b"#!/x/bin/python\nfrom every.cli import App\nsys.exit(App.other())\n"),
        ("bin/every-old", b"#!/x/bin/python\nprint(1)\n"),
        ("pyvenv.cfg", b"home = /elsewhere\ninclude-system-site-packages = false\n"),
        (f"lib/python{VERSION}/site-packages/every_sort-2.0+local.1.dist-info/RECORD", b"every/data.bin,sha256=x,1\n"),
    ],
)
def test_other_differences_are_found(tmp_path: Path, path: str, change: bytes) -> None:
    environment = VirtualEnvironment(str(tmp_path / "venv"), PROGRAM, VERSION, MTIME)
    ours = link_wheels(wheels(tmp_path / "wheels"), environment)
    node = ours[path]
    assert unexplained(ours, {**ours, path: type(node)(node.mode, change)}) == [f"content: {path}"]
    assert unexplained(ours, {**ours, "more": node}) == ["only uv: more"]
    assert unexplained({**ours, "more": node}, ours) == ["only the image: more"]
    assert unexplained(ours, {**ours, path: type(node)(0o600, node.content)}) == [
        f"mode: {path}: {node.mode:o} and 600"
    ]
