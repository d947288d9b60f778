"""Tokens, logins and their files, with a real registry, and with the other tools that share the files."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.errors import AuthenticationError
from docker_envs.oci.reference import Reference
from docker_envs.transports.authentication.config_files import StoredCredentials
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.logins import LoginFile
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.client import RegistryClient, host_platform
from docker_envs.validate import validate_image
from tests.builds import PATIENCE, Outcome, environment
from tests.images import make_image
from tests.services import PasswordRegistry, require_programs, run_registry
from tests.simulators.images import tiny_image, tiny_layer
from tests.simulators.token_server import ISSUER, SERVICE, RealTokenServer, TokenRules
from tests.unit.transports.authentication.programs import install_keeper
from tests.unit.transports.registry.helpers import Known, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.transports.http import HttpResponse

HUSH = "".join(["correct ", "horse"])
ME = Credentials("me", HUSH)


class TokenRegistry:
    """A registry and its token server."""

    def __init__(self, address: str, server: RealTokenServer) -> None:
        self.address = address
        self.server = server

    def name(self, text: str) -> Reference:
        return Reference.parse(f"{self.address}/{text}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenRegistry]:
    require_programs("docker-registry", "openssl")
    folder = tmp_path_factory.mktemp("tokens")
    server = RealTokenServer(folder, TokenRules())
    with server.running():
        settings = f"realm: {server.url}/token, service: {SERVICE}, issuer: {ISSUER}"
        auth = f"{{token: {{{settings}, rootcertbundle: {server.certificate}}}}}"
        with run_registry(folder, auth=auth) as address:
            yield TokenRegistry(address, server)


@pytest.fixture
def tokens(running: TokenRegistry) -> TokenRegistry:
    """The registry, with a server that knows one user."""
    running.server.rules = TokenRules(users={"me": HUSH}, refresh_tokens={"refresh": "me"})
    running.server.log.clear()
    return running


def client(found: Credentials | None = None, **options: Any) -> RegistryClient:
    return RegistryClient(credentials=Known(found), **options)


def test_push_and_pull(tokens: TokenRegistry) -> None:
    image, target = tiny_image(platform=host_platform()), tokens.name("private/app:1")
    assert client(ME).push_image(image, target) == image.digest
    validate_image(client(ME).image(target))
    line = ["skopeo", "inspect", "--tls-verify=false", "--creds", f"me:{HUSH}", f"docker://{target}"]
    found = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)
    assert found["Digest"] == image.digest


def test_a_token_serves_many_requests(tokens: TokenRegistry) -> None:
    client(ME).push_image(make_image(*(tiny_layer(f"many {number}") for number in range(8))), tokens.name("many:1"))
    assert tokens.server.scopes == [["repository:many:pull,push"]]


def test_everybody_pulls_what_is_public(tokens: TokenRegistry) -> None:
    image, target = tiny_image(platform=host_platform()), tokens.name("public:1")
    client(ME).push_image(image, target)
    validate_image(client().image(target))


@pytest.mark.parametrize("found", [None, Credentials("me", f"not {HUSH}"), Credentials("me", identity_token=HUSH)])
def test_refused(tokens: TokenRegistry, found: Credentials | None) -> None:
    with pytest.raises(AuthenticationError) as caught:
        client(found).push_image(tiny_image(), tokens.name("private/app:2"))
    assert caught.value.hint == f"log in with `docker-envs login {tokens.address}`"
    assert HUSH not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(AuthenticationError, match="private/app"):
        client().image(tokens.name("private/app:1"))


def test_identity_tokens(tokens: TokenRegistry) -> None:
    image, target = tiny_image(platform=host_platform()), tokens.name("private/identity:1")
    found = Credentials("me", identity_token="refresh")
    client(found).push_image(image, target)
    assert [request.method for request in tokens.server.log] == ["POST"]
    tokens.server.rules.refresh_tokens, tokens.server.rules.users = None, {"me": "refresh"}
    validate_image(client(found).image(target))
    assert [request.method for request in tokens.server.log] == ["POST", "POST", "GET"]


def test_tokens_that_somebody_else_made(tokens: TokenRegistry) -> None:
    target = tokens.name("private/ready:1")
    access = {"type": "repository", "name": "private/ready", "actions": ["pull", "push"]}
    found = Credentials("", registry_token=tokens.server.sign("robot", [access]))
    image = tiny_image(platform=host_platform())
    client(found).push_image(image, target)
    validate_image(client(found).image(target))
    with pytest.raises(AuthenticationError, match="no permission to push to"):
        client(found).push_image(image, tokens.name("private/other:1"))
    assert tokens.server.log == []


@pytest.mark.parametrize(("first_only", "outcome"), [(False, "mounted"), (True, "uploaded")])
def test_mounts_need_two_scopes(tokens: TokenRegistry, first_only: bool, outcome: str) -> None:
    source, target = tokens.name("private/base:1"), tokens.name(f"private/{outcome}:1")
    client(ME).push_image(tiny_image(platform=host_platform()), source)
    tokens.server.rules.first_scope_only = first_only
    notes = Recorder()
    one = client(ME, reporter=notes)
    image = one.image(source)
    one.push_image(make_image(*image.layers, tiny_layer("more\n")), target)
    assert sorted(notes.finished) == [*[outcome] * len(image.layers), "uploaded"]
    push, pull = f"repository:{target.repository}:pull,push", "repository:private/base:pull"
    assert [push, pull] in tokens.server.scopes
    validate_image(one.image(target))


class LateClient(HttpClient):
    """Sends bodies only when the token that the last request had is no longer taken."""

    def __init__(self, tokens: TokenRegistry) -> None:
        super().__init__()
        self.rules = tokens.server.rules
        self.statuses: list[tuple[str, int]] = []

    def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        if method == "PUT" and "/blobs/" in url and self.rules.lifetime < 10:
            time.sleep(self.rules.lifetime + 1.5)
            self.rules.lifetime = 300
        response = super().request(method, url, **options)
        self.statuses.append((method, response.status))
        return response


@pytest.mark.parametrize("size", [100, 20_000_000], ids=["small", "large"])
def test_tokens_that_expire_in_the_middle_of_an_upload(tokens: TokenRegistry, size: int) -> None:
    tokens.server.rules.lifetime = 2
    late = LateClient(tokens)
    image = make_image(tiny_layer(base64.b64encode(os.urandom(size)).decode()), platform=host_platform())
    target = tokens.name(f"private/late{size}:1")
    client(ME, http=late).push_image(image, target)
    assert ("PUT", 401) in late.statuses, "the token has not expired"
    assert len(tokens.server.log) == 2
    validate_image(client(ME).image(target))


@pytest.mark.parametrize(("stated", "refused"), [(300, 1), (2, 0)], ids=["wrong", "right"])
def test_tokens_that_expire_before_a_layer_is_read(tokens: TokenRegistry, stated: int, refused: int) -> None:
    """When the server says how long a token lives, no request is sent with one that is over."""
    target = tokens.name("private/later:1")
    client(ME).push_image(tiny_image(platform=host_platform()), target)
    tokens.server.rules.lifetime, tokens.server.rules.stated = 2, stated
    late = LateClient(tokens)
    image = client(ME, http=late).image(target)
    late.statuses.clear()
    time.sleep(3.5)
    tokens.server.rules.lifetime = tokens.server.rules.stated = 300
    asked = len(tokens.server.log)
    validate_image(image)
    assert len(tokens.server.log) == asked + 1
    assert [status for _, status in late.statuses].count(401) == refused


def test_credentials_of_namespaces(tokens: TokenRegistry, tmp_path: Path) -> None:
    tokens.server.rules.users = {"one": "1", "two": "2"}
    auths = {
        f"{tokens.address}/private/{user}": {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
        for user, password in tokens.server.rules.users.items()
    }
    (tmp_path / "auth.json").write_text(json.dumps({"auths": auths}))
    one = RegistryClient(credentials=StoredCredentials(tmp_path / "auth.json"))
    for user in auths:
        one.push_image(tiny_image(), Reference.parse(f"{user}/app:1"))
    assert [request.authorization for request in tokens.server.log] == [
        Credentials("one", "1").basic,
        Credentials("two", "2").basic,
    ]


def run(*arguments: str | Path, stdin: str = "", folder: Path, **variables: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "docker_envs", *map(str, arguments)],
        env=environment(folder / "cache", HOME=str(folder), **variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert HUSH not in done.stdout + done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


LOGIN = ("--username", "me", "--password-stdin")


def test_login_and_logout(tokens: TokenRegistry, tmp_path: Path) -> None:
    target, path = tokens.name("private/app:3"), tmp_path / ".docker" / "config.json"
    done = run("login", tokens.address, *LOGIN, "--yes", stdin=f"{HUSH}\n", folder=tmp_path)
    assert (done.status, done.stderr) == (0, f"logged in to `{tokens.address}` as `me`\n")
    client(StoredCredentials(path).find(tokens.address, "")).push_image(tiny_image(), target)
    inspect = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{target}"]
    assert subprocess.run([*inspect, "--authfile", path], capture_output=True).stdout == tiny_image().manifest.raw
    user: list[str | Path] = ["podman", "login", "--get-login", "--authfile", path, tokens.address]
    assert subprocess.run(user, check=True, capture_output=True, text=True).stdout == "me\n"
    done = run("logout", tokens.address, folder=tmp_path)
    assert (done.status, done.stderr) == (0, f"logged out of `{tokens.address}`\n")
    assert json.loads(path.read_text()) == {"auths": {}}
    done = run("logout", tokens.address, folder=tmp_path)
    assert (done.status, done.stderr) == (0, f"not logged in to `{tokens.address}`\n")


def test_wrong_passwords_are_not_stored(tokens: TokenRegistry, tmp_path: Path) -> None:
    done = run("login", tokens.address, *LOGIN, "--yes", stdin=f"not {HUSH}", folder=tmp_path)
    assert done.status == 4
    assert f"error: `{tokens.address}` refused the credentials of user `me`" in done.stderr
    assert not (tmp_path / ".docker").exists()


def test_login_with_basic_authentication(registry_with_basic_auth: PasswordRegistry, tmp_path: Path) -> None:
    found = registry_with_basic_auth
    options = ("--username", found.username, "--password-stdin", "--yes", "--authfile", tmp_path / "auth.json")
    done = run("login", found.address, *options, stdin="wrong", folder=tmp_path)
    assert done.status == 4
    assert "refused the credentials of user `fixture` (UNAUTHORIZED: authentication required)" in done.stderr
    assert not (tmp_path / "auth.json").exists()
    done = run("login", f"http://{found.address}/", *options, stdin=found.password, folder=tmp_path)
    assert done.status == 0, done.stderr
    credentials = StoredCredentials(tmp_path / "auth.json").find(found.address, "")
    assert credentials == Credentials(found.username, found.password)


def test_a_registry_for_everybody_takes_any_login(registry: str, tmp_path: Path) -> None:
    done = run("login", registry, *LOGIN, "--yes", stdin=HUSH, folder=tmp_path)
    assert done.status == 0, done.stderr


def test_login_with_a_helper(tokens: TokenRegistry, tmp_path: Path) -> None:
    """No question, since nothing is stored without encryption."""
    kept, path = install_keeper(tmp_path, "keeper"), tmp_path / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text('{"credsStore": "keeper"}')
    search = f"{tmp_path}:{os.environ['PATH']}"
    done = run("login", tokens.address, *LOGIN, stdin=HUSH, folder=tmp_path, PATH=search)
    assert done.status == 0, done.stderr
    assert json.loads(kept.read_text())[tokens.address]["Secret"] == HUSH
    assert json.loads(path.read_text()) == {"credsStore": "keeper", "auths": {tokens.address: {}}}
    assert run("tags", f"{tokens.address}/private/app", folder=tmp_path, PATH=search).status == 0
    done = run("logout", "--all", folder=tmp_path, PATH=search)
    assert done.stderr == f"logged out of `{tokens.address}`\n"
    assert json.loads(kept.read_text()) == {}


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_logins_of_other_tools(tokens: TokenRegistry, tmp_path: Path, program: str) -> None:
    require_programs(program)
    path = tmp_path / "auth.json"
    line: list[str | Path] = [
        program,
        "login",
        "--tls-verify=false",
        "--authfile",
        path,
        "-u",
        "me",
        "--password-stdin",
        tokens.address,
    ]
    subprocess.run(line, input=HUSH.encode(), check=True, capture_output=True)
    assert StoredCredentials(path).find(tokens.address, "private/app") == ME
    assert run("logout", tokens.address, "--authfile", path, folder=tmp_path).status == 0
    assert StoredCredentials(path).find(tokens.address, "private/app") is None
    gone = subprocess.run([program, "login", "--get-login", "--authfile", path, tokens.address], capture_output=True)
    assert gone.returncode != 0


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_other_tools_know_docker_hub_by_our_name(tmp_path: Path, program: str) -> None:
    require_programs(program)
    LoginFile(tmp_path / "auth.json").store("docker.io", ME)
    line: list[str | Path] = [program, "login", "--get-login", "--authfile", tmp_path / "auth.json", "docker.io"]
    assert subprocess.run(line, check=True, capture_output=True, text=True).stdout == "me\n"


def test_namespaces_as_podman_writes_them(tokens: TokenRegistry, tmp_path: Path) -> None:
    require_programs("podman")
    path, place = tmp_path / "auth.json", f"{tokens.address}/private/team"
    line: list[str | Path] = ["podman", "login", "--tls-verify=false", "--authfile", path]
    subprocess.run([*line, "-u", "me", "--password-stdin", place], input=HUSH.encode(), check=True, capture_output=True)
    found = StoredCredentials(path)
    assert found.find(tokens.address, "private/team/app") == ME
    assert found.find(tokens.address, "private/other") is None
    assert run("logout", tokens.address, "--authfile", path, folder=tmp_path).status == 0
    assert StoredCredentials(path).find(tokens.address, "private/team") == ME
    done = run("logout", "--all", "--authfile", path, folder=tmp_path)
    assert done.stderr == f"logged out of `{place}`\n"
    assert StoredCredentials(path).find(tokens.address, "private/team") is None
