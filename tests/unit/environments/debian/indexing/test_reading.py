from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.indexing.reading import ArchiveReader
from docker_envs.environments.debian.indexing.release import parse_release
from docker_envs.errors import (
    DigestMismatchError,
    DockerEnvsError,
    FormatError,
    InvalidInputError,
    NotFoundError,
    SizeMismatchError,
    VerificationError,
)
from tests.packages.debian_archive import AT, MADE, Signer, Suite, deb, write_suite
from tests.unit.environments.debian.support import SIGNER, no_network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from docker_envs.environments.debian.indexing.index import PackageIndex
    from docker_envs.environments.debian.indexing.reading import SignedRelease

HELLO = deb("hello", "1:2.0-1", source="greetings (2.0)", depends="libc6 (>= 2)", multi_arch="foreign", section="misc")
SUITE = Suite(debs=[HELLO, deb("data", architecture="all", provides="stuff (= 2), x"), deb("hello", "1.0")])


def read(
    root: Path,
    *,
    suite: str = "tester",
    component: str = "main",
    architecture: str = "amd64",
    cache: Path | None = None,
    at: datetime = AT,
    seen: Mapping[str, datetime] | None = None,
    signer: Signer = SIGNER,
    check_valid_until: bool = True,
) -> tuple[PackageIndex, tuple[SignedRelease, ...]]:
    components = () if suite.endswith("/") else (component,)
    source = AptSource(root.as_uri(), (suite,), components, signer.public, check_valid_until=check_valid_until)
    reader = ArchiveReader(no_network, cache=cache, at=at, seen=seen)
    return reader.read(AptDeclaration(sources=(source,)), architecture)


def test_an_archive(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE, SIGNER)
    index, (signed,) = read(tmp_path)
    assert [package.indexed.version for package in index.versions("hello")] == ["1.0", "1:2.0-1"]
    assert index.providers("stuff") == ("data",)
    assert index.names == {"hello", "data", "stuff", "x"}
    assert index.versions("none") == ()
    assert (signed.release.display_name, signed.release.date) == ("Tests tester", MADE)
    chosen = index.versions("hello")[-1].chosen()
    content = HELLO.archive()
    assert (chosen.sha256, chosen.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert chosen.url == f"{tmp_path.as_uri()}/pool/hello_2.0-1_amd64.deb"
    assert (chosen.source, chosen.source_version, chosen.depends) == ("greetings", "2.0", "libc6 (>= 2)")
    assert (chosen.multi_arch, chosen.section, chosen.essential) == ("foreign", "misc", False)


@pytest.mark.parametrize("suffix", [".xz", ".gz", ""])
def test_compressions(tmp_path: Path, suffix: str) -> None:
    write_suite(tmp_path, Suite(debs=[HELLO], suffixes=[suffix]), SIGNER)
    assert read(tmp_path)[0].versions("hello")


def test_indexes_by_hash_are_safe_while_the_suite_changes(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE, SIGNER)
    plain = tmp_path / "dists/tester/main/binary-amd64/Packages.xz"
    plain.write_bytes(b"of another time")
    assert read(tmp_path)[0].versions("hello")
    for path in plain.parent.glob("by-hash/SHA256/*"):
        path.unlink()
    with pytest.raises(SizeMismatchError, match=r"Packages\.xz"):
        read(tmp_path)


def test_packages_for_all_architectures_in_their_own_index(tmp_path: Path) -> None:
    write_suite(tmp_path, Suite(debs=SUITE.debs, architectures=["all", "arm64"]), SIGNER)
    index, _ = read(tmp_path, architecture="arm64")
    assert (index.versions("data") != (), index.versions("hello")) == (True, ())


def test_the_cache_spares_the_index_but_not_the_release(tmp_path: Path) -> None:
    write_suite(tmp_path / "a", SUITE, SIGNER)
    cache = tmp_path / "cache"
    read(tmp_path / "a", cache=cache)
    for path in (tmp_path / "a/dists/tester/main").rglob("*"):
        if path.is_file():
            path.unlink()
    assert read(tmp_path / "a", cache=cache)[0].versions("hello")
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(NotFoundError):
        read(tmp_path / "a", cache=cache)


def test_over_http_with_credentials_nobody_sees(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE, SIGNER)
    asked: list[str] = []

    def open_url(url: str) -> io.BytesIO:
        asked.append(url)
        path = tmp_path / url.removeprefix("https://me:secret@host/debian/")
        if not path.is_file():
            raise NotFoundError("GET: status 404")
        return io.BytesIO(path.read_bytes())

    def reading(suite: str) -> PackageIndex:
        source = AptSource("https://me:secret@host/debian", (suite,), ("main",), SIGNER.public)
        reader = ArchiveReader(open_url, cache=None, at=AT)
        return reader.read(AptDeclaration(sources=(source,)), "amd64")[0]

    assert reading("tester").versions("hello")[0].chosen().public_url == "https://host/debian/pool/hello_1.0_amd64.deb"
    assert [url.rpartition("/debian/")[2][:40] for url in asked] == [
        "dists/tester/InRelease",
        "dists/tester/main/binary-amd64/by-hash/SHA256/"[:40],
    ]
    with pytest.raises(NotFoundError, match="there is no signed suite `other` at `https://host/debian`") as caught:
        reading("other")
    assert "secret" not in str(caught.value)


def test_directories_with_an_index_of_their_own(tmp_path: Path) -> None:
    release = write_suite(tmp_path, Suite(debs=[HELLO], fields={"Architectures": None}), SIGNER)
    index = (release.parent / "main/binary-amd64/Packages.xz").read_bytes()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/Packages.xz").write_bytes(index)
    line = f"{hashlib.sha256(index).hexdigest()} {len(index)} Packages.xz"
    (tmp_path / "flat/InRelease").write_bytes(SIGNER.sign(f"Date: Mon, 06 May 2024 07:08:09 UTC\nSHA256:\n {line}\n"))
    assert read(tmp_path, suite="flat/")[0].versions("hello")


def release_with(**fields: str) -> Suite:
    return Suite(debs=[HELLO], fields={name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize(
    ("suite", "read_it", "error", "message"),
    [
        (SUITE, lambda root: read(root, signer=Signer()), VerificationError, "is not in the key in the declaration"),
        (
            release_with(Valid_Until="Tue, 07 May 2024 00:00:00 UTC"),
            read,
            VerificationError,
            "is too old: it was valid until 2024-05-07 00:00 UTC",
        ),
        (
            SUITE,
            lambda root: read(root, seen={f"{root.as_uri()} tester": MADE + timedelta(seconds=1)}),
            VerificationError,
            "is of 2024-05-06 07:08 UTC, but one of 2024-05-06 07:08 UTC was seen",
        ),
        (SUITE, lambda root: read(root, at=MADE - timedelta(days=1)), VerificationError, "which is not yet"),
        (
            release_with(Codename="other", Suite="stable"),
            read,
            VerificationError,
            "is of the suite `other` or `stable` instead of `tester`",
        ),
        (SUITE, lambda root: read(root, architecture="arm64"), InvalidInputError, "for the architecture `arm64`"),
        (SUITE, lambda root: read(root, component="contrib"), InvalidInputError, "has no component `contrib`"),
        (release_with(SHA256=""), read, FormatError, "names no index `main/binary-amd64/Packages`"),
        (release_with(Date="yesterday"), read, FormatError, "'yesterday' is not a date"),
        (release_with(Date=""), read, FormatError, "'' is not a date"),
        (release_with(Label="a\n\nb: c"), read, FormatError, "has 2 stanzas instead of one"),
    ],
    ids=["wrong-key", "expired", "replayed", "future", "other-suite", "architecture", "component", "no-index",
         "no-date", "empty-date", "two-stanzas"],
)  # fmt: skip
def test_refused(
    tmp_path: Path, suite: Suite, read_it: Callable[[Path], object], error: type[DockerEnvsError], message: str
) -> None:
    write_suite(tmp_path, suite, SIGNER)
    with pytest.raises(error) as caught:
        read_it(tmp_path)
    assert message in str(caught.value)


def test_old_releases_of_snapshots_are_fine(tmp_path: Path) -> None:
    write_suite(tmp_path, release_with(Valid_Until="Tue, 07 May 2024 00:00:00 UTC"), SIGNER)
    assert read(tmp_path, check_valid_until=False)
    assert read(tmp_path, at=MADE)
    assert read(tmp_path, seen={f"{tmp_path.as_uri()} tester": MADE}, at=MADE)


def test_a_tampered_index_leaves_nothing_behind(tmp_path: Path) -> None:
    write_suite(tmp_path / "a", Suite(debs=[HELLO], by_hash=False), SIGNER)
    index = tmp_path / "a/dists/tester/main/binary-amd64/Packages.xz"
    content = bytearray(index.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged, error in ((content, DigestMismatchError), (content[:-1], SizeMismatchError)):
        index.write_bytes(damaged)
        with pytest.raises((error, FormatError)):
            read(tmp_path / "a", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 99999999999999999999 23:59:59 UTC", "tomorrow"]
)
def test_dates_beyond_all_calendars(date: str) -> None:
    text = f"Suite: tester\nDate: {date}\nSHA256:\n"
    with pytest.raises(FormatError, match="is not a date"):
        parse_release(text.encode(), source="InRelease")
