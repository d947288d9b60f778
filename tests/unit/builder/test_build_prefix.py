"""Installed environments copied into images: their packages as their channel has them, and the rest if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.reader import iter_entries
from tests.builds import AMD64, build_archive, docker_envs, read_image_file
from tests.images import flattened
from tests.oracle import install_with_rattler

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome

SPECS = ("hello-sh", "purelib", "python 3.11.*", "links", "older", "modes")
SITE = "lib/python3.11/site-packages"


@pytest.fixture
def installed(tmp_path: Path, channel: Path) -> tuple[Path, Path]:
    """An environment named `copied` that rattler has installed, and the list of its packages."""
    prefix = tmp_path / "envs/copied"
    packages = install_with_rattler(SPECS, channel, str(prefix), prefix)
    explicit = tmp_path / "explicit.txt"
    explicit.write_text("".join(f"{line}\n" for line in ("@EXPLICIT", *(f"{channel.as_uri()}/{p}" for p in packages))))
    return prefix, explicit


def build(tmp_path: Path, *arguments: str | Path, **options: Any) -> Outcome:
    platform = () if "--platform" in arguments else ("--platform", AMD64)
    fixed = ("build", "--base", "scratch", *platform, "--output", tmp_path / "image.tar", "--json")
    return docker_envs(*fixed, *arguments, cache=tmp_path / "cache", **options)


def test_it_is_the_image_of_its_packages(installed: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, explicit = installed
    listed = build_archive(tmp_path / "listed.tar", "--file", explicit, cache=tmp_path / "other cache")
    assert build(tmp_path, "--prefix-from", prefix).digest == listed.digest
    by_name = build(tmp_path, "--name", "copied", variables={"CONDA_ENVS_DIRS": str(prefix.parent)})
    assert by_name.digest == listed.digest


def test_what_no_package_owns_is_left_out_and_told(installed: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, _ = installed
    (prefix / "etc").mkdir()
    (prefix / "etc/mine.conf").write_text("x = 1\n")
    before = build(tmp_path, "--prefix-from", prefix)
    assert f"note: {prefix}: of no package: one file, `etc/mine.conf`\n" in before.stderr
    assert "opt/conda/etc/mine.conf" not in flattened(read_image_file(tmp_path / "image.tar"))


def test_what_no_package_owns_is_the_top_layer_if_asked_for(installed: tuple[Path, Path], tmp_path: Path) -> None:
    """And what differs from its package, which the layer below has as the package does."""
    prefix, _ = installed
    plain = build(tmp_path, "--prefix-from", prefix).document
    (prefix / f"{SITE}/own").mkdir()
    (prefix / f"{SITE}/own/__init__.py").write_text(f"HOME = '{prefix}'\n")
    (prefix / "bin/mine").write_text("#!/bin/sh\n")
    (prefix / "bin/mine").chmod(0o700)
    (prefix / "bin/link").symlink_to("mine")
    (prefix / "share/greeting/new.txt").write_text("changed\n")
    (prefix / f"{SITE}/purelib/__pycache__").mkdir()
    (prefix / f"{SITE}/purelib/__pycache__/cli.cpython-311.pyc").write_bytes(b"made by Python")
    document = build(tmp_path, "--prefix-from", prefix, "--add-unowned").document
    image = read_image_file(tmp_path / "image.tar")
    assert document["layers"][:-2] == plain["layers"][:-1]
    assert document["layers"][-2]["packages"] is None
    with image.layers[-2].open_tar() as tar:
        top = {e.path.removeprefix("opt/conda/"): (e.kind.name, e.mode) for e in iter_entries(tar, source="top layer")}
    assert {path: facts for path, facts in top.items() if facts[0] != "DIRECTORY"} == {
        "bin/link": ("SYMLINK", 0o777),
        "bin/mine": ("FILE", 0o755),
        f"{SITE}/own/__init__.py": ("FILE", 0o644),
        "share/greeting/new.txt": ("FILE", 0o644),
    }
    tree = flattened(image)
    assert tree["opt/conda/share/greeting/new.txt"] == b"changed\n"
    assert tree[f"opt/conda/{SITE}/own/__init__.py"] == f"HOME = '{prefix}'\n".encode()
    assert image.config.history[-2]["created_by"] == "docker-envs build: files of no package"


def test_the_extra_layer_counts_as_one(installed: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, _ = installed
    (prefix / "mine").write_text("x")
    document = build(tmp_path, "--prefix-from", prefix, "--add-unowned", "--max-layers", "3").document
    assert len(document["layers"]) == 3


@pytest.mark.parametrize("platforms", ["linux/arm64", "linux/amd64,linux/arm64"])
def test_an_environment_of_another_platform(installed: tuple[Path, Path], tmp_path: Path, platforms: str) -> None:
    prefix, _ = installed
    done = build(tmp_path, "--prefix-from", prefix, "--platform", platforms)
    assert done.status == 2
    error = f"error: {prefix}: `greeting-1.2-h1234567_3` is for `linux-64`, but the image is for `linux-aarch64`\n"
    assert error in done.stderr
    assert not (tmp_path / "image.tar").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--prefix-from", ".", "--name", "x"), "error: `--prefix-from` and `--name` name two environments\n"),
        (("--prefix-from", "."), "error: .: is no conda environment: it has no `conda-meta`\n"),
        (("--name", "copeid"), "error: there is no environment `copeid`\nhint: did you mean `copied`?\n"),
        (
            ("--name", "copied", "links"),
            "error: an installed environment is copied as it is, without files and specs\n",
        ),
    ],
)
def test_what_cannot_be_copied(
    installed: tuple[Path, Path], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = build(tmp_path, *arguments, cwd=tmp_path, variables={"CONDA_ENVS_DIRS": str(installed[0].parent)})
    assert done.status == 2
    assert done.stderr.startswith(message)


def test_unowned_files_of_nothing(tmp_path: Path, channel: Path) -> None:
    done = build(tmp_path, "--add-unowned", "-c", channel.as_uri(), "greeting")
    assert done.status == 2
    assert done.stderr == (
        "error: `--add-unowned` needs an installed environment\nhint: name it with `--prefix-from` or `--name`\n"
    )
