"""TLS: which authorities are trusted and which certificate is shown, host by host, and what goes wrong with them.

Spec: containers-certs.d(5); Docker, "Verify repository client with certificates".
"""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, TransportError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# OpenSSL's X509_V_ERR_* in `x509_vfy.h`.
_EXPIRED, _NOT_YET_VALID, _OTHER_NAMES = 10, 9, (62, 64)
_CLIENT_CERTIFICATE_WANTED = ("CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE", "ALERT_BAD_CERTIFICATE")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How TLS is spoken to one host.

    Attributes:
        ca_files: PEM files of authorities, beside those of the system.
        client_certificates: Pairs of PEM files, certificate and key.
        verify: Whether the server's certificate is checked.
    """

    ca_files: tuple[Path, ...] = ()
    client_certificates: tuple[tuple[Path, Path], ...] = ()
    verify: bool = True


class TlsContexts:
    """The settings of each host, and one context for each distinct setting; safe for many threads.

    Args:
        ca_files: PEM files of authorities for all hosts, beside those of the system.
        insecure: Hosts (`host` or `host:port`, as in URLs) whose certificates are not checked.
        certs_dirs: Folders with a folder for each host; the first that has one counts.
    """

    def __init__(
        self,
        *,
        ca_files: Iterable[Path] = (),
        insecure: Collection[str] = (),
        certs_dirs: Sequence[Path] | None = None,
    ) -> None:
        self._ca_files = tuple(ca_files)
        self._insecure = set(insecure)
        self._certs_dirs = default_certs_dirs() if certs_dirs is None else tuple(certs_dirs)
        self._lock = threading.Lock()
        self._settings: dict[str, TlsSettings] = {}
        self._contexts: dict[TlsSettings, ssl.SSLContext] = {}

    def skip_check(self, host: str) -> None:
        """Do not check the certificate of a host."""
        with self._lock:
            self._insecure.add(host)
            self._settings.pop(host, None)

    def settings(self, host: str) -> TlsSettings:
        """How TLS is spoken to a host (`host` or `host:port`).

        Raises:
            InvalidInputError: Its folder in `certs.d` cannot be used.
        """
        with self._lock:
            if host not in self._settings:
                authorities, pairs = _read_certs_dir(host, self._certs_dirs)
                verify = host not in self._insecure
                self._settings[host] = TlsSettings((*self._ca_files, *authorities), pairs, verify)
            return self._settings[host]

    def context(self, settings: TlsSettings) -> ssl.SSLContext:
        """The context for settings.

        Raises:
            InvalidInputError: One of the files cannot be used.
        """
        with self._lock:
            if settings not in self._contexts:
                self._contexts[settings] = _make_context(settings)
            return self._contexts[settings]


def default_certs_dirs() -> tuple[Path, ...]:
    """Where podman and Docker look for certificates, the user's own first."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    return home / "containers" / "certs.d", Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d")


def _read_certs_dir(host: str, certs_dirs: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[tuple[Path, Path], ...]]:
    """Authorities, and client certificates with their keys."""
    for folder in (parent / host for parent in certs_dirs):
        try:
            files = sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidInputError(f"cannot read the certificates in `{folder}`: {error.strerror}") from error
        pairs = {file.stem: file for file in files if file.suffix == ".cert"}
        keys = {file.stem: file for file in files if file.suffix == ".key"}
        for stem in sorted(pairs.keys() ^ keys.keys()):
            _raise_lone(pairs.get(stem) or keys[stem])
        return (
            tuple(file for file in files if file.suffix == ".crt"),
            tuple((pairs[stem], keys[stem]) for stem in sorted(pairs)),
        )
    return (), ()


def _raise_lone(file: Path) -> None:
    other = file.with_suffix(".key" if file.suffix == ".cert" else ".cert")
    raise InvalidInputError(
        f"`{file}` needs `{other.name}` beside it",
        hint="a client certificate is `NAME.cert` with `NAME.key`, an authority is `NAME.crt`",
    )


def _make_context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # As Go, so Docker and podman: what was named is trusted as it is, and old authorities need no extensions.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for file in settings.ca_files:
        try:
            context.load_verify_locations(file)
        except ssl.SSLError as error:
            raise InvalidInputError(f"`{file}` holds no certificates: expected PEM") from error
        except OSError as error:
            raise InvalidInputError(f"cannot read the certificates in `{file}`: {error.strerror}") from error
    for certificate, key in settings.client_certificates:
        try:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            raise InvalidInputError(f"`{certificate}` and `{key.name}` are no certificate with its key") from error
        except OSError as error:
            raise InvalidInputError(f"cannot read `{certificate}` or `{key.name}`: {error.strerror}") from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    return ""


def is_break(error: BaseException) -> bool:
    """Whether an error of TLS may be one of the network: nothing that certificates or versions are the reason of."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    return not any(word in str(error) for word in (*_NO_TLS, *_CLIENT_CERTIFICATE_WANTED))


def tls_error(host: str, error: BaseException) -> TransportError:
    """The error for a connection to a host that was not made.

    Args:
        host: Name or address, with a port if it is not the usual one.
        error: What the system said.
    """
    start = f"no secure connection to `{host}`"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted: {error.verify_message}"
        hint = f"put the certificate of its authority into `/etc/containers/certs.d/{host}/ca.crt`, or name it with "
        hint += "`--ca-file` or in `SSL_CERT_FILE`"
        if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
            reason = f"its certificate {'has expired' if error.verify_code == _EXPIRED else 'is not yet valid'}"
            hint = "whoever runs it must renew it; check the clock of this machine too"
        elif error.verify_code in _OTHER_NAMES:
            reason = f"its certificate is for another host: {error.verify_message.rstrip('.')}"
            hint = "use a name that is in the certificate"
        return TransportError(f"{start}: {reason}", hint=hint)
    text = str(error)
    if any(word in text for word in _NO_TLS):
        hint = f"if you trust the network in between, allow plain HTTP with `--plain-http {host}`"
        return TransportError(f"{start}: it speaks no TLS on this port", hint=hint)
    if any(word in text for word in _CLIENT_CERTIFICATE_WANTED):
        hint = f"if it wants a client certificate, put it into `/etc/containers/certs.d/{host}/`, as `client.cert` and "
        return TransportError(f"{start}: it refused us: {_words(error)}", hint=f"{hint}`client.key`")
    return TransportError(f"{start}: {_words(error)}", hint="check the name, the port and the proxy settings")


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)
