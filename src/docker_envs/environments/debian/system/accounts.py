"""Users and groups that maintainer scripts and `sysusers.d` ask for, as lines of the files of accounts.

Numbers are the lowest (or highest) free ones in the order of the packages, as the programs choose them, so the same
packages always have the same. Dates of passwords, which would be a clock's, stay empty.

Spec: adduser(8), addgroup(8), useradd(8), groupadd(8), sysusers.d(5), passwd(5), group(5), shadow(5).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.debian.system.files import SystemFiles

PASSWD, GROUP, SHADOW, GSHADOW = "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"
_NOLOGIN = "/usr/sbin/nologin"
_NAME = re.compile(r"[a-z_A-Z][a-z_A-Z0-9.-]*\$?\Z")
#: Numbers for the system: `adduser` takes them from the low end, `useradd` and systemd from the high one.
_SYSTEM = range(100, 1000)
_NOGROUP = 65534
#: Numbers that every Debian system has, for images without `base-passwd`.
#: Spec: Debian Policy 4.7, section 9.2; `group.master` of base-passwd.
_WELL_KNOWN = {
    "root": 0,
    "daemon": 1,
    "bin": 2,
    "sys": 3,
    "adm": 4,
    "tty": 5,
    "disk": 6,
    "lp": 7,
    "mail": 8,
    "man": 12,
    "kmem": 15,
    "www-data": 33,
    "backup": 34,
    "shadow": 42,
    "utmp": 43,
    "staff": 50,
    "games": 60,
    "nogroup": 65534,
}
_WELL_KNOWN_USERS = {"root": 0, "daemon": 1, "man": 6, "mail": 8, "www-data": 33, "backup": 34, "nobody": 65534}
_MINIMAL = {
    PASSWD: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    GROUP: "root:x:0:\nshadow:x:42:\nutmp:x:43:\nstaff:x:50:\nnogroup:x:65534:\n",
}


@dataclass(frozen=True, slots=True)
class _User:
    """What somebody wants of a user; None is for the program to choose."""

    name: str
    uid: int | None = None
    gid: int | None = None
    comment: str = ""
    home: str = "/nonexistent"
    shell: str = _NOLOGIN


class Accounts:
    """The accounts of a system, in its files."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files

    def line(self, database: str, key: str) -> str | None:
        """The line of a user (`passwd`) or group (`group`), by name or number; None when there is none."""
        lines = self._lines({"passwd": PASSWD, "group": GROUP}.get(database, database))
        return next((line for line in lines if key in (line.split(":")[0], *line.split(":")[2:3])), None)

    def uid(self, name: str) -> int | None:
        """Number of a user, given by name or number."""
        return self._number(PASSWD, name, _WELL_KNOWN_USERS)

    def gid(self, name: str) -> int | None:
        """Number of a group, given by name or number."""
        return self._number(GROUP, name, _WELL_KNOWN)

    def groups_of(self, name: str, gid: str) -> list[str]:
        """Names of the groups of a user, that of its number first."""
        lines = [line.split(":") for line in self._lines(GROUP)]
        first = [fields[0] for fields in lines if fields[2] == gid] or [gid]
        return [*first[:1], *(each[0] for each in lines if len(each) == 4 and name in each[3].split(","))]

    def add_by_adduser(self, words: Sequence[str], *, is_group: bool = False) -> bool:
        """`adduser` or `addgroup`; False for what is not understood."""
        options, names = _options(words, _ADDUSER_VALUES)
        if options is None or not names or not all(map(_NAME.match, names)):
            return False
        if len(names) == 2 and not is_group:
            return self._add_member(names[1], names[0])
        if len(names) != 1 or "--system" not in options:
            return False
        name = names[0]
        if is_group:
            return self._add_group(name, _number(options.get("--gid")), _SYSTEM)
        if self.line(PASSWD, name) is not None:
            return True
        uid = _number(options.get("--uid"))
        if "--group" in options:
            uid = self._free(_SYSTEM, PASSWD, GROUP) if uid is None else uid
            self._add_group(name, uid, _SYSTEM)
            gid = self.gid(name)
        else:
            gid = self.gid(options.get("--ingroup") or options.get("--gid") or str(_NOGROUP))
        uid = self._free(_SYSTEM, PASSWD) if uid is None else uid
        comment = options.get("--gecos") or options.get("--comment") or ""
        home = options.get("--home") or f"/home/{name}"
        return gid is not None and self._add_user(
            _User(name, uid, gid, comment, home, options.get("--shell") or _NOLOGIN),
            makes_home="--no-create-home" not in options and home != "/nonexistent",
        )

    def add_by_useradd(self, words: Sequence[str], *, is_group: bool = False) -> bool:
        """`useradd` or `groupadd`; False for what is not understood."""
        options, names = _options(words, _USERADD_VALUES)
        if options is None or len(names) != 1 or not _NAME.match(names[0]):
            return False
        name = names[0]
        numbers = _SYSTEM[::-1] if "-r" in options or "--system" in options else range(1000, 60000)
        if is_group:
            return self._add_group(name, _number(_either(options, "-g", "--gid")), numbers)
        if self.line(PASSWD, name) is not None:
            return True
        uid = _number(_either(options, "-u", "--uid"))
        wanted = _either(options, "-g", "--gid")
        if wanted is None:
            uid = self._free(numbers, PASSWD, GROUP) if uid is None else uid
            self._add_group(name, uid, numbers)
            wanted = name
        gid = self.gid(wanted)
        uid = self._free(numbers, PASSWD) if uid is None else uid
        user = _User(
            name,
            uid,
            gid,
            _either(options, "-c", "--comment") or "",
            _either(options, "-d", "--home-dir") or _either(options, "--home") or f"/home/{name}",
            _either(options, "-s", "--shell") or "/bin/sh",
        )
        makes_home = "-m" in options or "--create-home" in options
        return gid is not None and self._add_user(user, makes_home=makes_home)

    def add_by_sysusers(self, text: str) -> None:
        """Every line of a file in `sysusers.d` that names a user, a group or a member."""
        for line in text.splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            kind, name = (*words, "", "")[:2]
            number, comment, home, shell = (
                *(None if word == "-" else word for word in words[2:]),
                None,
                None,
                None,
                None,
            )[:4]
            if not _NAME.match(name):
                continue
            if kind.rstrip("!-") == "g":
                self._add_group(name, _number(number), _SYSTEM[::-1])
            elif kind.rstrip("!-") == "u" and self.line(PASSWD, name) is None:
                self._add_system_user(name, number, comment or "", home or "/", shell or _NOLOGIN)
            elif kind == "m" and number:
                self._add_member(number, name)

    def add_shadow(self) -> None:
        """`/etc/shadow` with the passwords of all users, none of which can log in by one."""
        if SHADOW not in self._files:
            users = [line.split(":") for line in self._lines(PASSWD)]
            content = "".join(f"{user[0]}:{user[1] if user[1] != 'x' else '*'}::0:99999:7:::\n" for user in users)
            self._write(SHADOW, content, mode=0o640)
            self._write(PASSWD, "".join(":".join([user[0], "x", *user[2:]]) + "\n" for user in users))
        if GSHADOW not in self._files:
            groups = [line.split(":") for line in self._lines(GROUP)]
            self._write(GSHADOW, "".join(f"{group[0]}:*::{group[3]}\n" for group in groups), mode=0o640)
            self._write(GROUP, "".join(":".join([group[0], "x", *group[2:]]) + "\n" for group in groups))
        for path in (SHADOW, GSHADOW):
            self._files.change(path, owner=(0, self.gid("shadow")))

    def add_minimal(self) -> None:
        """`root` and `nobody` in an image that has no accounts."""
        for path in (PASSWD, GROUP):
            if path not in self._files:
                self._write(path, _MINIMAL[path])

    def _add_system_user(self, name: str, number: str | None, comment: str, home: str, shell: str) -> None:
        uid, colon, group = (number or "").partition(":")
        wanted = _number(uid)
        if colon:
            gid = self.gid(group)
        else:
            wanted = self._free(_SYSTEM[::-1], PASSWD, GROUP) if wanted is None else wanted
            self._add_group(name, wanted, _SYSTEM[::-1])
            gid = self.gid(name)
        wanted = self._free(_SYSTEM[::-1], PASSWD) if wanted is None else wanted
        if gid is not None:
            self._add_user(_User(name, wanted, gid, comment, home, shell), makes_home=False)

    def _add_user(self, user: _User, *, makes_home: bool) -> bool:
        fields = (user.name, "x", str(user.uid), str(user.gid), user.comment, user.home, user.shell)
        if any(":" in field or "\n" in field for field in fields):
            return False
        self.add_minimal()
        self._append(PASSWD, ":".join(fields))
        if SHADOW in self._files:
            self._append(SHADOW, f"{user.name}:!:::::::")
        if makes_home and user.home.startswith("/") and user.home not in self._files:
            self._files.make_directory(user.home)
            self._files.change(user.home, owner=(user.uid, user.gid))
        return True

    def _add_group(self, name: str, gid: int | None, numbers: range) -> bool:
        if self.line(GROUP, name) is None:
            self.add_minimal()
            self._append(GROUP, f"{name}:x:{self._free(numbers, GROUP) if gid is None else gid}:")
            if GSHADOW in self._files:
                self._append(GSHADOW, f"{name}:!::")
        return True

    def _add_member(self, group: str, member: str) -> bool:
        lines = self._lines(GROUP)
        for number, line in enumerate(lines):
            fields = line.split(":")
            if fields[0] == group and len(fields) == 4:
                members = [each for each in fields[3].split(",") if each]
                fields[3] = ",".join(members if member in members else [*members, member])
                lines[number] = ":".join(fields)
                self._write(GROUP, "".join(f"{each}\n" for each in lines))
                return True
        return False

    def _free(self, numbers: range, *databases: str) -> int:
        taken = {line.split(":")[2] for path in databases for line in self._lines(path) if line.count(":") > 2}
        return next(number for number in numbers if str(number) not in taken)

    def _number(self, path: str, name: str, well_known: dict[str, int]) -> int | None:
        if name.isdecimal():
            return int(name)
        line = next((line for line in self._lines(path) if line.split(":")[0] == name), None)
        return well_known.get(name) if line is None else _number(line.split(":")[2])

    def _lines(self, path: str) -> list[str]:
        lines = (self._files.read(path) or b"").decode("utf-8", "surrogateescape").splitlines()
        return [line for line in lines if line.count(":") >= 2]

    def _append(self, path: str, line: str) -> None:
        self._files.append(path, f"{line}\n".encode("utf-8", "surrogateescape"))

    def _write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        self._files.write(path, text.encode("utf-8", "surrogateescape"), mode=mode)


_ADDUSER_VALUES = frozenset(("--home", "--uid", "--gid", "--ingroup", "--shell", "--gecos", "--comment", "--conf"))
_USERADD_VALUES = frozenset(
    (
        "-u",
        "--uid",
        "-g",
        "--gid",
        "-d",
        "--home-dir",
        "--home",
        "-s",
        "--shell",
        "-c",
        "--comment",
        "-G",
        "--groups",
        "-K",
        "--key",
    )
)


def _options(words: Sequence[str], with_values: frozenset[str]) -> tuple[dict[str, str] | None, list[str]]:
    """Options with their values, and what is none."""
    options: dict[str, str] = {}
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
        elif name in with_values and not equals:
            if not rest:
                return None, []
            options[name] = rest.pop(0)
        else:
            options[name] = value
    return options, names


def _either(options: dict[str, str], *names: str) -> str | None:
    return next((options[name] for name in names if name in options), None)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else None
