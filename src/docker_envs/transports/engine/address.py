"""Where the engine is: environment variables, Docker's contexts, and the usual sockets of Docker and podman.

Spec: Docker CLI, "Environment variables", "Docker contexts"; podman-remote(1), "Environment Variables".
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker_envs.errors import EngineError
from docker_envs.fields import Fields
from docker_envs.transports.blobs import storage_errors
from docker_envs.transports.engine.answers import START_HINT, engine_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker import APIClient
    from docker.tls import TLSConfig

#: The context that stands for no context.
_DEFAULT_CONTEXT = "default"

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"

#: How long an engine may be silent, in seconds; it says nothing while it unpacks a big layer.
SILENCE_SECONDS = 600
#: How long it has for its first answer.
_ANSWER_SECONDS = 30

_ACCESS_HINT = "add yourself to the group `docker`, or set `DOCKER_HOST` to an engine of your own"


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine may be.

    Attributes:
        url: `unix:///path`, `tcp://host:port` and the like.
        tls: Certificates, if it wants TLS.
    """

    url: str
    tls: TLSConfig | None = None


def engine_addresses(environment: Mapping[str, str], base_url: str | None = None) -> list[EngineAddress]:
    """Where to look for an engine, best first; just one when somebody chose it.

    Args:
        environment: Environment variables.
        base_url: An address that goes before all others.

    Raises:
        EngineError: A context was chosen that is not there, or cannot be used.
        FormatError: Docker's configuration, or a context, is no valid JSON.
    """
    from docker.utils import kwargs_from_env

    with engine_errors("use `DOCKER_HOST`"):
        settings = kwargs_from_env(dict(environment))
    if chosen := base_url or settings.get("base_url"):
        return [EngineAddress(chosen, settings.get("tls") or None)]
    folder = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")
    context = environment.get("DOCKER_CONTEXT") or _current_context(folder)
    if context != _DEFAULT_CONTEXT:
        return [_context_address(folder, context)]
    if chosen := environment.get("CONTAINER_HOST"):
        return [EngineAddress(chosen)]
    sockets = [DOCKER_SOCKET, PODMAN_SOCKET]
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        sockets.insert(1, f"{runtime}/podman/podman.sock")
    return [EngineAddress(f"unix://{path}") for path in sockets]


def _current_context(folder: Path) -> str:
    document = _read_json(folder / "config.json")
    return (document.get("currentContext", str) if document else None) or _DEFAULT_CONTEXT


def _context_address(folder: Path, name: str) -> EngineAddress:
    identifier = hashlib.sha256(name.encode()).hexdigest()
    document = _read_json(folder / "contexts/meta" / identifier / "meta.json")
    hint = "see `docker context ls`, or set `DOCKER_HOST`"
    if document is None:
        raise EngineError(f"there is no Docker context `{name}`", hint=hint)
    endpoint = document.object("Endpoints").object("docker")
    url = endpoint.get("Host", str)
    if not url:
        raise EngineError(f"the Docker context `{name}` has no address of a Docker engine", hint=hint)
    certificates = folder / "contexts/tls" / identifier / "docker"
    return EngineAddress(url, _tls(certificates, verify=not endpoint.get("SkipTLSVerify", bool)))


def _tls(folder: Path, *, verify: bool) -> TLSConfig | None:
    from docker.tls import TLSConfig

    authority, certificate, key = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
    pair = (str(certificate), str(key)) if certificate.exists() and key.exists() else None
    if pair is None and not authority.exists():
        return None
    with engine_errors(f"use the certificates in `{folder}`"):
        return TLSConfig(client_cert=pair, ca_cert=str(authority) if authority.exists() else None, verify=verify)


def _read_json(path: Path) -> Fields | None:
    if not path.exists():
        return None
    with storage_errors("read", path):
        return Fields.parse(path.read_bytes(), source=str(path))


def connect(addresses: Sequence[EngineAddress]) -> tuple[APIClient, str | None]:
    """A client of the first engine that answers, and its unix socket if it has one.

    Raises:
        EngineError: None does.
    """
    problems = []
    for address in addresses:
        try:
            return _client(address)
        except EngineError as error:
            if len(addresses) == 1:
                raise
            problems.append(error)
    refused = any(isinstance(problem.__cause__, PermissionError) for problem in problems)
    raise EngineError(
        f"found no container engine: {'; '.join(map(str, problems))}", hint=_ACCESS_HINT if refused else START_HINT
    )


def _client(address: EngineAddress) -> tuple[APIClient, str | None]:
    import requests
    from docker import APIClient
    from docker.errors import DockerException
    from docker.utils import parse_host

    with engine_errors(f"connect to `{address.url}`"):
        path = _socket_path(str(parse_host(address.url)))
    if path is not None:
        _probe(path)
    settings: dict[str, Any] = {"base_url": address.url, "tls": address.tls or False}
    try:
        first = APIClient(version="auto", timeout=_ANSWER_SECONDS, **settings)
        first.close()
        return APIClient(version=first.api_version, timeout=SILENCE_SECONDS, **settings), path
    except (DockerException, requests.RequestException) as error:
        message = f"no container engine answers at `{path or address.url}` ({error})"
        raise EngineError(message, hint=START_HINT) from error


def _socket_path(url: str) -> str | None:
    scheme, _, path = url.partition("://")
    return path if scheme == "http+unix" else None


def _probe(path: str) -> None:
    """Look whether somebody listens at a socket: the system's own error tells what is wrong there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except PermissionError as error:
            raise EngineError(f"no permission to use the engine at `{path}`", hint=_ACCESS_HINT) from error
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise EngineError(f"no container engine answers at `{path}` ({reason})", hint=START_HINT) from error
