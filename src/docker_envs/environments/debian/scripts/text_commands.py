"""Commands of maintainer scripts that make text of text, where all of it is known.

Each gives `UNKNOWN` for options and input that it does not know.

Spec: POSIX.1-2024, XCU 3 "Utilities"; GNU grep for `-s`, `-w` and `-x`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts import word_commands
from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome
from docker_envs.environments.debian.scripts.posix_patterns import PosixPattern, UnknownPatternError, compile_posix
from docker_envs.environments.debian.scripts.sed import UnknownSedError, check_cost, edit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.environments.debian.scripts.flow import Input
    from docker_envs.environments.debian.system.files import SystemFiles

_FIELDS = re.compile(r"(\d{1,4})(?:(-)(\d{0,4}))?\Z|-(\d{1,4})\Z")


class TextCommands:
    """The commands by name: each gets its words and its input."""

    def __init__(self, files: SystemFiles) -> None:
        self._files = files
        self.by_name: dict[str, Callable[[Sequence[str], Input], Outcome]] = {
            "basename": word_commands.basename,
            "dirname": word_commands.dirname,
            "seq": word_commands.seq,
            "expr": word_commands.expr,
            "printf": word_commands.printf,
            "tr": word_commands.tr,
            "cut": self._cut,
            "grep": lambda words, given: self._grep(words, given, kind="G"),
            "egrep": lambda words, given: self._grep(words, given, kind="E"),
            "fgrep": lambda words, given: self._grep(words, given, kind="F"),
            "sed": self._sed,
            "awk": word_commands.awk,
            "sort": self._sort,
            "head": lambda words, given: self._lines(words, given, from_start=True),
            "tail": lambda words, given: self._lines(words, given, from_start=False),
            "uniq": self._uniq,
            "cmp": self._cmp,
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
        found = _FIELDS.match(options.get("f", options.get("c", "")))
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

    def _uniq(self, words: Sequence[str], given: Input) -> Outcome:
        text = self._read(words, given)
        if text is None or len(words) > 1 or any(word.startswith("-") for word in words):
            return UNKNOWN
        lines = text.removesuffix("\n").split("\n") if text else []
        kept = [line for number, line in enumerate(lines) if number == 0 or line != lines[number - 1]]
        return Outcome(output="".join(f"{line}\n" for line in kept))

    def _cmp(self, words: Sequence[str], _: Input) -> Outcome:
        names = [word for word in words if word not in ("-s", "--silent", "--quiet")]
        if len(names) != 2 or len(names) == len(words) or any(name.startswith("-") for name in names):
            return UNKNOWN
        if any(name not in self._files for name in names):
            return Outcome(status=False, code=2)
        one, other = (self._files.read(name) for name in names)
        return UNKNOWN if one is None or other is None else Outcome(one == other)

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
