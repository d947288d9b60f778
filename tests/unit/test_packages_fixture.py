"""The fixture packages are what they claim to be: rattler itself installs them, and their bytes never change."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.oracle import RattlerError, install_with_rattler, read_tree
from tests.packages import hostile
from tests.packages.build import PLACEHOLDER, write_environment
from tests.packages.channel import AARCH64_SPECS, NORMAL_SPECS, PACKAGES, build_channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "/opt/conda"
LONG_PREFIX = "/opt/" + "long-" * 30


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def installed(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("normal") / "prefix"
    install_with_rattler(NORMAL_SPECS, channel, PREFIX, prefix)
    return prefix


def test_two_builds_give_the_same_bytes(channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    umask = os.umask(0o077)
    try:
        again = build_channel(tmp_path / "elsewhere")
    finally:
        os.umask(umask)
        monkeypatch.undo()
        time.tzset()
    assert digests(again) == digests(channel)


def test_every_archive_is_in_repodata(channel: Path) -> None:
    listed = set()
    for repodata in channel.glob("*/repodata.json"):
        content = json.loads(repodata.read_bytes())
        for name, record in (content["packages"] | content["packages.conda"]).items():
            archive = (repodata.parent / name).read_bytes()
            assert (record["size"], record["md5"]) == (len(archive), hashlib.md5(archive).hexdigest())
            listed.add(f"{content['info']['subdir']}/{name}")
    assert len(listed) == sum(len(spec.formats) for spec in PACKAGES)
    assert listed == digests(channel).keys() - {
        f"{subdir}/repodata.json" for subdir in ("linux-64", "linux-aarch64", "noarch")
    }


def test_rattler_installs_the_normal_set(installed: Path) -> None:
    records = {path.name.rsplit("-", 2)[0] for path in installed.glob("conda-meta/*.json")}
    assert records >= {spec.split()[0] for spec in NORMAL_SPECS} | {"greeting", "hello-sh", "python"}
    assert (installed / "share/greeting/prefix.txt").read_text() == f"{PREFIX}\n"
    assert (installed / "bin/pure").read_text().startswith(f"#!{PREFIX}/bin/python3.11\n")
    assert (installed / "share/legacy/implied.txt").read_text() == f"{PREFIX}/bin\n"
    assert (installed / "share/links/prefix2.txt").read_text() == f"{PREFIX}\n"


def test_rattler_leaves_no_placeholder(installed: Path) -> None:
    # Only records name the placeholder, on purpose.
    files = [path for path in installed.rglob("*") if path.is_file() and path.parent.name != "conda-meta"]
    assert len(files) > 50
    assert not [path for path in files if PLACEHOLDER.encode() in path.read_bytes()]
    assert not (installed / "share/unlisted/unlisted.txt").exists()


def test_files_keep_their_kinds_and_modes(installed: Path) -> None:
    tree = read_tree(installed)
    for mode in (0o644, 0o755, 0o600, 0o444, 0o664, 0o700):
        assert tree[f"share/modes/{mode:04o}"].mode == mode
    assert tree["share/links/dangling"].content == "no/such/file"
    assert tree["share/links/to-folder"].kind == "symlink"
    assert max(len(path.encode()) for path in tree) > 255
    assert (installed / "share/noise.bin").stat().st_size == 3 << 20
    # rattler drops the bit when it unpacks, and so must an image.
    assert not tree["bin/setuid"].mode & stat.S_ISUID


def test_long_prefix_grows_interpreter_lines_past_the_limit(channel: Path, tmp_path: Path) -> None:
    install_with_rattler(["shebangs", "purelib"], channel, LONG_PREFIX, tmp_path / "prefix")
    lines = {path.name: path.read_bytes().split(b"\n")[0] for path in (tmp_path / "prefix/bin").glob("shebang-*")}
    assert lines["shebang-sh"] == b"#!/usr/bin/env sh -e"
    assert lines["shebang-python"] == b"#!/bin/sh"
    assert max(map(len, lines.values())) <= 127


def test_rattler_installs_for_another_platform(channel: Path, tmp_path: Path) -> None:
    records = install_with_rattler(AARCH64_SPECS, channel, PREFIX, tmp_path / "prefix", "linux-aarch64")
    assert {record.split("/")[0] for record in records} == {"linux-aarch64", "noarch"}


def test_python_can_say_where_its_site_packages_are(channel: Path, tmp_path: Path) -> None:
    install_with_rattler(["python 3.13.*", "purelib"], channel, PREFIX, tmp_path / "prefix")
    assert (tmp_path / "prefix/lib/python3.13t/site-packages/purelib/cli.py").is_file()


@pytest.mark.parametrize("spec", ["cuda-tool", "broken-dep", "no-such-package"])
def test_unsatisfiable_specs_do_not_solve(channel: Path, tmp_path: Path, spec: str) -> None:
    with pytest.raises(RattlerError, match="Cannot solve"):
        install_with_rattler([spec], channel, PREFIX, tmp_path / "prefix")


@pytest.mark.parametrize("pair", ["clobber-directory", "clobber-symlink"])
def test_conflicting_packages_solve_together(channel: Path, tmp_path: Path, pair: str) -> None:
    records = install_with_rattler([f"{pair}-a", f"{pair}-b"], channel, PREFIX, tmp_path / "prefix")
    assert records == [f"linux-64/{pair}-a-1.0-0.conda", f"linux-64/{pair}-b-1.0-0.conda"]
    # What rattler 0.28 makes of them is no model: it moves both sides away.
    assert (tmp_path / "prefix/__clobbers__").is_dir()


REFUSALS = {
    hostile.truncated_conda: "failed to fetch",
    hostile.truncated_bz2: "failed to fetch|panicked",
    hostile.parent_path: "failed to link",
    hostile.absolute_path: "must be relative",
    hostile.path_through_symlink: "outside of destination",
    hostile.short_placeholder: "longer than the placeholder",
    hostile.missing_file: "failed to link 'share/bad/missing.txt'",
    hostile.escaping_entry_point: "entry point",
}
"""What rattler refuses, and how; it trusts local channels, and compares no file with `paths.json`."""


@pytest.mark.parametrize("write", hostile.HOSTILE, ids=lambda write: write.__name__)
def test_hostile_packages_are_hostile(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    channel = write(tmp_path / "channel")
    if write in REFUSALS:
        with pytest.raises(RattlerError, match=REFUSALS[write]):
            install_with_rattler(["bad"], channel, LONG_PREFIX, tmp_path / "root/prefix")
    else:
        assert "linux-64/bad-1.0-0.conda" in install_with_rattler(["bad"], channel, PREFIX, tmp_path / "root/prefix")
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("write", [hostile.wrong_sha256, hostile.wrong_md5], ids=lambda write: write.__name__)
def test_wrong_digests_are_wrong(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    channel = write(tmp_path / "channel")
    (record,) = json.loads((channel / "linux-64/repodata.json").read_bytes())["packages.conda"].values()
    archive = (channel / "linux-64/bad-1.0-0.conda").read_bytes()
    algorithm = "sha256" if "sha256" in record else "md5"
    assert record[algorithm] != hashlib.new(algorithm, archive).hexdigest()


def test_environment_file_is_yaml(channel: Path, tmp_path: Path) -> None:
    written = write_environment(tmp_path / "environment.yml", channel, "hello-sh", "python 3.11.*")
    assert yaml.safe_load(written.read_text()) == {
        "name": "fixture",
        "channels": [channel.as_uri()],
        "dependencies": ["hello-sh", "python 3.11.*"],
    }
