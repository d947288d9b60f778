from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.transports.http import HttpClient
from docker_envs.transports.tls import TlsContexts, TlsSettings, default_certs_dirs, tls_error


def contexts(*folders: Path, **options: list[Path] | list[str]) -> TlsContexts:
    return TlsContexts(certs_dirs=folders, **options)  # type: ignore[arg-type]


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


def test_the_system_decides_by_default(tmp_path: Path) -> None:
    found = contexts(tmp_path)
    assert found.settings("a.example") == TlsSettings()
    context = found.context(TlsSettings())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_each_host_has_its_certificates(tmp_path: Path) -> None:
    user, system = tmp_path / "user", tmp_path / "system"
    own = write(user / "a.example:5000", "ca.crt", "b.crt", "me.cert", "me.key", "notes.txt")
    write(system / "a.example:5000", "other.crt")
    other = write(system / "b.example", "ca.crt")
    found = contexts(user, system, ca_files=[Path("/all.pem")])
    everywhere = Path("/all.pem")
    assert found.settings("a.example:5000") == TlsSettings(
        (everywhere, own / "b.crt", own / "ca.crt"), ((own / "me.cert", own / "me.key"),)
    )
    assert found.settings("b.example") == TlsSettings((everywhere, other / "ca.crt"))
    assert found.settings("a.example") == TlsSettings((everywhere,))


@pytest.mark.parametrize(("name", "missing"), [("me.cert", "me.key"), ("me.key", "me.cert")])
def test_a_client_certificate_needs_its_key(tmp_path: Path, name: str, missing: str) -> None:
    folder = write(tmp_path / "a.example", name, "ca.crt")
    with pytest.raises(InvalidInputError) as caught:
        contexts(tmp_path).settings("a.example")
    assert str(caught.value) == f"`{folder / name}` needs `{missing}` beside it"
    assert "`NAME.crt`" in (caught.value.hint or "")


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.example").symlink_to("a.example")
    with pytest.raises(InvalidInputError, match="cannot read the certificates in"):
        contexts(tmp_path).settings("a.example")


def test_only_named_hosts_are_insecure(tmp_path: Path) -> None:
    found = contexts(tmp_path, insecure=["a.example:5000"])
    found.skip_check("b.example")
    insecure = [host for host in ("a.example", "a.example:5000", "b.example") if not found.settings(host).verify]
    assert insecure == ["a.example:5000", "b.example"]
    assert found.context(TlsSettings(verify=False)).verify_mode is ssl.CERT_NONE
    assert found.context(TlsSettings()).verify_mode is ssl.CERT_REQUIRED


def test_a_host_may_become_insecure_later(tmp_path: Path) -> None:
    found = contexts(tmp_path)
    assert found.settings("a.example").verify
    found.skip_check("a.example")
    assert not found.settings("a.example").verify


def test_one_context_for_each_setting(tmp_path: Path) -> None:
    write(tmp_path / "a.example")
    found = contexts(tmp_path)
    assert found.context(found.settings("a.example")) is found.context(found.settings("b.example"))
    assert found.context(TlsSettings(verify=False)) is not found.context(TlsSettings())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the certificates in `.*ca.pem`: No such file"),
        ("no PEM", "`.*ca.pem` holds no certificates"),
    ],
)
def test_authorities_that_cannot_be_used(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidInputError, match=reason):
        HttpClient(ca_files=[file], certs_dirs=()).open("https://a.invalid/")


def test_client_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    folder = write(tmp_path / "a.invalid", "me.cert", "me.key")
    with pytest.raises(InvalidInputError) as caught:
        HttpClient(certs_dirs=[tmp_path]).open("https://a.invalid/")
    assert str(caught.value) == f"`{folder / 'me.cert'}` and `me.key` are no certificate with its key"


def test_default_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert [str(folder) for folder in default_certs_dirs()] == [
        "/somewhere/containers/certs.d",
        "/etc/containers/certs.d",
        "/etc/docker/certs.d",
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "it speaks no TLS on this port", "--plain-http a.example"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] x", "it refused us", "certs.d/a.example/"),
        ("[SSL] internal error", "[SSL] internal error", "check the name"),
    ],
)
def test_errors_of_the_handshake(text: str, message: str, hint: str) -> None:
    error = tls_error("a.example", ssl.SSLError(1, text))
    assert message in str(error)
    assert hint in (error.hint or "")
    assert not error.transient
