"""Addresses of packages: taken apart, and written down without anything that is secret or only true here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import InvalidInputError

SECRET_URL = "https://user:pass@example.org/t/TOKEN/ch/linux-64/x-1-0.conda?x=y"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/ch/linux-64/x-1-0.conda", ("x", "1", "0", "linux-64")),
        ("https://h/ch/noarch/a-b-c-1.2-py_0.tar.bz2", ("a-b-c", "1.2", "py_0", "noarch")),
        ("https://h/ch/linux-64/x-1!2%2B3-h0_0.conda", ("x", "1!2+3", "h0_0", "linux-64")),
        ("file:///srv/ch/linux-64/x-1-0.conda", ("x", "1", "0", "linux-64")),
        (SECRET_URL, ("x", "1", "0", "linux-64")),
    ],
)
def test_the_address_says_what_it_is(url: str, expected: tuple[str, ...]) -> None:
    package = CondaPackage.from_url(url, sha256="0" * 64)
    assert (package.name, package.version, package.build, package.subdir) == expected
    assert package.url == url
    assert package.display_name == "-".join(expected[:3])
    assert package.sha256 == "0" * 64


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x-1-0.conda",
        "https://h/x-1-0.conda",
        "https://h/ch/linux-64/",
        "https://h/ch/linux-64/x-1.conda",
        "https://h/ch/linux-64/x-1-0.zip",
        "https://h/ch/linux-64/-1-0.conda",
        "https://h/ch/linux-64/x--0.conda",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the address of a conda package"):
        CondaPackage.from_url(url)


def test_a_refused_address_is_shown_without_credentials() -> None:
    with pytest.raises(InvalidInputError) as caught:
        CondaPackage.from_url("https://user:pass@h/t/TOKEN/x.zip?k=v")
    assert not [secret for secret in ("user", "pass", "TOKEN", "k=v") if secret in str(caught.value)]


@pytest.mark.parametrize(
    ("url", "expected", "channel"),
    [
        (SECRET_URL, "https://example.org/ch/linux-64/x-1-0.conda", "https://example.org/ch/"),
        ("https://token@h/ch/linux-64/x-1-0.conda#md5", "https://h/ch/linux-64/x-1-0.conda", "https://h/ch/"),
        ("https://u:p@ss@h:8080/ch/noarch/x-1-0.conda", "https://h:8080/ch/noarch/x-1-0.conda", "https://h:8080/ch/"),
        ("https://h/t/T/a/b/linux-64/x-1-0.conda", "https://h/a/b/linux-64/x-1-0.conda", "https://h/a/b/"),
        ("https://h/ch@2/linux-64/x-1-0.conda", "https://h/ch@2/linux-64/x-1-0.conda", "https://h/ch@2/"),
        ("file:///home/me/ch/linux-64/x-1-0.conda", "file:///ch/linux-64/x-1-0.conda", "file:///ch/"),
        ("file:///linux-64/x-1-0.conda", "file:///linux-64/x-1-0.conda", "file:///"),
    ],
)
def test_what_may_be_written_down(url: str, expected: str, channel: str) -> None:
    package = CondaPackage.from_url(url)
    assert package.public_url == expected
    assert package.public_channel == channel


secrets = st.text(st.characters(codec="ascii", exclude_characters="/?#@[]\\", categories=["L", "N", "P"]), min_size=6)


@given(user=secrets, password=secrets, token=secrets, query=secrets)
def test_no_credential_is_ever_public(user: str, password: str, token: str, query: str) -> None:
    package = CondaPackage.from_url(f"https://{user}:{password}@h/t/{token}/ch/linux-64/x-1-0.conda?{query}")
    assert package.public_url == "https://h/ch/linux-64/x-1-0.conda"


@given(st.lists(st.sampled_from(["a", "b c", "ü"]), max_size=4))
def test_where_a_local_channel_stands_is_not_public(folders: list[str]) -> None:
    path = "".join(f"/{folder}" for folder in folders)
    assert CondaPackage.from_url(f"file://{path}/ch/noarch/x-1-0.conda").public_url == "file:///ch/noarch/x-1-0.conda"


def test_the_file_name_is_unquoted() -> None:
    assert CondaPackage.from_url("https://h/ch/linux-64/x-1%2B2-0.conda?q").file_name == "x-1+2-0.conda"
