"""The same lock gives the same bytes, whoever builds it, where, when and on how many processors."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
import rattler

from tests.builds import docker_envs, read_image_file
from tests.packages.build import write_environment
from tests.packages.channel import NORMAL_SPECS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome

SPECS = ("hello-sh", "purelib", "python 3.11.*", "links", "legacy", "noise")
BUILD = ("build", "--base", "scratch", "--platform", "linux/amd64", "--image", "same:1", "--json")


def one_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_two_builds_in_different_surroundings(channel: Path, tmp_path: Path, compression: str) -> None:
    folders = [tmp_path / "one", tmp_path / "somewhere else" / "ünd deeper"]
    for folder in folders:
        folder.mkdir(parents=True)
    options = ("-c", channel.as_uri(), "--compression", compression, "-o", "image.tar", *NORMAL_SPECS)
    one = docker_envs(
        *BUILD,
        *options,
        cache=folders[0] / "cache",
        cwd=folders[0],
        umask=0o022,
        variables={"TZ": "Pacific/Kiritimati", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    )
    two = docker_envs(
        *BUILD,
        *options,
        cache=folders[1] / "cache",
        cwd=folders[1],
        umask=0o077,
        preexec=one_processor,
        variables={"TZ": "America/St_Johns", "LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4711"},
    )
    assert one.digest == two.digest
    assert (folders[0] / "image.tar").read_bytes() == (folders[1] / "image.tar").read_bytes()


def test_where_a_local_channel_stands_does_not_matter(channel: Path, tmp_path: Path) -> None:
    copies = [tmp_path / name / "channel" for name in ("a", "b/c")]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.symlink_to(channel)
    digests = {
        docker_envs(
            *BUILD, "-c", copy.as_uri(), *SPECS, "-o", f"{number}.tar", cache=tmp_path / f"cache{number}", cwd=tmp_path
        ).digest
        for number, copy in enumerate(copies)
    }
    assert len(digests) == 1


def test_a_warm_cache_and_other_neighbours_change_nothing(channel: Path, tmp_path: Path) -> None:
    def build(name: str, cache: Path, *specs: str) -> Outcome:
        return docker_envs(*BUILD, "-c", channel.as_uri(), *specs, "-o", tmp_path / name, cache=cache)

    cold = build("cold.tar", tmp_path / "one", *SPECS)
    build("other.tar", tmp_path / "two", *SPECS[::2], "names")
    warm = build("warm.tar", tmp_path / "two", *reversed(SPECS))
    assert cold.digest == warm.digest
    assert (tmp_path / "cold.tar").read_bytes() == (tmp_path / "warm.tar").read_bytes()


def explicit_lines(archives: list[Path], algorithm: str) -> str:
    """An `@EXPLICIT` list of archives."""
    lines = []
    for path in archives:
        digest = hashlib.new(algorithm, path.read_bytes()).hexdigest() if algorithm else ""
        lines.append(f"{path.as_uri()}#{digest}" if digest else path.as_uri())
    return "\n".join(["# platform: linux-64", "@EXPLICIT", *lines, ""])


def write_pixi_lock(path: Path, channel: Path, archives: list[Path]) -> None:
    """A lock for the packages, written by rattler."""
    platform = rattler.LockPlatform("linux-64")
    lock = rattler.LockFile([platform])
    lock.set_channels("default", [rattler.LockChannel(channel.as_uri())])
    for archive in archives:
        name, version, build = archive.name.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
        record = rattler.PackageRecord(
            name=name,
            version=version,
            build=rattler.BuildString(build),
            build_number=0,
            subdir=archive.parent.name,
            sha256=hashlib.sha256(archive.read_bytes()).digest(),
        )
        found = rattler.RepoDataRecord(
            package_record=record, file_name=archive.name, channel=channel.as_uri(), url=archive.as_uri()
        )
        lock.add_conda_package("default", platform, found)
    lock.to_path(path)


def test_every_form_of_declaration_gives_the_same_image(channel: Path, tmp_path: Path) -> None:
    """Match specs, `environment.yml`, `@EXPLICIT` with md5, sha256 or nothing, and `pixi.lock`."""
    cache = tmp_path / "cache"
    base = docker_envs(*BUILD, "-c", channel.as_uri(), *SPECS, "-o", tmp_path / "specs.tar", cache=cache)
    names = [name for layer in base.package_layers for name in layer["packages"]]
    archives = [
        next(path for path in channel.glob(f"*/{name}.*") if path.parent.name != "linux-aarch64") for name in names
    ]
    files = {"environment.yml": write_environment(tmp_path / "environment.yml", channel, *SPECS)}
    for algorithm in ("md5", "sha256", ""):
        files[algorithm] = tmp_path / f"list-{algorithm}.txt"
        files[algorithm].write_text(explicit_lines(archives, algorithm))
    files["pixi"] = tmp_path / "pixi.lock"
    write_pixi_lock(files["pixi"], channel, archives)
    found = {
        form: docker_envs(*BUILD, "-f", file, "-o", tmp_path / "again.tar", cache=tmp_path / f"cache-{form}").digest
        for form, file in files.items()
    }
    assert found == dict.fromkeys(files, base.digest)
    # One layer for each package, and the record.
    assert len(read_image_file(tmp_path / "specs.tar").layers) == len(names) + 1 > 6
