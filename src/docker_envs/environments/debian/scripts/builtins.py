"""What the shell itself does of the commands of maintainer scripts, and the questions of debconf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.conditions import evaluate_test
from docker_envs.environments.debian.scripts.flow import ExitError, Input, LoopError, ReturnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.scripts.debconf import Answers
    from docker_envs.environments.debian.scripts.expansion import Expander
    from docker_envs.environments.debian.system.files import SystemFiles

_MAX_LEVELS = 99


class Builtins:
    """The commands by name; each gives whether it succeeds, None where that is not known.

    Args:
        files: The files of the system.
        expander: Variables and arguments of the shell.
        answers: To debconf's questions.
        assign: Sets a variable.
        certain: Whether it is known that a command is reached.

    Attributes:
        input: What commands read.
        scopes: Values that variables had before functions made them local, of the outermost function first.
    """

    def __init__(
        self,
        files: SystemFiles,
        expander: Expander,
        answers: Answers,
        *,
        assign: Callable[[str, str | None], None],
        certain: Callable[[], bool],
    ) -> None:
        self.input = Input(None)
        self.scopes: list[dict[str, str | None]] = []
        self._files = files
        self._expander = expander
        self._answers = answers
        self._assign = assign
        self._is_certain = certain
        self.by_name: dict[str, Callable[[list[str | None]], bool | None]] = {
            "[": lambda words: evaluate_test(words[:-1], files),
            "test": lambda words: evaluate_test(words, files),
            "exit": self._exit,
            "return": self._return,
            "break": lambda words: self._leave(words, goes_on=False),
            "continue": lambda words: self._leave(words, goes_on=True),
            "local": self._local,
            "export": self._declare,
            "readonly": self._declare,
            "read": self._read,
            "set": self._set,
            "shift": self._shift,
            "unset": self._unset,
        }

    def ask(self, name: str, words: list[str | None]) -> bool | None:
        """A command of debconf: questions are answered by their default, for nobody is asked."""
        question = words[0] if words else None
        if name == "db_set":
            if question is not None:
                answer = words[1] if len(words) > 1 else ""
                self._answers.by_name[question] = answer if self._is_certain() else None
            return True
        if name == "db_get":
            is_there = question in self._answers.by_name
            self._assign("RET", self._answers.by_name[question] if question is not None and is_there else None)
            return None if question is None else is_there
        if name in ("db_metaget", "db_fget"):
            value = self._answers.about(question, words[1]) if name == "db_metaget" and len(words) == 2 else None
            self._assign("RET", value)
            return None if value is None else True
        # A question that is not shown is skipped, which `db_input` says by its status.
        return name != "db_input"

    def _exit(self, words: list[str | None]) -> bool | None:
        raise ExitError(*self._status(words))

    def _return(self, words: list[str | None]) -> bool | None:
        raise ReturnError(*self._status(words))

    def _status(self, words: list[str | None]) -> tuple[bool | None, str | None]:
        code = words[0] if words else self._expander.status
        return (None, None) if code is None or not code.isdecimal() else (int(code) == 0, code)

    @staticmethod
    def _leave(words: list[str | None], *, goes_on: bool) -> bool | None:
        word = words[0] if words else "1"
        raise LoopError(min(int(word), _MAX_LEVELS) if word and word.isdecimal() else 1, goes_on=goes_on)

    def _local(self, words: list[str | None]) -> bool:
        for word in words:
            name = (word or "").partition("=")[0]
            if self.scopes and name not in self.scopes[-1] and not name.startswith("-"):
                self.scopes[-1][name] = self._expander.variables.get(name, "")
        return self._declare(words)

    def _declare(self, words: list[str | None]) -> bool:
        for word in words:
            name, equals, value = (word or "").partition("=")
            if equals:
                self._assign(name, value)
        return True

    def _read(self, words: list[str | None]) -> bool | None:
        names = [word for word in words if word and not word.startswith("-")]
        if not self.input.is_known or not names or not self._is_certain():
            self._expander.variables.update(dict.fromkeys(names))
            return None
        line = self.input.line()
        if line is None:
            self._expander.variables.update(dict.fromkeys(names, ""))
            return False
        separators = self._expander.variables.get("IFS")
        if separators not in ("", " \t\n") or ("\\" in line and "-r" not in words):
            self._expander.variables.update(dict.fromkeys(names))
            return True
        fields = line.split(None, len(names) - 1) if separators else [line]
        fields[-1:] = [each.rstrip(" \t") if separators else each for each in fields[-1:]]
        for name, field in zip(names, [*fields, *[""] * len(names)], strict=False):
            self._expander.variables[name] = field
        return True

    def _set(self, words: list[str | None]) -> bool:
        if words[:1] == ["--"]:
            self._expander.arguments = words[1:]
        return True

    def _shift(self, words: list[str | None]) -> bool:
        del self._expander.arguments[: int(words[0]) if words and words[0] and words[0].isdecimal() else 1]
        return True

    def _unset(self, words: list[str | None]) -> bool:
        for word in words:
            if word is not None and self._is_certain():
                self._expander.variables.pop(word, None)
            elif word is not None:
                self._expander.variables[word] = None
        return True
