"""`sed` with what maintainer scripts use of it: `s`, `d`, `p` and addresses.

Spec: POSIX.1-2024, XCU 3 "sed"; GNU sed for `0,/re/` and the flags `I` and `i`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from docker_envs.environments.debian.scripts.posix_patterns import PosixPattern, UnknownPatternError, compile_posix

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLANKS = re.compile(r"[ \t]*")
_SEPARATORS = re.compile(r"[ \t\n;]*")
_NUMBER = re.compile(r"\d{1,9}")
_FLAGS = re.compile(r"[gpIi\d]*")
_LAST = -1
#: The most steps that patterns may take in one text, roughly.
MAX_STEPS = 50_000_000


class UnknownSedError(ValueError):
    """A script of another kind, or one that takes too long."""


@dataclass(slots=True)
class _Command:
    """One command; an address is a number, `_LAST` or a pattern."""

    name: Literal["s", "d", "p", "q"]
    addresses: list[int | PosixPattern]
    inverted: bool
    pattern: PosixPattern | None = None
    replacement: Sequence[str | int] = ()
    occurrence: int = 1
    replaces_all: bool = False
    prints: bool = False
    until: int | PosixPattern | None = field(default=None)


def edit(script: str, text: str, *, extended: bool = False, quiet: bool = False) -> str:
    """What a script makes of a text.

    Args:
        script: Commands, separated by newlines or semicolons.
        text: The input.
        extended: Whether expressions are extended ones.
        quiet: Whether lines are printed only by `p`.

    Raises:
        UnknownSedError: The script has more than what is known here.
    """
    try:
        commands = _Parser(script, extended=extended).commands()
    except UnknownPatternError as error:
        raise UnknownSedError(script) from error
    check_cost(text, [each for command in commands for each in _patterns(command)])
    lines = text.split("\n")
    ends_with_newline = lines[-1] == ""
    if ends_with_newline:
        lines.pop()
    written: list[str] = []
    for command in commands:
        if command.addresses[:1] == [0]:
            command.until = command.addresses[1]
    for number, line in enumerate(lines, 1):
        stops = _apply(commands, line, number, written, is_last=number == len(lines), quiet=quiet)
        if stops:
            ends_with_newline = True
            break
    return "\n".join(written) + ("\n" if written and ends_with_newline else "")


def check_cost(text: str, patterns: Sequence[PosixPattern]) -> None:
    """Refuse patterns that might take too long for the lines of a text.

    Raises:
        UnknownSedError: They might.
    """
    lengths = [len(line) + 1 for line in text.split("\n")]
    if sum(length**pattern.degree for pattern in patterns for length in lengths) > MAX_STEPS:
        raise UnknownSedError("a long text")


def _patterns(command: _Command) -> list[PosixPattern]:
    found = [each for each in command.addresses if isinstance(each, PosixPattern)]
    return found if command.pattern is None else [*found, command.pattern]


def _apply(
    commands: Sequence[_Command], line: str, number: int, written: list[str], *, is_last: bool, quiet: bool
) -> bool:
    """Do the commands for one line; whether the script stops there."""
    for command in commands:
        if _selects(command, line, number, is_last=is_last) == command.inverted:
            continue
        if command.name == "d":
            return False
        if command.name == "q":
            if not quiet:
                written.append(line)
            return True
        if command.name == "p":
            written.append(line)
        elif command.pattern is not None:
            line, replaced = _substituted(command, command.pattern, line)
            if replaced and command.prints:
                written.append(line)
    if not quiet:
        written.append(line)
    return False


def _selects(command: _Command, line: str, number: int, *, is_last: bool) -> bool:
    if not command.addresses:
        return True
    if len(command.addresses) == 1:
        return _matches(command.addresses[0], line, number, is_last=is_last)
    if command.until is not None:
        end = command.until
        if (isinstance(end, int) and end != _LAST and number >= end) or (
            not isinstance(end, int) and _matches(end, line, number, is_last=is_last)
        ):
            command.until = None
        return True
    first, end = command.addresses
    if first == 0 or not _matches(first, line, number, is_last=is_last):
        return False
    if not isinstance(end, int) or end == _LAST or end > number:
        command.until = end
    return True


def _matches(address: int | PosixPattern, line: str, number: int, *, is_last: bool) -> bool:
    if isinstance(address, PosixPattern):
        return address.compiled.search(line) is not None
    return is_last if address == _LAST else number == address


def _substituted(command: _Command, pattern: PosixPattern, line: str) -> tuple[str, bool]:
    result, position, count = "", 0, 0
    for found in pattern.compiled.finditer(line):
        count += 1
        if count < command.occurrence:
            continue
        pieces = (each if isinstance(each, str) else found[each] or "" for each in command.replacement)
        result += line[position : found.start()] + "".join(pieces)
        position = found.end()
        if not command.replaces_all:
            break
    return result + line[position:], count >= command.occurrence


class _Parser:
    def __init__(self, script: str, *, extended: bool) -> None:
        self.text = script
        self.position = 0
        self.extended = extended

    def commands(self) -> list[_Command]:
        found: list[_Command] = []
        while self._skip(_SEPARATORS) and self.position < len(self.text):
            found.append(self._command())
            self._skip(_BLANKS)
            if self.position < len(self.text) and self.text[self.position] not in ";\n":
                raise UnknownSedError(self.text)
        return found

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return True

    def _take(self) -> str:
        self.position += 1
        return self.text[self.position - 1 : self.position]

    def _command(self) -> _Command:
        addresses = []
        address = self._address()
        if address is not None:
            addresses.append(address)
            if self.text.startswith(",", self.position):
                self.position += 1
                self._skip(_BLANKS)
                second = self._address()
                if second is None or second == 0:
                    raise UnknownSedError(self.text)
                addresses.append(second)
        if addresses[:1] == [0] and (len(addresses) == 1 or isinstance(addresses[1], int)):
            raise UnknownSedError(self.text)
        self._skip(_BLANKS)
        inverted = self.text.startswith("!", self.position)
        self.position += inverted
        self._skip(_BLANKS)
        match self._take():
            case "s":
                return self._substitution(addresses, inverted=inverted)
            case ("d" | "p" | "q") as name:
                return _Command(name, addresses, inverted)
            case _:
                raise UnknownSedError(self.text)

    def _address(self) -> int | PosixPattern | None:
        number = _NUMBER.match(self.text, self.position)
        if number is not None:
            self.position = number.end()
            return int(number[0])
        if self.text.startswith("$", self.position):
            self.position += 1
            return _LAST
        if not self.text.startswith("/", self.position):
            return None
        self.position += 1
        pattern = self._until("/")
        ignores_case = self.text.startswith("I", self.position)
        self.position += ignores_case
        return compile_posix(pattern, extended=self.extended, ignores_case=ignores_case)

    def _until(self, end: str) -> str:
        """What is before a delimiter, which loses its backslash inside."""
        result = ""
        while (character := self._take()) != end:
            if not character or character == "\n":
                raise UnknownSedError(self.text)
            if character == "[" and end in self.text[self.position : self.text.find("]", self.position + 1)]:
                # Whether a delimiter in brackets ends the expression depends on the program.
                raise UnknownSedError(self.text)
            if character == "\\":
                character = self._take()
                if character != end or not (end == "/" or end.isspace() or end in ",#:@%!_~=;\"'"):
                    character = f"\\{character}"
            result += character
        return result

    def _substitution(self, addresses: list[int | PosixPattern], *, inverted: bool) -> _Command:
        end = self._take()
        if not end or end.isalnum() or end in "\\\n.*[]^$+?(){}|&-":
            raise UnknownSedError(self.text)
        pattern, replacement = self._until(end), self._until(end)
        flags = _FLAGS.match(self.text, self.position)
        letters = flags[0] if flags else ""
        self.position += len(letters)
        number = re.sub(r"\D", "", letters)
        compiled = compile_posix(pattern, extended=self.extended, ignores_case="I" in letters or "i" in letters)
        if not pattern or not compiled.is_plain or number == "0":
            raise UnknownSedError(self.text)
        pieces = _replacement(replacement)
        if any(isinstance(each, int) and each > compiled.compiled.groups for each in pieces):
            raise UnknownSedError(self.text)
        return _Command(
            "s", addresses, inverted, compiled, pieces, int(number or 1), "g" in letters, "p" in letters
        )  # fmt: skip


def _replacement(text: str) -> list[str | int]:
    """Text, and the numbers of groups."""
    pieces: list[str | int] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "&":
            pieces.append(0)
        elif character != "\\":
            pieces.append(character)
        else:
            character = text[position : position + 1]
            position += 1
            if character.isdecimal():
                pieces.append(int(character))
            elif character in ("n", "t"):
                pieces.append({"n": "\n", "t": "\t"}[character])
            elif not character or character.isalnum():
                raise UnknownSedError(text)
            else:
                pieces.append(character)
    return pieces
