"""Credentials of package indexes: from every place where uv and pip look, for files on the same server alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
from docker_envs.environments.pypi.resolving.index_credentials import IndexCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "https://pkgs.example.org/files/web-1.0-py3-none-any.whl"
AUTHORIZED = FILE.replace("://", "://me:secret@")
INDEX = "https://pkgs.example.org/simple"
WITH_USER = INDEX.replace("://", "://me:secret@")
NAMED = {"UV_INDEX_MY_INDEX_USERNAME": "me", "UV_INDEX_MY_INDEX_PASSWORD": "secret"}


def environ(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), "PIP_CONFIG_FILE": "/dev/null", **variables}


@pytest.mark.parametrize(
    "variables",
    [
        {"UV_DEFAULT_INDEX": WITH_USER},
        {"UV_INDEX_URL": WITH_USER},
        {"UV_INDEX": f"https://other.example.org/simple mine={WITH_USER}"},
        {"UV_EXTRA_INDEX_URL": f"https://other.example.org/simple {WITH_USER}"},
        {"UV_FIND_LINKS": f"/some/folder,{WITH_USER}"},
        {"UV_INDEX": f"my-index={INDEX}", **NAMED},
        {"PIP_INDEX_URL": WITH_USER},
        {"PIP_EXTRA_INDEX_URL": WITH_USER},
    ],
    ids=["default", "old default", "index", "extra", "find-links", "named", "pip", "pip's extra"],
)
def test_variables(tmp_path: Path, variables: Mapping[str, str]) -> None:
    assert IndexCredentials.load(environ(tmp_path, **variables)).authorized(FILE) == AUTHORIZED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("home/.config/uv/uv.toml", f'[[index]]\nname = "my-index"\nurl = "{INDEX}"\n'),
        ("home/.config/uv/uv.toml", f'index-url = "{WITH_USER}"\n'),
        ("project/uv.toml", f'extra-index-url = ["{WITH_USER}"]\n'),
        ("project/uv.toml", f'[pip]\nfind-links = ["{WITH_USER}"]\n'),
        ("project/pyproject.toml", f'[[tool.uv.index]]\nname = "my.index"\nurl = "{INDEX}"\n'),
        ("pyproject.toml", f'[[tool.uv.index]]\nurl = "{WITH_USER}"\n'),
    ],
    ids=["named", "default", "project", "pip's table", "pyproject", "above"],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (tmp_path / "project").mkdir(exist_ok=True)
    found = IndexCredentials.load(environ(tmp_path / "home", **NAMED), directory=tmp_path / "project")
    assert found.authorized(FILE) == AUTHORIZED


def test_a_declaration_stands_over_the_user_s(tmp_path: Path) -> None:
    declared = PypiIndexes(extra_index_urls=(INDEX.replace("://", "://declared:1@"),))
    found = IndexCredentials.load(environ(tmp_path, UV_DEFAULT_INDEX=WITH_USER), indexes=[declared])
    assert found.authorized(FILE) == FILE.replace("://", "://declared:1@")


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.org/web.whl",
        "http://pkgs.example.org/web.whl",
        "https://pkgs.example.org:8443/web.whl",
        "https://you:other@pkgs.example.org/web.whl",
        "file:///web.whl",
    ],
    ids=["host", "scheme", "port", "its own", "file"],
)
def test_of_nothing_else(tmp_path: Path, url: str) -> None:
    assert IndexCredentials.load(environ(tmp_path, UV_INDEX_URL=WITH_USER)).authorized(url) == url


def test_what_has_to_be_quoted(tmp_path: Path) -> None:
    named = {"UV_INDEX_MINE_USERNAME": "me@work", "UV_INDEX_MINE_PASSWORD": "a:b/c@d"}
    found = IndexCredentials.load(environ(tmp_path, UV_INDEX=f"mine={INDEX}", **named))
    assert found.authorized(FILE) == FILE.replace("://", "://me%40work:a%3Ab%2Fc%40d@")


@pytest.mark.parametrize(
    "text", ["index = 3\n", "[[index]]\nurl = 4\n", "= broken", 'pip = "x"\n'], ids=["number", "url", "no TOML", "pip"]
)
def test_files_that_only_uv_complains_about(tmp_path: Path, text: str) -> None:
    (tmp_path / "uv.toml").write_text(text)
    found = IndexCredentials.load(environ(tmp_path, UV_INDEX_URL=WITH_USER), directory=tmp_path)
    assert found.authorized(FILE) == AUTHORIZED
