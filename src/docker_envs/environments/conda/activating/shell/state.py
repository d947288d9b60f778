"""The variables of a shell, and which of their values cannot be known before a container runs.

Spec: POSIX.1-2024, XCU 2.5.3 "Shell Variables"; GNU Bash manual, "Bash Variables".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.environments.shell.syntax import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Longest value, in bytes: Linux's limit of one string of an environment, less the name.
MAX_VALUE = 120 * 1024

#: What a container's runtime sets unless the image does.
_OF_RUNTIME = frozenset(("HOME", "HOSTNAME", "LOGNAME", "SHELL", "TERM", "USER"))
_OF_SHELL = re.compile(
    r"BASH(_[A-Z_]+|OPTS|PID)?|(ZSH|KSH)_[A-Z_]+|COMP(_[A-Z]+|REPLY)|EPOCH(SECONDS|REALTIME)|_|COLUMNS|DIRSTACK|E?UID"
    r"|FUNCNAME|GROUPS|HISTCMD|HOSTTYPE|LINENO|LINES|MACHTYPE|OLDPWD|OPT(ARG|ERR|IND)|OSTYPE|PIPESTATUS|PPID|PS[0-4]|PWD|RANDOM|REPLY|SECONDS"
    r"|SHELLOPTS|SHLVL|SRANDOM"
)
#: What sets variables whose names come from elsewhere: from what was read, or from what a command said.
_READS = re.compile(r"\b(read|mapfile|readarray)\b")
_DYNAMIC = re.compile(r"\beval\b|\b(?:export|declare|typeset|readonly|unset)\s+[\"']?[$`]|printf\s+-v")
_OF_OUTPUT = re.compile(r"\beval\b[^\n]*(?:\$\(|`)|\bexport\s+[\"']?(?:\$\(|`)")
_SOURCES = re.compile(r"(?:^|[\s;&|(){}])(?:\.|source)\s", re.MULTILINE)
_OWN_PREFIX = re.compile(r"\bCONDA_PREFIX\+?=|\bunset\b[^\n]*\bCONDA_PREFIX\b")


class Touched:
    """Which variables a script may read or set that was not evaluated.

    Those whose names are in it, or can be put together of up to three words of it, in any case and with `-` and `.`
    for `_` (compilers' scripts make names like that); all of them if it sources files, or takes names from elsewhere.
    """

    def __init__(self, origin: str, text: str) -> None:
        self.origin = origin
        folded = text.upper()
        words = re.findall(r"\w+", folded) + re.findall(r"\w+", folded.translate({45: "_", 46: "_", 43: "X"}))
        self._words = frozenset(words)
        self._sets_prefix = _OWN_PREFIX.search(text) is not None
        self._everything = bool(
            _SOURCES.search(text) or _OF_OUTPUT.search(text) or (_DYNAMIC.search(text) and _READS.search(text))
        )

    def __contains__(self, name: str) -> bool:
        if name == "CONDA_PREFIX":
            return self._sets_prefix
        return self._everything or self._made_of_words(name.upper(), 3)

    def _made_of_words(self, name: str, count: int) -> bool:
        if name in self._words:
            return True
        return count > 1 and any(
            name[:end] in self._words and self._made_of_words(name[end:], count - 1) for end in range(1, len(name))
        )


@dataclass(slots=True)
class Variables:
    """Variables of one shell that sources script after script.

    Attributes:
        values: Name to value, in the order in which they were first set.
        exported: Names that are in the environment of what the shell runs.
        origins: Name to what set, exported or removed it last.
        origin: What is being evaluated.
        touched: What unevaluated scripts may read or set.
        nounset: Whether `set -u` holds.
    """

    values: dict[str, str]
    exported: set[str]
    origins: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    touched: Sequence[Touched] = ()
    nounset: bool = False

    @classmethod
    def of_environment(cls, env: Mapping[str, str]) -> Variables:
        """A shell that was started with an environment."""
        return cls(dict(env), set(env))

    def copy(self) -> Variables:
        """An independent copy."""
        return Variables(
            dict(self.values), set(self.exported), dict(self.origins), self.origin, self.touched, self.nounset
        )

    def get(self, name: str) -> str | None:
        """The value, None where the variable is unset.

        Raises:
            UnknownValueError: Only a running container knows.
        """
        self._check(name)
        if name in _OF_RUNTIME and name not in self.values:
            raise UnknownValueError(f"`${name}`, which is known only in a container")
        return self.values.get(name)

    def set(self, name: str, value: str) -> None:
        """Set a variable, which is exported if it was."""
        self._check(name)
        if len(value.encode()) > MAX_VALUE:
            raise UnknownValueError(f"a value of `{name}` over {MAX_VALUE:,} bytes")
        self.values[name] = value
        self.origins[name] = self.origin

    def export(self, name: str) -> None:
        """Export a variable, or what it will be."""
        self._check(name)
        self.exported.add(name)
        self.origins[name] = self.origin

    def unset(self, name: str) -> None:
        """Remove a variable."""
        self._check(name)
        self.values.pop(name, None)
        self.exported.discard(name)
        self.origins[name] = self.origin

    def _check(self, name: str) -> None:
        if _OF_SHELL.fullmatch(name):
            raise UnknownValueError(f"`${name}`, which is known only in a running shell")
        for script in self.touched:
            if name in script:
                raise UnknownValueError(f"`${name}`, which `{script.origin}` may use before")
