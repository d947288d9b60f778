"""Commands of maintainer scripts that make text of text, where all of it is known.

Each gives `UNKNOWN` for options and input that it does not know.

Spec: POSIX.1-2024, XCU 3 "Utilities"; GNU grep for `-s`, `-w` and `-x`.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome
from docker_envs.environments.debian.scripts.posix_patterns import PosixPattern, UnknownPatternError, compile_posix
from docker_envs.environments.debian.scripts.sed import UnknownSedError, check_cost, edit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.environments.debian.scripts.flow import Input
    from docker_envs.environments.debian.system.files import SystemFiles

_MAX_NUMBERS = 10_000
_OCTAL_OR_FORMAT = re.compile(r"%(.)|\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", '"': '"', "'": "'"}
_SETS = {
    "a-z": "abcdefghijklmnopqrstuvwxyz",
    "A-Z": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0-9": "0123456789",
    "[:lower:]": "abcdefghijklmnopqrstuvwxyz",
    "[:upper:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "[:digit:]": "0123456789",
    "[:space:]": " \t\n\v\f\r",
    "[:blank:]": " \t",
}
_SET = re.compile(r"\[:[a-z]+:\]|a-z|A-Z|0-9|\\.|[^\\\[\]-]", re.DOTALL)
_FIELDS = re.compile(r"(\d{1,4})(?:(-)(\d{0,4}))?\Z|-(\d{1,4})\Z")


class TextCommands:
    """The commands by name: each gets its words and its input."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files
        self.by_name: dict[str, Callable[[Sequence[str], Input], Outcome]] = {
            "basename": _basename,
            "dirname": _dirname,
            "seq": _seq,
            "expr": _expr,
            "printf": _printf,
            "tr": _tr,
            "cut": self._cut,
            "grep": lambda words, given: self._grep(words, given, kind="G"),
            "egrep": lambda words, given: self._grep(words, given, kind="E"),
            "fgrep": lambda words, given: self._grep(words, given, kind="F"),
            "sed": self._sed,
            "awk": _awk,
            "sort": self._sort,
            "head": lambda words, given: self._lines(words, given, from_start=True),
            "tail": lambda words, given: self._lines(words, given, from_start=False),
            "wc": self._count,
        }

    def _read(self, names: Sequence[str], given: Input) -> str | None:
        """What is in files, or else in the input."""
        if not names or list(names) == ["-"]:
            return given.rest()
        texts = []
        for name in names:
            content = b"" if name == "/dev/null" else self._files.read(name)
            if content is None:
                return None
            texts.append(content.decode("utf-8", "surrogateescape"))
        return "".join(texts)

    def _sed(self, words: Sequence[str], given: Input) -> Outcome:
        parsed = parse_sed(words)
        text = None if parsed is None else self._read(parsed[1], given)
        if parsed is None or text is None:
            return UNKNOWN
        scripts, _, options = parsed
        try:
            output = edit(scripts, text, extended=bool(options & {"E", "r"}), quiet="n" in options)
        except UnknownSedError:
            return UNKNOWN
        return Outcome(output=output)

    def _grep(self, words: Sequence[str], given: Input, *, kind: str) -> Outcome:
        options, patterns, names = _parse_grep(words)
        if options is None or not patterns:
            return UNKNOWN
        kind = next((each for each in "EF" if each in options), kind)
        if names and "s" in options and len(names) == 1 and names[0] not in self._files:
            return Outcome(status=False, code=2)
        text = self._read(names, given)
        if text is None or (len(names) > 1 and not options & {"q", "h"}):
            return UNKNOWN
        try:
            searched = [_searched(each, options, kind) for pattern in patterns for each in pattern.split("\n")]
            check_cost(text, searched)
        except (UnknownPatternError, UnknownSedError):
            return UNKNOWN
        lines = text.split("\n")[:-1] if text.endswith("\n") or not text else text.split("\n")
        inverted = "v" in options
        found = [line for line in lines if any(each.compiled.search(line) for each in searched) != inverted]
        if "o" in options:
            return UNKNOWN
        if "c" in options:
            return Outcome(bool(found), f"{len(found)}\n")
        return Outcome(bool(found), "" if "q" in options else "".join(f"{line}\n" for line in found))

    def _cut(self, words: Sequence[str], given: Input) -> Outcome:
        options, names = _values(words, "dfc")
        text = self._read(names, given)
        found = _FIELDS.match(options.get("f", options.get("c", ""))) if options is not None else None
        if found is None or text is None or set(options) - set("dfcs") or {"f", "c"} <= set(options):
            return UNKNOWN
        first = int(found[1] or 1)
        last = int(found[4]) if found[4] else (first if not found[2] else int(found[3] or 1_000_000))
        if first == 0 or len(options.get("d", "x")) != 1:
            return UNKNOWN
        lines = []
        for line in text.removesuffix("\n").split("\n") if text else ():
            parts = line.split(options.get("d", "\t")) if "f" in options else list(line)
            if "f" in options and len(parts) == 1:
                lines += [] if "s" in options else [line]
            else:
                lines.append((options.get("d", "\t") if "f" in options else "").join(parts[first - 1 : last]))
        return Outcome(output="".join(f"{line}\n" for line in lines))

    def _sort(self, words: Sequence[str], given: Input) -> Outcome:
        options = {letter for word in words if word.startswith("-") for letter in word[1:]}
        text = self._read([word for word in words if not word.startswith("-")], given)
        # Another order than that of bytes would be one of a locale.
        if text is None or options - {"u", "r", "n"}:
            return UNKNOWN
        lines = text.removesuffix("\n").split("\n") if text else []
        if "n" in options and not all(re.fullmatch(r"-?\d{1,9}", line) for line in lines):
            return UNKNOWN
        key = (lambda line: (int(line), b"")) if "n" in options else (lambda line: (0, line.encode("utf-8", "replace")))
        lines = sorted(set(lines) if "u" in options else lines, key=key, reverse="r" in options)
        return Outcome(output="".join(f"{line}\n" for line in lines))

    def _lines(self, words: Sequence[str], given: Input, *, from_start: bool) -> Outcome:
        words = [f"-n{word[1:]}" if re.fullmatch(r"-\d+", word) else word for word in words]
        options, names = _values(words, "n")
        text = self._read(names, given)
        number = options.get("n", "10")
        if text is None or set(options) - {"n"} or not re.fullmatch(r"\d{1,6}", number) or len(names) > 1:
            return UNKNOWN
        lines = text.splitlines(keepends=True)
        kept = lines[: int(number)] if from_start else lines[max(0, len(lines) - int(number)) :]
        return Outcome(output="".join(kept))

    def _count(self, words: Sequence[str], given: Input) -> Outcome:
        text = self._read(words[1:], given)
        if list(words) != ["-l"] or text is None:
            return UNKNOWN
        return Outcome(output=f"{text.count(chr(10))}\n")


def parse_sed(words: Sequence[str]) -> tuple[str, list[str], set[str]] | None:
    """The script, the files, and the options as letters; None for other options."""
    scripts: list[str] = []
    names: list[str] = []
    options: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("--in-place", "--quiet", "--silent", "--regexp-extended"):
            options.add({"--in-place": "i", "--regexp-extended": "E"}.get(word, "n"))
        elif word.startswith("--expression="):
            scripts.append(word.partition("=")[2])
        elif re.fullmatch(r"-[nErise]+", word):
            # What follows `i` in the same word would be the name of a copy.
            if "i" in word[1:-1] or "e" in word[1:-1]:
                return None
            options |= set(word[1:]) - {"e"}
            if word.endswith("e"):
                if not rest:
                    return None
                scripts.append(rest.pop(0))
        elif word.startswith("-") and word != "-":
            return None
        else:
            names.append(word)
    if not scripts:
        if not names:
            return None
        scripts.append(names.pop(0))
    return "\n".join(scripts), names, options


def _parse_grep(words: Sequence[str]) -> tuple[set[str] | None, list[str], list[str]]:
    long = {
        "--quiet": "q", "--silent": "q", "--extended-regexp": "E", "--fixed-strings": "F", "--invert-match": "v",
        "--ignore-case": "i", "--line-regexp": "x", "--word-regexp": "w", "--no-messages": "s", "--count": "c",
    }  # fmt: skip
    options: set[str] = set()
    patterns: list[str] = []
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            names += rest
            break
        if word in long:
            options.add(long[word])
        elif word.startswith("--regexp="):
            patterns.append(word.partition("=")[2])
        elif re.fullmatch(r"-[qEFvixwsche]+", word):
            if "e" in word[1:-1]:
                return None, [], []
            options |= set(word[1:]) - {"e"}
            if word.endswith("e"):
                patterns += rest[:1]
                rest = rest[1:]
        elif word.startswith("-") and word != "-":
            return None, [], []
        else:
            names.append(word)
    if not patterns:
        patterns, names = names[:1], names[1:]
    return options, patterns, names


def _searched(pattern: str, options: set[str], kind: str) -> PosixPattern:
    ignores_case = "i" in options
    if kind == "F":
        escaped = re.escape(pattern)
        compiled = PosixPattern(re.compile(escaped, re.IGNORECASE if ignores_case else 0), 1, is_plain=True)
    else:
        compiled = compile_posix(pattern, extended=kind == "E", ignores_case=ignores_case)
    source, flags = compiled.compiled.pattern, compiled.compiled.flags & (re.IGNORECASE | re.ASCII)
    if "x" in options:
        return PosixPattern(re.compile(rf"\A(?:{source})\Z", flags), compiled.degree, compiled.is_plain)
    if "w" in options:
        return PosixPattern(re.compile(rf"(?<!\w)(?:{source})(?!\w)", flags), compiled.degree, compiled.is_plain)
    return compiled


def _values(words: Sequence[str], with_values: str) -> tuple[dict[str, str], list[str]]:
    """Short options with their values, and what is none."""
    options: dict[str, str] = {}
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            names.append(word)
        elif word[1:2] in with_values and word[1:2]:
            options[word[1]] = word[2:] or (rest.pop(0) if rest else "")
        else:
            options |= dict.fromkeys(word[1:], "")
    return options, names


def _awk(words: Sequence[str], given: Input) -> Outcome:
    """Without input only the end of a program is reached, which may write a variable that is empty."""
    is_known = len(words) == 1 and re.search(r"END *\{ *print [a-z]+ *\}\s*\Z", words[0]) is not None
    if not is_known or given.rest() != "" or words[0].count("END") != 1 or "BEGIN" in words[0]:
        return UNKNOWN
    return Outcome(output="\n")


def _basename(words: Sequence[str], _: Input) -> Outcome:
    words = [word for word in words if word != "--"]
    if len(words) not in (1, 2) or words[0].startswith("-"):
        return UNKNOWN
    name = posixpath.basename(words[0].rstrip("/")) or "/"[: len(words[0])]
    suffix = words[1] if len(words) == 2 else ""
    return Outcome(output=f"{name.removesuffix(suffix) if name != suffix else name}\n")


def _dirname(words: Sequence[str], _: Input) -> Outcome:
    words = [word for word in words if word != "--"]
    if len(words) != 1 or words[0].startswith("-"):
        return UNKNOWN
    head = posixpath.dirname(words[0].rstrip("/"))
    return Outcome(output=f"{head or ('/' if words[0].startswith('/') else '.')}\n")


def _seq(words: Sequence[str], _: Input) -> Outcome:
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        return UNKNOWN
    numbers = list(map(int, words))
    last = numbers[-1]
    first, step = (numbers[0] if len(numbers) > 1 else 1), (numbers[1] if len(numbers) == 3 else 1)
    if step == 0 or abs(last - first) // abs(step) > _MAX_NUMBERS:
        return UNKNOWN
    return Outcome(output="".join(f"{each}\n" for each in range(first, last + (1 if step > 0 else -1), step)))


def _expr(words: Sequence[str], _: Input) -> Outcome:
    if len(words) != 3:
        return UNKNOWN
    left, sign, right = words
    if sign == ":":
        try:
            pattern = compile_posix(right, extended=False)
            check_cost(left, [pattern])
        except (UnknownPatternError, UnknownSedError):
            return UNKNOWN
        if not pattern.is_plain or right.startswith("^"):
            return UNKNOWN
        found = pattern.compiled.match(left)
        if pattern.compiled.groups:
            result = found[1] or "" if found else ""
        else:
            result = str(len(found[0]) if found else 0)
    elif sign in ("+", "-", "=", "!=") and all(re.fullmatch(r"-?\d{1,15}", each) for each in (left, right)):
        one, other = int(left), int(right)
        result = str({"+": one + other, "-": one - other, "=": int(one == other), "!=": int(one != other)}[sign])
    elif sign in ("=", "!="):
        result = str(int((left == right) == (sign == "=")))
    else:
        return UNKNOWN
    return Outcome(result not in ("", "0"), f"{result}\n")


def _printf(words: Sequence[str], _: Input) -> Outcome:
    if not words or words[0].startswith("-"):
        return UNKNOWN
    form, arguments = words[0], list(words[1:])
    pieces = _OCTAL_OR_FORMAT.findall(form)
    if any(letter not in "s%" or (escape and escape not in _ESCAPES) for letter, escape in pieces if letter or escape):
        return UNKNOWN
    wants = sum(letter == "s" for letter, _ in pieces)
    written = ""
    while True:
        values = iter([*arguments[:wants], *[""] * wants])
        written += _OCTAL_OR_FORMAT.sub(lambda found, values=values: _formatted(found, values), form)  # type: ignore[misc]
        arguments = arguments[wants:]
        if not arguments or not wants:
            return Outcome(output=written)


def _formatted(found: re.Match[str], values: object) -> str:
    if found[1] == "s":
        return next(values)  # type: ignore[call-overload, no-any-return]
    return "%" if found[1] else _ESCAPES[found[2]]


def _tr(words: Sequence[str], given: Input) -> Outcome:
    options = {letter for word in words[:-1] if re.fullmatch(r"-[cdsC]+", word) for letter in word[1:].lower()}
    sets = [_set(word) for word in words if not re.fullmatch(r"-[cdsC]+", word)]
    text = given.rest()
    if text is None or not sets or None in sets or len(sets) > 2 or any(word.startswith("--") for word in words):
        return UNKNOWN
    first = sets[0] or ""
    if options - {"c"} == {"d"} and len(sets) == 1:
        return Outcome(output="".join(each for each in text if (each in first) == ("c" in options)))
    if options or len(sets) != 2 or not sets[1]:
        return UNKNOWN
    second = sets[1].ljust(len(first), sets[1][-1])
    table: dict[int, str] = {}
    for one, other in zip(first, second, strict=False):
        table[ord(one)] = other
    return Outcome(output=text.translate(table))


def _set(text: str) -> str | None:
    result, position = "", 0
    while position < len(text):
        found = _SET.match(text, position)
        if found is None:
            return None
        piece = found[0]
        if piece.startswith("\\"):
            if piece[1] not in _ESCAPES:
                return None
            piece = _ESCAPES[piece[1]]
        elif len(piece) > 1:
            if piece not in _SETS:
                return None
            piece = _SETS[piece]
        result += piece
        position = found.end()
    return result
