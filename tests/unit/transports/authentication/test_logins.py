from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from docker_envs.errors import AuthenticationError, FormatError, InvalidInputError, StorageError
from docker_envs.transports.authentication.config_files import StoredCredentials
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.logins import LoginFile
from tests.unit.transports.authentication.leaks import HUSH, everything_said
from tests.unit.transports.authentication.programs import install_helper, install_keeper

ME = Credentials("me", "p:w")
#: `me:p:w`.
ENTRY = {"auth": "bWU6cDp3"}
HUB = "https://index.docker.io/v1/"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "config.json"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def auths(path: Path) -> Any:
    return json.loads(path.read_text())["auths"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_new_files_are_for_their_owner(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        LoginFile(path).store("r.example", ME)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert path.read_text() == '{\n\t"auths": {\n\t\t"r.example": {\n\t\t\t"auth": "bWU6cDp3"\n\t\t}\n\t}\n}\n'


def test_docker_hub_has_its_old_name(path: Path) -> None:
    LoginFile(path).store("docker.io", ME)
    assert auths(path) == {HUB: ENTRY}
    assert StoredCredentials(path).find("docker.io", "library/debian") == ME


def test_files_of_others_become_private(path: Path) -> None:
    write(path, "{}")
    path.chmod(0o644)
    LoginFile(path).store("r.example", ME)
    assert mode(path) == 0o600
    assert list(path.parent.iterdir()) == [path]


NEW = '"r.example": {"auth": "bWU6cDp3"}'


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"b": 1, "auths": {"x": {}}, "a": 1.5}', f'{{"b": 1, "auths": {{"x": {{}}, {NEW}}}, "a": 1.5}}'),
        ('{"psFormat": "é"}', f'{{"psFormat": "é", "auths": {{{NEW}}}}}'),
        ('{"z": [1], "auths": null}', f'{{"z": [1], "auths": {{{NEW}}}}}'),
    ],
    ids=["more", "none", "null"],
)
def test_the_rest_of_a_file_stays(path: Path, before: str, after: str, indent: int | str | None, end: str) -> None:
    write(path, json.dumps(json.loads(before), indent=indent, ensure_ascii=False) + end)
    LoginFile(path).store("r.example", ME)
    assert path.read_text() == json.dumps(json.loads(after), indent=indent, ensure_ascii=False) + end


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"r.example": {"auth": "b2xk", "identitytoken": "x", "a": "b"}}, {"r.example": {"a": "b", **ENTRY}}),
        ({"https://r.example/v1/": {"auth": "b2xk"}}, {"r.example": ENTRY}),
        ({"r.example/team": {"auth": "b2xk"}}, {"r.example/team": {"auth": "b2xk"}, "r.example": ENTRY}),
        ({"s.example": {"auth": "b2xk"}}, {"s.example": {"auth": "b2xk"}, "r.example": ENTRY}),
    ],
)  # fmt: skip
def test_older_credentials_give_way(path: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    write(path, json.dumps({"auths": before}))
    LoginFile(path).store("r.example", ME)
    assert auths(path) == after


def test_identity_tokens(path: Path) -> None:
    found = Credentials("me", identity_token="it")
    LoginFile(path).store("r.example", found)
    assert StoredCredentials(path).find("r.example", "") == found


def test_links_stay(path: Path, tmp_path: Path) -> None:
    """Dotfiles are often kept elsewhere."""
    path.parent.mkdir()
    path.symlink_to("../elsewhere/real.json")
    LoginFile(path).store("r.example", ME)
    assert path.is_symlink()
    assert auths(tmp_path / "elsewhere" / "real.json") == {"r.example": ENTRY}
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(StorageError, match="cannot find"):
        LoginFile(path)


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": []}', '{"auths": {"r.example": 3}}', '{"credsStore": 3}'])
def test_damaged_files_stay(path: Path, content: str) -> None:
    write(path, content)
    for change in (lambda: LoginFile(path).store("r.example", ME), lambda: LoginFile(path).remove("r.example")):
        with pytest.raises(FormatError):
            change()
    assert path.read_text() == content


def test_places_that_cannot_be_written(path: Path) -> None:
    path.parent.write_text("")
    with pytest.raises(StorageError) as caught:
        LoginFile(path).store("r.example", Credentials("me", HUSH))
    assert HUSH not in everything_said(caught.value)


def test_user_names_with_colons(path: Path) -> None:
    with pytest.raises(InvalidInputError, match="it has a colon"):
        LoginFile(path).store("r.example", Credentials("a:b", "x"))
    assert not path.exists()


def test_logins_at_the_same_time(path: Path) -> None:
    names = [f"r{number}.example" for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: LoginFile(path).store(name, ME), names))
    assert sorted(auths(path)) == sorted(names)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HOME": "/h"}, "/h/.docker/config.json"),
        ({"HOME": "/h", "DOCKER_CONFIG": "/c"}, "/c/config.json"),
        ({"HOME": "/h", "DOCKER_CONFIG": "/c", "REGISTRY_AUTH_FILE": "/a.json"}, "/a.json"),
        ({"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "DOCKER_AUTH_CONFIG": "{}"}, "/h/.docker/config.json"),
    ],
)
def test_places(variables: dict[str, str], place: str) -> None:
    assert LoginFile(environment=variables).path == Path(place)
    assert LoginFile(Path("/named.json"), variables).path == Path("/named.json")


def test_helpers_keep_what_they_are_for(path: Path, programs: Path) -> None:
    kept = install_keeper(programs, "keeper")
    write(path, '{"credsStore": "keeper", "auths": {"r.example": {"auth": "b2xk"}}}')
    file = LoginFile(path)
    file.store("r.example", ME)
    file.store("docker.io", ME)
    assert {name: entry["Secret"] for name, entry in json.loads(kept.read_text()).items()} == {
        "r.example": "p:w", HUB: "p:w",
    }  # fmt: skip
    assert auths(path) == {"r.example": {}, HUB: {}}
    assert StoredCredentials(path).find("docker.io", "") == ME
    assert file.registries() == ["docker.io", "r.example"]
    assert file.remove("docker.io")
    assert not file.remove("docker.io")
    assert list(json.loads(kept.read_text())) == ["r.example"]
    assert auths(path) == {"r.example": {}}


def test_a_helper_for_one_registry(path: Path, programs: Path) -> None:
    kept = install_keeper(programs, "keeper")
    write(path, '{"credHelpers": {"r.example": "keeper"}}')
    file = LoginFile(path)
    file.store("r.example", ME)
    file.store("s.example", ME)
    assert list(json.loads(kept.read_text())) == ["r.example"]
    assert auths(path) == {"r.example": {}, "s.example": ENTRY}
    assert file.registries() == ["r.example", "s.example"]


def test_what_helpers_cannot_store_is_not_in_the_file(path: Path, programs: Path) -> None:
    install_helper(programs, "full", "echo no space; exit 1")
    write(path, '{"credsStore": "full"}')
    with pytest.raises(AuthenticationError, match="failed to `store`: exit status 1: no space") as caught:
        LoginFile(path).store("r.example", Credentials("me", HUSH))
    assert HUSH not in everything_said(caught.value)
    assert path.read_text() == '{"credsStore": "full"}'


@pytest.mark.parametrize("key", ["r.example", "https://r.example/v1/"])
def test_logout(path: Path, key: str) -> None:
    write(path, json.dumps({"auths": {key: ENTRY, "r.example/team": ENTRY}, "other": 1}))
    assert LoginFile(path).remove("r.example")
    assert json.loads(path.read_text()) == {"auths": {"r.example/team": ENTRY}, "other": 1}
    assert not LoginFile(path).remove("r.example")


def test_logging_out_of_nothing_writes_nothing(path: Path) -> None:
    assert not LoginFile(path).remove("r.example")
    assert not path.exists()
