"""The oracle: below the prefix, an image holds what rattler installs there for the same specs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from docker_envs.archive.reader import iter_entries
from docker_envs.records.record import RECORD_PATH
from tests.builds import LONG_PREFIX, PREFIX, build_archive, docker_envs
from tests.oracle import Node, RattlerError, compare, install_with_rattler, read_image, read_tree
from tests.packages import hostile
from tests.packages.build import PLACEHOLDER, PackageSpec, Symlink, text, write_channel
from tests.packages.channel import AARCH64_SPECS, NORMAL_SPECS
from tests.packages.real import write_real_channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.oci.image import Image
    from tests.packages.build import Node as PackageNode

    PackageFiles = Mapping[str, PackageNode]

SHARED = Path(__file__).parents[3] / "shared"
SHARED_PACKAGES = sorted(
    path for path in SHARED.glob("packages/*") if path.name.endswith((".conda", ".tar.bz2")) and path.is_file()
)
SHARED_CHANNEL = os.environ.get("DOCKER_ENVS_SHARED_CHANNEL")
REFUSED_ENVIRONMENTS = {
    "short-placeholder": "does not fit into the placeholder",
    "whiteout": "names that start with `.wh.` mean deletions",
}
# rattler 0.28 cannot install directories that are listed in their own right.
NOT_INSTALLED = {"directories", *REFUSED_ENVIRONMENTS}
MAX_SHEBANG = 127


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def known_names(channel: Path) -> set[str]:
    """Names of the packages for linux-64 in a channel."""
    names = set()
    for subdir in ("linux-64", "noarch"):
        repodata = json.loads((channel / subdir / "repodata.json").read_bytes())
        for record in (repodata["packages"] | repodata["packages.conda"]).values():
            names.add(record["name"])
    return names


def shared_environments() -> dict[str, dict[str, Any]]:
    """The environments that the shared channel is large enough for, by name."""
    if not SHARED_CHANNEL:
        return {}
    names = known_names(Path(SHARED_CHANNEL))
    found = {}
    for path in sorted(SHARED.glob("channel/environments/*.yml")):
        content = yaml.safe_load(Template(path.read_text()).substitute(CHANNEL=SHARED_CHANNEL))
        if {spec.split("=")[0].split(" ")[0] for spec in content["dependencies"]} <= names:
            found[path.stem] = content
    return found


ENVIRONMENTS = shared_environments()


def differences(
    specs: tuple[str, ...], channel: Path, prefix: str, folder: Path, *options: str, platform: str = "linux-64"
) -> tuple[list[str], dict[str, Node]]:
    """How an image differs from what rattler installs, and the image's tree."""
    install_with_rattler(specs, channel, prefix, folder / "installed", platform)
    arguments = ["--channel", channel.as_uri(), "--prefix", prefix, "--platform", platform, *options, *specs]
    tree = read_image(build_archive(folder / "image.tar", *arguments, cache=folder / "cache"), prefix)
    return compare(read_tree(folder / "installed"), tree), tree


@pytest.mark.parametrize(
    "prefix", [PREFIX, LONG_PREFIX, "/srv/with space/env", "/e"], ids=["usual", "long", "space", "short"]
)
def test_the_normal_set_equals_what_rattler_installs(channel: Path, tmp_path: Path, prefix: str) -> None:
    found, tree = differences(NORMAL_SPECS, channel, prefix, tmp_path)
    assert found == []
    assert len(tree) > 100


def test_grouped_layers_hold_the_same_tree(channel: Path, tmp_path: Path) -> None:
    found, _ = differences(NORMAL_SPECS, channel, PREFIX, tmp_path, "--max-layers", "5", "--compression", "zstd")
    assert found == []


def test_another_platform_equals_what_rattler_installs(channel: Path, tmp_path: Path) -> None:
    found, tree = differences(AARCH64_SPECS, channel, PREFIX, tmp_path, platform="linux-aarch64")
    assert found == []
    assert json.loads(tree["conda-meta/hello-sh-1.0-0.json"].content)["subdir"] == "linux-aarch64"


def test_free_threaded_python_equals_what_rattler_installs(channel: Path, tmp_path: Path) -> None:
    found, tree = differences(("python 3.13.*", "purelib"), channel, PREFIX, tmp_path)
    assert found == []
    assert "lib/python3.13t/site-packages/purelib/cli.py" in tree


def test_pypy_equals_what_rattler_installs(channel: Path, tmp_path: Path) -> None:
    """Modules go where the package `python` says, though the interpreter is in another."""
    found, tree = differences(("python 3.9.*", "purelib"), channel, PREFIX, tmp_path)
    assert found == []
    assert "lib/python3.9/site-packages/purelib/cli.py" in tree
    assert tree["lib/pypy3.9/site-packages"].content == "../python3.9/site-packages"


def test_interpreter_lines_fit_or_are_rewritten(channel: Path, cache: Path, tmp_path: Path) -> None:
    """What the trees agree on is what Linux can run."""
    arguments = ("--channel", channel.as_uri(), "--prefix", LONG_PREFIX, "shebangs", "purelib")
    image = build_archive(tmp_path / "image.tar", *arguments, cache=cache)
    lines = [content.split(b"\n")[0] for path, content in files(image).items() if "/bin/" in path]
    assert len([line for line in lines if line.startswith(b"#!")]) > 8
    assert max(len(line) for line in lines) <= MAX_SHEBANG


# First lines of scripts, `%s` for the prefix: what `install/link.rs` of rattler tells apart, and what it does not.
INTERPRETER_LINES = (
    "#!%s/bin/python",
    "#!%s/bin/python3 -u -I",
    "#!%s/bin/python3.11",
    "#!%s/bin/python3.11t",
    "#!%s/bin/python2.7",
    "#!%s/bin/python3-config",
    "#!%s/bin/pypy3",
    "#!%s/bin/perl -w -T",
    "#! %s/bin/perl",
    "#!  %s/bin/python  -u",
    "#!\t%s/bin/python",
    "#!%s/bin/sh\t-e",
    "#!%s/bin/with\\ space/python",
    "#!/usr/bin/env %s/bin/tool",
    "#!/usr/bin/env python",
    "#!/bin/sh -e " + "x" * 150,
    "#!/bin/sh %s",
    "#!%s",
    "#!",
    "#! ",
    "#!%s/bin/python\r",
    " #!%s/bin/python",
    "#!%s/bin/python %s/lib",
)


@pytest.mark.parametrize("prefix", [PREFIX, "/opt/" + "l" * 105, LONG_PREFIX, "/srv/with space/env"])
def test_interpreter_lines_equal_what_rattler_writes(tmp_path: Path, prefix: str) -> None:
    files = {}
    for number, line in enumerate(INTERPRETER_LINES):
        first = line.replace("%s", PLACEHOLDER)
        files[f"bin/{number:02}-script"] = text(f"{first}\n# {PLACEHOLDER}\n", 0o755)
        files[f"bin/{number:02}-one-line"] = text(first, 0o755)
    channel = write_channel(tmp_path / "channel", [PackageSpec("scripts", files=files)])
    found, _ = differences(("scripts",), channel, prefix, tmp_path)
    assert found == []


def files(image: Image) -> dict[str, bytes]:
    found = {}
    for layer in image.layers:
        with layer.open_tar() as stream:
            found.update({entry.path: entry.read() for entry in iter_entries(stream, source="layer")})
    return found


def test_records_name_the_archive_by_its_true_digest(channel: Path, cache: Path, tmp_path: Path) -> None:
    """The one thing about records that the comparison leaves out: digests that the channel's index lacks."""
    image = build_archive(tmp_path / "image.tar", "--channel", channel.as_uri(), "legacy", cache=cache)
    record = json.loads(files(image)["opt/conda/conda-meta/legacy-1.0-0.json"])
    archive = (channel / "linux-64/legacy-1.0-0.tar.bz2").read_bytes()
    assert record["sha256"] == hashlib.sha256(archive).hexdigest()


# A file against a file, against a directory, and a symbolic link to a directory against that directory.
CONFLICTS: dict[str, tuple[PackageFiles, PackageFiles]] = {
    "file": ({"share/x": text("one\n"), "one.txt": text("")}, {"share/x": text("two\n"), "two.txt": text("")}),
    "directory": ({"share/x": text("one\n"), "one.txt": text("")}, {"share/x/in/two.txt": text("two\n")}),
    "symlink": ({"share/x": Symlink("real"), "share/real/one.txt": text("")}, {"share/x/two.txt": text("two\n")}),
}


@pytest.mark.parametrize("conflict", CONFLICTS)
@pytest.mark.parametrize("last", [0, 1])
def test_the_later_package_wins_a_clobber(tmp_path: Path, conflict: str, last: int) -> None:
    """A package comes after what it depends on, and its choice stands for all below a path."""
    names = ("one", "two")
    specs = [
        PackageSpec(name, files=content, depends=(names[1 - last],) if name == names[last] else ())
        for name, content in zip(names, CONFLICTS[conflict], strict=True)
    ]
    channel = write_channel(tmp_path / "channel", specs)
    arguments = ("--channel", channel.as_uri(), *names)
    tree = read_image(build_archive(tmp_path / "image.tar", *arguments, cache=tmp_path / "cache"), PREFIX)
    winner, loser = CONFLICTS[conflict][last], CONFLICTS[conflict][1 - last]
    lost = {path for path in loser if path.startswith("share/x")}
    own = {path for path in tree if path.startswith("conda-meta/")} | {RECORD_PATH}
    found = {path for path, node in tree.items() if node.kind != "directory"} - own
    assert found == {*winner, *(set(loser) - lost)}
    won = next(path for path in winner if path.startswith("share/x"))
    assert tree[won].content in ("real", f"sha256:{hashlib.sha256(getattr(winner[won], 'content', b'')).hexdigest()}")
    for name, expected in ((names[last], set(winner)), (names[1 - last], set(loser) - lost)):
        assert set(json.loads(tree[f"conda-meta/{name}-1.0-0.json"].content)["files"]) == expected


def test_directories_that_packages_list_are_there(channel: Path, cache: Path, tmp_path: Path) -> None:
    """rattler 0.28 cannot install them."""
    with pytest.raises(RattlerError):
        install_with_rattler(["directories"], channel, PREFIX, tmp_path / "installed")
    arguments = ("--channel", channel.as_uri(), "directories")
    tree = read_image(build_archive(tmp_path / "image.tar", *arguments, cache=cache))
    assert tree["var/empty"] == tree["var/group"] == Node("directory", 0o755)
    paths = json.loads(tree["conda-meta/directories-1.0-0.json"].content)["paths_data"]["paths"]
    assert {entry["_path"]: entry["path_type"] for entry in paths} == {
        "var/a.txt": "hardlink",
        "var/empty": "directory",
        "var/group": "directory",
    }


def test_short_placeholder_limits_the_prefix(cache: Path, tmp_path: Path) -> None:
    channel = hostile.short_placeholder(tmp_path / "channel")
    build = ("build", "--base", "scratch", "--channel", channel.as_uri(), "--platform", "linux/amd64", "bad")
    prefix = "/opt/" + "p" * 28
    done = docker_envs(*build, "--prefix", prefix, "--output", tmp_path / "no.tar", cache=cache)
    assert done.status == 6
    assert (
        f"package `bad`: prefix `{prefix}` (33 bytes) does not fit into the placeholder of `lib/short.so`"
        in done.stderr
    )
    assert "hint: choose a prefix of at most 32 bytes with `--prefix`" in done.stderr
    assert not (tmp_path / "no.tar").exists()
    found, _ = differences(("bad",), channel, prefix[:-1], tmp_path)
    assert found == []


# Not collected, rather than skipped, where there is nothing to compare.
if SHARED_PACKAGES:

    @pytest.mark.parametrize("archive", SHARED_PACKAGES, ids=lambda path: path.name)
    def test_packages_of_others_equal_what_rattler_installs_or_are_refused_as_well(
        archive: Path, tmp_path: Path
    ) -> None:
        channel = write_real_channel(tmp_path / "channel", [archive])
        name = archive.name.rsplit("-", 2)[0]
        try:
            install_with_rattler([name], channel, PREFIX, tmp_path / "installed")
        except RattlerError:
            arguments = ("build", "-b", "scratch", "-c", channel.as_uri(), "--platform", "linux/amd64", name)
            done = docker_envs(*arguments, "-o", tmp_path / "no.tar", cache=tmp_path / "cache")
            assert done.status == 5
            assert archive.name in done.stderr
            assert not (tmp_path / "no.tar").exists()
        else:
            image = build_archive(tmp_path / "image.tar", "-c", channel.as_uri(), name, cache=tmp_path / "cache")
            tree = read_image(image)
            assert compare(read_tree(tmp_path / "installed"), tree) == []


if ENVIRONMENTS:

    @pytest.mark.parametrize("name", sorted(ENVIRONMENTS.keys() - NOT_INSTALLED))
    def test_shared_environments_equal_what_rattler_installs(name: str, tmp_path: Path) -> None:
        assert SHARED_CHANNEL is not None
        specs = tuple(ENVIRONMENTS[name]["dependencies"])
        found, tree = differences(specs, Path(SHARED_CHANNEL), PREFIX, tmp_path)
        assert found == []
        assert len(tree) > 20

    @pytest.mark.parametrize("name", sorted(ENVIRONMENTS.keys() & NOT_INSTALLED))
    def test_shared_environments_that_rattler_cannot_install(name: str, tmp_path: Path) -> None:
        declared = tmp_path / "environment.yml"
        declared.write_text(yaml.safe_dump(ENVIRONMENTS[name]))
        output = tmp_path / "image.tar"
        arguments = ("build", "-b", "scratch", "-f", declared, "--platform", "linux/amd64", "--prefix", LONG_PREFIX)
        done = docker_envs(*arguments, "-o", output, cache=tmp_path / "cache")
        assert (done.status == 0) is (name not in REFUSED_ENVIRONMENTS), done.stderr
        assert REFUSED_ENVIRONMENTS.get(name, "") in done.stderr
        assert output.exists() is (name not in REFUSED_ENVIRONMENTS)
