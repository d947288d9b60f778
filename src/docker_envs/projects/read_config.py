"""What a declaration says about containers: `config`, `users` and `groups`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind, Node
from docker_envs.images.mutate import Mutation
from docker_envs.projects import checking
from docker_envs.projects.model import DeclaredConfig, DeclaredGroup, DeclaredUser, HealthCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG_KEYS = (
    "entrypoint",
    "cmd",
    "env",
    "user",
    "workdir",
    "ports",
    "volumes",
    "labels",
    "stop_signal",
    "healthcheck",
    "shell",
)
HEALTHCHECK_KEYS = ("test", "interval", "timeout", "start_period", "retries")
USER_KEYS = ("name", "uid", "gid", "home", "shell")
GROUP_KEYS = ("name", "gid", "members")

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\Z")
_FORMS = ("CMD", "CMD-SHELL", "NONE")


def read_config(node: Node | None) -> DeclaredConfig:
    """`config`.

    Raises:
        InvalidDeclarationError: Something in it is none.
    """
    if node is None:
        return DeclaredConfig()
    fields = _said(node.mapping("a mapping of what a container runs", known=CONFIG_KEYS))
    commands = {
        key: checking.command(fields[key], f"`{key}`") for key in ("entrypoint", "cmd", "shell") if key in fields
    }
    ports = fields["ports"].items("a list of ports") if "ports" in fields else []
    volumes = fields["volumes"].items("a list of paths") if "volumes" in fields else []
    return DeclaredConfig(
        entrypoint=commands.get("entrypoint"),
        cmd=commands.get("cmd"),
        shell=commands.get("shell"),
        env=checking.pairs(fields["env"], "a mapping of environment variables") if "env" in fields else {},
        labels=checking.pairs(fields["labels"], "a mapping of labels") if "labels" in fields else {},
        user=checking.written(fields["user"], "a user") if "user" in fields else None,
        workdir=checking.image_path(fields["workdir"]) if "workdir" in fields else None,
        ports=tuple(dict.fromkeys(_port(port) for port in ports)),
        volumes=tuple(dict.fromkeys(checking.image_path(volume) for volume in volumes)),
        stop_signal=_signal(fields["stop_signal"]) if "stop_signal" in fields else None,
        healthcheck=_healthcheck(fields["healthcheck"]) if "healthcheck" in fields else None,
    )


def _said(fields: dict[str, Node]) -> dict[str, Node]:
    """Without what is nothing."""
    return {key: value for key, value in fields.items() if not value.is_null}


def _port(node: Node) -> str:
    text = checking.written(node, "a port")
    checking.checked(node, lambda port: Mutation(ports=[port or "?"]), text)
    return text if "/" in text else f"{text}/tcp"


def _signal(node: Node) -> str:
    text = checking.written(node, "a signal")
    checking.checked(node, lambda signal: Mutation(stop_signal=signal or "?"), text)
    return text


def _healthcheck(node: Node) -> HealthCheck:
    fields = node.mapping("a mapping of `test`, `interval` and so on", known=HEALTHCHECK_KEYS)
    if "test" not in fields:
        raise node.error("the healthcheck has no `test`")
    times = {key: checking.duration(fields[key]) for key in ("interval", "timeout", "start_period") if key in fields}
    retries = checking.whole_number(fields["retries"], "a number of retries") if "retries" in fields else None
    return HealthCheck(
        _test(fields["test"]),
        interval=times.get("interval"),
        timeout=times.get("timeout"),
        start_period=times.get("start_period"),
        retries=retries,
    )


def _test(node: Node) -> tuple[str, ...]:
    if node.kind is Kind.TEXT:
        return ("CMD-SHELL", checking.filled(node, "a command"))
    words = tuple(checking.written(item, "a word of `test`") for item in node.items("a command, or a list"))
    form = words[0] if words else ""
    if form not in _FORMS:
        raise node.error(f"`test` begins with `{form}`", hint="begin it with `CMD`, `CMD-SHELL` or `NONE`")
    expected = {"NONE": len(words) == 1, "CMD-SHELL": len(words) == 2, "CMD": len(words) > 1}
    if not expected[form]:
        raise node.error(
            f"`test` has {len(words) - 1} words behind `{form}`",
            hint="`CMD` needs at least one, `CMD-SHELL` exactly one, `NONE` none",
        )
    return words


def read_users(node: Node | None, groups: Sequence[DeclaredGroup]) -> tuple[DeclaredUser, ...]:
    """`users`; who has no `gid` gets the one of the group of the same name, or the number of `uid`.

    Raises:
        InvalidDeclarationError: Something in it is none, or two have one name or number.
    """
    users: list[DeclaredUser] = []
    numbers = {group.name: group.gid for group in groups}
    for item in node.items("a list of users") if node else []:
        fields = item.mapping("a mapping of `name`, `uid` and so on", known=USER_KEYS)
        name, uid = _name(item, fields, "user"), _number(item, fields, "uid", "user")
        gid = _number(item, fields, "gid", "user") if "gid" in fields else numbers.get(name, uid)
        home = checking.image_path(fields["home"]) if "home" in fields else f"/home/{name}"
        shell = checking.image_path(fields["shell"]) if "shell" in fields else "/bin/sh"
        for path in ("home", "shell"):
            if path in fields and ":" in fields[path].written:
                raise fields[path].error(f"`{path}` cannot have `:` in it")
        for other in users:
            if name == other.name or uid == other.uid:
                raise item.error(
                    f"the users `{other.name}` and `{name}` have the same {'name' if name == other.name else 'uid'}"
                )
        users.append(DeclaredUser(name, uid, gid, home, shell))
    return tuple(users)


def read_groups(node: Node | None) -> tuple[DeclaredGroup, ...]:
    """`groups`.

    Raises:
        InvalidDeclarationError: Something in it is none, or two have one name or number.
    """
    groups: list[DeclaredGroup] = []
    for item in node.items("a list of groups") if node else []:
        fields = item.mapping("a mapping of `name` and `gid`", known=GROUP_KEYS)
        name, gid = _name(item, fields, "group"), _number(item, fields, "gid", "group")
        members = (
            [_account(member, "user") for member in fields["members"].items("a list of users")]
            if "members" in fields
            else []
        )
        for other in groups:
            if name == other.name or gid == other.gid:
                raise item.error(
                    f"the groups `{other.name}` and `{name}` have the same {'name' if name == other.name else 'gid'}"
                )
        groups.append(DeclaredGroup(name, gid, tuple(members)))
    return tuple(groups)


def _name(item: Node, fields: dict[str, Node], what: str) -> str:
    if "name" not in fields:
        raise item.error(f"the {what} has no `name`")
    return _account(fields["name"], what)


def _account(node: Node, what: str) -> str:
    name = node.text(f"the name of a {what}")
    if not _NAME.match(name):
        raise node.error(
            f"invalid name of a {what} `{name}`", hint="use at most 32 lower case letters, digits, `_`, `.` and `-`"
        )
    return name


def _number(item: Node, fields: dict[str, Node], key: str, what: str) -> int:
    if key not in fields:
        raise item.error(f"the {what} has no `{key}`")
    return checking.whole_number(fields[key], f"the number `{key}`")
