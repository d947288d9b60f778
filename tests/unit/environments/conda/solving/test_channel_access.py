"""Channels behind a real server: private ones, mirrors, and none at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.errors import InvalidInputError, NotFoundError, TransportError
from docker_envs.transports.http import HttpClient
from tests.simulators.channel import BEARER, PASSWORD, SECRETS, TOKEN, USER, ChannelSimulator
from tests.unit.environments.conda.support import AMD64, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.environments.conda.package import CondaPackage

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / ".rattler").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def private(channel: Path) -> Iterator[ChannelSimulator]:
    simulator = ChannelSimulator(channel, private=True)
    with simulator.running():
        yield simulator


def chosen(channel: str, cache: Path, access: ChannelAccess) -> tuple[CondaPackage, ...]:
    virtual = virtual_packages(AMD64)
    return solve([channel], ["hello-sh"], platform=AMD64, virtual_packages=virtual, cache=cache, access=access)


def download(package: CondaPackage, access: ChannelAccess) -> bytes:
    http = HttpClient()
    with access.open(package.url, lambda url, headers: http.open(url, headers=headers)) as response:
        return response.read()


def put(home: Path, place: str, host: str) -> None:
    if place == "netrc":
        (home / ".netrc").write_text(f"machine {host} login {USER} password {PASSWORD}\n")
    elif place not in {"address", "token in the address"}:
        entry = {
            "basic": {"BasicHTTP": {"username": USER, "password": PASSWORD}},
            "bearer": {"BearerToken": BEARER},
            "conda": {"CondaToken": TOKEN},
        }[place]
        (home / ".rattler/credentials.json").write_text(json.dumps({host: entry}))


@pytest.mark.parametrize("place", ["address", "token in the address", "netrc", "basic", "bearer", "conda"])
def test_a_private_channel_is_read_with_credentials_of_every_place(
    home: Path, private: ChannelSimulator, tmp_path: Path, channel: Path, place: str
) -> None:
    put(home, place, "127.0.0.1")
    url = private.channel
    if place == "address":
        url = url.replace("://", f"://{USER}:pass%40word%3A1@")
    if place == "token in the address":
        url = url.replace("/channel", f"/t/{TOKEN}/channel")
    access = ChannelAccess()
    found = chosen(url, tmp_path / "cache", access)
    assert names(found) == ["greeting-1.2-h1234567_3", "hello-sh-1.0-0"]
    assert download(found[1], access) == (channel / "linux-64/hello-sh-1.0-0.conda").read_bytes()
    assert found[1].public_url == f"{private.channel}/linux-64/hello-sh-1.0-0.conda"


def test_a_refusal_tells_what_to_do_and_no_secret(home: Path, private: ChannelSimulator, tmp_path: Path) -> None:
    wrong = private.channel.replace("://", f"://{USER}:{SECRETS[2]}@")
    for url in (private.channel, wrong, private.channel.replace("/channel", f"/t/{BEARER}/channel")):
        with pytest.raises(TransportError) as caught:
            chosen(url, tmp_path / "cache", ChannelAccess())
        assert "cannot read the index of a channel: " in str(caught.value)
        assert not [secret for secret in SECRETS if secret in f"{caught.value} {caught.value.hint}"]
    with pytest.raises(TransportError) as caught:
        chosen(private.channel, tmp_path / "cache", ChannelAccess())
    assert caught.value.hint == "log in with `pixi auth login`, or write a `.netrc`"
    assert home.is_dir()


def test_a_mirror_gives_the_bytes_and_the_channel_the_name(tmp_path: Path, channel: Path) -> None:
    mirror = ChannelSimulator(channel)
    with mirror.running():
        access = ChannelAccess(mirrors={CONDA_FORGE: [mirror.channel]})
        found = chosen("conda-forge", tmp_path, access)
        assert found[1].url == f"{CONDA_FORGE}/linux-64/hello-sh-1.0-0.conda"
        assert download(found[1], access) == (channel / "linux-64/hello-sh-1.0-0.conda").read_bytes()


def test_mirrors_are_tried_in_order() -> None:
    access = ChannelAccess(
        mirrors={
            "https://conda.anaconda.org": ["https://all.example"],
            f"{CONDA_FORGE}/": ["https://one.example/c", "https://two.example/c/", CONDA_FORGE],
        }
    )
    assert [request.url for request in access.requests(f"{CONDA_FORGE}/noarch/a")] == [
        "https://one.example/c/noarch/a",
        "https://two.example/c/noarch/a",
        f"{CONDA_FORGE}/noarch/a",
    ]
    other = "https://conda.anaconda.org/conda-forge-too/noarch/a"
    assert [request.url for request in access.requests(other)] == ["https://all.example/conda-forge-too/noarch/a"]
    assert [request.url for request in access.requests("https://h/a")] == ["https://h/a"]


def test_a_mirror_that_fails_is_passed_over(tmp_path: Path, channel: Path) -> None:
    empty, full = ChannelSimulator(tmp_path), ChannelSimulator(channel)
    with empty.running(), full.running():
        access = ChannelAccess(mirrors={CONDA_FORGE: [empty.channel, full.channel]})
        found = chosen("conda-forge", tmp_path / "cache", ChannelAccess(mirrors={CONDA_FORGE: [full.channel]}))
        assert download(found[1], access) == (channel / "linux-64/hello-sh-1.0-0.conda").read_bytes()
        assert "GET /channel/linux-64/hello-sh-1.0-0.conda" in empty.asked
        with pytest.raises(NotFoundError):
            download(replace(found[1], url=f"{CONDA_FORGE}/noarch/a-1-0.conda"), access)


def test_mirrors_are_reached_over_http(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ChannelAccess(mirrors={CONDA_FORGE: [tmp_path.as_uri()]})
    assert str(caught.value) == f"mirror `{tmp_path.as_uri()}`: expected an `http://` or `https://` URL"


def test_offline_uses_caches_and_files_only(tmp_path: Path, channel: Path) -> None:
    offline = ChannelAccess(offline=True)
    server = ChannelSimulator(channel)
    with server.running():
        with pytest.raises(TransportError) as caught:
            chosen(server.channel, tmp_path / "cache", offline)
        assert server.log == []
        online = chosen(server.channel, tmp_path / "cache", ChannelAccess())
        asked = len(server.log)
        assert chosen(server.channel, tmp_path / "cache", offline) == online
        assert len(server.log) == asked
    assert str(caught.value).startswith(
        "the index of a channel is not in the cache, and `--offline` forbids the network: no usable repodata cache for "
    )
    assert caught.value.hint == "build once without `--offline`, or use a `file://` channel"
    assert names(chosen(channel.as_uri(), tmp_path / "other", offline)) == names(online)
    with pytest.raises(TransportError) as caught:
        offline.requests("https://u:pw@h/c/noarch/a-1-0.conda")
    assert (
        str(caught.value) == "`https://h/c/noarch/a-1-0.conda` is not in the cache, and `--offline` forbids the network"
    )
