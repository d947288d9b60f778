"""`/etc/passwd`, `/etc/group` and `/etc/shadow` as texts: looked up, and with more accounts.

Lines of the base stay as they are, unreadable ones included; new ones follow in the order of the declaration.

Spec: passwd(5), group(5), shadow(5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker_envs.builder.application.accounts import Group, User

_ROOT_USER = "root:x:0:0:root:/root:/bin/sh\n"
_ROOT_GROUP = "root:x:0:\n"


@dataclass(frozen=True, slots=True)
class AccountFiles:
    """The texts of the files.

    Attributes:
        passwd: `/etc/passwd`.
        group: `/etc/group`.
        shadow: `/etc/shadow`; None when the image has none.
    """

    passwd: str = _ROOT_USER
    group: str = _ROOT_GROUP
    shadow: str | None = None

    def user(self, name: str) -> tuple[int, int] | None:
        """Numbers of a user and their primary group; None when there is no such user."""
        return next(((uid, gid) for known, uid, gid in self._users() if known == name), None)

    def gid(self, name: str) -> int | None:
        """Number of a group; None when there is no such group."""
        return next((gid for known, gid in self._groups() if known == name), None)

    def owner(self, text: str) -> tuple[int, int]:
        """Numbers of `USER[:GROUP]`; without a group it is that of the user, or has the number of an unnamed one.

        Raises:
            InvalidInputError: There is no such user or group.
        """
        user, colon, group = text.partition(":")
        if user.isdecimal():
            numbers = (int(user), int(user))
        else:
            found = self.user(user)
            if found is None:
                raise InvalidInputError(
                    f"the image has no user `{user}`", hint="declare it in `users`, or use a number"
                )
            numbers = found
        if not colon:
            return numbers
        gid = int(group) if group.isdecimal() else self.gid(group)
        if gid is None:
            raise InvalidInputError(f"the image has no group `{group}`", hint="declare it in `groups`, or use a number")
        return numbers[0], gid

    def with_accounts(self, users: Sequence[User], groups: Sequence[Group]) -> AccountFiles:
        """With users and groups, those that are there already left as they are.

        Raises:
            InvalidInputError: A name has another number, a number another name, or a group or member is unknown.
        """
        files = self
        for group in groups:
            files = files._with_group(group.name, group.gid)
        for user in users:
            files = files._with_user(user)
        for group in groups:
            for member in group.members:
                files = files._with_member(group.name, member)
        for user in users:
            for name in user.groups:
                files = files._with_member(name, user.name)
        return files

    def _users(self) -> Iterator[tuple[str, int, int]]:
        for line in self.passwd.splitlines():
            fields = line.split(":")
            if len(fields) >= 4 and fields[2].isdecimal() and fields[3].isdecimal():
                yield fields[0], int(fields[2]), int(fields[3])

    def _groups(self) -> Iterator[tuple[str, int]]:
        for line in self.group.splitlines():
            fields = line.split(":")
            if len(fields) >= 3 and fields[2].isdecimal():
                yield fields[0], int(fields[2])

    def _with_group(self, name: str, gid: int) -> AccountFiles:
        known = self.gid(name)
        if known == gid:
            return self
        _check_free("group", name, gid, known, [each for each, number in self._groups() if number == gid])
        return replace(self, group=f"{_ended(self.group)}{name}:x:{gid}:\n")

    def _with_user(self, user: User) -> AccountFiles:
        known = self.user(user.name)
        others = [name for name, uid, _ in self._users() if uid == user.uid]
        if known is None or known[0] != user.uid:
            _check_free("user", user.name, user.uid, None if known is None else known[0], others)
        files, gid = self._with_primary_group(user)
        if known == (user.uid, gid):
            return files
        if known is not None:
            raise InvalidInputError(
                f"the user `{user.name}` is in the group {known[1]} already, not in {gid}", hint="declare that group"
            )
        line = f"{user.name}:x:{user.uid}:{gid}:{user.comment}:{user.home_path}:{user.shell}\n"
        # `!`: no password fits. The day of its last change would be a clock's.
        shadow = None if self.shadow is None else f"{_ended(self.shadow)}{user.name}:!:::::::\n"
        return replace(files, passwd=_ended(self.passwd) + line, shadow=shadow)

    def _with_primary_group(self, user: User) -> tuple[AccountFiles, int]:
        if isinstance(user.group, str):
            gid = self.gid(user.group)
            if gid is None:
                raise InvalidInputError(
                    f"the image has no group `{user.group}` for the user `{user.name}`", hint="declare it in `groups`"
                )
            return self, gid
        gid = user.uid if user.group is None else user.group
        has_name = any(number == gid for _, number in self._groups())
        return (self if has_name else self._with_group(user.name, gid)), gid

    def _with_member(self, group: str, member: str) -> AccountFiles:
        for kind, name, found in (("group", group, self.gid(group)), ("user", member, self.user(member))):
            if found is None:
                raise InvalidInputError(f"the image has no {kind} `{name}`", hint=f"declare it in `{kind}s`")
        lines = _ended(self.group).splitlines()
        for number, line in enumerate(lines):
            fields = line.split(":")
            if fields[0] == group and len(fields) >= 3:
                members = [name for name in (fields[3] if len(fields) > 3 else "").split(",") if name]
                if member not in members:
                    lines[number] = ":".join([*fields[:3], ",".join([*members, member])])
                break
        return replace(self, group="".join(f"{line}\n" for line in lines))


def _check_free(kind: str, name: str, number: int, known: int | None, others: Sequence[str]) -> None:
    if known is not None:
        raise InvalidInputError(
            f"the image has a {kind} `{name}` already, with the number {known} instead of {number}",
            hint=f"declare it with {known}, or choose another name",
        )
    if others:
        raise InvalidInputError(
            f"the number {number} of the {kind} `{name}` belongs to `{others[0]}`", hint="choose another number"
        )


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
