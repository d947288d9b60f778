"""Evaluating a maintainer script as if dpkg ran it on a new system; nothing is run.

Branches that cannot be reached in a first installation are passed over, so are commands that change no file. What the
known commands do is done to a model of the system's files. Everything else is a finding, and the script goes on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.builtins import Builtins
from docker_envs.environments.debian.scripts.conditions import evaluate_condition, joined
from docker_envs.environments.debian.scripts.debconf import LIBRARY, Answers
from docker_envs.environments.debian.scripts.expansion import Expander
from docker_envs.environments.debian.scripts.findings import Finding, Reason
from docker_envs.environments.debian.scripts.flow import ExitError, FlowError, Input, LoopError, ReturnError
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
#: The most turns of a loop that are taken one by one, and how deep commands may be in each other.
_MAX_TURNS = 2_000
_MAX_DEPTH = 48
_MAX_VALUE = 1 << 20
_DISCARDED = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")


@dataclass
class _Limits:
    """What is left of what scripts may take, shared with those that they run."""

    commands: int = MAX_COMMANDS
    depth: int = 0


class Interpreter:
    """One script of one package.

    Args:
        commands: What commands do, and the model that they do it to.
        package: Name of the package.
        script: `preinst`, `postinst` or `config`.
        variables: What dpkg sets in the environment.
        answers: To debconf's questions; changed by what scripts answer themselves.
        config: The script that asks debconf's questions, if there is one.
        limits: Of the script that this one runs in.
    """

    def __init__(
        self,
        commands: Commands,
        package: str,
        script: str,
        variables: Mapping[str, str],
        *,
        answers: Answers | None = None,
        config: str | None = None,
        limits: _Limits | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self._commands = commands
        self._answers = answers or Answers()
        self._config = config
        self._variables = variables
        self._package, self._script = package, script
        self._expander = Expander(commands.files, variables, run=self._output, assign=self._assign)
        self._builtins = Builtins(
            commands.files, self._expander, self._answers, assign=self._assign, certain=lambda: self._is_certain
        )
        self._functions: dict[str, Command] = {}
        self._captured: list[str | None] | None = None
        self._substituted: tuple[bool | None, str | None] | None = None
        self._is_certain = True
        self._limits = limits or _Limits()
        self._calls = 0

    def run(self, text: str, arguments: Sequence[str | None]) -> bool | None:
        """Evaluate the script; what it does is in the model afterwards, and what it would do in `findings`.

        Returns:
            Whether it succeeds, None where that is not known.
        """
        self._expander.arguments = list(arguments)
        depth = self._limits.depth
        try:
            if not _INTERPRETER.match(text):
                raise UnsupportedShellError(1, f"a script for `{text.partition(chr(10))[0][:80]}`")
            return self._block(parse_script(text, limit=MAX_SCRIPT))
        except UnsupportedShellError as error:
            self._find(error.line, error.reason, Reason.UNREADABLE)
        except RecursionError:
            self._find(1, "commands inside of each other", Reason.UNREADABLE)
        except FlowError as end:
            return end.status
        finally:
            self._limits.depth = depth
        return None

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
        self._limits.commands -= 1
        if self._limits.commands < 0:
            raise UnsupportedShellError(command.line, f"more than {MAX_COMMANDS:,} commands")
        self._limits.depth += 1
        if self._limits.depth > _MAX_DEPTH:
            raise UnsupportedShellError(command.line, "commands inside of each other")
        before = self._limits.depth
        try:
            status = self._evaluated(command)
        finally:
            self._limits.depth = before - 1
        if status is not False or self._expander.status == "0":
            self._expander.status = {True: "0", False: "1", None: None}[status]
        return status

    def _evaluated(self, command: Command) -> bool | None:
        match command:
            case Simple():
                return self._simple(command)
            case AndOr():
                return self._and_or(command)
            case Not():
                status = self._command(command.command)
                return self._done(None if status is None else not status)
            case If():
                return self._if(command)
            case Case():
                return self._case(command)
            case For():
                return self._for(command)
            case Loop():
                return self._loop(command)
            case Condition():
                return self._done(evaluate_condition(command, self._expander, self._commands.files))
            case Group():
                return self._subshell(command.body) if command.subshell else self._block(command.body)
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
                return self._done(None)

    def _done(self, status: bool | None, code: str = "1") -> bool | None:
        """Remember the status of a command for `$?`."""
        self._expander.status = {True: "0", False: code, None: None}[status]
        return status

    def _uncertain(self, *blocks: Block) -> None:
        """Look at blocks of which nobody knows whether they are reached: what would do something is a finding."""
        before, self._is_certain = self._is_certain, False
        try:
            for block in blocks:
                with suppress(FlowError):
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
        return self._done(status=True)

    def _case(self, command: Case) -> bool | None:
        subject = self._expander.known_text(command.word)
        for number, (patterns, body) in enumerate(command.items):
            status = joined([self._expander.known_match(each, subject) for each in patterns], both=False)
            if status is None:
                self._uncertain(*(each for _, each in command.items[number:]))
                return None
            if status:
                return self._block(body)
        return self._done(status=True)

    def _for(self, command: For) -> bool | None:
        if command.words is None:
            values = list(self._expander.arguments)
        else:
            values = [field for word in command.words for field in self._expander.known_fields(word)]
        status: bool | None = True
        for value in values:
            self._expander.variables[command.name] = value
            if value is None:
                self._uncertain(command.body)
                continue
            goes_on, status = self._turn(command.body)
            if not goes_on:
                break
        return status

    def _loop(self, command: Loop) -> bool | None:
        status: bool | None = True
        for _ in range(_MAX_TURNS):
            condition = self._block(command.condition)
            if condition is None:
                break
            if condition == command.until:
                return self._done(status)
            goes_on, status = self._turn(command.body)
            if not goes_on:
                return status
        self._uncertain(command.body)
        return None

    def _turn(self, body: Block) -> tuple[bool, bool | None]:
        """One turn of a loop: whether another may follow, and its status."""
        try:
            return True, self._block(body)
        except LoopError as error:
            if error.levels > 1:
                raise LoopError(error.levels - 1, goes_on=error.goes_on) from None
            return error.goes_on, True

    def _subshell(self, body: Block) -> bool | None:
        """Commands in a shell of their own, whose variables nobody sees afterwards."""
        variables, functions = dict(self._expander.variables), dict(self._functions)
        arguments = list(self._expander.arguments)
        try:
            return self._block(body)
        except (ExitError, ReturnError) as end:
            self._expander.status = end.code
            return end.status
        finally:
            self._expander.variables, self._functions = variables, functions
            self._expander.arguments = arguments

    def _pipeline(self, command: Pipeline) -> bool | None:
        """Each command reads what the one before has written."""
        before, captured = self._builtins.input, self._captured
        status: bool | None = True
        *first, last = command.commands
        try:
            for each in first:
                output: list[str | None] = []
                self._captured = output
                self._subshell((each,))
                self._builtins.input = Input(_joined(output))
            self._captured = captured
            status = self._subshell((last,))
        finally:
            self._builtins.input, self._captured = before, captured
        return status

    def _output(self, block: Block) -> str | None:
        """What commands write, without newlines at its end."""
        before, captured = self._captured, list[str | None]()
        self._captured = captured
        try:
            status = self._subshell(block)
            self._substituted = (status, self._expander.status)
        finally:
            self._captured = before
        output = _joined(captured)
        return None if output is None else output.rstrip("\n")

    def _simple(self, command: Simple) -> bool | None:
        self._substituted = None
        if not command.words:
            for each in command.assignments:
                self._assign(each.name, self._assigned(each))
        fields = [field for word in command.words for field in self._expander.known_fields(word)]
        if not fields:
            status, self._expander.status = self._substituted or (True, "0")
            return self._redirected(command.line, command.text, command.redirections, lambda: status)
        return self._redirected(command.line, command.text, command.redirections, lambda: self._call(command, fields))

    def _assigned(self, assignment: Assignment) -> str | None:
        value = self._expander.known_text(assignment.value)
        before = self._expander.variables.get(assignment.name, "") if assignment.append else ""
        return None if value is None or before is None else before + value

    def _assign(self, name: str, value: str | None) -> None:
        value = None if value is not None and len(value) > _MAX_VALUE else value
        if self._is_certain or self._expander.variables.get(name, "") != value:
            self._expander.variables[name] = value if self._is_certain else None

    def _call(self, command: Simple, fields: list[str | None]) -> bool | None:
        name, arguments = fields[0], fields[1:]
        if name in self._functions:
            return self._function(self._functions[name], arguments, command)
        if name == ".":
            return self._source(command, arguments)
        if name is not None and name.startswith("db_"):
            return self._done(self._builtins.ask(name, arguments))
        builtin = self._builtins.by_name.get(name or "")
        if builtin is not None:
            return self._done(builtin(arguments))
        may_act = self._is_certain and self._script != "config"
        given = self._builtins.input
        outcome = self._commands.call(name, arguments, package=self._package, given=given, may_act=may_act)
        if outcome.reason is Reason.UNKNOWN and name is not None and may_act:
            text = self._commands.files.read(name) if name.startswith("/") else None
            if text is not None and _INTERPRETER.match(text.decode("utf-8", "replace")):
                return self._nested(command, name, text, arguments)
        if self._captured is not None:
            self._captured.append(outcome.output)
        if outcome.reason is Reason.UNKNOWN:
            given.forget()
        if outcome.reason is not None:
            self._find(command.line, command.text, outcome.reason)
        return self._done(outcome.status, str(outcome.code))

    def _nested(self, command: Simple, name: str, text: bytes, arguments: list[str | None]) -> bool | None:
        """A script of a package that this one runs."""
        nested = Interpreter(self._commands, self._package, self._script, self._variables, limits=self._limits)
        nested._captured = self._captured
        status = nested.run(text.decode("utf-8", "surrogateescape"), arguments)
        for finding in nested.findings:
            self._find(command.line, f"{name}: {finding.command}", finding.reason)
        return self._done(status)

    def _source(self, command: Simple, words: list[str | None]) -> bool | None:
        """`.`: the shell library of debconf, or a file that is known."""
        path = words[0] if words else None
        if path == LIBRARY:
            self._configure()
            return self._done(status=True)
        content = None if path is None else self._commands.files.read(path)
        if content is None:
            if path is not None and path not in self._commands.files:
                return self._done(status=False, code="2")
            self._find(command.line, command.text, Reason.UNKNOWN)
            return self._done(None)
        try:
            return self._block(parse_script(content.decode("utf-8", "surrogateescape"), limit=MAX_SCRIPT))
        except ReturnError as end:
            return self._done(end.status, end.code or "1")

    def _configure(self) -> None:
        """What debconf does first: the script that asks, which may know better answers than the defaults."""
        config, self._config = self._config, None
        if config is not None and self._script == "postinst":
            asking = Interpreter(
                self._commands, self._package, "config", self._variables, answers=self._answers, limits=self._limits
            )
            asking.run(config, [*self._expander.arguments[:2]])

    def _function(self, body: Command, arguments: list[str | None], command: Simple) -> bool | None:
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise UnsupportedShellError(command.line, "functions that call each other")
        before, self._expander.arguments = self._expander.arguments, arguments
        self._builtins.scopes.append({})
        try:
            return self._command(body)
        except ReturnError as end:
            self._expander.status = end.code
            return end.status
        finally:
            self._expander.arguments = before
            self._expander.variables.update(self._builtins.scopes.pop())
            self._calls -= 1

    def _redirected(
        self, line: int, text: str, redirections: tuple[Redirection, ...], run: Callable[[], bool | None]
    ) -> bool | None:
        """Run something with other input, and write to a file what it writes."""
        before = self._builtins.input
        for each in redirections:
            if each.operator in ("<", "<<", "<<-", "<<<") and each.descriptor in ("", "0"):
                self._builtins.input = self._given(each)
        try:
            return self._written(line, text, redirections, run)
        finally:
            self._builtins.input = before

    def _given(self, redirection: Redirection) -> Input:
        target = self._expander.known_text(redirection.target)
        if redirection.operator == "<":
            if target == "/dev/null":
                return Input("")
            content = None if target is None else self._commands.files.read(target)
            return Input(None if content is None else content.decode("utf-8", "surrogateescape"))
        return Input(f"{target}\n" if redirection.operator == "<<<" and target is not None else target)

    def _written(
        self, line: int, text: str, redirections: tuple[Redirection, ...], run: Callable[[], bool | None]
    ) -> bool | None:
        of_output = [each for each in redirections if each.descriptor in ("", "1")]
        targets = [each for each in of_output if each.operator in (">", ">>", ">|")]
        target = self._expander.known_text(targets[-1].target) if targets else None
        discards = any(each.operator in ("&>", "&>>", ">&") for each in of_output) or target in _DISCARDED
        if not targets and not discards:
            return run()
        before, captured = self._captured, list[str | None]()
        self._captured = captured
        try:
            status = run()
        finally:
            self._captured = before
        if discards or (target is not None and self._commands.ignores(target)) or self._script == "config":
            return status
        content = _joined(captured)
        if target is None or content is None:
            self._find(line, text, Reason.ARGUMENT)
        elif not self._is_certain:
            self._find(line, text, Reason.CONDITION)
        elif not self._commands.write(target, content, append=targets[-1].operator == ">>"):
            self._find(line, text, Reason.FILE)
        return status


def _joined(output: Sequence[str | None]) -> str | None:
    known = [each for each in output if each is not None]
    return "".join(known) if len(known) == len(output) else None


def _always_succeeds(command: Command) -> bool:
    return isinstance(command, Simple) and command.text in ("true", ":", "return 0", "exit 0")
