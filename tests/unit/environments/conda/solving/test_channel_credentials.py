"""Credentials from every place, and none of them in any text."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.solving.channel_credentials import ChannelCredentials
from docker_envs.errors import AuthenticationError

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://conda.example/chan/linux-64/a-1.0-0.conda"


def load(home: Path, **variables: str) -> ChannelCredentials:
    return ChannelCredentials.load({"HOME": str(home), **variables})


def store(path: Path, entries: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries))
    return path


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_without_files_nothing_is_known(tmp_path: Path) -> None:
    request = load(tmp_path).authorize(URL)
    assert (request.url, request.headers) == (URL, {})


def test_what_is_in_the_address_goes_into_a_header(tmp_path: Path) -> None:
    request = load(tmp_path).authorize("https://me:p%40ss%3A@conda.example:81/a?b=c")
    assert (request.url, request.headers) == ("https://conda.example:81/a?b=c", basic("me", "p@ss:"))


def test_netrc(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine conda.example login me password pass\ndefault login x password y\n")
    (tmp_path / "other").write_text("machine conda.example login you password word\n")
    assert load(tmp_path).authorize(URL).headers == basic("me", "pass")
    assert load(tmp_path, NETRC=str(tmp_path / "other")).authorize(URL).headers == basic("you", "word")
    assert load(tmp_path).authorize("https://elsewhere.example/x").headers == {}


@pytest.mark.parametrize(
    ("entry", "url", "headers"),
    [
        ({"BearerToken": "t0ken"}, URL, {"Authorization": "Bearer t0ken"}),
        ({"BasicHTTP": {"username": "me", "password": "pass"}}, URL, basic("me", "pass")),
        ({"CondaToken": "t0ken"}, URL.replace("/chan", "/t/t0ken/chan"), {}),
        ({"OAuth": {"access_token": "t0ken", "token_endpoint": "x"}}, URL, {"Authorization": "Bearer t0ken"}),
        ({"S3Credentials": {"access_key_id": "x"}}, URL, {}),
    ],
    ids=["bearer", "basic", "conda", "oauth", "s3"],
)
def test_rattlers_store(tmp_path: Path, entry: object, url: str, headers: dict[str, str]) -> None:
    store(tmp_path / ".rattler/credentials.json", {"conda.example": entry})
    request = load(tmp_path).authorize(URL)
    assert (request.url, request.headers) == (url, headers)


def test_rattlers_store_knows_whole_domains(tmp_path: Path) -> None:
    store(tmp_path / ".rattler/credentials.json", {"*.example": {"BearerToken": "all"}})
    assert load(tmp_path).authorize(URL).headers == {"Authorization": "Bearer all"}
    assert load(tmp_path).authorize("https://example.org/x").headers == {}


def test_a_token_in_the_address_is_not_doubled(tmp_path: Path) -> None:
    store(tmp_path / ".rattler/credentials.json", {"conda.example": {"CondaToken": "t0ken"}})
    url = URL.replace("/chan", "/t/mine/chan")
    assert load(tmp_path).authorize(url).url == url


def test_the_more_particular_place_wins(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine conda.example login me password pass\n")
    store(tmp_path / ".rattler/credentials.json", {"conda.example": {"BearerToken": "store"}})
    assert load(tmp_path).authorize(URL).headers == {"Authorization": "Bearer store"}
    own = store(tmp_path / "own.json", {"conda.example": {"BearerToken": "own"}})
    assert load(tmp_path, RATTLER_AUTH_FILE=str(own)).authorize(URL).headers == {"Authorization": "Bearer own"}


@pytest.mark.parametrize("name", [".netrc", ".rattler/credentials.json"])
@pytest.mark.parametrize(
    "content", [b"machine x s3cret y", b'{"x": "s3cret"}', b"\xff s3cret", b'{"x": {"BearerToken": 5}}']
)
def test_damaged_files_are_told_without_what_is_in_them(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(AuthenticationError) as caught:
        load(tmp_path)
    assert str(path) in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_nothing_shows_what_it_knows(tmp_path: Path) -> None:
    store(tmp_path / ".rattler/credentials.json", {"conda.example": {"CondaToken": "t0ken"}})
    credentials = load(tmp_path)
    assert "t0ken" not in f"{credentials!r} {credentials.authorize(URL)!r} {vars(credentials)!r}"
