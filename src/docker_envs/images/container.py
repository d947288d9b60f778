"""What a container of an image runs: the part of a config that people set, checked and put over what an image says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.oci.config import ImageConfig

_PORT = re.compile(r"(\d{1,5})(/(?:tcp|udp|sctp))?\Z")
_SIGNAL = re.compile(r"(SIG[A-Z0-9]+([+-]\d+)?|\d+)\Z")
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")
#: The shortest time that engines take, in nanoseconds.
_SHORTEST = 10**6


def parse_duration(text: str) -> int:
    """Parse a time as engines write it, such as `30s`, `1m30s` or `500ms`, to nanoseconds.

    Raises:
        InvalidInputError: It is none.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidInputError(f"invalid duration {text!r}", hint="write it as `30s` or `1m30s`")
    return sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


class Healthcheck(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How an engine finds out whether a container works; times in nanoseconds, None leaves them to the engine.

    Attributes:
        test: `CMD` and a program with its arguments, `CMD-SHELL` and a line for the shell, or `NONE`, which takes away
            what the base says.
        interval: Between two checks.
        timeout: After which a check has failed.
        start_period: In which failures do not count.
        start_interval: Between two checks in that period.
        retries: Failures in a row that make a container unhealthy.

    Spec: Docker Image Specification v1.2, "Image JSON Field Descriptions", `Healthcheck`.
    """

    test: tuple[str, ...]
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    start_interval: int | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        kind, count = (self.test or ("",))[0], len(self.test)
        if not (
            (kind == "NONE" and count == 1) or (kind == "CMD" and count > 1) or (kind == "CMD-SHELL" and count == 2)
        ):
            raise InvalidInputError(
                f"invalid test of a health check {list(self.test)!r}",
                hint='write it as `["CMD", "PROGRAM", "ARGUMENT"]`, `["CMD-SHELL", "LINE"]` or `["NONE"]`',
            )
        for time in (self.interval, self.timeout, self.start_period, self.start_interval):
            if time is not None and time < _SHORTEST:
                raise InvalidInputError("a time of a health check is shorter than one millisecond")
        if self.retries is not None and self.retries < 1:
            raise InvalidInputError("a health check needs one retry or more")

    def to_json(self) -> dict[str, Any]:
        """The object in a config."""
        times = {
            "Interval": self.interval,
            "Timeout": self.timeout,
            "StartPeriod": self.start_period,
            "StartInterval": self.start_interval,
            "Retries": self.retries,
        }
        return {"Test": list(self.test), **{name: value for name, value in times.items() if value is not None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """What a container of the image runs; None, or nothing in a collection, keeps what the image says.

    Attributes:
        entrypoint: Program and first arguments; empty removes it. A new one removes the command, as in a Dockerfile.
        cmd: Default arguments, or program; empty removes it.
        user: User, with group as `user:group`; empty removes it, as in the two fields that follow.
        workdir: Working directory, an absolute path.
        stop_signal: Name or number.
        env: Environment variables.
        labels: Labels.
        ports: `PORT[/PROTOCOL]`, added; an empty text removes those before it, the image's among them.
        volumes: Absolute paths, added; an empty text removes as well.
        healthcheck: How the engine checks a container.
        shell: What runs commands in shell form, such as `("/bin/bash", "-c")`; empty removes it.
    """

    entrypoint: Sequence[str] | None = None
    cmd: Sequence[str] | None = None
    user: str | None = None
    workdir: str | None = None
    stop_signal: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[str] = ()
    volumes: Sequence[str] = ()
    healthcheck: Healthcheck | None = None
    shell: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for port in filter(None, self.ports):
            match = _PORT.match(port)
            if not match or not 0 < int(match[1]) < 65536:
                raise InvalidInputError(f"invalid port {port!r}", hint="write it as `8080` or `53/udp`")
        for path in filter(None, (*self.volumes, self.workdir)):
            if not path.startswith("/"):
                raise InvalidInputError(f"{path!r} is no absolute path", hint=f"write it as `/{path}`")
        if self.stop_signal and not _SIGNAL.match(self.stop_signal):
            raise InvalidInputError(f"invalid signal {self.stop_signal!r}", hint="write it as `SIGTERM` or `15`")


def container_changes(config: ImageConfig, settings: ContainerSettings) -> dict[str, Any]:
    """The fields of a config's `config` object that settings change, None for those that go; no `Env` and `Labels`."""
    changes: dict[str, Any] = {}
    if settings.entrypoint is not None:
        changes |= {"Entrypoint": list(settings.entrypoint) or None, "Cmd": None}
    if settings.cmd is not None:
        changes["Cmd"] = list(settings.cmd) or None
    if settings.shell is not None:
        changes["Shell"] = list(settings.shell) or None
    texts = {"User": settings.user, "WorkingDir": settings.workdir, "StopSignal": settings.stop_signal}
    changes |= {name: text or None for name, text in texts.items() if text is not None}
    ports = [port and (port if "/" in port else f"{port}/tcp") for port in settings.ports]
    for name, items in (("ExposedPorts", ports), ("Volumes", settings.volumes)):
        if items:
            changes[name] = _with_keys(config.container.get(name), items)
    if settings.healthcheck is not None:
        changes["Healthcheck"] = settings.healthcheck.to_json()
    return changes


def _with_keys(known: Any, items: Sequence[str]) -> dict[str, Any] | None:
    """A set of the specification's kind, an object with empty values, with more items; None when none is left."""
    keys = dict(known) if isinstance(known, dict) else {}
    for item in items:
        if item:
            keys[item] = {}
        else:
            keys.clear()
    return keys or None
