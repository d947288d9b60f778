"""Users and groups of an image: those that are declared, merged with those of the base.

Spec: passwd(5), group(5), shadow(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from docker_envs.errors import InvalidInputError

# What `useradd` of every distribution takes.
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?\Z")
#: The largest number of a user or group; the one above means "no change" to system calls.
MAX_ID = 2**32 - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group.

    Attributes:
        name: Its name.
        gid: Its number.
        members: Names of users that belong to it beside those whose primary group it is.
    """

    name: str
    gid: int
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_account("group", self.name, self.gid)
        for member in self.members:
            check_account("user", member, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user.

    Attributes:
        name: Their name.
        uid: Their number.
        group: Primary group, a name or number; None is the user's number. When no group has the number, one with the
            user's name is made.
        groups: Names of other groups that they belong to.
        home: Absolute path; it is made, but for `/` and `/nonexistent`. None is `/home/NAME`.
        shell: Absolute path of the program that a login runs.
        comment: Full name, or what the account is for.
    """

    name: str
    uid: int
    group: str | int | None = None
    groups: tuple[str, ...] = ()
    home: str | None = None
    shell: str = "/bin/sh"
    comment: str = ""

    def __post_init__(self) -> None:
        check_account("user", self.name, self.uid)
        if isinstance(self.group, int):
            check_account("group", "_", self.group)
        for name in (*self.groups, *([self.group] if isinstance(self.group, str) else [])):
            check_account("group", name, 0)
        for path in filter(None, (self.home, self.shell)):
            if not path.startswith("/") or _breaks_line(path) or ".." in path.split("/"):
                raise InvalidInputError(f"{path!r} of the user `{self.name}` is no absolute path")
        if _breaks_line(self.comment):
            raise InvalidInputError(f"the comment {self.comment!r} of the user `{self.name}` has a `:` or a line break")

    @property
    def home_path(self) -> str:
        """The home directory."""
        return self.home or f"/home/{self.name}"


def check_account(kind: str, name: str, number: int) -> None:
    """Check the name and number of a user or group.

    Raises:
        InvalidInputError: One of them is none.
    """
    if not _NAME.match(name):
        raise InvalidInputError(
            f"invalid name of a {kind} {name!r}", hint="small letters, digits, `_` and `-`, at most 32, no digit first"
        )
    if not 0 <= number <= MAX_ID:
        raise InvalidInputError(f"invalid number of the {kind} `{name}`: {number}", hint=f"choose one up to {MAX_ID}")


def _breaks_line(text: str) -> bool:
    return ":" in text or any(ord(character) < 32 or ord(character) == 127 for character in text)
