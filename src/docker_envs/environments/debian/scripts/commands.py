"""What each known command of a maintainer script does to the model of a system."""

from __future__ import annotations

import operator
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.scripts import known_commands
from docker_envs.environments.debian.scripts.file_commands import FileCommands, split_options
from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.system.accounts import Accounts
from docker_envs.environments.debian.system.alternatives import Alternative, parse_install
from docker_envs.environments.debian.system.model import Diversion, Generated, SystemModel
from docker_envs.environments.debian.system.temporary_files import create_files
from docker_envs.environments.debian.version import version_key
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.system.files import SystemFiles

_GENERATED = {
    "ldconfig": Generated.LIBRARIES,
    "update-ca-certificates": Generated.CERTIFICATES,
    "update-shells": Generated.SHELLS,
    "add-shell": Generated.SHELLS,
    "remove-shell": Generated.SHELLS,
    "pam-auth-update": Generated.PAM,
}
_NOTHING = ("true", ":", "set", "unset", "exec", "alias", "type", "clear")
#: What `mktemp` gives; what is written there is dropped.
_TEMPORARY = "/tmp/tmp.0000000000"  # noqa: S108 - never made
#: Made here as a whole, whatever scripts write to it.
_MADE = frozenset(("/etc/ca-certificates.conf", "/etc/ca-certificates.conf.dpkg-new", _TEMPORARY))
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    Attributes:
        status: Whether it succeeded, None when that is not known.
        output: What it wrote, None when that is not known.
        reason: Why it was left out, if it was.
    """

    status: bool | None = True
    output: str | None = ""
    reason: Reason | None = None


_UNKNOWN = Outcome(None, None)


class Commands:
    """The commands of one system.

    Args:
        model: What they change.
    """

    def __init__(self, model: SystemModel) -> None:
        self.model = model
        self.accounts = Accounts(model.files)
        self.file_commands = FileCommands(model.files, self.accounts)
        self._looking: dict[str, Callable[[list[str | None]], Outcome]] = {
            "command": self._which,
            "which": self._which,
            "getent": self._getent,
            "dpkg": self._dpkg,
            "dpkg-architecture": self._architecture,
            "echo": self._echo,
            "printf": lambda words: Outcome(output=None),
            "ls": lambda words: Outcome(self._are_there(words), None),
            "mktemp": lambda words: Outcome(output=f"{_TEMPORARY}\n"),
            "readlink": self._readlink,
            "realpath": self._realpath,
            "dpkg-realpath": self._realpath,
            "uname": lambda words: Outcome(output="Linux\n") if words in ([], ["-s"]) else _UNKNOWN,
            "perl": lambda words: self._which(["perl"]) if words == ["-e", ""] else Outcome(None, None, Reason.UNKNOWN),
            "stat": self._stat,
            "dpkg-query": self._dpkg,
        }
        self._acting: dict[str, Callable[[list[str], str], bool]] = {
            "update-alternatives": self._alternatives,
            "dpkg-divert": self._divert,
            **{name: _without_package(act) for name, act in self.file_commands.by_name.items()},
            "adduser": lambda words, _: self.accounts.add_by_adduser(words),
            "addgroup": lambda words, _: self.accounts.add_by_adduser(words, is_group=True),
            "useradd": lambda words, _: self.accounts.add_by_useradd(words),
            "groupadd": lambda words, _: self.accounts.add_by_useradd(words, is_group=True),
            "dpkg-statoverride": self._override,
            "ucf": self._ucf,
            "systemd-tmpfiles": self._tmpfiles,
            "shadowconfig": self._shadow,
            "systemd-sysusers": self._sysusers,
        }

    @property
    def files(self) -> SystemFiles:
        """The files of the system."""
        return self.model.files

    def call(
        self, name: str | None, words: list[str | None], *, package: str, here: str | None, may_act: bool
    ) -> Outcome:
        """Do a command, or say why not.

        Args:
            name: The command, None when it is not known.
            words: Its arguments; None is one that is not known.
            package: Whose script it is.
            here: The content of a here-document, if there is one.
            may_act: Whether it is known to be reached.
        """
        if name is None:
            return Outcome(None, None, Reason.ARGUMENT)
        base = posixpath.basename(name)
        if base == "false":
            return Outcome(status=False)
        if base == "cat":
            return self._cat(words, here)
        if base in self._looking:
            return self._looking[base](words)
        if base in _NOTHING or base in known_commands.SERVICES or base in known_commands.INSTALLATION:
            return Outcome()
        if known_commands.is_filter(base, words):
            return _UNKNOWN
        if any(posixpath.basename(word or "") in known_commands.BYTECODE for word in (name, *words)):
            return Outcome()
        if base in known_commands.CACHES:
            return Outcome(reason=Reason.CACHE)
        if base in _GENERATED:
            self.model.wanted.add(_GENERATED[base])
            return Outcome()
        if base not in self._acting:
            return Outcome(None, None, Reason.UNKNOWN) if self._which([name]).status else Outcome(status=False)
        return self._act(base, words, package, may_act=may_act)

    @staticmethod
    def ignores(path: str) -> bool:
        """Whether nothing that is written to a file is wanted."""
        return path in _MADE or path.startswith(("/proc/", "/sys/", "/dev/"))

    def write(self, path: str, content: str, *, append: bool) -> bool:
        """Write what a command printed to a file; False when it must not, or what is there is not known."""
        known = self.files.lookup(path)
        if known is not None and (known.kind is not Kind.FILE or known.path not in self.files.added):
            return False
        encoded = content.encode("utf-8", "surrogateescape")
        if append:
            return self.files.append(path, encoded)
        self.files.write(path, encoded)
        return True

    def _act(self, name: str, words: list[str | None], package: str, *, may_act: bool) -> Outcome:
        asked = self._asked(name, words)
        if asked is not None:
            return asked
        known = [word for word in words if word is not None]
        if len(known) != len(words):
            return Outcome(None, None, Reason.ARGUMENT)
        if not may_act and self._changes_nothing(name, known):
            return Outcome()
        if not may_act:
            return Outcome(None, None, Reason.CONDITION)
        return Outcome() if self._acting[name](known, package) else Outcome(None, None, Reason.FILE)

    def _asked(self, name: str, words: list[str | None]) -> Outcome | None:
        """Questions to commands that otherwise act."""
        if name == "dpkg-divert" and ("--listpackage" in words or "--truename" in words or "--list" in words):
            diversion = self.model.diversions.get(words[-1] or "")
            if words[-1] is None or "--list" in words:
                return _UNKNOWN
            if "--truename" in words:
                return Outcome(output=f"{diversion.target if diversion else words[-1]}\n")
            return Outcome(output=f"{diversion.package}\n" if diversion else "")
        if name == "dpkg-statoverride" and "--list" in words:
            lines = [line for line in self.model.overrides if line.split()[-1] == words[-1]]
            return Outcome(bool(lines), "".join(f"{line}\n" for line in lines))
        if name == "update-alternatives" and words[:1] in (["--remove"], ["--remove-all"], ["--auto"]):
            return Outcome()
        if name == "update-alternatives" and words[:1] in (["--query"], ["--list"], ["--display"]):
            return _UNKNOWN
        return None

    def _changes_nothing(self, name: str, words: list[str]) -> bool:
        """Whether a command has no effect, be it reached or not: nothing is there to remove, or only a directory."""
        if name == "rm":
            return not any(self.files.lookup(word, follow=False) for word in words if not word.startswith("-"))
        found = self.files.lookup(words[-1]) if name == "dpkg-divert" and words else None
        return found is not None and found.kind is Kind.DIRECTORY

    def _which(self, words: list[str | None]) -> Outcome:
        names = [word for word in words if word != "-v"]
        if len(names) != 1 or names[0] is None:
            return _UNKNOWN
        name = names[0]
        found = [place for each in _PLACES if (place := f"{each}/{name}") in self.files] if "/" not in name else []
        if name.startswith("/") and name in self.files:
            found = [name]
        return Outcome(bool(found), f"{found[0]}\n" if found else "")

    def _are_there(self, words: list[str | None]) -> bool | None:
        names = [word for word in words if word is None or not word.startswith("-")]
        return None if None in names else all(name in self.files for name in names if name)

    def _readlink(self, words: list[str | None]) -> Outcome:
        if len(words) != 1 or words[0] is None:
            return _UNKNOWN
        found = self.files.lookup(words[0], follow=False)
        is_link = found is not None and found.kind is Kind.SYMLINK
        return Outcome(is_link, f"{found.link}\n" if found is not None and is_link else "")

    def _realpath(self, words: list[str | None]) -> Outcome:
        if len(words) != 1 or words[0] is None:
            return _UNKNOWN
        return Outcome(output=f"/{self.files.resolve(words[0])}\n")

    def _stat(self, words: list[str | None]) -> Outcome:
        options, names = split_options([word or "" for word in words], ("-c", "--format"))
        found = self.files.lookup(names[0]) if len(names) == 1 and None not in words else None
        form = options.get("-c", options.get("--format", ""))
        if found is None or form not in ("%a", "%u", "%g"):
            return _UNKNOWN
        return Outcome(output={"%a": f"{found.mode:o}\n", "%u": f"{found.uid}\n", "%g": f"{found.gid}\n"}[form])

    def _getent(self, words: list[str | None]) -> Outcome:
        if len(words) != 2 or words[0] not in ("passwd", "group") or words[1] is None:
            return _UNKNOWN
        line = self.accounts.line(words[0], words[1])
        return Outcome(line is not None, "" if line is None else f"{line}\n")

    def _dpkg(self, words: list[str | None]) -> Outcome:
        words = [word for word in words if word != "--"]
        if words[:1] == ["--print-architecture"]:
            return Outcome(output=f"{self.model.architecture}\n")
        if words[:1] in (["-S"], ["--search"]) and len(words) == 2:
            return Outcome(self._are_there(words), None)
        if words[:1] == ["--compare-versions"] and len(words) == 4 and None not in words:
            return _compared(*map(str, words[1:]))
        return _UNKNOWN

    def _architecture(self, words: list[str | None]) -> Outcome:
        values = {"MULTIARCH": self.model.multiarch, "ARCH": self.model.architecture}
        name = (words[0] or "").removeprefix("-q").rpartition("_")[2] if len(words) == 1 else ""
        return Outcome(output=f"{values[name]}\n") if name in values else _UNKNOWN

    def _echo(self, words: list[str | None]) -> Outcome:
        is_open = words[:1] == ["-n"]
        known = [word for word in words if word is not None]
        text = " ".join(known[1:] if is_open else known)
        return Outcome(output=(text if is_open else f"{text}\n") if len(known) == len(words) else None)

    def _cat(self, words: list[str | None], here: str | None) -> Outcome:
        if not words or words == ["-"]:
            return Outcome(output=here)
        contents = [None if word is None else self.files.read(word) for word in words]
        if None in contents:
            return Outcome(None, None)
        return Outcome(output=b"".join(each for each in contents if each).decode("utf-8", "surrogateescape"))

    def _alternatives(self, words: list[str], _package: str) -> bool:
        words = [word for word in words if word not in ("--quiet", "--force", "--skip-auto")]
        parsed = parse_install(words)
        if parsed is None:
            return False
        name, link, links, choice = parsed
        alternative = self.model.alternatives.setdefault(name, Alternative(link))
        alternative.slaves.update(links)
        alternative.choices[choice.path] = choice
        return True

    def _divert(self, words: list[str], package: str) -> bool:
        options, names = split_options(words, ("--package", "--divert"))
        if "--remove" in options:
            for name in names:
                self.model.diversions.pop(name, None)
            return True
        if len(names) != 1 or not names[0].startswith("/"):
            return False
        owner = "" if "--local" in options else options.get("--package", package)
        target = options.get("--divert", f"{names[0]}.distrib")
        self.model.diversions[names[0]] = Diversion(names[0], target, owner)
        return True

    def _override(self, words: list[str], _package: str) -> bool:
        options, names = split_options(words, ())
        if "--add" not in options or len(names) != 4:
            return False
        self.model.overrides.append(" ".join(names))
        user, group, mode, path = names
        return "--update" not in options or (
            self.file_commands.by_name["chown"]([f"{user}:{group}", path])
            and self.file_commands.by_name["chmod"]([mode, path])
        )

    def _ucf(self, words: list[str], _package: str) -> bool:
        """A configuration file whose changes are asked about in upgrades: there is none yet."""
        _, names = split_options(words, ("--sum-file", "--state-dir"))
        if names and names[-1] in self.files:
            return True
        return len(names) == 2 and self.file_commands.by_name["cp"](names)

    def _tmpfiles(self, words: list[str], _package: str) -> bool:
        names = [word for word in words if not word.startswith("-")]
        for name in names:
            text = self.files.read(name if "/" in name else f"/usr/lib/tmpfiles.d/{name}")
            create_files((text or b"").decode("utf-8", "replace"), self.files, self.accounts)
        return "--create" in words and bool(names)

    def _shadow(self, words: list[str], _package: str) -> bool:
        if words == ["on"]:
            self.accounts.add_shadow()
        return words == ["on"]

    def _sysusers(self, words: list[str], _package: str) -> bool:
        names = [word for word in words if not word.startswith("-")]
        texts = [self.files.read(name if "/" in name else f"/usr/lib/sysusers.d/{name}") for name in names]
        for text in texts:
            self.accounts.add_by_sysusers((text or b"").decode("utf-8", "replace"))
        return bool(names) and None not in texts


def _without_package(act: Callable[[list[str]], bool]) -> Callable[[list[str], str], bool]:
    return lambda words, _: act(words)


_OPERATORS = {"<": "le", "<<": "lt", "<=": "le", "=": "eq", ">=": "ge", ">>": "gt", ">": "ge"}
_COMPARISONS: dict[str, Callable[[object, object], bool]] = {
    name: getattr(operator, name) for name in ("lt", "le", "eq", "ne", "ge", "gt")
}


def _compared(one: str, sign: str, other: str) -> Outcome:
    """What `dpkg --compare-versions` finds: no version is earlier than any, or with `-nl` later than any.

    Spec: dpkg(1), "--compare-versions".
    """
    name = _OPERATORS.get(sign, sign)
    compare = _COMPARISONS.get(name.removesuffix("-nl"))
    if compare is None:
        return _UNKNOWN
    absent = 1 if name.endswith("-nl") else -1
    try:
        keys = [(0, version_key(version)) if version else (absent, ()) for version in (one, other)]
    except FormatError:
        return _UNKNOWN
    return Outcome(compare(*keys))
