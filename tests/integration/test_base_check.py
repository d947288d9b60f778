"""Bases that the packages cannot run on are refused, and no base is read for nothing."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.base_image import CONFIG, HOST_ARCHITECTURE, LAYER, MANIFEST, Layout
from tests.builds import docker_envs, read_image_file
from tests.packages.build import File, PackageSpec, Symlink, tar_bytes, text, write_channel
from tests.services import run_registry, settled_log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome
    from tests.packages.build import Node

PLATFORM = f"linux/{HOST_ARCHITECTURE}"
SUBDIR = {"amd64": "linux-64", "arm64": "linux-aarch64"}[HOST_ARCHITECTURE]
STATUS = "Package: libc6\nStatus: install ok installed\nVersion: 1:2.24-11+deb9u4\nDescription: GNU C Library\n"
NOISE = {"usr/noise": File(hashlib.shake_128(b"big").digest(200_000))}
HINT = "`--force` builds all the same"

BASES: dict[str, dict[str, Node]] = {
    "musl": {"lib/ld-musl-x86_64.so.1": text("elf"), "lib/libc.musl-x86_64.so.1": Symlink("ld-musl-x86_64.so.1")},
    "old": {"var/lib/dpkg/status": text(STATUS)},
    "oldest": {"lib64/libc.so.6": Symlink("libc-2.12.so"), "lib64/libc-2.12.so": text("elf")},
    "unknown": {"etc/os-release": text("ID=unheard-of\n")},
    "big-musl": {"lib/ld-musl-x86_64.so.1": text("elf"), **NOISE},
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, registry: str) -> str:
    """The repository of these bases, whose tags are their names."""
    folder = tmp_path_factory.mktemp("bases")
    push(folder / "layout", f"{registry}/checked/base")
    return f"{registry}/checked/base"


def push(folder: Path, repository: str) -> None:
    layout = Layout(folder)
    images = {}
    for name, content in BASES.items():
        tar = tar_bytes(sorted(content.items()))
        diff_id = f"sha256:{hashlib.sha256(tar).hexdigest()}"
        config = {
            "architecture": HOST_ARCHITECTURE,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.add_json(config, CONFIG),
            "layers": [layout.add_blob(gzip.compress(tar, 6, mtime=0), LAYER)],
        }
        images[name] = layout.add_json(manifest, MANIFEST)
    layout.write_index(**images)
    for name in BASES:
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        subprocess.run([*copy, f"oci:{folder}:{name}", f"docker://{repository}:{name}"], check=True)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a channel of packages that need some glibc, or none."""
    specs = [
        PackageSpec("usual", depends=("__glibc >=2.17,<3.0.a0",), platform=SUBDIR),
        PackageSpec("modern", depends=("__glibc >=2.28,<3.0.a0",), platform=SUBDIR),
        PackageSpec("plain", files={"share/plain.txt": text("plain\n")}, platform=SUBDIR),
    ]
    return write_channel(tmp_path_factory.mktemp("tools"), specs).as_uri()


def build(tmp_path: Path, base: str, tools: str, *arguments: str | Path) -> Outcome:
    fixed = ("build", "--base", base, "--channel", tools, "--platform", PLATFORM, "--quiet")
    return docker_envs(*fixed, *arguments, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("base", "spec", "reason"),
    [
        ("musl", "usual", "has musl (`/lib/ld-musl-x86_64.so.1`), but `usual` and others need glibc"),
        ("old", "modern", "has glibc 2.24 (`/var/lib/dpkg/status`), but `modern` needs 2.28"),
        ("oldest", "usual", "has glibc 2.12 (`/lib64/libc-2.12.so`), but `usual` needs 2.17"),
    ],
)
def test_a_base_that_will_not_do(
    tmp_path: Path, bases: str, registry: str, tools: str, base: str, spec: str, reason: str
) -> None:
    arguments = (f"{bases}:{base}", tools, spec)
    for place in (("--push", f"{registry}/checked/made:{base}"), ("-o", tmp_path / "a.tar"), ("--dry-run",)):
        done = build(tmp_path, *arguments, *place)
        assert done.status == 6
        assert done.stdout == ""
        error, hint = done.stderr.splitlines()
        assert error == f"error: base image `{bases}:{base}` {reason}"
        assert hint.startswith("hint: ")
        assert hint.endswith(HINT)
    assert not (tmp_path / "a.tar").exists()
    forced = build(tmp_path, *arguments, "-o", tmp_path / "a.tar", "--force")
    assert forced.status == 0, forced.stderr
    # The base's, the package's and the record's.
    assert len(read_image_file(tmp_path / "a.tar").layers) == 3


@pytest.mark.parametrize(
    ("base", "spec"), [("musl", "plain"), ("old", "usual"), ("unknown", "usual"), ("unknown", "modern")]
)
def test_a_base_that_may_do(tmp_path: Path, bases: str, tools: str, base: str, spec: str) -> None:
    done = build(tmp_path, f"{bases}:{base}", tools, spec, "-o", tmp_path / "a.tar")
    assert (done.status, done.stderr) == (0, "")


def test_scratch_is_warned_of(tmp_path: Path, tools: str) -> None:
    done = build(tmp_path, "scratch", tools, "usual", "-o", tmp_path / "a.tar")
    assert (done.status, done.stderr) == (
        0,
        "warning: `scratch` has no C library, but `usual` and others need glibc to run\n",
    )
    assert build(tmp_path, "scratch", tools, "plain", "-o", tmp_path / "a.tar").stderr == ""


def test_the_hint_leads_to_older_packages(tmp_path: Path, bases: str, tools: str) -> None:
    """What the solver is told to be there is what it chooses packages for."""
    done = build(
        tmp_path, f"{bases}:old", tools, "modern", "--virtual-package", "__glibc=2.24", "-o", tmp_path / "a.tar"
    )
    assert done.status == 3
    assert "__glibc" in done.stderr


def test_a_big_base_that_is_only_referenced_is_not_read(tmp_path: Path, tools: str) -> None:
    """Unless a package needs a glibc that not every base has."""
    with run_registry(tmp_path) as registry:
        push(tmp_path / "layout", f"{registry}/base")
        log = tmp_path / "log"

        def downloads(*arguments: str) -> tuple[int, int]:
            start = len(settled_log(log))
            done = build(tmp_path, f"{registry}/base:big-musl", tools, *arguments)
            lines = settled_log(log)[start:].splitlines()
            return done.status, len(
                {line.split('"GET ')[1].split()[0] for line in lines if '"GET /v2/base/blobs/' in line}
            )

        assert downloads("usual", "--push", f"{registry}/made:1") == (0, 1)
        assert downloads("modern", "--push", f"{registry}/made:1") == (6, 2)
        file = ("-o", str(tmp_path / "a.tar"))
        # What was read once is in the cache.
        assert downloads("usual", *file) == (6, 1)
        assert downloads("usual", *file, "--cache-dir", str(tmp_path / "another cache")) == (6, 2)
