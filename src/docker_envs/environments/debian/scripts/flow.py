"""How a script leaves what it is in the middle of, and what it reads from."""

from __future__ import annotations


class FlowError(Exception):
    """The commands that follow are not reached.

    Attributes:
        status: Whether what is left succeeded, None when that is not known.
        code: `$?` of it, None when that is not known.
    """

    def __init__(self, status: bool | None = True, code: str | None = "0") -> None:  # noqa: FBT001, FBT002
        super().__init__()
        self.status = status
        self.code = code


class ExitError(FlowError):
    """`exit`."""


class ReturnError(FlowError):
    """`return`."""


class LoopError(FlowError):
    """`break` or `continue`.

    Attributes:
        levels: How many loops it means.
        goes_on: Whether the last of them takes its next turn.
    """

    def __init__(self, levels: int, *, goes_on: bool) -> None:
        super().__init__()
        self.levels = levels
        self.goes_on = goes_on


class Input:
    """Text that commands read, one after the other; None where it is not known."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return self._text is not None

    def rest(self) -> str | None:
        """All that is left, for a command that reads to the end."""
        text, self._text = self._text, None if self._text is None else ""
        return text

    def forget(self) -> None:
        """Nobody knows what is left of it."""
        self._text = None

    def line(self) -> str | None:
        """The next line without its newline, None at the end."""
        if not self._text:
            return None
        line, newline, self._text = self._text.partition("\n")
        # The last line without a newline is one that `read` fails at.
        return line if newline else None
