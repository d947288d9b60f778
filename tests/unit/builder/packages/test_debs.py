"""Debian packages of signed archives become layers of an image, from nothing or on a base."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.builder.application.accounts import User
from docker_envs.builder.application.contents import FilesLayer, InlineFile
from docker_envs.builder.build import build, plan_only
from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.filters import Filter
from docker_envs.errors import (
    BuildError,
    DigestMismatchError,
    DockerEnvsError,
    InvalidInputError,
    NotFoundError,
    SolveError,
    VerificationError,
)
from docker_envs.oci.descriptor import Platform
from docker_envs.records.record import read_records
from tests.apt_builds import AptFixture, tree
from tests.images import ARM64, make_image
from tests.packages.build import text
from tests.packages.debian_archive import Deb, Signer, deb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.oci.image import Image

BASE_FILES = Deb("base-files", files={"tmp/.keep": text("", 0o644), "etc/issue": text("here\n")})
APP = Deb(
    "app",
    "1.0-1",
    fields={"Depends": "library (>= 1)", "Source": "application (1.0)"},
    files={
        "bin/app": text("#!/bin/sh\n", 0o755),
        "usr/share/doc/app/manual": text("long"),
        "usr/share/doc/app/copyright": text("free"),
        "etc/app.conf": text("a=1\n"),
    },
    controls={"conffiles": "/etc/app.conf\n", "postinst": "#!/bin/sh\nset -e\nadduser --system --group appuser\n"},
)
LIBRARY = Deb("library", "1:2.0-1", "all", files={"usr/lib/library.so.1": text("lib"), "usr/lib/old": text("old")})
NEWER = Deb("library", "1:3.0-1", "all", files={"usr/lib/library.so.2": text("newer")})
DPKG = Deb("dpkg", files={"usr/bin/dpkg": text("", 0o755)})


@pytest.fixture
def apt(tmp_path: Path) -> AptFixture:
    fixture = AptFixture(tmp_path)
    fixture.offer(BASE_FILES, APP, LIBRARY, DPKG, deb("apt", depends="dpkg"))
    return fixture


def labels(image: Image) -> list[str]:
    return [str(entry["created_by"]).removeprefix("docker-envs build: ") for entry in image.config.history]


def inline(path: str, content: str) -> FilesLayer:
    return FilesLayer("changed", (InlineFile(path=path, content=content.encode()),))


def test_an_image_from_nothing_has_packages_and_their_system(apt: AptFixture) -> None:
    made = apt.build("app")
    found = tree(made.image)
    assert found["bin"] == "-> usr/bin"
    assert found["usr/bin/app"] == b"#!/bin/sh\n"
    assert b"appuser:x:100:100" in found["etc/passwd"]
    assert b"Status: install ok installed\n" in found["var/lib/dpkg/status.d/app"]
    assert "var/lib/dpkg/status" not in found
    assert labels(made.image)[-2:] == [SYSTEM_TITLE, "record of the environment"]
    assert made.image.config.env == {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    assert apt.listener.warnings == []


def test_each_package_has_a_layer_that_images_share(apt: AptFixture) -> None:
    one, other = apt.build("app"), apt.build("app", "apt")
    shared = {layer.digest for layer in one.image.layers} & {layer.digest for layer in other.image.layers}
    # An image with dpkg has a database in place of records in layers.
    assert shared == set()
    third = apt.build("library")
    shared = {layer.digest for layer in one.image.layers} & {layer.digest for layer in third.image.layers}
    assert len(shared) == 2  # library and base-files


def test_the_same_packages_give_the_same_image_however_they_are_asked_for(apt: AptFixture, tmp_path: Path) -> None:
    other = AptFixture(tmp_path / "other")
    other.folder.mkdir()
    other.offer(deb("more"), DPKG, LIBRARY, APP, BASE_FILES)
    locked = plan_only(apt.request("library", "app")).plan.environment.debian.packages
    packages = tuple(each.locked for each in locked)
    again = apt.build(apt={"packages": packages, "sources": ()}, cache=tmp_path / "third")
    first = apt.build("app", "library")
    assert first.image.digest == again.image.digest == other.build("library", "app").image.digest
    assert first.image.digest != apt.build("app").image.digest  # what was asked for is in the record


def test_the_record_names_what_is_needed_to_make_it_again(apt: AptFixture) -> None:
    record = read_records(apt.build("app").image)[0].record
    assert record.prefix == "/usr"
    found = record.by_name["deb:app"]
    content = APP.archive()
    assert (found.version, found.subdir, found.requested, found.depends) == ("1.0-1", "amd64", True, ("deb:library",))
    assert (found.source, found.source_version) == ("application", "1.0")
    assert (found.sha256, found.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert found.url == "file:///app_1.0-1_amd64.deb"
    assert (record.by_name["deb:library"].requested, record.by_name["deb:library"].subdir) == (False, "all")
    assert [layer.title for layer in record.layers if not layer.packages] == [SYSTEM_TITLE]
    assert record.system_files == {}


def test_apt_in_an_image_knows_where_its_packages_came_from(apt: AptFixture) -> None:
    source = replace(apt.source, uri="https://user:secret@apt.example.org/debian", architectures=("amd64",))
    locked = tuple(each.locked for each in plan_only(apt.request("apt")).plan.environment.debian.packages)
    made = apt.build(apt={"packages": locked, "sources": (apt.source, source)})
    found = tree(made.image)
    assert found["etc/apt/sources.list.d/docker-envs.sources"] == (
        b"Types: deb\nURIs: https://apt.example.org/debian\nSuites: tester\nComponents: main\nArchitectures: amd64\n"
        b"Signed-By: /etc/apt/keyrings/docker-envs-1.gpg\n"
    )
    assert found["etc/apt/keyrings/docker-envs-1.gpg"] == bytes(apt.signer.key.extract_certificate())
    record = read_records(made.image)[0].record
    assert record.system_files.keys() == {
        "etc/apt/sources.list.d/docker-envs.sources",
        "etc/apt/keyrings/docker-envs-1.gpg",
    }
    assert b"secret" not in b"".join(each for each in found.values() if isinstance(each, bytes))


def test_nothing_is_read_twice(apt: AptFixture) -> None:
    first = apt.build("app")
    assert len(apt.listener.done("build")) == 3
    apt.listener.tasks.clear()
    (apt.archive / APP.file_name).write_bytes(b"gone")
    again = apt.build("app")
    assert again.image.digest == first.image.digest
    assert apt.listener.done("build") == []


def test_without_network_what_was_seen_is_enough(apt: AptFixture) -> None:
    first = apt.build("app")
    offline = replace(apt.request("app"), access=ChannelAccess(offline=True))
    assert build(offline).image.digest == first.image.digest
    with pytest.raises(NotFoundError, match="`--offline` forbids the network"):
        build(replace(offline, apt=apt.declaration("app", sources=()), cache=apt.folder / "empty"))


def test_accounts_are_added_to_those_of_the_packages(apt: AptFixture) -> None:
    found = tree(apt.build("app", users=(User(name="me", uid=7),)).image)
    assert b"appuser:x:100:100" in found["etc/passwd"]
    assert b"\nme:x:7:7:" in found["etc/passwd"]


@pytest.mark.parametrize(
    ("seed", "there"),
    [
        (None, {"app", "library", "base-files"}),
        (Seed.NONE, {"app", "library"}),
        (Seed.APT, {"app", "library", "apt", "dpkg"}),
    ],
    ids=["default", "none", "apt"],
)
def test_what_is_there_without_being_asked_for(apt: AptFixture, seed: Seed | None, there: set[str]) -> None:
    planned = plan_only(apt.request("app", apt={"seed": seed})).plan.environment.debian.packages
    assert {each.name for each in planned} == there


def test_filters_leave_files_out_but_no_licences(apt: AptFixture) -> None:
    made = apt.build("app", filters=frozenset({Filter.DOCS}))
    found = tree(made.image)
    assert "usr/share/doc/app/manual" not in found
    assert found["usr/share/doc/app/copyright"] == b"free"
    saving = next(each for each in made.plan.environment.savings if each.filter is Filter.DOCS)
    assert (saving.files, saving.size) == (1, 4)


def test_a_base_keeps_what_it_has_and_lists_what_is_new(apt: AptFixture) -> None:
    base = apt.base("dpkg", "library", apt={"seed": Seed.NONE})
    apt.offer(APP, NEWER, LIBRARY)
    found = tree(apt.build("app", base=base).image)
    status = found["var/lib/dpkg/status"].decode()
    assert status.count("Package: ") == 3
    assert "Package: app\n" in status
    assert found["usr/lib/old"] == b"old"
    assert "usr/lib/library.so.2" not in found
    assert "var/lib/dpkg/status.d/app" not in found
    assert found["var/lib/dpkg/info/app.list"].startswith(b"/.\n/bin\n")


def test_another_version_takes_away_what_the_old_one_had(apt: AptFixture) -> None:
    base = apt.base("dpkg", "library", apt={"seed": Seed.NONE})
    apt.offer(NEWER)
    made = apt.build("library=1:3.0-1", base=base)
    found = tree(made.image)
    assert "usr/lib/old" not in found
    assert "usr/lib/library.so.1" not in found
    assert found["usr/lib/library.so.2"] == b"newer"
    assert found["var/lib/dpkg/status"].count(b"Package: library\n") == 1
    assert b"Version: 1:3.0-1\n" in found["var/lib/dpkg/status"]


def test_configuration_that_was_changed_stays(apt: AptFixture) -> None:
    base = apt.base("dpkg", "app", apt={"seed": Seed.NONE})
    newer = replace(APP, version="2.0-1", files={"etc/app.conf": text("a=2\n"), "bin/app": text("2", 0o755)})
    apt.offer(newer, LIBRARY)
    assert tree(apt.build("app=2.0-1", base=base).image)["etc/app.conf"] == b"a=2\n"
    edited = apt.base(
        apt={"requests": ()},
        base=base,
        files=(inline("/etc/app.conf", "mine\n"),),
    )
    assert tree(apt.build("app=2.0-1", base=edited).image)["etc/app.conf"] == b"mine\n"


def test_a_base_that_has_everything_gets_nothing(apt: AptFixture) -> None:
    base = apt.base("dpkg", "app")
    made = apt.build("app", base=base, record=False)
    assert made.own_layers == ()


def test_what_scripts_would_have_done_is_reported_and_refused_when_strict(apt: AptFixture) -> None:
    scripted = Deb(
        "scripted", files={"usr/bin/tool": text("", 0o755)}, controls={"postinst": "#!/bin/sh\ntool --make\n"}
    )
    apt.offer(BASE_FILES, scripted)
    made = apt.build("scripted")
    expected = "`postinst` of `scripted` was evaluated without a command (line 2: unknown command): tool --make"
    assert apt.listener.warnings == [expected]
    assert [str(each) for each in made.findings] == [expected]
    with pytest.raises(BuildError, match=r"commands of maintainer scripts are left out: .*tool --make"):
        apt.build("scripted", strict=True)


def _tampered_index(apt: AptFixture) -> None:
    for path in apt.archive.rglob("Packages.xz"):
        path.write_bytes(path.read_bytes() + b"x")
    for path in apt.archive.rglob("by-hash/SHA256/*"):
        path.write_bytes(path.read_bytes() + b"x")


def _tampered_release(apt: AptFixture) -> None:
    path = apt.archive / "dists/tester/InRelease"
    path.write_bytes(path.read_bytes().replace(b"Origin: Tests", b"Origin: Other"))


def _unsigned(apt: AptFixture) -> None:
    path = apt.archive / "dists/tester/InRelease"
    path.write_bytes(path.read_bytes().partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIG")[0])


def _other_key(apt: AptFixture) -> None:
    apt.signer = Signer()


def _replayed(apt: AptFixture) -> None:
    apt.build("library")
    apt.offer(BASE_FILES, APP, LIBRARY, fields={"Date": "Mon, 01 Jan 2024 00:00:00 UTC"})


def _expired(apt: AptFixture) -> None:
    apt.offer(BASE_FILES, APP, LIBRARY, fields={"Valid-Until": "Wed, 08 May 2024 00:00:00 UTC"})


def _tampered_package(apt: AptFixture) -> None:
    path = apt.archive / APP.file_name
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _other_package(apt: AptFixture) -> None:
    apt.offer(
        BASE_FILES,
        LIBRARY,
        replace(APP, controls={**APP.controls, "control": "Package: evil\nVersion: 1\nArchitecture: all\n"}),
    )


def _escaping(apt: AptFixture) -> None:
    apt.offer(BASE_FILES, LIBRARY, replace(APP, files={"../../etc/evil": text("x")}))


def _clashing(apt: AptFixture) -> None:
    apt.offer(BASE_FILES, APP, replace(LIBRARY, files={"bin/app": text("mine too")}))


def _unsatisfiable(apt: AptFixture) -> None:
    apt.offer(BASE_FILES, APP)


BAD: dict[str, tuple[Callable[[AptFixture], None], type[DockerEnvsError], str]] = {
    "tampered index": (_tampered_index, VerificationError, "Packages.xz"),
    "tampered release": (_tampered_release, VerificationError, "does not fit the text, which was changed"),
    "unsigned": (_unsigned, DockerEnvsError, "InRelease"),
    "other key": (_other_key, VerificationError, "which is not in the key in the declaration"),
    "replayed": (_replayed, VerificationError, "but one of 2024-05-06 07:08 UTC was seen"),
    "expired": (_expired, VerificationError, "too old: it was valid until 2024-05-08"),
    "tampered package": (_tampered_package, DigestMismatchError, "app"),
    "other package": (_other_package, BuildError, "holds `evil:all=1` instead of what it should"),
    "escaping path": (_escaping, DockerEnvsError, r"\.\./"),
    "clashing files": (_clashing, BuildError, "both have `/usr/bin/app`|both have `/bin/app`"),
    "unsatisfiable": (_unsatisfiable, SolveError, "library"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_a_clear_error_and_leaves_nothing(apt: AptFixture, name: str) -> None:
    spoil, error, message = BAD[name]
    spoil(apt)
    target = apt.folder / "out.tar"
    request = apt.request("app")
    request = replace(request, destinations=replace(request.destinations, archive=target))
    with pytest.raises(error, match=message):
        build(request)
    assert not target.exists()
    assert not any(path.is_file() for path in apt.cache.glob("incoming/*"))


def test_a_system_without_its_first_package_is_refused(apt: AptFixture) -> None:
    apt.offer(LIBRARY, APP)
    with pytest.raises(SolveError, match="no archive has `base-files`, which is in every system") as refused:
        apt.build("app")
    assert "`none`" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("requests", "changes", "error", "message"),
    [
        (("ap",), {}, SolveError, "there is no package `ap` for `amd64`"),
        (("app=9*",), {}, SolveError, "no version of `app` is what `app=9\\*` asks for"),
        (("app:arm64",), {}, SolveError, "for another architecture than the image"),
        (("app",), {"platform": ARM64}, InvalidInputError, "no packages for the architecture `arm64`"),
        (("app",), {"platform": Platform("windows", "amd64")}, InvalidInputError, "no packages for `windows/amd64`"),
        (("app",), {"max_layers": 2}, InvalidInputError, "no layer is left"),
    ],
    ids=["unknown", "version", "architecture", "archive", "platform", "layers"],
)
def test_what_cannot_be(
    apt: AptFixture, requests: tuple[str, ...], changes: dict[str, Any], error: type[DockerEnvsError], message: str
) -> None:
    with pytest.raises(error, match=message):
        apt.build(*requests, **changes)


def test_what_a_base_holds_back_stays(apt: AptFixture) -> None:
    base = apt.base("dpkg", "library", apt={"seed": Seed.NONE})
    held = tree(build(replace(apt.request(), base=base)).image)["var/lib/dpkg/status"].decode()
    lines = held.replace("Package: library\nStatus: install ok", "Package: library\nStatus: hold ok")
    assert lines != held
    holding = apt.base(
        apt={"requests": ()},
        base=base,
        files=(inline("/var/lib/dpkg/status", lines),),
    )
    apt.offer(NEWER, replace(APP, fields={"Depends": "library (>= 1:3)"}))
    with pytest.raises(SolveError, match="library"):
        apt.build("app", base=holding)


def test_a_lock_for_another_platform_is_refused(apt: AptFixture) -> None:
    packages = tuple(each.locked for each in plan_only(apt.request("app")).plan.environment.debian.packages)
    with pytest.raises(InvalidInputError, match=r"`app:amd64=1\.0-1` is for `amd64`, but the image for `arm64`"):
        apt.build(apt={"packages": packages}, platform=ARM64)


def test_nothing_is_asked_of_a_base_when_no_packages_are_declared(apt: AptFixture) -> None:
    request = replace(apt.request(), apt=AptDeclaration())
    assert build(request).image.layers == make_image().layers
