"""Commands of maintainer scripts that change files: done to the model of a system's files.

Each gives False where it would touch what a package has, or has options that are not known.

Spec: POSIX.1-2024, XCU 4 "Utilities"; GNU coreutils for `-p`, `-d` and `--mode`.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.system.accounts import Accounts
    from docker_envs.environments.debian.system.files import SystemFiles


class FileCommands:
    """The commands by name.

    Attributes:
        umask: Bits that new files do not get.
    """

    def __init__(self, files: SystemFiles, accounts: Accounts) -> None:
        self.files = files
        self.accounts = accounts
        self.umask = 0o022
        self.by_name: dict[str, Callable[[list[str]], bool]] = {
            "mkdir": self._mkdir,
            "install": self._install,
            "touch": self._touch,
            "cp": self._copy,
            "mv": self._move,
            "ln": self._link,
            "rm": self._remove,
            "rmdir": self._rmdir,
            "chmod": self._chmod,
            "chown": self._chown,
            "chgrp": lambda words: self._chown([f":{words[0]}", *words[1:]] if words else []),
            "umask": self._umask,
        }

    def _umask(self, words: list[str]) -> bool:
        mode = _mode(words[0]) if len(words) == 1 else self.umask
        self.umask = self.umask if mode is None else mode
        return mode is not None

    def _mkdir(self, words: list[str]) -> bool:
        options, names = split_options(words, ("-m", "--mode"))
        text = options.get("-m", options.get("--mode"))
        mode = 0o777 & ~self.umask if text is None else _mode(text)
        for name in names if mode is not None else ():
            self.files.make_directory(name, mode or 0)
        return mode is not None

    def _install(self, words: list[str]) -> bool:
        options, names = split_options(words, ("-m", "-o", "-g", "--mode", "--owner", "--group"))
        user, group = options.get("-o", options.get("--owner")), options.get("-g", options.get("--group"))
        owner = (self._id(user, self.accounts.uid), self._id(group, self.accounts.gid))
        mode = _mode(options.get("-m", options.get("--mode", "755")))
        if mode is None or None in owner:
            return False
        if "-d" in options or "--directory" in options:
            for name in names:
                self.files.make_directory(name, mode)
                self.files.change(name, mode=mode, owner=owner)
            return True
        content = self._content(names[0]) if len(names) == 2 else None
        if content is None or self.files.lookup(names[1]) is not None:
            return False
        self.files.write(names[1], content, mode=mode)
        return self.files.change(names[1], mode=mode, owner=owner)

    def _content(self, name: str) -> bytes | None:
        return b"" if name == "/dev/null" else self.files.read(name)

    def _touch(self, words: list[str]) -> bool:
        _, names = split_options(words, ("-r", "-d", "-t"))
        for name in names:
            if self.files.lookup(name, follow=False) is None:
                self.files.write(name, b"", mode=0o666 & ~self.umask)
        return True

    def _copy(self, words: list[str]) -> bool:
        options, names = split_options(words, ())
        if len(names) != 2 or any(option.startswith("-") and set(option[1:]) & set("rR") for option in options):
            return False
        source, target = self.files.lookup(names[0], follow="-d" not in options and "-dp" not in options), names[1]
        if source is None or source.kind is Kind.DIRECTORY:
            return False
        there = self.files.lookup(target)
        if there is not None and there.kind is Kind.DIRECTORY:
            target, there = f"{target}/{posixpath.basename(names[0])}", None
        if source.kind is Kind.SYMLINK:
            self.files.link(target, source.link)
            return True
        content = self.files.read(names[0])
        if content is None or (there is not None and there.path not in self.files.added):
            return False
        self.files.write(target, content, mode=source.mode)
        return self.files.change(target, mode=source.mode, owner=(source.uid, source.gid))

    def _move(self, words: list[str]) -> bool:
        _, names = split_options(words, ())
        return len(names) == 2 and self.files.move(names[0], names[1])

    def _link(self, words: list[str]) -> bool:
        options, names = split_options(words, ())
        if len(names) != 2 or not any("s" in option for option in options):
            return False
        target, path = names
        there = self.files.lookup(path)
        keeps_link = any("n" in option or option == "-T" for option in options)
        if there is not None and there.kind is Kind.DIRECTORY and not keeps_link:
            path = f"{path}/{posixpath.basename(target)}"
        if "--relative" in options or any(re.fullmatch(r"-[a-z]*r[a-z]*", option) for option in options):
            target = posixpath.relpath(
                f"/{self.files.resolve(target)}", posixpath.dirname(f"/{self.files.resolve(path, follow=False)}")
            )
        self.files.link(path, target)
        return True

    def _remove(self, words: list[str]) -> bool:
        options, names = split_options(words, ())
        for name in names:
            there = self.files.lookup(name, follow=False)
            if there is not None and there.kind is Kind.DIRECTORY:
                return not any("r" in option or "R" in option for option in options)
            self.files.remove(name)
        return True

    def _rmdir(self, words: list[str]) -> bool:
        names = [word for word in words if not word.startswith("-")]
        for name in names:
            if name in self.files and not self.files.below(name):
                self.files.remove(name)
        return True

    def _chmod(self, words: list[str]) -> bool:
        _, names = split_options(words, ())
        mode = _mode(names[0]) if names else None
        return mode is not None and all(
            self._has(name, mode) or self.files.change(name, mode=mode) for name in names[1:]
        )

    def _has(self, name: str, mode: int) -> bool:
        there = self.files.lookup(name)
        return there is not None and there.mode == mode

    def _chown(self, words: list[str]) -> bool:
        options, names = split_options(words, ())
        if not names or "-R" in options:
            return False
        user, _, group = names[0].replace(".", ":").partition(":")
        owner = (self._id(user or None, self.accounts.uid), self._id(group or None, self.accounts.gid))
        if (user and owner[0] is None) or (group and owner[1] is None):
            return False
        wanted = (owner[0] if user else None, owner[1] if group else None)
        return all(self._is_of(name, wanted) or self.files.change(name, owner=wanted) for name in names[1:])

    def _is_of(self, name: str, owner: tuple[int | None, int | None]) -> bool:
        there = self.files.lookup(name)
        return there is not None and owner[0] in (None, there.uid) and owner[1] in (None, there.gid)

    @staticmethod
    def _id(name: str | None, find: Callable[[str], int | None]) -> int | None:
        return 0 if name is None else find(name)


def split_options(words: list[str], with_values: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Options with their values, and what is none."""
    options: dict[str, str] = {}
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            return options, [*names, *rest]
        if not word.startswith("-") or word == "-":
            names.append(word)
        elif name in with_values and not equals and rest:
            options[name] = rest.pop(0)
        elif word[:2] in with_values and not word.startswith("--"):
            options[word[:2]] = word[2:]
        else:
            options[name] = value
    return options, names


def _mode(text: str) -> int | None:
    return int(text, 8) if text and len(text) < 6 and set(text) <= set("01234567") else None
