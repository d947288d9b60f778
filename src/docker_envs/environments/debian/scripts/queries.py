"""Commands of maintainer scripts that ask: answered from the model of the system.

Each gets its words, None for one that is not known, and its input.
"""

from __future__ import annotations

import hashlib
import operator
import posixpath
import re
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.scripts.file_commands import split_options
from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome
from docker_envs.environments.debian.version import version_key
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.system.accounts import Accounts
    from docker_envs.environments.debian.system.model import SystemModel

#: How what `mktemp` makes begins; nothing of it is in the image.
TEMPORARY = "/tmp/tmp.00000"  # noqa: S108 - never made
_ENVIRONMENTS = ("/etc/environment", "/etc/default/locale", "/etc/locale.conf")
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Queries:
    """The commands by name."""

    def __init__(self, model: SystemModel, accounts: Accounts) -> None:
        self.model = model
        self.files = model.files
        self.accounts = accounts
        self._temporary = 0
        self.by_name: dict[str, Callable[[list[str | None]], Outcome]] = {
            "command": self.which,
            "which": self.which,
            "getent": self._getent,
            "id": self._id,
            "dpkg": self._dpkg,
            "dpkg-architecture": self._architecture,
            "dpkg-query": self._query,
            "echo": self._echo,
            "ls": self._ls,
            "md5sum": self._md5sum,
            "mktemp": self._mktemp,
            "pam_getenv": self._pam_getenv,
            "phpquery": self._phpquery,
            "readlink": self._readlink,
            "realpath": self._realpath,
            "dpkg-realpath": self._realpath,
            "uname": lambda words: Outcome(output="Linux\n") if words in ([], ["-s"]) else UNKNOWN,
            "perl": lambda words: self.which(["perl"]) if words == ["-e", ""] else Outcome(None, None, Reason.UNKNOWN),
            "stat": self._stat,
        }

    def asked(self, name: str, words: list[str | None]) -> Outcome | None:
        """Questions to commands that otherwise act."""
        if name == "dpkg-divert" and ("--listpackage" in words or "--truename" in words or "--list" in words):
            diversion = self.model.diversions.get(words[-1] or "")
            if words[-1] is None or "--list" in words:
                return UNKNOWN
            if "--truename" in words:
                return Outcome(output=f"{diversion.target if diversion else words[-1]}\n")
            return Outcome(output=f"{diversion.package}\n" if diversion else "")
        if name == "dpkg-statoverride" and "--list" in words:
            lines = [line for line in self.model.overrides if line.split()[-1] == words[-1]]
            return Outcome(bool(lines), "".join(f"{line}\n" for line in lines))
        if name == "update-alternatives" and words[:1] in (["--remove"], ["--remove-all"], ["--auto"]):
            return Outcome()
        if name == "update-alternatives" and words[:1] in (["--query"], ["--list"], ["--display"]):
            return self._choices(str(words[0]), words[-1])
        return None

    def _choices(self, question: str, group: str | None) -> Outcome:
        """What is known of a group of alternatives: its choices, and the best of them."""
        if group is None:
            return UNKNOWN
        found = self.model.alternatives.get(group)
        if found is None or not found.choices:
            return Outcome(status=False, code=2)
        if question == "--list":
            return Outcome(output="".join(f"{path}\n" for path in sorted(found.choices)))
        best = max(found.choices.values(), key=lambda choice: choice.priority)
        return Outcome(output=f"Name: {group}\nValue: {best.path}\n" if question == "--query" else None)

    def which(self, words: list[str | None]) -> Outcome:
        """Where a command is."""
        names = [word for word in words if word != "-v"]
        if len(names) != 1 or names[0] is None:
            return UNKNOWN
        name = names[0]
        found = [place for each in _PLACES if (place := f"{each}/{name}") in self.files] if "/" not in name else []
        if name.startswith("/") and name in self.files:
            found = [name]
        return Outcome(bool(found), f"{found[0]}\n" if found else "", code=127)

    def _are_there(self, words: list[str | None]) -> bool | None:
        names = [word for word in words if word is None or not word.startswith("-")]
        return None if None in names else all(name in self.files for name in names if name)

    def _readlink(self, words: list[str | None]) -> Outcome:
        if len(words) != 1 or words[0] is None:
            return UNKNOWN
        found = self.files.lookup(words[0], follow=False)
        is_link = found is not None and found.kind is Kind.SYMLINK
        return Outcome(is_link, f"{found.link}\n" if found is not None and is_link else "")

    def _realpath(self, words: list[str | None]) -> Outcome:
        if len(words) != 1 or words[0] is None:
            return UNKNOWN
        return Outcome(output=f"/{self.files.resolve(words[0])}\n")

    def _stat(self, words: list[str | None]) -> Outcome:
        options, names = split_options([word or "" for word in words], ("-c", "--format"))
        found = self.files.lookup(names[0]) if len(names) == 1 and None not in words else None
        form = options.get("-c", options.get("--format", ""))
        if found is None or form not in ("%a", "%u", "%g"):
            return UNKNOWN
        return Outcome(output={"%a": f"{found.mode:o}\n", "%u": f"{found.uid}\n", "%g": f"{found.gid}\n"}[form])

    def _getent(self, words: list[str | None]) -> Outcome:
        if len(words) != 2 or words[0] not in ("passwd", "group") or words[1] is None:
            return UNKNOWN
        line = self.accounts.line(words[0], words[1])
        return Outcome(line is not None, "" if line is None else f"{line}\n")

    def _dpkg(self, words: list[str | None]) -> Outcome:
        words = [word for word in words if word != "--"]
        if words[:1] == ["--print-architecture"]:
            return Outcome(output=f"{self.model.architecture}\n")
        if words[:1] in (["-L"], ["--listfiles"]) and None not in words:
            return self._listed([str(word).partition(":")[0] for word in words[1:]])
        if words[:1] in (["-S"], ["--search"]) and len(words) == 2:
            return Outcome(self._are_there(words), None)
        if words[:1] == ["--compare-versions"] and len(words) == 4 and None not in words:
            return _compared(*map(str, words[1:]))
        return UNKNOWN

    def _architecture(self, words: list[str | None]) -> Outcome:
        values = {"MULTIARCH": self.model.multiarch, "ARCH": self.model.architecture}
        name = (words[0] or "").removeprefix("-q").rpartition("_")[2] if len(words) == 1 else ""
        return Outcome(output=f"{values[name]}\n") if name in values else UNKNOWN

    def _echo(self, words: list[str | None]) -> Outcome:
        is_open = words[:1] == ["-n"]
        known = [word for word in words if word is not None]
        text = " ".join(known[1:] if is_open else known)
        return Outcome(output=(text if is_open else f"{text}\n") if len(known) == len(words) else None)

    def _id(self, words: list[str | None]) -> Outcome:
        """`id -u`, `-g`, `-Gn` and the like, of a user that is named."""
        option, names = (words[0] or "", words[1:]) if words and (words[0] or "").startswith("-") else ("", words)
        line = self.accounts.line("passwd", names[0]) if len(names) == 1 and names[0] is not None else None
        if len(names) != 1 or names[0] is None:
            return UNKNOWN
        if line is None or line.split(":")[0] != names[0]:
            return Outcome(status=False)
        fields = line.split(":")
        groups = self.accounts.groups_of(fields[0], fields[3])
        values = {"-u": fields[2], "-un": fields[0], "-nu": fields[0], "-g": fields[3], "-gn": groups[0]}
        values |= dict.fromkeys(("-Gn", "-nG"), " ".join(groups))
        return Outcome(output=f"{values[option]}\n") if option in values else Outcome(output=None)

    def _ls(self, words: list[str | None]) -> Outcome:
        options = {letter for word in words if word and word.startswith("-") for letter in word[1:]}
        names = [word for word in words if word is None or not word.startswith("-")]
        status = self._are_there(words)
        if status is None or not names or options - set("1dv"):
            return Outcome(status, None)
        found = [name for name in names if name is not None and name in self.files]
        kinds = [entry.kind for name in found if (entry := self.files.lookup(name)) is not None]
        if ("d" not in options and Kind.DIRECTORY in kinds) or ("v" in options and len(found) > 1):
            return Outcome(status, None)
        return Outcome(status, "".join(f"{name}\n" for name in sorted(found)), code=2)

    def _mktemp(self, words: list[str | None]) -> Outcome:
        path = f"{TEMPORARY}{self._temporary:05}"
        self._temporary += 1
        if any(word == "--directory" or re.fullmatch(r"-[a-z]*d[a-z]*", word or "") for word in words):
            self.files.make_directory(path, 0o700)
        else:
            self.files.write(path, b"", mode=0o600)
        return Outcome(output=f"{path}\n")

    def drop_temporary(self) -> None:
        """Forget what `mktemp` made."""
        places = [f"/{path}" for path in self.files.added if f"/{path}".startswith(TEMPORARY)]
        for place in places:
            self.files.remove(place)
        if places and "tmp" in self.files.added and not self.files.below("/tmp"):  # noqa: S108 - in the image
            self.files.remove("/tmp")  # noqa: S108 - in the image

    def _md5sum(self, words: list[str | None]) -> Outcome:
        content = self.files.read(words[0]) if len(words) == 1 and words[0] is not None else None
        if content is None:
            return UNKNOWN
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return Outcome(output=f"{digest}  {words[0]}\n")

    def _pam_getenv(self, words: list[str | None]) -> Outcome:
        """A variable of the system's locale, where no file says one."""
        files = (self.files.read(path) if path in self.files else b"" for path in _ENVIRONMENTS)
        lines = [line for content in files for line in (b"?" if content is None else content).splitlines()]
        is_empty = all(not line.strip() or line.lstrip().startswith(b"#") for line in lines)
        return Outcome(status=False) if is_empty else UNKNOWN

    def _query(self, words: list[str | None]) -> Outcome:
        """`dpkg-query`, which finds nothing about packages that the system does not have."""
        options, names = split_options([word or "*" for word in words], ("-f", "--showformat"))
        packages = [name.partition(":")[0] for name in names]
        if "--control-path" in options:
            packages = packages[:1]
        if {"-W", "--show", "-l", "--list", "-L", "--listfiles", "-s", "--status", "--control-path"} & set(options):
            is_known = all(name and "*" not in name and "?" not in name and "[" not in name for name in packages)
            if packages and is_known and not self.model.packages.intersection(packages):
                return Outcome(status=False)
        if {"-L", "--listfiles"} & set(options):
            return self._listed(packages)
        return self._dpkg(words)

    def _listed(self, packages: list[str]) -> Outcome:
        known = [name for name in packages if name in self.model.packages]
        if any(name not in self.model.lists for name in known):
            return UNKNOWN
        paths = (path for name in known for path in self.model.lists[name])
        return Outcome(len(known) == len(packages), "".join(f"{path}\n" for path in paths))

    def _phpquery(self, words: list[str | None]) -> Outcome:
        """What PHP's registry of modules says; files are those of php-helper."""
        options, names = split_options([word or "?" for word in words], ("-v", "-s", "-m"))
        version, place = options.get("-v", ""), ""
        if names or None in words or set(options) - {"-v", "-s", "-m", "-M", "-S", "-q"} or not version:
            return UNKNOWN
        if "-m" in options and "-s" in options:
            links = self.files.glob(f"/etc/php/{version}/{options['-s']}/conf.d/[0-9][0-9]-{options['-m']}.ini")
            return Outcome(bool(links), None)
        if "-M" in options:
            place = f"/var/lib/php/modules/{version}/registry"
        elif "-S" in options:
            place = f"/usr/lib/php/{version}/sapi"
        if not place:
            return UNKNOWN
        return Outcome(output="".join(f"{posixpath.basename(each)}\n" for each in self.files.glob(f"{place}/*")))


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
        return UNKNOWN
    absent = 1 if name.endswith("-nl") else -1
    try:
        keys = [(0, version_key(version)) if version else (absent, ()) for version in (one, other)]
    except FormatError:
        return UNKNOWN
    return Outcome(compare(*keys))
