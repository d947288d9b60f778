"""Evaluating a maintainer script as if dpkg ran it on a new system; nothing is run.

Branches that cannot be reached in a first installation are passed over, so are commands that change no file. What the
known commands do is done to a model of the system's files. Everything else is a finding, and the script goes on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.conditions import evaluate_condition, evaluate_test, joined
from docker_envs.environments.debian.scripts.debconf import LIBRARY
from docker_envs.environments.debian.scripts.expansion import Expander
from docker_envs.environments.debian.scripts.findings import Finding, Reason
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
    Unread,
    UnsupportedShellError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker_envs.environments.debian.scripts.commands import Commands

#: Longest script that is read, in characters.
MAX_SCRIPT = 256 * 1024
_INTERPRETER = re.compile(r"#![ \t]*(?:/usr)?/bin/(?:env[ \t]+)?(?:ba|da)?sh\b")
#: The most commands that one script may evaluate, and calls inside of each other.
MAX_COMMANDS = 20_000
_MAX_CALLS = 40
# Characters that mean the same in POSIX's basic expressions, and bracket expressions without classes.
_SIMPLE_PATTERN = re.compile(r"\^?(?:[\w:/, -]|\[\^?[\w:/]+\]\*?)+\$?")
_DISCARDED = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")


class _ExitError(Exception):
    """`exit`."""


class _ReturnError(Exception):
    """`return`, `break` or `continue`: the rest of the function or of the turn is not reached."""


class Interpreter:
    """One script of one package.

    Args:
        commands: What commands do, and the model that they do it to.
        package: Name of the package.
        script: `preinst` or `postinst`.
        variables: What dpkg sets in the environment.
        answers: To debconf's questions, by name.
    """

    def __init__(
        self,
        commands: Commands,
        package: str,
        script: str,
        variables: Mapping[str, str],
        *,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self._commands = commands
        self._answers = answers or {}
        self._package, self._script = package, script
        self._expander = Expander(commands.files, variables, run=self._output, assign=self._assign)
        self._functions: dict[str, Command] = {}
        self._captured: list[str | None] | None = None
        self._is_certain = True
        self._left = MAX_COMMANDS
        self._calls = 0

    def run(self, text: str, arguments: Sequence[str]) -> None:
        """Evaluate the script; what it does is in the model afterwards, and what it would do in `findings`."""
        self._expander.arguments = list(arguments)
        try:
            if not _INTERPRETER.match(text):
                raise UnsupportedShellError(1, f"a script for `{text.partition(chr(10))[0][:80]}`")
            self._block(parse_script(text, limit=MAX_SCRIPT))
        except UnsupportedShellError as error:
            self._find(error.line, error.reason, Reason.UNREADABLE)
        except _ExitError:
            return
        except _ReturnError:
            return

    def _find(self, line: int, command: str, reason: Reason) -> None:
        finding = Finding(self._package, self._script, line, command, reason)
        if finding not in self.findings:
            self.findings.append(finding)

    def _block(self, commands: Block) -> bool | None:
        status: bool | None = True
        for command in commands:
            status = self._command(command)
        return status

    def _command(self, command: Command) -> bool | None:
        self._left -= 1
        if self._left < 0:
            raise UnsupportedShellError(command.line, f"more than {MAX_COMMANDS:,} commands")
        match command:
            case Simple():
                return self._simple(command)
            case AndOr():
                return self._and_or(command)
            case Not():
                status = self._command(command.command)
                return None if status is None else not status
            case If():
                return self._if(command)
            case Case():
                return self._case(command)
            case For():
                return self._for(command)
            case Loop():
                self._uncertain(command.condition, command.body)
                return None
            case Condition():
                return evaluate_condition(command, self._expander, self._commands.files)
            case Group():
                return self._block(command.body)
            case Background():
                return self._command(command.command)
            case Redirected():
                inner = command.command
                return self._redirected(command.line, "{ … }", command.redirections, lambda: self._command(inner))
            case Function():
                self._functions[command.name] = command.body
                return True
            case Pipeline():
                return self._pipeline(command)
            case Unread():
                return None

    def _uncertain(self, *blocks: Block) -> None:
        """Look at blocks of which nobody knows whether they are reached: what would do something is a finding."""
        before, self._is_certain = self._is_certain, False
        try:
            for block in blocks:
                with suppress(_ExitError, _ReturnError):
                    self._block(block)
        finally:
            self._is_certain = before

    def _and_or(self, command: AndOr) -> bool | None:
        status: bool | None = True
        for operator, step in command.steps:
            if not operator or (status is not None and (operator == "&&") == status):
                status = self._command(step)
            elif status is None:
                self._uncertain((step,))
                status = True if operator == "||" and _always_succeeds(step) else None
        return status

    def _if(self, command: If) -> bool | None:
        for number, (condition, body) in enumerate(command.branches):
            status = self._block(condition) if condition else True
            if status is None:
                later = (block for pair in command.branches[number + 1 :] for block in pair)
                self._uncertain(body, *later)
                return None
            if status:
                return self._block(body)
        return True

    def _case(self, command: Case) -> bool | None:
        subject = self._expander.known_text(command.word)
        for number, (patterns, body) in enumerate(command.items):
            status = joined([self._expander.known_match(each, subject) for each in patterns], both=False)
            if status is None:
                self._uncertain(*(each for _, each in command.items[number:]))
                return None
            if status:
                return self._block(body)
        return True

    def _for(self, command: For) -> bool | None:
        if command.words is None:
            values = list(self._expander.arguments)
        else:
            values = [field for word in command.words for field in self._expander.known_fields(word)]
        status: bool | None = True
        for value in values:
            self._expander.variables[command.name] = value
            try:
                if value is None:
                    self._uncertain(command.body)
                else:
                    status = self._block(command.body)
            except _ReturnError:
                continue
        return status

    def _pipeline(self, command: Pipeline) -> bool | None:
        """What goes through a pipe is not followed, but whether `grep` finds something in it."""
        pattern = self._searched(command)
        if pattern is not None:
            output = self._output(command.commands[:1])
            return None if output is None else pattern.search(output) is not None
        before, self._captured = self._captured, []
        try:
            self._uncertain(command.commands)
        finally:
            self._captured = before
        if self._captured is not None:
            self._captured.append(None)
        return None

    def _searched(self, command: Pipeline) -> re.Pattern[str] | None:
        """The pattern of `… | grep -q PATTERN`, if it means the same in Python."""
        last = command.commands[-1]
        if len(command.commands) != 2 or not isinstance(last, Simple) or last.redirections:
            return None
        fields = [field for word in last.words for field in self._expander.known_fields(word)]
        if len(fields) != 3 or fields[:2] != ["grep", "-q"] or not _SIMPLE_PATTERN.fullmatch(fields[2] or ""):
            return None
        return re.compile(fields[2] or "", re.MULTILINE)

    def _output(self, block: Block) -> str | None:
        """What commands write, without newlines at its end."""
        variables = dict(self._expander.variables)
        before, self._captured = self._captured, []
        try:
            self._block(block)
        except (_ExitError, _ReturnError):
            pass
        finally:
            captured, self._captured = self._captured, before
            self._expander.variables = variables
        return None if None in captured else "".join(each for each in captured if each is not None).rstrip("\n")

    def _simple(self, command: Simple) -> bool | None:
        if not command.words:
            for each in command.assignments:
                self._assign(each.name, self._assigned(each))
        fields = [field for word in command.words for field in self._expander.known_fields(word)]
        return self._redirected(command.line, command.text, command.redirections, lambda: self._call(command, fields))

    def _assigned(self, assignment: Assignment) -> str | None:
        value = self._expander.known_text(assignment.value)
        before = self._expander.variables.get(assignment.name, "") if assignment.append else ""
        return None if value is None or before is None else before + value

    def _assign(self, name: str, value: str | None) -> None:
        if self._is_certain or self._expander.variables.get(name, "") != value:
            self._expander.variables[name] = value if self._is_certain else None

    def _call(self, command: Simple, fields: list[str | None]) -> bool | None:
        if not fields:
            return True
        name, arguments = fields[0], fields[1:]
        if name in self._functions:
            return self._function(self._functions[name], arguments, command)
        if name == ".":
            return self._source(command, arguments)
        if name is not None and name.startswith("db_"):
            return self._debconf(name, arguments)
        builtin = self._builtins().get(name or "")
        if builtin is not None:
            return builtin(arguments)
        here = next(
            (self._expander.known_text(each.target) for each in command.redirections if each.operator in ("<<", "<<-")),
            None,
        )
        outcome = self._commands.call(name, arguments, package=self._package, here=here, may_act=self._is_certain)
        if self._captured is not None:
            self._captured.append(outcome.output)
        if outcome.reason is not None:
            self._find(command.line, command.text, outcome.reason)
        return outcome.status

    def _builtins(self) -> dict[str, Callable[[list[str | None]], bool | None]]:
        return {
            "[": lambda words: evaluate_test(words[:-1], self._commands.files),
            "test": lambda words: evaluate_test(words, self._commands.files),
            "exit": self._exit,
            "return": self._return,
            "break": self._return,
            "continue": self._return,
            "local": self._declare,
            "export": self._declare,
            "readonly": self._declare,
            "read": self._read,
            "set": self._set,
            "shift": self._shift,
        }

    def _source(self, command: Simple, words: list[str | None]) -> bool | None:
        """`.`: the shell library of debconf, or a file that is known."""
        path = words[0] if words else None
        if path == LIBRARY:
            return True
        content = None if path is None else self._commands.files.read(path)
        if content is None:
            self._find(command.line, command.text, Reason.UNKNOWN)
            return None
        return self._block(parse_script(content.decode("utf-8", "surrogateescape"), limit=MAX_SCRIPT))

    def _debconf(self, name: str, words: list[str | None]) -> bool | None:
        """Questions are answered by their default; nobody is asked."""
        if name in ("db_get", "db_metaget", "db_fget"):
            answer = self._answers.get(words[0] or "") if words and name == "db_get" else None
            self._expander.variables["RET"] = answer
            return None if words[:1] == [None] else answer is not None
        return True

    def _exit(self, words: list[str | None]) -> bool | None:
        raise _ExitError

    def _return(self, words: list[str | None]) -> bool | None:
        raise _ReturnError

    def _declare(self, words: list[str | None]) -> bool:
        for word in words:
            name, equals, value = (word or "").partition("=")
            if equals:
                self._assign(name, value)
        return True

    def _read(self, words: list[str | None]) -> None:
        self._expander.variables.update(dict.fromkeys((word for word in words if word), None))

    def _set(self, words: list[str | None]) -> bool:
        if words[:1] == ["--"]:
            self._expander.arguments = words[1:]
        return True

    def _shift(self, words: list[str | None]) -> bool:
        del self._expander.arguments[: int(words[0]) if words and words[0] and words[0].isdecimal() else 1]
        return True

    def _function(self, body: Command, arguments: list[str | None], command: Simple) -> bool | None:
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise UnsupportedShellError(command.line, "functions that call each other")
        before, self._expander.arguments = self._expander.arguments, arguments
        try:
            return self._command(body)
        except _ReturnError:
            return None
        finally:
            self._expander.arguments = before
            self._calls -= 1

    def _redirected(
        self, line: int, text: str, redirections: tuple[Redirection, ...], run: Callable[[], bool | None]
    ) -> bool | None:
        """Run something, and write to a file what it writes."""
        of_output = [each for each in redirections if each.descriptor in ("", "1")]
        targets = [each for each in of_output if each.operator in (">", ">>", ">|")]
        target = self._expander.known_text(targets[-1].target) if targets else None
        if any(each.operator in ("&>", "&>>", ">&") for each in of_output) or target in _DISCARDED:
            before, self._captured = self._captured, []
            try:
                return run()
            finally:
                self._captured = before
        if not targets:
            return run()
        before, self._captured = self._captured, []
        try:
            status = run()
        finally:
            captured, self._captured = self._captured, before
        if target is not None and self._commands.ignores(target):
            return status
        if target is None or None in captured:
            self._find(line, text, Reason.ARGUMENT)
        elif not self._is_certain:
            self._find(line, text, Reason.CONDITION)
        else:
            content = "".join(each for each in captured if each is not None)
            if not self._commands.write(target, content, append=targets[-1].operator == ">>"):
                self._find(line, text, Reason.FILE)
        return status


def _always_succeeds(command: Command) -> bool:
    return isinstance(command, Simple) and command.text in ("true", ":", "return 0", "exit 0")
