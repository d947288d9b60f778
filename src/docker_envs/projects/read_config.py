"""What a declaration says about containers: `config`, `users` and `groups`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.builder.application.accounts import MAX_ID, Group, User, check_account
from docker_envs.documents.node import Kind, Node
from docker_envs.images.container import ContainerSettings, Healthcheck
from docker_envs.projects import checking

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
HEALTHCHECK_KEYS = ("test", "interval", "timeout", "start_period", "start_interval", "retries")
USER_KEYS = ("name", "uid", "gid", "groups", "home", "shell", "comment")
GROUP_KEYS = ("name", "gid", "members")

_TIMES = ("interval", "timeout", "start_period", "start_interval")


def read_config(node: Node | None) -> ContainerSettings:
    """`config`.

    Raises:
        InvalidDeclarationError: Something in it is none.
    """
    if node is None:
        return ContainerSettings()
    fields = _said(node.mapping("a mapping of what a container runs", known=CONFIG_KEYS))
    commands = {
        key: checking.command(fields[key], f"`{key}`") for key in ("entrypoint", "cmd", "shell") if key in fields
    }
    ports = fields["ports"].items("a list of ports") if "ports" in fields else []
    volumes = fields["volumes"].items("a list of paths") if "volumes" in fields else []
    return ContainerSettings(
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
    checking.checked(node, lambda port: ContainerSettings(ports=[port or "?"]), text)
    return text if "/" in text else f"{text}/tcp"


def _signal(node: Node) -> str:
    text = checking.written(node, "a signal")
    checking.checked(node, lambda signal: ContainerSettings(stop_signal=signal or "?"), text)
    return text


def _healthcheck(node: Node) -> Healthcheck:
    fields = _said(node.mapping("a mapping of `test`, `interval` and so on", known=HEALTHCHECK_KEYS))
    if "test" not in fields:
        raise node.error("the healthcheck has no `test`")
    times = {key: checking.duration(fields[key]) for key in _TIMES if key in fields}
    retries = checking.whole_number(fields["retries"], "a number of retries", least=1) if "retries" in fields else None
    return Healthcheck(test=_test(fields["test"]), retries=retries, **times)


def _test(node: Node) -> tuple[str, ...]:
    if node.kind is Kind.TEXT:
        return ("CMD-SHELL", checking.filled(node, "a command"))
    words = tuple(checking.written(item, "a word of `test`") for item in node.items("a command, or a list"))
    checking.checked(node, lambda _: Healthcheck(test=words))
    return words


def read_users(node: Node | None, groups: Sequence[Group]) -> tuple[User, ...]:
    """`users`; who has no `gid` belongs to the group of the same name that is declared, if there is one.

    Raises:
        InvalidDeclarationError: Something in it is none, or two have one name or number.
    """
    users: list[User] = []
    for item in node.items("a list of users") if node else []:
        fields = _said(item.mapping("a mapping of `name`, `uid` and so on", known=USER_KEYS))
        name, uid = _name(item, fields, "user"), _number(item, fields, "uid", "user")
        for other in users:
            if name == other.name or uid == other.uid:
                same = "name" if name == other.name else "uid"
                raise item.error(f"the users `{other.name}` and `{name}` have the same {same}")
        others = fields["groups"].items("a list of groups") if "groups" in fields else []
        same_name = name if any(group.name == name for group in groups) else None
        user = User(
            name=name,
            uid=uid,
            group=_group(item, fields) if "gid" in fields else same_name,
            groups=tuple(_account(other, "group") for other in others),
        )
        for key in ("home", "shell"):
            if key in fields:
                user = checking.checked(fields[key], partial(_with_path, user, key), checking.image_path(fields[key]))
        if "comment" in fields:
            user = checking.checked(
                fields["comment"], partial(_with_comment, user), fields["comment"].text("a comment")
            )
        users.append(user)
    return tuple(users)


def _with_path(user: User, key: str, path: str) -> User:
    return replace(user, home=path) if key == "home" else replace(user, shell=path)


def _with_comment(user: User, comment: str) -> User:
    return replace(user, comment=comment)


def read_groups(node: Node | None) -> tuple[Group, ...]:
    """`groups`.

    Raises:
        InvalidDeclarationError: Something in it is none, or two have one name or number.
    """
    groups: list[Group] = []
    for item in node.items("a list of groups") if node else []:
        fields = _said(item.mapping("a mapping of `name` and `gid`", known=GROUP_KEYS))
        name, gid = _name(item, fields, "group"), _number(item, fields, "gid", "group")
        for other in groups:
            if name == other.name or gid == other.gid:
                same = "name" if name == other.name else "gid"
                raise item.error(f"the groups `{other.name}` and `{name}` have the same {same}")
        members = fields["members"].items("a list of users") if "members" in fields else []
        groups.append(Group(name=name, gid=gid, members=tuple(_account(member, "user") for member in members)))
    return tuple(groups)


def _name(item: Node, fields: dict[str, Node], kind: str) -> str:
    if "name" not in fields:
        raise item.error(f"the {kind} has no `name`")
    return _account(fields["name"], kind)


def _account(node: Node, kind: str) -> str:
    name = node.text(f"the name of a {kind}")
    checking.checked(node, lambda text: check_account(kind, text, 0))
    return name


def _number(item: Node, fields: dict[str, Node], key: str, kind: str) -> int:
    if key not in fields:
        raise item.error(f"the {kind} has no `{key}`")
    return checking.whole_number(fields[key], f"the number `{key}`", most=MAX_ID)


def _group(item: Node, fields: dict[str, Node]) -> str | int:
    """The primary group, by its number or name."""
    if fields["gid"].kind is Kind.TEXT:
        return _account(fields["gid"], "group")
    return _number(item, fields, "gid", "user")
