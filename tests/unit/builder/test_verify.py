"""Images of Debian packages are made again from their records, what the packages have together included."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from docker_envs.archive.entry import file_entry
from docker_envs.builder.build import build as build_image
from docker_envs.builder.caches.remote_caches import CacheUse
from docker_envs.builder.deliver import channel_opener
from docker_envs.builder.recorded import recorded_packages
from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.builder.request import Destinations
from docker_envs.builder.updating.choose import Wanted
from docker_envs.builder.updating.images import UpdateSettings, update_images
from docker_envs.builder.verify import Verification, check_verification, verify_image
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import parse_channel
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.package import DebianPackage
from docker_envs.errors import BuildError, InvalidInputError, NotFoundError, VerificationError
from docker_envs.images.location import parse_location
from docker_envs.images.transports import Transports
from docker_envs.oci.edit import append_layer
from docker_envs.oci.reference import Reference
from docker_envs.records.record import Record, RecordedDistribution, read_records
from docker_envs.transports.files.layout import read_layout
from docker_envs.validate import validate_image
from tests.apt_builds import AptFixture
from tests.images import make_image
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.debian_archive import Deb, deb
from tests.recorded import debian_package, package, record
from tests.recorded_images import with_record
from tests.simulators.channel import ChannelSimulator
from tests.simulators.registry import RegistrySimulator
from tests.unit.images import make_layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.builder.build import BuildResult
    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.oci.image import Image

RELEASE = text('NAME="Debian"\nID=debian\nVERSION_ID="12"\n')
BASE_FILES = Deb("base-files", files={"etc/issue": text("here\n"), "usr/lib/os-release": RELEASE})
APP = Deb(
    "app",
    "1.0-1",
    fields={"Depends": "library (>= 1)"},
    files={"usr/bin/app": text("", 0o755), "usr/share/doc/app/manual": text("long")},
    controls={"postinst": "#!/bin/sh\nset -e\nadduser --system --group appuser\n"},
)
LIBRARY = Deb("library", "1:2.0-1", "all", files={"usr/lib/library.so.1": text("lib"), "usr/lib/old": text("old")})
NEWER = Deb("library", "1:3.0-1", "all", files={"usr/lib/library.so.2": text("newer")})
DPKG = Deb("dpkg", files={"usr/bin/dpkg": text("", 0o755)})


@pytest.fixture
def apt(tmp_path: Path) -> AptFixture:
    fixture = AptFixture(tmp_path)
    fixture.offer(BASE_FILES, APP, LIBRARY, DPKG, deb("apt", depends="dpkg"))
    return fixture


def packages_of(made: BuildResult) -> tuple[DebianPackage, ...]:
    return tuple(each.locked for each in made.plan.environment.debian.packages)


def verify(apt: AptFixture, image: Image, lock: Sequence[AnyPackage] | None = None, **changes: Any) -> Verification:
    def locate(_: Record) -> Sequence[AnyPackage] | None:
        return lock

    opener = channel_opener(Transports(apt.request().connection), ChannelAccess())
    options: dict[str, Any] = {"locate": locate, "open_url": opener, "cache": apt.cache, **changes}
    return verify_image(image, reporter=apt.listener, **options)


def titles(found: Verification) -> list[str]:
    return [each.title for each in found.layers]


def test_an_image_from_nothing(apt: AptFixture) -> None:
    made = apt.build("app")
    found = verify(apt, made.image, packages_of(made))
    assert len(found.layers) == len(made.image.layers) - 1  # all but that of the record
    assert titles(found)[-1] == SYSTEM_TITLE
    assert (found.differing, found.others) == ([], ())
    assert not any(each.recompressed for each in found.layers)


def test_on_a_base_with_packages(apt: AptFixture) -> None:
    base = apt.base("apt", "library")
    apt.offer(BASE_FILES, APP, NEWER, DPKG, deb("apt", depends="dpkg"))
    made = apt.build("app", "library", base=base)
    assert {each.display_name for each in packages_of(made)} == {"app:amd64=1.0-1", "library:all=1:3.0-1"}
    apt.listener.tasks.clear()
    (own,) = read_records(made.image)[1:]
    found = verify(apt, made.image, locate=lambda record: packages_of(made) if record == own.record else None)
    assert (found.differing, found.others) == ([], ())
    assert titles(found)[-1] == SYSTEM_TITLE
    # What the build kept of the base and the packages is in question as well.
    assert sum("of the base" in name for name in apt.listener.done("read")) == made.base_layers
    assert own.record.distribution == RecordedDistribution(id="debian", version="12")


def test_with_filters(apt: AptFixture) -> None:
    from docker_envs.environments.filters import Filter

    made = apt.build("app", filters=frozenset({Filter.DOCS}))
    assert verify(apt, made.image, packages_of(made)).differing == []


def test_a_system_that_packages_do_not_give(apt: AptFixture) -> None:
    made = apt.build("app")
    found = read_records(made.image)[0]
    index = next(i for i, layer in enumerate(found.record.layers) if layer.title == SYSTEM_TITLE)
    assert index == len(made.image.layers) - 2
    changed = make_layer(file_entry("etc/passwd", b"intruder:x:0:0::/:/bin/sh\n", mtime=0))
    named = msgspec.structs.replace(found.record.layers[index], diff_id=str(changed.diff_id))
    own = msgspec.structs.replace(found.record, layers=(*found.record.layers[:index], named))
    image = make_image(*made.image.layers[:index], changed)
    verified = verify(apt, with_record(image, own), packages_of(made))
    assert [each.title for each in verified.differing] == [SYSTEM_TITLE]
    with pytest.raises(VerificationError, match=rf"in 1 layer: .*\({SYSTEM_TITLE}\)"):
        check_verification(verified, "the image")


def test_other_layers_below_the_record(apt: AptFixture) -> None:
    made = apt.build("app")
    found = read_records(made.image)[0]
    image = append_layer(make_image(*made.image.layers[:-1]), make_layer(), history={})
    with pytest.raises(BuildError, match="not those that its record names"):
        verify(apt, with_record(image, found.record), packages_of(made))


def test_packages_are_had_from_their_archive(apt: AptFixture) -> None:
    with (simulator := ChannelSimulator(apt.archive)).running():
        source = AptSource(simulator.channel, ("tester",), ("main",), apt.signer.public)
        made = apt.build("app", apt={"sources": (source,)})
        simulator.log.clear()
        locate = partial(recorded_packages, channels=())
        found = verify(apt, made.image, locate=locate, cache=apt.folder / "other")
        assert (found.differing, found.others) == ([], ())
        assert sorted(str(each).rpartition("/")[2] for each in simulator.log) == [
            "app_1.0-1_amd64.deb",
            "base-files_1.0_amd64.deb",
            "library_2.0-1_all.deb",
        ]


def test_a_release_without_a_version_and_one_that_is_none(apt: AptFixture) -> None:
    for content, expected in (
        (b"ID=debian\n", RecordedDistribution(id="debian")),
        (b"ID='two words'\nVERSION_ID=1\n", None),
        (b"ID=debian\nVERSION_ID=\xff\n", RecordedDistribution(id="debian")),
        (b"", None),
    ):
        apt.offer(Deb("base-files", files={"usr/lib/os-release": replace(RELEASE, content=content)}))
        assert read_records(apt.build("base-files").image)[0].record.distribution == expected


def test_located_packages() -> None:
    fields: dict[str, Any] = {"source": "glibc", "source_version": "2.36-8", "requested": True}
    given = debian_package("libc6", "1:2.36-9", **fields)
    (found,) = recorded_packages(record(given), ())
    assert found == DebianPackage(
        name="libc6",
        version="1:2.36-9",
        architecture="amd64",
        url="http://deb.debian.org/debian/pool/main/libc6_2.36-9_amd64.deb",
        sha256=given.sha256,
        size=200,
        **fields,
    )


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (debian_package(url="file:///libc6_1_amd64.deb"), NotFoundError, "the Debian package `libc6` was a file"),
        (package("x", kind="pypi", url="file:///x-1-py3-none-any.whl"), NotFoundError, "the wheel of `x` was a file"),
        (package("x", kind="rpm"), InvalidInputError, "of the kind `rpm`"),
    ],
    ids=["deb", "wheel", "unknown"],
)
def test_packages_that_cannot_be_had(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        recorded_packages(record(given), ())


def test_debian_packages_stay_when_conda_packages_change(apt: AptFixture, tmp_path: Path) -> None:
    """Their layers and that of their system do not move, and the result is what a build makes."""
    specs = [PackageSpec("leaf", version, {"share/leaf": text(version)}) for version in ("1.0", "1.1")]
    channel = parse_channel(write_channel(tmp_path / "channel", specs).as_uri(), directory=tmp_path)
    with (simulator := ChannelSimulator(apt.archive)).running():
        source = AptSource(simulator.channel, ("tester",), ("main",), apt.signer.public)

        def build(name: str, spec: str) -> Image:
            destinations = Destinations((Reference.parse("x:1"),), layout=tmp_path / name)
            declaration = Declaration((channel,), (spec,))
            return apt.build(
                "app", apt={"sources": (source,)}, declaration=declaration, destinations=destinations
            ).image

        before, built = build("before", "leaf=1.0"), build("built", "leaf=1.1")
        transports = Transports(apt.request().connection, reporter=apt.listener)

        def change(**wanted: Any) -> Image:
            target = parse_location(f"oci:{tmp_path / 'after'}:1")
            changes = Wanted(channels=(channel,), **wanted)
            settings = UpdateSettings(cache=apt.cache, caches=CacheUse())
            update_images(parse_location(f"oci:{tmp_path / 'before'}"), target, changes, settings, transports)
            (named,) = read_layout(tmp_path / "after")
            validate_image(named.image)
            return named.image

        assert change(specs=("leaf",)).digest == built.digest
        assert read_records(before)[0].record.by_name["leaf"].version == "1.0"
        for name in ("app", "deb:app"):
            with pytest.raises(InvalidInputError, match="`app` is a Debian package, and only conda's"):
                change(removed=(name,))
        with pytest.raises(InvalidInputError, match="has no package `ap`"):
            change(specs=("ap",))


@pytest.mark.parametrize("keep", [False, True], ids=["registry", "file"])
def test_layers_of_debian_packages_come_from_remote_caches(apt: AptFixture, tmp_path: Path, keep: bool) -> None:
    with (registry := RegistrySimulator()).running():
        cache = Reference.parse(f"{registry.address}/cache")
        target = Reference.parse(f"{registry.address}/app:1")
        first = apt.build("app", destinations=Destinations(push=(target,)), caches=CacheUse(targets=(cache,)))
        registry.log.clear()
        other = Reference.parse(f"{registry.address}/other:1")
        archive = tmp_path / "image.tar" if keep else None
        request = apt.request(
            "app",
            destinations=Destinations((other,), push=() if keep else (other,), archive=archive),
            caches=CacheUse(sources=(cache,)),
            cache=tmp_path / "cold",
        )
        again = build_image(request)
        assert again.image.digest == first.image.digest
        layers = {layer.digest for layer in first.image.layers[:-2]}
        asked = [request.path.rpartition("/")[2] for request in registry.log if request.method == "GET"]
        assert bool(layers & {*asked}) is keep
        mounts = {request.query["mount"][0] for request in registry.log if "mount" in request.query}
        assert keep or mounts >= {str(digest) for digest in layers}
        assert verify(apt, again.image, packages_of(again)).differing == []
