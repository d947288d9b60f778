"""Expanding words with the variables of a shell that activates; files and other programs are never asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.shell import expansion
from docker_envs.environments.shell.syntax import UnknownValueError, is_name

if TYPE_CHECKING:
    from docker_envs.environments.conda.activating.shell.state import Variables
    from docker_envs.environments.shell.expansion import Segment
    from docker_envs.environments.shell.syntax import Parameter, Substitution, Unread

#: Commands whose output is the same in every Linux container.
_CONSTANT_COMMANDS = {
    "uname": "Linux",
    "uname -s": "Linux",
    "uname | tr '[:upper:]' '[:lower:]'": "linux",
    "uname -s | tr '[:upper:]' '[:lower:]'": "linux",
}


class Expander(expansion.Expander):
    """Expands words with the variables of one shell."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables

    def value(self, part: Parameter) -> str | None:
        """The value of a variable; arguments and what the shell knows of itself are not known."""
        if not is_name(part.name):
            raise UnknownValueError(f"`${part.name}`", part.line)
        if part.name == "IFS" and "IFS" not in self.variables.origins:
            return expansion.BLANKS
        return self.variables.get(part.name)

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""
        self.variables.set(name, value)

    def output(self, part: Substitution) -> str:
        """The output of a command that always says the same."""
        if part.text not in _CONSTANT_COMMANDS:
            raise UnknownValueError(f"`$({part.text})`, a command", part.line)
        return _CONSTANT_COMMANDS[part.text]

    def unread(self, part: Unread) -> str:
        """Raise: conda's scripts are for Bash, with its extensions."""
        raise UnknownValueError(part.reason, part.line)

    def separators(self) -> str:
        """The value of `IFS`, whatever it was outside."""
        return self.variables.values.get("IFS", expansion.BLANKS)

    def names(self, fields: list[str], segments: list[Segment]) -> list[str]:
        """The fields, unless they may be patterns: file names are never looked up."""
        unquoted = "".join(segment.text for segment in segments if not segment.quoted)
        if "*" in unquoted or "?" in unquoted or ("[" in unquoted and "]" in unquoted) or "\\" in unquoted:
            raise UnknownValueError("a file name pattern")
        return fields

    def unset(self, part: Parameter) -> str:
        """Nothing, unless `set -u` holds."""
        if self.variables.nounset:
            raise UnknownValueError(f"`${part.name}`, which is unset, under `set -u`", part.line)
        return ""
