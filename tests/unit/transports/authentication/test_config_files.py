from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import AuthenticationError, DockerEnvsError, FormatError, StorageError
from docker_envs.transports.authentication.config_files import (
    CredentialFile,
    StoredCredentials,
    default_config_path,
    read_credential_file,
)
from docker_envs.transports.authentication.credentials import Credentials
from tests.unit.transports.authentication.leaks import HUSH, everything_said
from tests.unit.transports.authentication.programs import answering, install_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cret:with:colons"
USER = Credentials("user", SECRET)


def encoded(username: str = "user", password: str = SECRET) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def entry(username: str) -> dict[str, str]:
    return {"auth": encoded(username)}


def write(path: Path, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def config(folder: Path, **content: Any) -> StoredCredentials:
    return StoredCredentials(write(folder / "config.json", **content))


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("registry.example:5000", "registry.example:5000"),
        ("registry.example", "https://registry.example"),
        ("registry.example", "https://registry.example/v1/"),
        ("registry.example", "registry.example/v2/"),
        ("registry.example", "https://registry.example/team/app"),
        ("registry.example", "http://registry.example/"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "registry-1.docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_auths_by_any_form_of_the_registry(tmp_path: Path, registry: str, key: str) -> None:
    auths = {"another.example": entry("another"), key: {"auth": encoded()}}
    assert config(tmp_path, auths=auths).find(registry, "team/app") == USER


@pytest.mark.parametrize(
    ("preferred", "other", "registry"),
    [
        ("r.example", "https://r.example/v1/", "r.example"),
        ("https://index.docker.io/v1/", "docker.io", "docker.io"),
    ],
)
def test_the_form_that_logins_write_comes_first(tmp_path: Path, preferred: str, other: str, registry: str) -> None:
    for keys in ((preferred, other), (other, preferred)):
        found = config(tmp_path, auths={key: entry(key.strip("htps:/")) for key in keys}).find(registry, "")
        assert found is not None
        assert found.username == preferred.strip("htps:/")


NAMESPACES = ("r.example/team/app/image", "r.example/team/app", "r.example/team", "r.example")


@pytest.mark.parametrize("count", range(4))
def test_the_longest_namespace_counts(tmp_path: Path, count: int) -> None:
    """containers-auth.json(5): "The path (or namespace) is matched in its hierarchical order"."""
    places = NAMESPACES[count:]
    auths = {place: entry(place) for place in reversed(places)}
    found = config(tmp_path, auths=auths).find("r.example", "team/app/image")
    assert found == Credentials(places[0], SECRET)


@pytest.mark.parametrize("repository", ["", "tea", "teams/app", "other"])
def test_namespaces_are_for_what_is_in_them(tmp_path: Path, repository: str) -> None:
    assert config(tmp_path, auths={"r.example/team": entry("x")}).find("r.example", repository) is None


def test_namespaces_of_docker_hub(tmp_path: Path) -> None:
    found = config(tmp_path, auths={"docker.io/team": entry("team"), "https://index.docker.io/v1/": entry("all")})
    assert found.find("docker.io", "team/app") == Credentials("team", SECRET)
    assert found.find("docker.io", "library/debian") == Credentials("all", SECRET)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"auth": encoded()}, USER),
        ({"auth": encoded(password="p\0\0")}, Credentials("user", "p")),
        ({"username": "user", "password": SECRET}, USER),
        ({"auth": encoded(), "identitytoken": "it"}, Credentials("user", identity_token="it")),
        ({"identitytoken": "it"}, Credentials("", identity_token="it")),
        ({"auth": encoded(), "identitytoken": "it", "registrytoken": "rt"}, Credentials("user", registry_token="rt")),
        ({}, None),
        ({"auth": ""}, None),
        ({"email": "x@y"}, None),
    ],
)
def test_entries(tmp_path: Path, content: dict[str, str], expected: Credentials | None) -> None:
    assert config(tmp_path, auths={"r.example": content}).find("r.example", "") == expected


def test_empty_entries_do_not_hide_others(tmp_path: Path) -> None:
    found = config(tmp_path, auths={"r.example/team": {}, "r.example": {}, "https://r.example": {"auth": encoded()}})
    assert found.find("r.example", "team/app") == USER


def test_unknown_registries_have_none(tmp_path: Path) -> None:
    assert config(tmp_path, auths={"r.example": {"auth": encoded()}}).find("other.example", "") is None
    assert config(tmp_path).find("r.example", "") is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", FormatError),
        ("[]", FormatError),
        ('{"auths": []}', FormatError),
        ('{"auths": {"r.example": "hush"}}', FormatError),
        ('{"auths": {"r.example": {"auth": 3}}}', FormatError),
        ('{"credsStore": 3}', FormatError),
        ('{"credHelpers": {"r.example": 3}}', FormatError),
        ('{"auths": {"r.example": {"auth": "hush"', FormatError),
        ('{"auths": {"r.example": {"auth": "hush%%%"}}}', AuthenticationError),
        ('{"auths": {"r.example": {"auth": "hush//79"}}}', AuthenticationError),
        ('{"auths": {"r.example": {"auth": "hushé"}}}', AuthenticationError),
        ('{"auths": {"r.example": {"auth": "hushhush"}}}', AuthenticationError),
    ],
)
def test_damaged_files_are_errors_without_secrets(tmp_path: Path, content: str, error: type[DockerEnvsError]) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(error, match=str(tmp_path)) as caught:
        StoredCredentials(path).find("r.example", "")
    assert HUSH not in everything_said(caught.value)


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        StoredCredentials(tmp_path / "config.json").find("r.example", "")


def test_empty_files_are_none(tmp_path: Path) -> None:
    """A login that was interrupted may leave one, and Docker takes it."""
    (tmp_path / "config.json").write_text(" \n")
    assert StoredCredentials(tmp_path / "config.json").find("r.example", "") is None


def test_files_that_were_named_must_be_there(tmp_path: Path) -> None:
    for found in (
        StoredCredentials(tmp_path / "none.json"),
        StoredCredentials(environment={"REGISTRY_AUTH_FILE": str(tmp_path / "none.json")}),
    ):
        with pytest.raises(StorageError, match=r"cannot read `.*none.json`: No such file"):
            found.find("r.example", "")


def test_default_path() -> None:
    assert default_config_path({"HOME": "/home/u"}) == Path("/home/u/.docker/config.json")
    assert default_config_path({"HOME": "/home/u", "DOCKER_CONFIG": "/c"}) == Path("/c/config.json")
    assert default_config_path({"HOME": "/home/u", "DOCKER_CONFIG": ""}) == Path("/home/u/.docker/config.json")


def all_places(folder: Path) -> dict[str, str]:
    """Variables of an environment with credentials in every place, each with a user named after the place."""
    for name in ("authfile", "REGISTRY_AUTH_FILE"):
        write(folder / name, auths={"r.example": entry(name)})
    places = {"docker": "docker/config.json", "runtime": "run/containers/auth.json", "config": "c/containers/auth.json"}
    for name, place in places.items():
        write(folder / place, auths={"r.example": entry(name)})
    return {
        "REGISTRY_AUTH_FILE": str(folder / "REGISTRY_AUTH_FILE"),
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"r.example": entry("DOCKER_AUTH_CONFIG")}}),
        "DOCKER_CONFIG": str(folder / "docker"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_CONFIG_HOME": str(folder / "c"),
    }


def test_places_in_their_order(tmp_path: Path) -> None:
    environment = all_places(tmp_path)
    found = StoredCredentials(tmp_path / "authfile", environment).locate("r.example", "")
    assert found is not None
    assert (found.credentials.username, found.source) == ("authfile", str(tmp_path / "authfile"))
    users = []
    for gone in (None, *environment):
        environment.pop(gone or "", None)
        environment["HOME"] = str(tmp_path / "home")
        credentials = StoredCredentials(environment=environment).find("r.example", "")
        users.append(credentials.username if credentials else None)
    assert users == ["REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "docker", "runtime", "config", None]


def test_what_a_named_file_lacks_is_nowhere_else(tmp_path: Path) -> None:
    environment = all_places(tmp_path)
    write(tmp_path / "REGISTRY_AUTH_FILE", auths={})
    assert StoredCredentials(environment=environment).find("r.example", "") is None


def test_what_a_place_lacks_is_in_the_next(tmp_path: Path) -> None:
    environment = all_places(tmp_path)
    del environment["REGISTRY_AUTH_FILE"]
    environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"other.example": entry("x")}})
    write(tmp_path / "docker/config.json", auths={"r.example": {}})
    assert StoredCredentials(environment=environment).find("r.example", "") == Credentials("runtime", SECRET)


def test_what_is_not_needed_may_be_damaged(tmp_path: Path) -> None:
    environment = all_places(tmp_path)
    del environment["REGISTRY_AUTH_FILE"], environment["DOCKER_AUTH_CONFIG"]
    (tmp_path / "run/containers/auth.json").write_text("{")
    found = StoredCredentials(environment=environment)
    assert found.find("r.example", "") == Credentials("docker", SECRET)
    with pytest.raises(FormatError):
        found.find("other.example", "")


def test_folders_that_only_others_may_enter_have_nothing(tmp_path: Path) -> None:
    write(tmp_path / "run/containers/auth.json", auths={"r.example": entry("root")})
    (tmp_path / "run").chmod(0)
    found = StoredCredentials(environment={"HOME": "/nonexistent", "XDG_RUNTIME_DIR": str(tmp_path / "run")})
    with as_nobody():
        assert found.find("r.example", "") is None


def test_files_that_only_others_may_read_are_errors() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "auth.json"), auths={})
        path.chmod(0)
        path.parent.chmod(0o755)
        with as_nobody(), pytest.raises(StorageError, match="Permission denied"):
            read_credential_file(path)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's powers."""
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


def test_podman_without_a_runtime_folder() -> None:
    """Podman keeps it below `/run/containers` then; there is nothing of anybody called so."""
    found = StoredCredentials(environment={"HOME": "/nonexistent"})
    assert f"/run/containers/{os.getuid()}/auth.json" in [file.source for file in found._files()]


def test_the_variable_holds_content_not_a_name() -> None:
    with pytest.raises(FormatError, match=r"^DOCKER_AUTH_CONFIG: no valid JSON") as caught:
        StoredCredentials(environment={"DOCKER_AUTH_CONFIG": f"/builds/{HUSH}.json"}).find("r.example", "")
    assert caught.value.hint is not None
    assert "REGISTRY_AUTH_FILE" in caught.value.hint
    assert HUSH not in everything_said(caught.value)


def test_the_variable_may_name_helpers(programs: Path) -> None:
    install_helper(programs, "cloud", answering("helper", "1"))
    content = json.dumps({"credHelpers": {"r.example": "cloud"}})
    found = StoredCredentials(environment={"DOCKER_AUTH_CONFIG": content})
    assert found.find("r.example", "") == Credentials("helper", "1")


def test_the_process_own_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, auths={"r.example": {"auth": encoded()}})
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert StoredCredentials().find("r.example", "") == USER


def test_helper_before_store_before_auths(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "special", answering("helper", "1"))
    install_helper(programs, "general", answering("store", "2"))
    auths = {name: entry("file") for name in ("a.example", "b.example", "c.example")}
    found = config(tmp_path, auths=auths, credHelpers={"a.example": "special"}, credsStore="general")
    assert found.find("a.example", "") == Credentials("helper", "1")
    assert found.find("b.example", "") == Credentials("store", "2")
    assert (programs / "special.log").read_text() == "get a.example\n"
    found = config(tmp_path, auths=auths, credHelpers={"a.example": "special"})
    assert found.find("c.example", "") == Credentials("file", SECRET)


@pytest.mark.parametrize("key", ["docker.io", "index.docker.io", "https://index.docker.io/v1/"])
def test_helpers_for_docker_hub(tmp_path: Path, programs: Path, key: str) -> None:
    install_helper(programs, "x", answering("me", "x"))
    assert config(tmp_path, credHelpers={key: "x"}).find("docker.io", "a/b") == Credentials("me", "x")
    assert (programs / "x.log").read_text() == "get https://index.docker.io/v1/\n"


def test_docker_hub_as_podman_has_it_in_helpers(tmp_path: Path, programs: Path) -> None:
    script = f"[ $server = docker.io ] || {{ echo credentials not found; exit 1; }}\n{answering('me', 'x')}"
    install_helper(programs, "store", script)
    assert config(tmp_path, credsStore="store").find("docker.io", "a/b") == Credentials("me", "x")


def test_helpers_are_asked_once(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "store", answering("me", "x"))
    found = config(tmp_path, credsStore="store")
    assert found.find("r.example", "a/b") == found.find("r.example", "c")
    assert (programs / "store.log").read_text() == "get r.example\n"


def test_what_a_store_does_not_have_is_in_the_file(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "store", "echo credentials not found in native keychain; exit 1")
    found = config(tmp_path, credsStore="store", auths={"r.example": {"auth": encoded()}})
    assert found.find("r.example", "") == USER
    assert found.find("other.example", "") is None


def test_missing_helpers_are_no_reason_to_look_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "docker/config.json", credHelpers={"r.example": "nowhere"}, auths={"r.example": entry("file")})
    write(tmp_path / "run/containers/auth.json", auths={"r.example": entry("podman")})
    environment = {"DOCKER_CONFIG": str(tmp_path / "docker"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    with pytest.raises(AuthenticationError, match="helper `docker-credential-nowhere` is not installed"):
        StoredCredentials(environment=environment).find("r.example", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    st.sampled_from(["r.example", "https://r.example/v1/", "r.example/a", "docker.io", "", "/", "https://"]) | st.text()
)
ENTRIES = JSON | st.dictionaries(
    st.sampled_from(["auth", "identitytoken", "registrytoken", "username", "password"]), JSON | st.text(), max_size=5
)
FILES = st.fixed_dictionaries(
    {}, optional={"auths": JSON | st.dictionaries(KEYS, ENTRIES, max_size=4), "credHelpers": JSON, "credsStore": JSON}
)


def look_up(content: bytes) -> None:
    try:
        file = CredentialFile.parse(content, source="fuzz")
        found = file.find("r.example", "a/b", lambda _: None)
        assert found is None or "hush" not in repr(found)
        file.find("docker.io", "", lambda _: None)
    except DockerEnvsError:
        pass


@given(FILES | JSON)
def test_any_document_is_read_or_refused(document: Any) -> None:
    look_up(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    look_up(content)
