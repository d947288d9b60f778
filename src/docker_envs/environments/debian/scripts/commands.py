"""What each known command of a maintainer script does to the model of a system."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.scripts import known_commands, ucf
from docker_envs.environments.debian.scripts.capability_commands import get_capability, set_capability
from docker_envs.environments.debian.scripts.file_commands import FileCommands, split_options
from docker_envs.environments.debian.scripts.find_command import delete_found
from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome
from docker_envs.environments.debian.scripts.queries import Queries
from docker_envs.environments.debian.scripts.sed import UnknownSedError, edit
from docker_envs.environments.debian.scripts.server_commands import ServerCommands
from docker_envs.environments.debian.scripts.text_commands import TextCommands, parse_sed
from docker_envs.environments.debian.system.accounts import Accounts
from docker_envs.environments.debian.system.alternatives import Alternative, parse_install
from docker_envs.environments.debian.system.model import Diversion, Generated, SystemModel
from docker_envs.environments.debian.system.temporary_files import create_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.scripts.flow import Input
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
#: Made here as a whole, whatever scripts write to it.
_MADE = frozenset(("/etc/ca-certificates.conf", "/etc/ca-certificates.conf.dpkg-new"))


class Commands:
    """The commands of one system.

    Args:
        model: What they change.
    """

    def __init__(self, model: SystemModel) -> None:
        self.model = model
        self.accounts = Accounts(model.files)
        self.file_commands = FileCommands(model.files, self.accounts)
        self.queries = Queries(model, self.accounts)
        self.text_commands = TextCommands(model.files)
        servers = ServerCommands(model.files)
        self._acting: dict[str, Callable[[list[str], str], bool]] = {
            "update-alternatives": self._alternatives,
            "dpkg-divert": self._divert,
            **{name: _without_package(act) for name, act in self.file_commands.by_name.items()},
            "adduser": lambda words, _: self.accounts.add_by_adduser(words),
            "addgroup": lambda words, _: self.accounts.add_by_adduser(words, is_group=True),
            "useradd": lambda words, _: self.accounts.add_by_useradd(words),
            "groupadd": lambda words, _: self.accounts.add_by_useradd(words, is_group=True),
            "dpkg-statoverride": self._override,
            "ucf": lambda words, _: ucf.ucf(words, self.file_commands),
            "ucfr": lambda words, _: ucf.ucfr(words, model.files),
            "systemd-tmpfiles": self._tmpfiles,
            "shadowconfig": self._shadow,
            "systemd-sysusers": self._sysusers,
            "setcap": lambda words, _: set_capability(words, model.files),
            "find": lambda words, _: delete_found(words, model.files),
            "sed": lambda words, _: self._edit(words),
            **{name: _without_package(act) for name, act in servers.by_name.items()},
        }

    @property
    def files(self) -> SystemFiles:
        """The files of the system."""
        return self.model.files

    def call(self, name: str | None, words: list[str | None], *, package: str, given: Input, may_act: bool) -> Outcome:
        """Do a command, or say why not.

        Args:
            name: The command, None when it is not known.
            words: Its arguments; None is one that is not known.
            package: Whose script it is.
            given: What it may read.
            may_act: Whether it is known to be reached.
        """
        if name is None:
            return Outcome(None, None, Reason.ARGUMENT)
        base = posixpath.basename(name)
        if base == "false":
            return Outcome(status=False)
        if base == "cat":
            return self._cat(words, given)
        if base == "getcap":
            return get_capability(words, self.files)
        if base in self.queries.by_name:
            return self.queries.by_name[base](words)
        if base in _NOTHING or base in known_commands.SERVICES or base in known_commands.INSTALLATION:
            return Outcome()
        if known_commands.is_filter(base, words):
            return self._filtered(base, words, given)
        if any(posixpath.basename(word or "") in known_commands.BYTECODE for word in (name, *words)):
            return Outcome()
        if base in known_commands.CACHES:
            return Outcome(reason=Reason.CACHE)
        if base in known_commands.MACHINE:
            return Outcome(output=None, reason=Reason.MACHINE)
        if base in _GENERATED:
            self.model.wanted.add(_GENERATED[base])
            return Outcome()
        if base not in self._acting:
            is_there = self.queries.which([name]).status
            return Outcome(None, None, Reason.UNKNOWN) if is_there else Outcome(status=False, code=127)
        return self._act(base, words, package, may_act=may_act)

    def _filtered(self, base: str, words: list[str | None], given: Input) -> Outcome:
        known = [word for word in words if word is not None]
        if base not in self.text_commands.by_name or len(known) != len(words):
            return UNKNOWN
        return self.text_commands.by_name[base](known, given)

    def _cat(self, words: list[str | None], given: Input) -> Outcome:
        names = [word for word in words if word != "-"]
        if not names:
            return Outcome(output=given.rest())
        present = [word for word in names if word is None or word in self.files or word.startswith("/dev/")]
        contents = [None if word is None else self.files.read(word) for word in present]
        text = b"".join(each for each in contents if each).decode("utf-8", "surrogateescape")
        return UNKNOWN if None in contents else Outcome(len(present) == len(names), text)

    def _edit(self, words: list[str]) -> bool:
        """`sed -i` of files that scripts have written."""
        parsed = parse_sed(words)
        if parsed is None:
            return False
        script, names, options = parsed
        for name in names:
            content = self.files.read(name)
            if content is None:
                return False
            try:
                edited = edit(
                    script,
                    content.decode("utf-8", "surrogateescape"),
                    extended=bool(options & {"E", "r"}),
                    quiet="n" in options,
                )
            except UnknownSedError:
                return False
            if edited.encode("utf-8", "surrogateescape") != content and not self.write(name, edited, append=False):
                return False
        return bool(names)

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
        asked = self.queries.asked(name, words)
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

    def _changes_nothing(self, name: str, words: list[str]) -> bool:
        """Whether a command has no effect, be it reached or not: nothing is there to remove, or only a directory."""
        if name == "rm":
            return not any(self.files.lookup(word, follow=False) for word in words if not word.startswith("-"))
        found = self.files.lookup(words[-1]) if name == "dpkg-divert" and words else None
        return found is not None and found.kind is Kind.DIRECTORY

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
        user, group, mode, path = names
        if not re.fullmatch(r"[0-7]{1,5}", mode):
            return False
        self.model.overrides.append(f"{user} {group} {int(mode, 8):o} {path}")
        return "--update" not in options or (
            self.file_commands.by_name["chown"]([f"{user}:{group}", path])
            and self.file_commands.by_name["chmod"]([mode, path])
        )

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
