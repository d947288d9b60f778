"""What commands of a maintainer script read and write: pipes, substitutions and redirections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.findings import Reason
from docker_envs.environments.debian.scripts.flow import Input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.environments.debian.scripts.builtins import Builtins
    from docker_envs.environments.debian.scripts.commands import Commands
    from docker_envs.environments.debian.scripts.expansion import Expander
    from docker_envs.environments.shell.syntax import Redirection

_DISCARDED = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty")


class Streams:
    """Input and output of one shell.

    Args:
        commands: Write files.
        expander: Knows the names of files.
        builtins: Has the input.
        find: Hears of what is left out.
        certain: Whether it is known that a command is reached.
        writes: Whether anything is written to files at all.
    """

    def __init__(
        self,
        commands: Commands,
        expander: Expander,
        builtins: Builtins,
        *,
        find: Callable[[int, str, Reason], None],
        certain: Callable[[], bool],
        writes: bool,
    ) -> None:
        self._commands = commands
        self._expander = expander
        self._builtins = builtins
        self._find = find
        self._is_certain = certain
        self._writes = writes
        self._captured: list[str | None] | None = None

    def write(self, output: str | None) -> None:
        """What a command has written, None where that is not known."""
        if self._captured is not None:
            self._captured.append(output)

    def collected(self, run: Callable[[], bool | None]) -> tuple[bool | None, str | None]:
        """Run something, and get its status and what it wrote."""
        before, captured = self._captured, list[str | None]()
        self._captured = captured
        try:
            status = run()
        finally:
            self._captured = before
        known = [each for each in captured if each is not None]
        return status, "".join(known) if len(known) == len(captured) else None

    def passed_to(self, outer: Streams, run: Callable[[], bool | None]) -> bool | None:
        """Run something whose output is that of another shell."""
        self._builtins.input = outer._builtins.input
        status, output = self.collected(run)
        outer.write(output)
        return status

    def piped(self, steps: Sequence[Callable[[], bool | None]]) -> bool | None:
        """Run one step after the other, each with the output of the one before as input."""
        before = self._builtins.input
        *first, last = steps
        try:
            for step in first:
                self._builtins.input = Input(self.collected(step)[1])
            return last()
        finally:
            self._builtins.input = before

    def redirected(
        self, line: int, text: str, redirections: Sequence[Redirection], run: Callable[[], bool | None]
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
        self, line: int, text: str, redirections: Sequence[Redirection], run: Callable[[], bool | None]
    ) -> bool | None:
        of_output = [each for each in redirections if each.descriptor in ("", "1")]
        targets = [each for each in of_output if each.operator in (">", ">>", ">|")]
        target = self._expander.known_text(targets[-1].target) if targets else None
        discards = any(each.operator in ("&>", "&>>", ">&") for each in of_output) or target in _DISCARDED
        if not targets and not discards:
            return run()
        status, content = self.collected(run)
        if discards or not self._writes or (target is not None and self._commands.ignores(target)):
            return status
        if target is None or content is None:
            self._find(line, text, Reason.ARGUMENT)
        elif not self._is_certain():
            self._find(line, text, Reason.CONDITION)
        elif not self._commands.write(target, content, append=targets[-1].operator == ">>"):
            self._find(line, text, Reason.FILE)
        return status
