"""A position in the text of a script."""

from __future__ import annotations

import re
from bisect import bisect_left

from docker_envs.environments.shell.syntax import UnsupportedShellError

# More than people write, and far from Python's own limit.
_MAX_DEPTH = 60
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")


class Reader:
    """Moves over a text.

    Args:
        text: The script, or a piece of one.
        first_line: The number of its first line.
        depth: How deep in the script it is.
    """

    def __init__(self, text: str, first_line: int = 1, depth: int = 0) -> None:
        self.text = text
        self.position = 0
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._first_line = first_line
        self.depth = depth

    @property
    def line(self) -> int:
        """Number of the current line, from one."""
        return self._first_line + bisect_left(self._newlines, self.position)

    def fail(self, reason: str) -> UnsupportedShellError:
        """The error to raise for what is at the current position."""
        return UnsupportedShellError(self.line, reason)

    def peek(self, length: int = 1) -> str:
        """The next characters, without moving."""
        return self.text[self.position : self.position + length]

    def take(self, text: str) -> bool:
        """Move behind `text` if it is next."""
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move behind what `pattern` matches here, if anything."""
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def enter(self) -> None:
        """Go one level deeper; raise where scripts nest without reason."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail("nested too deeply")

    def leave(self) -> None:
        """Come back from `enter`."""
        self.depth -= 1

    def skip_blanks(self) -> None:
        """Move over spaces, tabs, continued lines, and a comment."""
        self.match(_BLANKS)
        self.match(_COMMENT)

    def peek_after_blanks(self, length: int = 1) -> str:
        """The next characters behind blanks and a comment, at which the position is then."""
        self.skip_blanks()
        return self.peek(length)
