"""Evaluating commands: what a script does to variables, or the first thing in it that cannot be known.

Spec: POSIX.1-2024, XCU 2.9 "Shell Commands", 2.15 "Special Built-In Utilities".
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from docker_envs.environments.conda.activating.shell.conditions import Conditions
from docker_envs.environments.conda.activating.shell.expansion import Expander
from docker_envs.environments.shell.parser import parse_script
from docker_envs.environments.shell.syntax import (
    AndOr,
    Assignment,
    Background,
    Block,
    Case,
    Command,
    Condition,
    For,
    Function,
    Group,
    If,
    Loop,
    Not,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    UnknownValueError,
    Unread,
    UnsupportedShellError,
    Word,
    bare,
    is_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker_envs.environments.conda.activating.shell.conditions import PathLookup
    from docker_envs.environments.conda.activating.shell.state import Variables

#: Longest script that is read, in characters.
MAX_SCRIPT = 64 * 1024

#: Commands that one script may run, those of sourced files included.
MAX_COMMANDS = 10_000

_MAX_SOURCED = 8

#: Redirections that are lost on nobody: what scripts print is not part of what they do.
_HARMLESS = frozenset(
    (">/dev/null", ">>/dev/null", ">&1", ">&2", ">/dev/stderr", ">/dev/stdout", "&>/dev/null", "</dev/null")
)
#: Arguments of `set` that restore what holds anyway.
_SETS_NOTHING = (["+e"], ["+x"], ["+v"], ["+o", "errexit"], ["+o", "pipefail"], ["+o", "xtrace"])


class _ReturnError(Exception):
    """The script ends here."""


class Interpreter:
    """Runs scripts on the variables of one shell, as if these were sourced.

    Args:
        variables: Changed in place; discard it when a script raises.
        lookup: What is known of the image's files.
        sources: Absolute paths of files that a script may source, with their texts.
    """

    def __init__(self, variables: Variables, lookup: PathLookup, sources: Mapping[str, str]) -> None:
        self._variables = variables
        self._expander = Expander(variables)
        self._conditions = Conditions(self._expander, lookup)
        self._sources = sources
        self._commands_left = MAX_COMMANDS
        self._depth = 0
        self._builtins: dict[str, Callable[[Simple], bool]] = {
            ":": self._nothing,
            "true": self._nothing,
            "false": lambda command: not self._nothing(command),
            "echo": self._nothing,
            "printf": self._printf,
            "export": self._export,
            "unset": self._unset,
            "set": self._set,
            "test": self._test,
            "[": self._test,
            "return": self._return,
            "exit": self._return,
            ".": self._source,
            "source": self._source,
        }

    def run(self, text: str) -> None:
        """Source a script.

        Raises:
            UnsupportedShellError: It needs something outside of the subset, or something only a container knows.
        """
        with suppress(_ReturnError):
            self._block(parse_script(text, limit=MAX_SCRIPT))

    def _block(self, commands: Block) -> bool:
        status = True
        for command in commands:
            status = self._command(command)
        return status

    def _command(self, command: Command) -> bool:
        self._commands_left -= 1
        if self._commands_left < 0:
            raise UnsupportedShellError(command.line, f"more than {MAX_COMMANDS:,} commands")
        try:
            return self._evaluate(command)
        except UnknownValueError as error:
            raise UnsupportedShellError(error.line or command.line, str(error)) from error

    def _evaluate(self, command: Command) -> bool:
        match command:
            case Simple():
                return self._simple(command)
            case AndOr():
                return self._and_or(command)
            case Not():
                return not self._command(command.command)
            case Group(subshell=False):
                return self._block(command.body)
            case Redirected():
                self._check(command.line, command.redirections)
                return self._command(command.command)
            case If():
                return self._if(command)
            case Case():
                return self._case(command)
            case Condition():
                return self._conditions.holds(command)
            case For():
                return self._for(command)
            case Loop():
                return self._loop(command)
            case _:
                raise UnsupportedShellError(command.line, _refused(command))

    def _and_or(self, command: AndOr) -> bool:
        status = True
        for operator, step in command.steps:
            if not operator or (operator == "&&") == status:
                status = self._command(step)
        return status

    def _if(self, command: If) -> bool:
        for condition, body in command.branches:
            if not condition or self._block(condition):
                return self._block(body)
        return True

    def _case(self, command: Case) -> bool:
        subject = self._expander.text(command.word)
        for patterns, body in command.items:
            if any(self._expander.pattern(pattern).matches(subject) for pattern in patterns):
                return self._block(body)
        return True

    def _for(self, command: For) -> bool:
        if command.words is None:
            raise UnknownValueError("`$@`")
        status = True
        for value in [field for word in command.words for field in self._expander.fields(word)]:
            self._variables.set(command.name, value)
            status = self._block(command.body)
        return status

    def _loop(self, command: Loop) -> bool:
        status = True
        while self._block(command.condition) != command.until:
            status = self._block(command.body)
        return status

    def _check(self, line: int, redirections: tuple[Redirection, ...]) -> None:
        for each in redirections:
            if each.operator.startswith("<<"):
                raise UnsupportedShellError(line, "a here-document")
            if set(each.descriptor) - set("012") or f"{each.operator}{bare(each.target)}" not in _HARMLESS:
                raise UnsupportedShellError(line, "a redirection")

    def _simple(self, command: Simple) -> bool:
        self._check(command.line, command.redirections)
        if not command.words:
            for assignment in command.assignments:
                self._assign(assignment)
            return True
        first = command.words[0]
        fields = [] if isinstance(first, Assignment) else self._expander.fields(first)
        name = fields[0] if fields else ""
        if command.assignments:
            self._refuse(command, f"a variable for one command, `{name}`")
        if len(fields) != 1 or name not in self._builtins:
            self._refuse(command, f"`{name}`, a command")
        return self._builtins[name](command)

    def _assign(self, assignment: Assignment) -> None:
        value = self._expander.text(assignment.value)
        if assignment.append:
            value = (self._variables.get(assignment.name) or "") + value
        self._variables.set(assignment.name, value)

    def _refuse(self, command: Simple, reason: str) -> NoReturn:
        raise UnsupportedShellError(command.line, reason)

    def _arguments(self, command: Simple) -> list[str]:
        return [field for word in self._words(command) for field in self._expander.fields(word)]

    def _words(self, command: Simple) -> list[Word]:
        return [word for word in command.words[1:] if not isinstance(word, Assignment)]

    def _nothing(self, command: Simple) -> bool:
        """What it prints does not matter, its expansions do."""
        for word in self._words(command):
            self._expander.text(word)
        return True

    def _printf(self, command: Simple) -> bool:
        if len(command.words) < 2 or self._expander.text(self._words(command)[0]).startswith("-"):
            self._refuse(command, "an option of `printf`")
        return self._nothing(command)

    def _export(self, command: Simple) -> bool:
        for word in command.words[1:]:
            if isinstance(word, Assignment):
                self._assign(word)
                self._variables.export(word.name)
                continue
            for field in self._expander.fields(word):
                name, equals, value = field.partition("=")
                if not is_name(name):
                    self._refuse(command, f"`export {field}`")
                if equals:
                    self._variables.set(name, value)
                self._variables.export(name)
        return True

    def _unset(self, command: Simple) -> bool:
        names = self._arguments(command)
        if names[:1] == ["-v"]:
            del names[0]
        for name in names:
            if not is_name(name):
                self._refuse(command, f"`unset {name}`")
            self._variables.unset(name)
        return True

    def _set(self, command: Simple) -> bool:
        arguments = self._arguments(command)
        if arguments in (["-u"], ["-o", "nounset"]):
            self._variables.nounset = True
        elif arguments in (["+u"], ["+o", "nounset"]):
            self._variables.nounset = False
        elif arguments not in _SETS_NOTHING:
            self._refuse(command, f"`{' '.join(['set', *arguments])}`")
        return True

    def _test(self, command: Simple) -> bool:
        words = self._words(command)
        if bare(command.words[0]) != "test" and (not words or bare(words.pop()) != "]"):
            self._refuse(command, "`[` without `]`")
        return self._conditions.test(words)

    def _return(self, command: Simple) -> bool:
        arguments = self._arguments(command)
        if len(arguments) > 1 or not all(argument.isdecimal() for argument in arguments):
            self._refuse(command, "`return` with a status that is no number")
        raise _ReturnError

    def _source(self, command: Simple) -> bool:
        arguments = self._arguments(command)
        text = self._sources.get(arguments[0]) if len(arguments) == 1 else None
        if text is None:
            self._refuse(command, f"`{' '.join(['.', *arguments])}`, a file that is not known")
        self._depth += 1
        if self._depth > _MAX_SOURCED:
            self._refuse(command, "files that source each other")
        try:
            self.run(text)
        except UnsupportedShellError as error:
            self._refuse(command, f"`. {arguments[0]}`: {error}")
        self._depth -= 1
        return True


def _refused(command: Command) -> str:
    """What is known of the language, but not evaluated."""
    match command:
        case Function():
            return "`function`" if command.keyword else "a function"
        case Pipeline():
            return "a pipe"
        case Background():
            return "`&`"
        case Unread():
            return command.reason
        case _:
            return "a subshell"
