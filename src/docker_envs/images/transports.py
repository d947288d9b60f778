"""The transports of one command, made when they are needed first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from docker_envs.report import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.report import Reporter
    from docker_envs.transports.engine.client import Engine
    from docker_envs.transports.http import HttpClient
    from docker_envs.transports.registry.client import RegistryClient


@dataclass(frozen=True, slots=True)
class Connection:
    """How registries are reached.

    Attributes:
        plain_http: Registries (`host:port`) that are spoken to without TLS.
        insecure: Registries (`host:port`) whose certificates are not checked.
        ca_files: PEM files of further authorities.
        auth_file: The only file with credentials; None looks where tools keep theirs.
    """

    plain_http: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    auth_file: Path | None = None


class Transports:
    """HTTP client, registry client and engine, which a command without network never makes."""

    def __init__(self, connection: Connection = Connection(), *, reporter: Reporter = SILENT) -> None:
        self.connection = connection
        self.reporter = reporter

    @cached_property
    def http(self) -> HttpClient:
        """The HTTP client."""
        from docker_envs.transports.http import HttpClient

        return HttpClient(ca_files=self.connection.ca_files, insecure=self.connection.insecure)

    @cached_property
    def registry(self) -> RegistryClient:
        """The registry client."""
        from docker_envs.transports.authentication.config_files import StoredCredentials
        from docker_envs.transports.registry.client import RegistryClient

        return RegistryClient(
            http=self.http,
            credentials=StoredCredentials(self.connection.auth_file),
            plain_http=self.connection.plain_http,
            insecure=self.connection.insecure,
            reporter=self.reporter,
        )

    @cached_property
    def engine(self) -> Engine:
        """The local engine.

        Raises:
            EngineError: None answers.
        """
        from docker_envs.transports.engine.client import Engine

        return Engine(reporter=self.reporter)
