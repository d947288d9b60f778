"""`docker-envs lock`, and builds of what is locked."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.projects.lock_file import read_lock_file
from tests.apt_builds import AptFixture
from tests.builds import ROOT, read_image_file
from tests.images import AMD64, ARM64, flattened, make_image
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.debian_archive import Deb, deb
from tests.packages.distribution import write_distribution
from tests.simulators.channel import ChannelSimulator
from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Run, runner
from tests.unit.transports.registry.helpers import child, name, store, store_index

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = {"etc/os-release": b"ID=debian\n"}
ONE = """\
base: scratch
platforms: [linux/amd64, linux/arm64]
environment: {channels: [./channel], dependencies: [tool]}
"""
SEVERAL = """\
base: scratch
platforms: [linux/amd64, linux/arm64]
environment: {channels: [./channel], dependencies: [tool]}
images:
  app: {}
  debug: {extends: app, environment: {channels: [./channel], dependencies: [tool, extra]}}
"""


def packages(version: str) -> list[PackageSpec]:
    """`tool`, which needs `lib`, and `extra`, of a version."""
    both = ("linux-64", "linux-aarch64")
    lib = [
        PackageSpec("lib", version, {"share/lib": text(f"{version} {platform}\n")}, platform=platform)
        for platform in both
    ]
    tool = [
        PackageSpec("tool", version, {"share/tool": text(f"{version}\n")}, ("lib",), platform=platform)
        for platform in both
    ]
    return [*lib, *tool, PackageSpec("extra", version, {"share/extra": text(f"{version}\n")}, noarch="generic")]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """A project with a channel of its own."""
    (tmp_path / "project/docker-env.yaml").write_text(ONE)
    write_channel(tmp_path / "project/channel", packages("1.0"))
    return tmp_path / "project"


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    store(simulator, make_image(BASE))
    with simulator.running():
        yield simulator


def publish(folder: Path, *versions: str) -> None:
    """Give the channel these versions."""
    shutil.rmtree(folder / "channel")
    write_channel(folder / "channel", [spec for version in versions for spec in packages(version)])


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / "docker-env.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def built(run: Run, *arguments: str) -> tuple[dict[str, str], str]:
    """Versions of the packages that a build for linux/amd64 has, and its notes."""
    done = run("build", "--platform", "linux/amd64", "-o", "image.tar", *arguments)
    assert done.status == 0, done.stderr
    files = flattened(read_image_file(Path("image.tar")))
    found = {path.removeprefix("opt/conda/share/"): content for path, content in files.items() if "/share/" in path}
    notes = "\n".join(line for line in done.stderr.splitlines() if line.startswith("note: "))
    return {name: text.decode().split()[0] for name, text in found.items() if "/" not in name}, notes


def refused(run: Run, *arguments: str) -> str:
    done = run(*arguments)
    assert done.status == 2
    return done.stderr


def documented() -> dict[str, Any]:
    """What the documentation says that `--json` prints."""
    section = (ROOT / "docs/commands.md").read_text().partition("\n## `docker-envs lock")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    document = json.loads(block)
    assert isinstance(document, dict)
    return document


def test_a_lock_is_written_once(run: Run, folder: Path) -> None:
    assert run("lock").text == "+ lib   1.0\n+ tool  1.0\ndocker-env.lock written\n"
    path = folder / "docker-env.lock"
    before = path.stat()
    assert run("lock").text == "docker-env.lock is unchanged\n"
    assert path.stat() == before
    assert run("lock", "--check").text == "docker-env.lock is fresh\n"
    content = path.read_bytes()
    path.unlink()
    assert json.loads(run("lock", "--json").text)["written"] is True
    assert path.read_bytes() == content


def test_the_path_of_the_project_does_not_matter(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, folder.parent / "other place")
    for place in (folder, folder.parent / "other place"):
        monkeypatch.chdir(place)
        assert run("lock").text
    assert (folder / "docker-env.lock").read_bytes() == (folder.parent / "other place/docker-env.lock").read_bytes()
    shutil.copytree(folder, folder.parent / "moved")
    shutil.rmtree(folder)
    monkeypatch.chdir(folder.parent / "moved")
    assert run("lock", "--check").text
    assert built(run, "--locked") == ({"lib": "1.0", "tool": "1.0"}, "")


def test_what_is_locked_stays(run: Run, folder: Path) -> None:
    run("lock")
    publish(folder, "1.0", "1.1")
    assert run("lock").text == "docker-env.lock is unchanged\n"
    assert built(run) == ({"lib": "1.0", "tool": "1.0"}, "")
    assert run("lock", "--upgrade", "lib", "--dry-run").text == "~ lib  1.0 → 1.1\ndocker-env.lock is stale\n"
    assert built(run)[0]["lib"] == "1.0"
    assert run("lock", "--upgrade", "lib").text == "~ lib  1.0 → 1.1\ndocker-env.lock written\n"
    assert built(run) == ({"lib": "1.1", "tool": "1.0"}, "")
    assert run("lock", "--upgrade-all").text == "~ tool  1.0 → 1.1\ndocker-env.lock written\n"
    assert built(run) == ({"lib": "1.1", "tool": "1.1"}, "")
    assert "no image has a package `numpy` that could be upgraded" in refused(run, "lock", "--upgrade", "numpy")


def test_a_stale_lock_is_used_as_far_as_it_fits(run: Run, folder: Path) -> None:
    run("lock")
    publish(folder, "1.0", "1.1")
    edit(folder, "[tool]", "[tool, extra, lib >=1.1]")
    why = "the spec `extra` is new; the spec `lib >=1.1` is new"
    versions, notes = built(run)
    assert versions == {"lib": "1.1", "tool": "1.0", "extra": "1.1"}
    assert notes == (
        f"note: `docker-env.lock` is stale: {why}; the rest stays as locked where it fits, "
        "and `docker-envs lock` locks it anew"
    )
    assert f"error: `docker-env.lock` is stale: {why}\nhint: " in refused(run, "build", "--locked", "-o", "x.tar")
    assert refused(run, "plan", "--locked")
    done = run("lock", "--check")
    assert (done.status, done.stdout.decode()) == (
        1,
        "docker-env.lock is stale\n  the spec `extra` is new\n  the spec `lib >=1.1` is new\n",
    )
    assert built(run, "--frozen") == ({"lib": "1.0", "tool": "1.0"}, "")
    assert run("lock").text == "+ extra  1.1\n~ lib    1.0 → 1.1\ndocker-env.lock written\n"
    assert built(run, "--locked") == ({"lib": "1.1", "tool": "1.0", "extra": "1.1"}, "")


def test_without_a_lock(run: Run, folder: Path) -> None:
    assert built(run) == ({"lib": "1.0", "tool": "1.0"}, "")
    for option in ("--locked", "--frozen"):
        message = "error: there is no `docker-env.lock`\nhint: write it with `docker-envs lock`\n"
        assert refused(run, "plan", option) == message
    assert run("lock", "--check").stdout == b"docker-env.lock is stale\n  there is no `docker-env.lock`\n"
    assert "exclude each other" in refused(run, "plan", "--locked", "--frozen")
    (folder / "docker-env.yaml").unlink()
    assert "there is no project to lock" in refused(run, "lock")
    assert "`--frozen` is about the lock of a project" in refused(run, "plan", "--base", "scratch", "--frozen")


def test_a_damaged_lock(run: Run, folder: Path) -> None:
    (folder / "docker-env.lock").write_text("<<<<<<< HEAD\n")
    for arguments in (["plan"], ["lock"], ["lock", "--check"]):
        done = run(*arguments)
        assert (done.status, "no lock" in done.stderr) == (5, True)


def test_changes_have_their_place(run: Run, folder: Path) -> None:
    (folder / "docker-env.yaml").write_text(SEVERAL)
    assert run("lock").text == "+ extra  1.0  (debug)\n+ lib    1.0\n+ tool   1.0\ndocker-env.lock written\n"
    publish(folder, "1.0", "1.1")
    (folder / "channel/linux-64/lib-1.1-0.conda").unlink()
    index = folder / "channel/linux-64/repodata.json"
    repodata = json.loads(index.read_bytes())
    del repodata["packages.conda"]["lib-1.1-0.conda"]
    index.write_text(json.dumps(repodata))
    document = json.loads(run("lock", "--upgrade-all", "--dry-run", "--json").text)
    assert document == documented() | {"written": False, "changes": document["changes"]}
    assert all(change.keys() == documented()["changes"][0].keys() for change in document["changes"])
    printed = run("lock", "--upgrade-all").text
    assert "~ lib    1.0 → 1.1  (app linux/arm64, debug linux/arm64)\n" in printed
    assert "~ extra  1.0 → 1.1  (debug)\n" in printed
    edit(folder, "  app: {}\n", "")
    edit(folder, "extends: app, ", "")
    done = run("lock", "--check", "--json")
    assert json.loads(done.stdout) == {
        "lock": "docker-env.lock",
        "stale": True,
        "reasons": ["`app linux/amd64` is not declared any more", "`app linux/arm64` is not declared any more"],
    }
    assert "- lib" in run("lock").text
    assert read_lock_file(folder / "docker-env.lock").targets == [("debug", "linux/amd64"), ("debug", "linux/arm64")]


def test_a_table_on_a_terminal(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    rows = [line.split() for line in run("lock").text.splitlines()]
    assert ["package", "before", "after"] in rows
    assert ["lib", "1.0"] in rows


def test_platforms_of_others_stay_locked(run: Run, folder: Path) -> None:
    run("lock")
    edit(folder, "platforms: [linux/amd64, linux/arm64]\n", "")
    assert run("lock").text == "docker-env.lock is unchanged\n"
    assert run("lock", "--check").status == 0


def test_each_file_has_its_lock(run: Run, folder: Path) -> None:
    (folder / "docker-env.yaml").rename(folder / "web.docker-env.yaml")
    assert run("lock", "-f", "web.docker-env.yaml").text.endswith("web.docker-env.lock written\n")
    assert "+" in run("plan", "-f", "web.docker-env.yaml", "--locked").text


def test_bases_are_locked(run: Run, folder: Path, server: RegistrySimulator) -> None:
    edit(folder, "base: scratch", f"base: {name(server)}")
    edit(folder, "platforms: [linux/amd64, linux/arm64]", "platforms: [linux/amd64]")
    assert f"+ {name(server)}  " in run("lock").text
    old = store(server, make_image(BASE))
    new = store(server, make_image({"etc/os-release": b"ID=newer\n"}))
    run("build", "-o", "image.tar")
    assert read_image_file(folder / "image.tar").layers[0].digest == old.layers[0].digest
    assert run("lock").text == "docker-env.lock is unchanged\n"
    expected = f"~ {name(server)}  {old.digest.short} → {new.digest.short}\ndocker-env.lock written\n"
    assert run("lock", "--upgrade-base").text == expected
    run("build", "-o", "image.tar")
    assert read_image_file(folder / "image.tar").layers[0].digest == new.layers[0].digest


def test_a_base_of_the_command_line(run: Run, folder: Path, server: RegistrySimulator) -> None:
    """It wins over the lock, whose packages stay."""
    run("lock")
    publish(folder, "1.0", "1.1")
    versions, notes = built(run, "--base", str(name(server)))
    assert versions == {"lib": "1.0", "tool": "1.0"}
    assert f"the base is `{name(server)}` instead of `None`" in notes
    assert "is stale" in refused(run, "plan", "--base", str(name(server)), "--locked")
    assert "`--base` would change what `--frozen` takes" in refused(run, "plan", "--base", "scratch", "--frozen")


@pytest.mark.parametrize("pinned", [False, True])
def test_the_image_is_the_same_with_and_without_a_lock(
    run: Run, folder: Path, server: RegistrySimulator, pinned: bool
) -> None:
    images = [store(server, make_image(BASE, platform=platform)) for platform in (AMD64, ARM64)]
    store_index(server, *(child(image.manifest, image.platform) for image in images))
    index = json.loads(run("inspect", f"{server.address}/app:1", "--json").text)["digest"]
    edit(folder, "base: scratch", f"base: {server.address}/app{f'@{index}' if pinned else ':1'}")
    without = json.loads(run("build", "--oci", "without", "--json").text)
    run("lock")
    for option in ([], ["--locked"], ["--frozen"]):
        found = json.loads(run("build", "--oci", "with", "--json", *option).text)
        assert [each["digest"] for each in found["platforms"]] == [each["digest"] for each in without["platforms"]]
        assert found["digest"] == without["digest"]


def test_without_any_network(run: Run, folder: Path) -> None:
    """What is locked and was built before needs neither registry nor channel: they are gone."""
    server, channel = RegistrySimulator(), ChannelSimulator(folder / "channel")
    store(server, make_image(BASE))
    with server.running(), channel.running():
        edit(folder, "base: scratch", f"base: {name(server)}")
        edit(folder, "platforms: [linux/amd64, linux/arm64]", "platforms: [linux/amd64]")
        edit(folder, "./channel", channel.channel)
        run("lock")
        online = json.loads(run("build", "-o", "online.tar", "--json").text)["digest"]
    shutil.rmtree(folder.parent / "cache/repodata")
    shutil.rmtree(folder.parent / "cache/layers")
    for options in ((), ("--offline",), ("--offline", "--locked"), ("--frozen",)):
        offline = json.loads(run("build", "-o", "offline.tar", "--json", *options).text)["digest"]
        assert offline == online
    assert run("lock").text == "docker-env.lock is unchanged\n"
    shutil.rmtree(folder.parent / "cache")
    done = run("build", "--offline", "-o", "offline.tar")
    assert (done.status, "is not in the cache, and `--offline` forbids the network" in done.stderr) == (4, True)


WHEELS = """\
base: scratch
platforms: [linux/amd64]
environment:
  channels: [./channel]
  dependencies: [python, pip: [--no-index, --find-links ./wheels, web]]
"""


@pytest.fixture
def wheels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that wants wheels of its own folder."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (folder / "docker-env.yaml").write_text(WHEELS)
    python = PackageSpec("python", "3.11.4", {"bin/python3.11": text("", 0o755)}, build="fake_0_cpython")
    shutil.rmtree(folder / "channel")
    write_channel(folder / "channel", [python])
    write_distribution(folder / "wheels", "web", "1.0", requires=["helper"])
    write_distribution(folder / "wheels", "helper", "1.0")
    return folder / "wheels"


def test_wheels_are_locked(run: Run, folder: Path, wheels: Path) -> None:
    printed = run("lock").text
    assert printed == "+ pypi:helper  1.0\n+ pypi:web     1.0\n+ python       3.11.4\ndocker-env.lock written\n"
    assert run("lock").text == "docker-env.lock is unchanged\n"
    assert run("lock", "--check").text == "docker-env.lock is fresh\n"
    without = json.loads(run("build", "--frozen", "-o", "image.tar", "--json").text)["digest"]
    write_distribution(wheels, "helper", "2.0")
    for options in ((), ("--locked",), ("--offline", "--frozen")):
        assert json.loads(run("build", "-o", "image.tar", "--json", *options).text)["digest"] == without
    assert run("lock", "--upgrade", "web").text == "docker-env.lock is unchanged\n"
    assert run("lock", "--upgrade", "pypi:helper").text == "~ pypi:helper  1.0 → 2.0\ndocker-env.lock written\n"
    assert "no image has a package `deb:helper`" in refused(run, "lock", "--upgrade", "deb:helper")
    edit(folder, "web]", "web, helper<2]")
    assert "is stale: the requirement `helper<2` is new\nhint: " in refused(run, "plan", "--locked")
    done = run("lock", "--check")
    assert (done.status, "the requirement `helper<2` is new" in done.stdout.decode()) == (1, True)
    assert run("lock").text == "~ pypi:helper  2.0 → 1.0\ndocker-env.lock written\n"


def test_a_lock_with_a_damaged_wheel(run: Run, folder: Path, wheels: Path) -> None:
    run("lock")
    path = folder / "docker-env.lock"
    path.write_text(path.read_text().replace("web-1.0-py3-none-any.whl", "download"))
    done = run("plan", "--locked")
    assert done.status == 5
    assert "docker-env.lock: the package `web` has no `file_name`" in done.stderr


def test_debian_packages_are_locked(run: Run, folder: Path) -> None:
    apt = AptFixture(folder)
    apt.offer(deb("base-files"), Deb("library", "1.0-1"), deb("app", depends="library"))
    source = {"uri": apt.archive.as_uri(), "suites": ["tester"], "components": ["main"], "signed_by": apt.signer.public}
    declared = {"packages": ["app"], "sources": [source]}
    project = {"base": "scratch", "platforms": ["linux/amd64"], "apt": declared}
    (folder / "docker-env.yaml").write_text(json.dumps(project))
    without = json.loads(run("build", "-o", "image.tar", "--json").text)["digest"]
    assert run("lock").text == (
        "+ deb:app         1.0\n+ deb:base-files  1.0\n+ deb:library     1.0-1\ndocker-env.lock written\n"
    )
    assert str(folder) not in (folder / "docker-env.lock").read_text()
    apt.offer(deb("base-files"), Deb("library", "1.0-1"), Deb("library", "2.0-1"), deb("app", depends="library"))
    for options in ((), ("--locked",), ("--offline", "--frozen")):
        assert json.loads(run("build", "-o", "image.tar", "--json", *options).text)["digest"] == without
    assert run("lock").text == "docker-env.lock is unchanged\n"
    assert run("lock", "--upgrade", "library").text == "~ deb:library  1.0-1 → 2.0-1\ndocker-env.lock written\n"
    declared["packages"] = ["app", "library=1.0-1"]
    (folder / "docker-env.yaml").write_text(json.dumps(project))
    assert "is stale: the Debian package `library=1.0-1` is new\nhint: " in refused(run, "plan", "--locked")
    assert "the Debian package `library=1.0-1` is new" in run("lock", "--check").stdout.decode()
    assert run("lock").text == "~ deb:library  2.0-1 → 1.0-1\ndocker-env.lock written\n"
