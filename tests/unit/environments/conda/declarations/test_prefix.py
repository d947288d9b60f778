"""Installed environments, made by rattler."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.declarations.environment_names import find_environment
from docker_envs.environments.conda.declarations.prefix import read_prefix
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from tests.declared import PACKAGES, write_declarations
from tests.unit.environments.conda.support import names, packages, read

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[5]
SITE = "lib/python3.11/site-packages"


@pytest.fixture
def prefix(tmp_path: Path, channel: Path) -> Path:
    """The environment of all declarations, as rattler installs it."""
    path = tmp_path / "envs" / "fixture"
    specs = ["hello-sh", "greeting <1.2", "purelib=2", "python 3.11.*"]
    command = [sys.executable, "-m", "tests.rattler_install", path, path, channel.as_uri(), "linux-64", *specs]
    subprocess.run([str(each) for each in command], cwd=ROOT, check=True, capture_output=True, timeout=120)
    return path


def write(prefix: Path, files: Mapping[str, str]) -> None:
    for path, content in files.items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_text(content)


def test_a_prefix_is_the_packages_of_its_records(prefix: Path, tmp_path: Path, channel: Path) -> None:
    found = read_prefix(prefix)
    declared = write_declarations(tmp_path / "declared", channel)
    assert names(found.packages) == list(PACKAGES)
    assert found.packages == packages(read(declared / "environment.yml"), tmp_path / "cache")
    assert (found.unowned, found.changed, found.missing, found.distributions) == ((), (), (), ())
    assert found.declaration.packages == found.packages
    assert found.declaration.notes == ()


def test_what_differs_is_found(prefix: Path) -> None:
    with (prefix / "share/greeting/prefix.txt").open("a") as file:
        file.write("more\n")
    (prefix / "bin/hello").unlink()
    (prefix / f"{SITE}/README.txt").write_text("other modules live here\n")
    write(prefix, {"etc/mine.conf": "x = 1\n", "conda-meta/history": "", "pkgs/cached": "", ".condarc": ""})
    write(
        prefix, {f"{SITE}/purelib/__pycache__/cli.cpython-311.pyc": "", f"{SITE}/__pycache__/own.cpython-311.pyc": ""}
    )
    found = read_prefix(prefix)
    assert found.changed == (f"{SITE}/README.txt", "share/greeting/prefix.txt")
    assert found.missing == ("bin/hello",)
    assert found.unowned == ("etc/mine.conf", f"{SITE}/__pycache__/own.cpython-311.pyc")
    assert found.declaration.notes == (
        f"{prefix}: of no package: 2 files, such as `etc/mine.conf`",
        f"{prefix}: other than its package has it: 2 files, such as `{SITE}/README.txt`",
        f"{prefix}: missing, so the image has it as its package does: one file, `bin/hello`",
    )


def test_what_pip_has_installed_is_named(prefix: Path) -> None:
    write(prefix, {f"{SITE}/flask-3.0.dist-info/METADATA": "", f"{SITE}/flask/__init__.py": ""})
    write(prefix, {f"{SITE}/old-1.0-py3.11.egg-info/PKG-INFO": "", f"{SITE}/purelib-2.0.dist-info/REQUESTED": ""})
    found = read_prefix(prefix)
    assert [str(each) for each in found.distributions] == ["flask 3.0", "old 1.0"]
    assert found.declaration.notes[0] == f"{prefix}: installed by pip, so not by a conda package: flask 3.0, old 1.0"


def test_extra_files_become_entries(prefix: Path) -> None:
    write(prefix, {"bin/mine": "#!/bin/sh\n", "etc/mine.conf": "x = 1\n"})
    (prefix / "bin/mine").chmod(0o700)
    (prefix / "etc/link").symlink_to("mine.conf")
    (prefix / "etc/folder").symlink_to("../share")
    os.utime(prefix / "bin/mine", (5, 7.9))
    (prefix / "share/greeting/prefix.txt").write_text("changed\n")
    entries = list(read_prefix(prefix).iter_extra_entries("opt/conda"))
    assert [(entry.path, entry.kind) for entry in entries] == [
        ("opt", Kind.DIRECTORY),
        ("opt/conda", Kind.DIRECTORY),
        ("opt/conda/bin", Kind.DIRECTORY),
        ("opt/conda/bin/mine", Kind.FILE),
        ("opt/conda/etc", Kind.DIRECTORY),
        ("opt/conda/etc/folder", Kind.SYMLINK),
        ("opt/conda/etc/link", Kind.SYMLINK),
        ("opt/conda/etc/mine.conf", Kind.FILE),
        ("opt/conda/share", Kind.DIRECTORY),
        ("opt/conda/share/greeting", Kind.DIRECTORY),
        ("opt/conda/share/greeting/prefix.txt", Kind.FILE),
    ]
    by_path = {entry.path: entry for entry in entries}
    mine = by_path["opt/conda/bin/mine"]
    assert (mine.mode, mine.mtime, mine.uid, mine.size, mine.read()) == (0o755, 7, 0, 10, b"#!/bin/sh\n")
    assert by_path["opt/conda/etc/link"].link == "mine.conf"
    assert by_path["opt/conda/share/greeting/prefix.txt"].read() == b"changed\n"


def test_variables_of_the_environment_are_kept(prefix: Path) -> None:
    state = {"env_vars": {"A": "1", "B": "CONDA: unset"}, "version": 1}
    (prefix / "conda-meta/state").write_text(json.dumps(state))
    assert read_prefix(prefix).declaration.variables == {"A": "1", "B": "CONDA: unset"}


def test_a_token_that_conda_has_hidden_is_left_out(prefix: Path) -> None:
    path = prefix / "conda-meta/hello-sh-1.0-0.json"
    record = json.loads(path.read_text())
    url = "https://conda.example/c/linux-64/hello-sh-1.0-0.conda"
    path.write_text(json.dumps({**record, "url": url.replace("/c/", "/t/<TOKEN>/c/")}))
    assert url in [package.url for package in read_prefix(prefix).packages]


def test_records_without_hashes_are_believed(prefix: Path) -> None:
    path = prefix / "conda-meta/hello-sh-1.0-0.json"
    record = json.loads(path.read_text())
    del record["paths_data"]
    record["sha256"] = hashlib.sha256(b"").hexdigest()
    path.write_text(json.dumps(record))
    found = read_prefix(prefix)
    assert (found.changed, found.missing, found.unowned) == ((), (), ())


def test_what_is_no_environment_is_refused(tmp_path: Path, prefix: Path) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read_prefix(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is no conda environment: it has no `conda-meta`"
    path = prefix / "conda-meta/hello-sh-1.0-0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "url": None}))
    with pytest.raises(InvalidDeclarationError) as caught:
        read_prefix(prefix)
    assert str(caught.value) == f"{path}: does not say where its package came from"
    path.write_text("{")
    with pytest.raises(InvalidDeclarationError, match=f"^{path}: no valid JSON"):
        read_prefix(prefix)


class TestNames:
    """Environments that are looked up by their name."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        for path in ("a/one", "b/one", "b/two", ".conda/envs/three", "root", "root/envs/four", "elsewhere/five"):
            (tmp_path / path / "conda-meta").mkdir(parents=True)
        (tmp_path / "b/empty").mkdir()
        (tmp_path / ".condarc").write_text("envs_dirs:\n  - ~/b\n")
        (tmp_path / ".conda/environments.txt").write_text(f"{tmp_path / 'elsewhere/five'}\n{tmp_path / 'gone'}\n")
        return tmp_path

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("one", "a/one"), ("two", "b/two"), ("three", ".conda/envs/three"), ("five", "elsewhere/five")],
    )
    def test_they_are_where_conda_has_them(self, home: Path, name: str, expected: str) -> None:
        variables = {"HOME": str(home), "CONDA_ENVS_DIRS": str(home / "a")}
        assert find_environment(name, environment=variables) == home / expected

    def test_they_are_beside_the_active_one(self, home: Path) -> None:
        for active in ("root", "root/envs/other"):
            variables = {"HOME": str(home), "CONDA_PREFIX": str(home / active)}
            assert find_environment("four", environment=variables) == home / "root/envs/four"
        variables = {"HOME": str(home), "MAMBA_ROOT_PREFIX": str(home / "root")}
        assert find_environment("four", environment=variables) == home / "root/envs/four"

    def test_an_unknown_name_is_refused(self, home: Path) -> None:
        with pytest.raises(InvalidInputError) as caught:
            find_environment("thre", environment={"HOME": str(home)})
        assert (str(caught.value), caught.value.hint) == ("there is no environment `thre`", "did you mean `three`?")
        with pytest.raises(InvalidInputError) as caught:
            find_environment("base", environment={"HOME": str(home)})
        assert str(caught.value) == "cannot look up the environment `base` by its name"
        assert caught.value.hint == "give its path with `--prefix-from`"
