"""How a real registry is reached: TLS with its certificates, proxies, mirrors; and one that may only be read."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from docker_envs.errors import TransportError
from docker_envs.oci.reference import Reference
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.transports.registry.registries_conf import RegistriesConf
from docker_envs.validate import validate_image
from tests.services import require_programs, running, settled_log
from tests.simulators.images import tiny_image
from tests.simulators.proxy import ProxySimulator
from tests.simulators.registry import RegistrySimulator
from tests.unit.transports.registry.helpers import RULE, Recorder, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "IP:127.0.0.1,DNS:localhost,DNS:registry.test"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificate(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


class Authority:
    """An authority of its own, made by openssl in a folder."""

    def __init__(self, folder: Path) -> None:
        require_programs("openssl")
        self.folder = folder
        self.file = folder / "ca.crt"
        self._openssl("req", "-x509", *NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=own")

    def issue(self, name: str, *, alternatives: str = LOOPBACK, days: int = 2) -> Certificate:
        (self.folder / "extensions").write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", *NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", str(days), "-CA", "ca.crt",
            "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions",
        )  # fmt: skip
        return Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@contextmanager
def registry_with(folder: Path, **sections: Any) -> Iterator[str]:
    """A docker-registry with a configuration of ours; yields its address. Its log is `log` in the folder."""
    require_programs("docker-registry")
    folder.mkdir(exist_ok=True)
    storage = {"filesystem": {"rootdirectory": f"{folder}/blobs"}, **sections.pop("storage", {})}
    http = {"addr": "127.0.0.1:0", "secret": "x", **sections.pop("http", {})}
    document = {"version": "0.1", "storage": storage, "http": http, **sections}
    (folder / "config.yml").write_text(json.dumps(document))
    log = folder / "log"

    def address() -> str | None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else None

    with running(["docker-registry", "serve", str(folder / "config.yml")], log, address) as found:
        yield found


def tls(certificate: Certificate, **more: Any) -> dict[str, Any]:
    return {"tls": {"certificate": str(certificate.certificate), "key": str(certificate.key), **more}}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_registry(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_with(tmp_path_factory.mktemp("registry"), http=tls(authority.issue("server"))) as address:
        yield address


def client(**options: Any) -> RegistryClient:
    """A client that has no other certificates than those of `options`."""
    http = HttpClient(rule=RULE, **{"certs_dirs": (), **options})
    return RegistryClient(http=http, registries=RegistriesConf())


def check_round_trip(one: RegistryClient, address: str) -> None:
    image, target = tiny_image(), Reference.parse(f"{address}/tiny:1")
    one.push_image(image, target)
    pulled = one.image(target)
    assert pulled.digest == image.digest
    validate_image(pulled)


def failure(one: RegistryClient, address: str) -> TransportError:
    with pytest.raises(TransportError) as caught:
        one.image(Reference.parse(f"{address}/tiny:1"))
    assert not caught.value.transient
    return caught.value


def test_an_authority_that_is_named(tls_registry: str, authority: Authority) -> None:
    check_round_trip(client(ca_files=[authority.file]), tls_registry)


def test_an_authority_in_certs_d(tls_registry: str, authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / tls_registry
    folder.mkdir()
    (folder / "own.crt").write_bytes(authority.file.read_bytes())
    check_round_trip(client(certs_dirs=[tmp_path]), tls_registry)


def test_a_certificate_that_is_trusted_itself(tls_registry: str, authority: Authority) -> None:
    """As with podman and Docker, it needs no authority then."""
    check_round_trip(client(ca_files=[authority.folder / "server.pem"]), tls_registry)


def test_an_unknown_authority(tls_registry: str) -> None:
    error = failure(client(), tls_registry)
    assert str(error).startswith(f"no secure connection to `{tls_registry}`: its certificate is not trusted: ")
    assert f"/etc/containers/certs.d/{tls_registry}/ca.crt" in (error.hint or "")
    assert "`--ca-file`" in (error.hint or "")


def test_an_expired_certificate(authority: Authority, tmp_path: Path) -> None:
    with registry_with(tmp_path, http=tls(authority.issue("expired", days=-1))) as address:
        error = failure(client(ca_files=[authority.file]), address)
    assert str(error) == f"no secure connection to `{address}`: its certificate has expired"
    assert "renew" in (error.hint or "")


def test_a_certificate_for_another_host(authority: Authority, tmp_path: Path) -> None:
    with registry_with(tmp_path, http=tls(authority.issue("other", alternatives="DNS:other.test"))) as address:
        error = failure(client(ca_files=[authority.file]), address)
    assert "its certificate is for another host: " in str(error)


@pytest.fixture(scope="module")
def strict_registry(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that wants client certificates."""
    settings = tls(authority.issue("strict"), clientcas=[str(authority.file)])
    with registry_with(tmp_path_factory.mktemp("registry"), http=settings) as address:
        yield address


def test_a_client_certificate(strict_registry: str, authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / strict_registry
    folder.mkdir()
    mine = authority.issue("me")
    (folder / "me.cert").write_bytes(mine.certificate.read_bytes())
    (folder / "me.key").write_bytes(mine.key.read_bytes())
    (folder / "own.crt").write_bytes(authority.file.read_bytes())
    check_round_trip(client(certs_dirs=[tmp_path]), strict_registry)


def test_a_client_certificate_that_is_missing(strict_registry: str, authority: Authority) -> None:
    error = failure(client(ca_files=[authority.file]), strict_registry)
    assert "it refused us: " in str(error)
    assert f"/etc/containers/certs.d/{strict_registry}/" in (error.hint or "")


def test_one_insecure_registry(tls_registry: str, strict_registry: str) -> None:
    one = client(insecure=[tls_registry])
    check_round_trip(one, tls_registry)
    assert "not trusted" in str(failure(one, strict_registry))


def test_insecure_registries_may_not_speak_for_others(tls_registry: str) -> None:
    """A redirect leads to a host whose certificate is checked."""
    with RegistrySimulator().running() as server:
        assert isinstance(server, RegistrySimulator)
        image = store(server, tiny_image(), repository="tiny")
        server.blob_host = f"https://{tls_registry}"
        one = client(insecure=[server.address])
        with pytest.raises(TransportError, match=f"`{tls_registry}`: its certificate is not trusted"):
            validate_image(one.image(Reference.parse(f"{server.address}/tiny:1")))
        assert image.layers


def test_plain_http_where_tls_was_expected(registry: str, proxied: pytest.MonkeyPatch) -> None:
    with ProxySimulator({"registry.test:443": registry}).running() as proxy:
        proxied.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = failure(client(), "registry.test")
    assert str(error) == "no secure connection to `registry.test`: it speaks no TLS on this port"
    assert "`--plain-http registry.test`" in (error.hint or "")


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_tls_through_a_proxy(tls_registry: str, authority: Authority, proxied: pytest.MonkeyPatch) -> None:
    with ProxySimulator({"registry.test:443": tls_registry}, authorization="Basic bWU6cEBzcw==").running() as proxy:
        proxied.setenv("HTTPS_PROXY", f"http://me:p%40ss@{proxy.address}")
        check_round_trip(client(ca_files=[authority.file]), "registry.test")
        assert set(proxy.log) == {"CONNECT registry.test:443"}
        error = failure(client(), "registry.test")
        assert "`registry.test`: its certificate is not trusted" in str(error)


@pytest.mark.parametrize("cut", [0, 500, 2_000, 2_500, 3_000])
def test_tls_that_breaks_is_tried_again(
    tls_registry: str, authority: Authority, proxied: pytest.MonkeyPatch, cut: int
) -> None:
    """In the handshake, or in the answers to requests."""
    with ProxySimulator({"registry.test:443": tls_registry}).running() as proxy:
        proxied.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        one = client(ca_files=[authority.file])
        assert one.digest(Reference.parse("registry.test/nothing:1")) is None
        # The connection that is kept goes, and the next ones break.
        proxy.cuts = [cut, cut]
        one._session.http._pools.clear()  # type: ignore[attr-defined]
        check_round_trip(one, "registry.test")
        assert proxy.cuts == []


def test_plain_http_through_a_proxy(registry: str, proxied: pytest.MonkeyPatch) -> None:
    with ProxySimulator({"registry.test:80": registry}).running() as proxy:
        proxied.setenv("HTTP_PROXY", proxy.address)
        one = RegistryClient(http=HttpClient(rule=RULE), plain_http=["registry.test"], registries=RegistriesConf())
        check_round_trip(one, "registry.test")
        assert "PUT registry.test:80" in proxy.log


@pytest.mark.parametrize(
    ("proxy_url", "reason"),
    [("http://me:hush@{}", "407 Proxy Authentication Required"), ("http://{}", "407 Proxy Authentication Required")],
)
def test_credentials_of_a_proxy_are_not_shown(proxied: pytest.MonkeyPatch, proxy_url: str, reason: str) -> None:
    with ProxySimulator({}, authorization="Basic eA==").running() as proxy:
        proxied.setenv("HTTPS_PROXY", proxy_url.format(proxy.address))
        error = failure(client(), "registry.test")
    assert str(error).startswith("cannot connect to `registry.test` through the proxy: ")
    assert reason in str(error)
    assert "hush" not in f"{error} {error.hint}"


def test_hosts_that_the_proxy_does_not_know(proxied: pytest.MonkeyPatch) -> None:
    with ProxySimulator({}).running() as proxy:
        proxied.setenv("ALL_PROXY", f"http://{proxy.address}")
        assert "through the proxy: tunnel connection failed: 502" in str(failure(client(), "registry.test"))


def test_a_pull_through_mirror(registry: str, tmp_path: Path) -> None:
    image, target = tiny_image(), Reference.parse(f"{registry}/mirrored:1")
    client().push_image(image, target)
    with registry_with(tmp_path / "mirror", proxy={"remoteurl": f"http://{registry}"}) as mirror:
        (tmp_path / "registries.conf").write_text(
            f"[[registry]]\nlocation = '{registry}'\n[[registry.mirror]]\nlocation = '{mirror}'\n"
        )
        settings = RegistriesConf.load([tmp_path / "registries.conf"])
        reporter = Recorder()
        http = HttpClient(rule=RULE)
        pulled = RegistryClient(http=http, registries=settings, reporter=reporter).image(target)
        assert pulled.digest == image.digest
        validate_image(pulled)
        assert reporter.warnings == []
        asked = re.findall(r'"GET (/v2/mirrored/\w+)/', settled_log(tmp_path / "mirror" / "log"))
        assert set(asked) == {"/v2/mirrored/manifests", "/v2/mirrored/blobs"}
    # Now that the mirror is gone, everything comes from the registry.
    pulled = RegistryClient(http=HttpClient(rule=RULE), registries=settings, reporter=reporter).image(target)
    validate_image(pulled)
    assert reporter.warnings == [
        f"the mirror `{mirror}/mirrored` is passed over: cannot connect to `{mirror}`: connection refused"
    ]


@pytest.mark.parametrize(
    ("prefix", "path", "name", "is_found"),
    [
        ("one.test", "", "one.test/apps/deep/tiny:1", True),
        ("one.test/apps", "apps", "one.test/apps/deep/tiny:1", True),
        ("*.one.test", "apps", "sub.one.test/deep/tiny:1", True),
        ("one.test/deep/tiny", "apps/deep/tiny", "one.test/deep/tiny:1", True),
        ("docker.io/apps", "apps/deep", "apps/tiny:1", True),
        ("one.test/dee", "apps", "one.test/deep/tiny:1", False),
        ("one.test", "", "sub.one.test/apps/deep/tiny:1", False),
    ],
)
def test_skopeo_finds_the_same(
    registry: str, tmp_path: Path, proxied: pytest.MonkeyPatch, *, prefix: str, path: str, name: str, is_found: bool
) -> None:
    """Or nothing: the names themselves lead to a proxy that knows none of them."""
    require_programs("skopeo")
    image = tiny_image()
    client().push_image(image, Reference.parse(f"{registry}/apps/deep/tiny:1"))
    file = tmp_path / "registries.conf"
    file.write_text(
        f"[[registry]]\nprefix = '{prefix}'\nlocation = '{registry}/{path}'\ninsecure = true\n"
        "[[registry]]\nlocation = 'one.test/other'\n"
    )
    one = RegistryClient(http=HttpClient(rule=RULE), registries=RegistriesConf.load([file]))
    with ProxySimulator({}).running() as proxy:
        proxied.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        line = ["skopeo", "--registries-conf", str(file), "inspect", "--raw", f"docker://{name}"]
        seen = subprocess.run(line, capture_output=True)
        assert bool(seen.stdout) is is_found
        if is_found:
            assert one.image(Reference.parse(name)).manifest.raw == seen.stdout
        else:
            with pytest.raises(TransportError, match="through the proxy"):
                one.image(Reference.parse(name))


def test_a_registry_that_may_only_be_read(tmp_path: Path) -> None:
    with registry_with(tmp_path) as address:
        check_round_trip(client(), address)
    with registry_with(tmp_path, storage={"maintenance": {"readonly": {"enabled": True}}}) as address:
        target = Reference.parse(f"{address}/tiny:1")
        assert client().image(target).digest == tiny_image().digest
        with pytest.raises(TransportError) as caught:
            client().push_image(tiny_image(), Reference.parse(f"{address}/other:1"))
    assert not caught.value.transient
    assert str(caught.value).startswith(f"`{address}` does not let anybody push to `{address}/other:1`: status 405")
    assert "read-only" in (caught.value.hint or "")
