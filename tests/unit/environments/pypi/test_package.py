"""Wheels of a lock: what their addresses say, and how they are fetched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from docker_envs.environments.base import LockedPackage

URL = "https://user:pass@host/a%2B/My_App-1.0%2Blocal.1-py3-none-any.whl?token=x#sha256=00"


def test_an_address() -> None:
    found = PypiPackage.from_url(URL)
    assert (found.name, found.version, found.file_name) == (
        "my-app",
        "1.0+local.1",
        "My_App-1.0+local.1-py3-none-any.whl",
    )
    assert found.url == URL.partition("#")[0]
    assert found.public_url == "https://host/a%2B/My_App-1.0%2Blocal.1-py3-none-any.whl"
    assert found.display_name == "my-app-1.0+local.1"


@pytest.mark.parametrize("url", ["https://u:secret@host/a.tar.gz", "https://host/", "file:///a-1-py3-none.whl"])
def test_no_wheels(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the address of a wheel") as caught:
        PypiPackage.from_url(url)
    assert "secret" not in str(caught.value)


def test_where_it_came_from() -> None:
    indexed = PypiPackage.from_url(URL, sha256="ab")
    assert indexed.direct_url() is None
    direct = replace(indexed, direct=True)
    assert direct.direct_url() == (
        b'{"archive_info":{"hashes":{"sha256":"ab"}},"url":"https://host/a%2B/My_App-1.0%2Blocal.1-py3-none-any.whl"}'
    )
    assert replace(direct, url="file:///home/me/a-1-py3-none-any.whl").direct_url() is None


def test_it_is_a_package_like_others() -> None:
    """Checked by mypy; at run time, all attributes are there."""
    package: LockedPackage = PypiPackage.from_url(URL)
    assert (package.sha256, package.md5, package.size) == (None, None, None)
