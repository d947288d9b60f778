from __future__ import annotations

import pytest

from docker_envs.environments.debian.package import DebianPackage


def package(url: str, **fields: str) -> DebianPackage:
    return DebianPackage("git", "1:2.39.5-0+deb12u2", "amd64", url, "0" * 64, 7, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:secret@host/debian/pool/g/git_2_amd64.deb?token=x", "https://host/debian/pool/g/git_2_amd64.deb"),
        ("http://host:80/git%2b_2_amd64.deb", "http://host:80/git%2b_2_amd64.deb"),
        ("file:///home/me/archive/pool/git_2_amd64.deb", "file:///git_2_amd64.deb"),
    ],
)
def test_public_url_has_neither_credentials_nor_host_paths(url: str, public: str) -> None:
    assert package(url).public_url == public


def test_names() -> None:
    git = package("http://host/pool/git%2bx_2_amd64.deb")
    assert git.file_name == "git+x_2_amd64.deb"
    assert git.display_name == "git:amd64=1:2.39.5-0+deb12u2"
    assert (git.source_name, package("http://x/y", source="git-src").source_name) == ("git", "git-src")
