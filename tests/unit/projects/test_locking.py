"""Locks of wheels and of Debian packages: made, used, upgraded, and the same image from them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.builder.build import build
from docker_envs.builder.request import BuildRequest
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.debian.declarations.source import parse_snapshot
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.errors import InvalidInputError
from docker_envs.images.transports import Transports
from docker_envs.projects.inputs import inputs_of
from docker_envs.projects.lock_file import LockFile, read_lock_file, write_lock_file
from docker_envs.projects.lock_use import LockUse, stale_reasons, use_lock
from docker_envs.projects.locking import Target, Upgrade, lock_changes, lock_targets
from docker_envs.report import SILENT
from tests.apt_builds import AptFixture
from tests.images import AMD64
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.debian_archive import Deb, deb
from tests.packages.distribution import write_distribution
from tests.simulators.package_index import PASSWORD, PackageIndexSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.builder.build import BuildResult
    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration

NOTHING = Upgrade()


class Project:
    """A folder with a lock, a channel that has Python, and wheels on a private index."""

    def __init__(self, folder: Path, index: PackageIndexSimulator, wheels: Path) -> None:
        self.folder = folder
        self.index = index
        self.wheels = wheels
        files = {"bin/python3.11": text("", 0o755)}
        self.channel = write_channel(
            folder / "channel", [PackageSpec("python", "3.11.4", build="fake_0_cpython", files=files)]
        )
        self.path = folder / "docker-env.lock"

    def publish(self, version: str) -> None:
        write_distribution(self.wheels, "web", version, requires=["helper"])
        write_distribution(self.wheels, "helper", version)

    def pypi(self, *lines: str) -> PypiDeclaration:
        path = self.folder / "requirements.txt"
        path.write_text("\n".join([f"--index-url {self.index.authorized_url}", *lines]))
        return read_requirements_txt(path)

    def target(self, *lines: str, **changes: Any) -> Target:
        request = BuildRequest(
            base=None,
            declaration=Declaration((self.channel.as_uri(),), ("python",)),
            platform=AMD64,
            cache=self.folder.parent / "cache",
            pypi=self.pypi(*lines),
        )
        return Target("", replace(request, **changes))

    def lock(self, target: Target, upgrade: Upgrade = NOTHING) -> LockFile:
        """Lock it, as the command does; what is written is read again."""
        before = read_lock_file(self.path) if self.path.exists() else None
        after = lock_with(target, before, self.folder, upgrade)
        write_lock_file(after, self.path)
        assert read_lock_file(self.path) == after
        return after

    def use(self, target: Target, use: LockUse = LockUse.LOCKED) -> BuildRequest:
        (request,) = use_lock([target], read_lock_file(self.path), self.path, use).requests
        return request


def lock_with(target: Target, before: LockFile | None, folder: Path, upgrade: Upgrade = NOTHING) -> LockFile:
    transports = Transports(target.request.connection, reporter=SILENT)
    return lock_targets([target], before, folder=folder, upgrade=upgrade, transports=transports, reporter=SILENT)


def versions(lock: LockFile) -> dict[str, str]:
    return {each.qualified_name: each.version for each in lock.images[""]["linux/amd64"].packages}


def changes(before: LockFile, after: LockFile) -> list[tuple[str, str | None, str | None]]:
    return [(each.name, each.before, each.after) for each in lock_changes(before, after)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    wheels = tmp_path / "wheels"
    index = PackageIndexSimulator(wheels, private=True)
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project", index, wheels)
    made.publish("1.0")
    with index.running():
        yield made


def built(request: BuildRequest) -> BuildResult:
    return build(request, reporter=SILENT)


def test_wheels_are_locked_and_give_the_same_image(project: Project) -> None:
    target = project.target("web")
    lock = project.lock(target)
    assert versions(lock) == {"python": "3.11.4", "pypi:web": "1.0", "pypi:helper": "1.0"}
    assert PASSWORD not in lock.to_text()
    found = {each.name: each for each in lock.images[""]["linux/amd64"].packages}
    assert found["web"].requested
    assert not found["helper"].requested
    assert found["web"].url == f"{project.index.url}/files/web-1.0-py3-none-any.whl"
    without = built(target.request).image.digest
    for use in LockUse:
        assert built(project.use(target, use)).image.digest == without
    shutil.rmtree(project.folder.parent / "cache")
    assert built(project.use(target)).image.digest == without  # credentials are found again
    project.index.log.clear()
    offline = replace(project.use(target), access=ChannelAccess(offline=True))
    assert built(offline).image.digest == without
    assert project.index.log == []


def test_what_is_locked_of_pypi_stays(project: Project) -> None:
    target = project.target("web")
    first = project.lock(target)
    project.publish("2.0")
    assert project.lock(target) == first
    helper = project.lock(target, Upgrade(frozenset({"pypi:Helper"})))
    assert changes(first, helper) == [("pypi:helper", "1.0", "2.0")]
    stale = project.target("web", "helper<2")
    assert stale_reasons([stale], helper, project.folder) == ["the requirement `helper<2` is new"]
    with pytest.raises(InvalidInputError, match="is stale: the requirement `helper<2` is new"):
        project.use(stale)
    assert versions(project.lock(stale)) == versions(first)
    everything = project.lock(target, Upgrade(everything=True))
    assert versions(everything) == {"python": "3.11.4", "pypi:web": "2.0", "pypi:helper": "2.0"}
    for name in ("web2", "deb:web", "conda:web"):
        with pytest.raises(InvalidInputError, match=f"no image has a package `{name}`"):
            project.lock(target, Upgrade(frozenset({name})))


def test_a_stale_lock_of_wheels_is_used_as_far_as_it_fits(project: Project) -> None:
    project.lock(project.target("web"))
    project.publish("2.0")
    write_distribution(project.wheels, "more", "5.0")
    request = project.use(project.target("web", "more"), LockUse.PREFERRED)
    assert request.declaration is not None
    assert request.declaration.packages  # conda's are as they were
    assert request.pypi is not None
    assert request.pypi.packages is None
    names = [each.display_name for each in built(request).plan.environment.packages]
    assert sorted(names)[:3] == ["helper-1.0", "more-5.0", "python-3.11.4-fake_0_cpython"]
    frozen = project.use(project.target("more"), LockUse.FROZEN)
    assert frozen.pypi is not None
    assert [each.name for each in frozen.pypi.packages or ()] == ["helper", "web"]
    nothing = project.use(project.target("web", pypi=None), LockUse.FROZEN)
    assert nothing.pypi is not None
    assert [each.name for each in nothing.pypi.packages or ()] == ["helper", "web"]


def test_wheels_in_the_folder_have_relative_addresses(project: Project) -> None:
    path = write_distribution(project.folder / "vendored", "own", "3.0")
    target = project.target(f"own @ {path.as_uri()}")
    lock = project.lock(target)
    (own,) = (each for each in lock.images[""]["linux/amd64"].packages if each.name == "own")
    assert (own.url, own.direct, own.file_name) == ("vendored/own-3.0-py3-none-any.whl", True, "")
    assert str(project.folder) not in lock.to_text()
    shutil.copytree(project.folder, project.folder.parent / "moved")
    moved = Project.__new__(Project)
    moved.__dict__.update(project.__dict__, folder=project.folder.parent / "moved")
    moved.path = moved.folder / "docker-env.lock"
    request = moved.use(moved.target(f"own @ {(moved.folder / 'vendored' / path.name).as_uri()}"))
    assert request.pypi is not None
    assert [each.url for each in request.pypi.packages or ()] == [(moved.folder / "vendored" / path.name).as_uri()]


def test_a_wheel_without_a_hash_is_proven(project: Project) -> None:
    target = project.target(
        f"helper @ {project.index.authorized_url.removesuffix('/simple')}/files/helper-1.0-py3-none-any.whl"
    )
    (helper,) = (each for each in project.lock(target).images[""]["linux/amd64"].packages if each.kind == "pypi")
    assert helper.sha256
    assert helper.direct


@pytest.fixture
def apt(tmp_path: Path) -> AptFixture:
    fixture = AptFixture(tmp_path)
    fixture.offer(deb("base-files"), Deb("library", "1.0-1"), deb("app", depends="library"))
    return fixture


def test_debian_packages_are_locked_and_give_the_same_image(apt: AptFixture, tmp_path: Path) -> None:
    target = Target("", apt.request("app"))
    lock = lock_with(target, None, tmp_path)
    path = tmp_path / "docker-env.lock"
    write_lock_file(lock, path)
    assert read_lock_file(path) == lock
    assert set(versions(lock)) == {"deb:app", "deb:base-files", "deb:library"}
    line = next(each for each in lock.images[""]["linux/amd64"].packages if each.name == "library")
    assert (line.architecture, line.requested, line.url.startswith("archive/pool/")) == ("amd64", False, True)
    without = built(target.request).image.digest
    shutil.rmtree(apt.cache)
    (request,) = use_lock([target], lock, path, LockUse.LOCKED).requests
    shutil.rmtree(apt.archive / "dists")  # nobody looks there
    assert built(request).image.digest == without


def test_what_is_locked_of_debian_stays(apt: AptFixture, tmp_path: Path) -> None:
    target = Target("", apt.request("app"))
    first = lock_with(target, None, tmp_path)
    apt.offer(
        *(deb("base-files"), Deb("library", "1.0-1"), Deb("library", "2.0-1"), deb("app", depends="library")),
        deb("more", depends="library"),
    )
    assert lock_with(target, first, tmp_path) == first
    more = Target("", apt.request("app", "more"))
    grown = lock_with(more, first, tmp_path)
    assert [name for name, _, _ in changes(first, grown)] == ["deb:more"]
    newer = lock_with(more, grown, tmp_path, Upgrade(frozenset({"library"})))
    assert changes(grown, newer) == [("deb:library", "1.0-1", "2.0-1")]
    assert stale_reasons([more], first, tmp_path) == ["the Debian package `more` is new"]
    (request,) = use_lock([more], first, tmp_path / "docker-env.lock", LockUse.PREFERRED).requests
    assert [each.name for each in request.preferred_debs] == ["app", "base-files", "library"]


def test_no_credentials_of_archives_are_locked(apt: AptFixture, tmp_path: Path) -> None:
    source = replace(apt.source, uri="https://user:secret@apt.example/debian", architectures=("amd64",))
    request = apt.request("app", apt={"sources": (source,), "snapshot": parse_snapshot("20250520"), "seed": Seed.APT})
    found = inputs_of(request, tmp_path).apt
    assert found is not None
    assert found.sources[0].startswith("https://apt.example/debian tester main [arch=amd64] [signed-by=")
    assert (found.snapshot, found.seed, found.requests) == ("20250520T000000Z", "apt", ("app",))
    assert "secret" not in repr(found)
