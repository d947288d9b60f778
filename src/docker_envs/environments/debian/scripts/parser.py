"""Reading commands of maintainer scripts.

Spec: POSIX.1-2024, XCU 2.7 "Redirection", 2.9 "Shell Commands", 2.10 "Shell Grammar".
"""

from __future__ import annotations

import re

from docker_envs.environments.debian.scripts.syntax import (
    AndOr,
    Block,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Not,
    Pipeline,
    Redirection,
    Simple,
    Text,
    While,
    Word,
)
from docker_envs.environments.debian.scripts.words import WordReader

#: Longest script that is read, in characters.
MAX_SCRIPT = 256 * 1024

_KEYWORD = re.compile(r"(if|then|elif|else|fi|for|in|while|until|do|done|case|esac|[!{}])(?=[\s;&|()]|$)")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_FUNCTION = re.compile(r"(?:function[ \t]+)?([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\([ \t]*\)")
_REDIRECTION = re.compile(r"(&>>?|[0-9]*(?:<<-?|<>|<&|<|>>|>&|>\||>))[ \t]*")
_INTERPRETER = re.compile(r"#![ \t]*(?:/usr)?/bin/(?:env[ \t]+)?(?:ba|da)?sh\b")


def parse_script(text: str) -> Block:
    """The commands of a script.

    Raises:
        UnreadableScriptError: It is no shell script, or one that is written in another way than POSIX has it.
    """
    parser = _Parser(text)
    if not _INTERPRETER.match(text):
        raise parser.fail(f"a script for `{text.partition(chr(10))[0][:80]}`")
    if len(text) > MAX_SCRIPT or "\0" in text:
        raise parser.fail(f"longer than {MAX_SCRIPT:,} characters, or binary")
    return parser.whole()


def parse_commands(text: str) -> Block:
    """The commands of a file that scripts source, or of `$(…)`.

    Raises:
        UnreadableScriptError: They cannot be read.
    """
    return _Parser(text).whole()


class _Parser(WordReader):
    def __init__(self, text: str) -> None:
        super().__init__(text, parse_commands)
        self._awaited: list[tuple[Word, bool, list[Redirection]]] = []

    def whole(self) -> Block:
        commands = self._block()
        if self.position < len(self.text):
            raise self.fail(f"unexpected `{self.peek()}`")
        return commands

    def _block(self, *ends: str) -> Block:
        self.enter()
        commands: list[Command] = []
        while not self._at_end(ends):
            commands.append(self._and_or())
            self.skip_blanks()
            if self.peek(2) == ";;" or self.take(";") or self.take("&"):
                continue
            if self.peek() not in ("\n", ")", ""):
                raise self.fail(f"unexpected `{self.peek()}`")
        self.leave()
        return tuple(commands)

    def _at_end(self, ends: tuple[str, ...]) -> bool:
        self._skip_lines()
        if self.position >= len(self.text):
            if ends:
                raise self.fail(f"`{ends[0]}` is missing")
            return True
        if self._keyword() in ends or any(end in (")", ";;") and self.peek(len(end)) == end for end in ends):
            return True
        if self._keyword() in ("then", "elif", "else", "fi", "do", "done", "esac", "}", "in") or self.peek() in ";)":
            raise self.fail(f"unexpected `{self._keyword() or self.peek()}`")
        return False

    def _skip_lines(self) -> None:
        self.skip_blanks()
        while self.take("\n"):
            self._read_awaited()
            self.skip_blanks()

    def _read_awaited(self) -> None:
        """The here-documents that the line before announced."""
        for delimiter, is_indented, redirections in self._awaited:
            end = "".join(part.text for part in delimiter if isinstance(part, Text))
            lines: list[str] = []
            while self.position < len(self.text):
                line, _, _ = self.text[self.position :].partition("\n")
                self.position = min(self.position + len(line) + 1, len(self.text))
                line = line.lstrip("\t") if is_indented else line
                if line == end:
                    break
                lines.append(f"{line}\n")
            is_literal = any(isinstance(part, Text) and part.quoted for part in delimiter)
            content = "".join(lines)
            word: Word = (Text(content, quoted=True),) if is_literal else self.here_document(content)
            redirections.append(Redirection("<<", word))
        self._awaited = []

    def _keyword(self) -> str:
        found = _KEYWORD.match(self.text, self.position)
        return found[1] if found else ""

    def _expect(self, keyword: str) -> None:
        self._skip_lines()
        if self._keyword() != keyword:
            raise self.fail(f"`{keyword}` is missing")
        self.position += len(keyword)

    def _and_or(self) -> Command:
        line, steps = self.line, [("", self._pipeline())]
        self.skip_blanks()
        while (operator := self.peek(2)) in ("&&", "||"):
            self.position += 2
            self._skip_lines()
            steps.append((operator, self._pipeline()))
            self.skip_blanks()
        return steps[0][1] if len(steps) == 1 else AndOr(line, tuple(steps))

    def _pipeline(self) -> Command:
        line, inverted = self.line, self._keyword() == "!"
        if inverted:
            self.position += 1
            self.skip_blanks()
        commands = [self._command()]
        self.skip_blanks()
        while self.peek() == "|" and self.peek(2) != "||":
            self.position += 1
            self._skip_lines()
            commands.append(self._command())
            self.skip_blanks()
        command = commands[0] if len(commands) == 1 else Pipeline(line, tuple(commands))
        return Not(line, command) if inverted else command

    def _command(self) -> Command:
        self.enter()
        line, keyword = self.line, self._keyword()
        command: Command
        if keyword == "if":
            command = self._if()
        elif keyword == "for":
            command = self._for()
        elif keyword in ("while", "until"):
            self.position += 5
            command = While(line, self._block("do"), self._do())
        elif keyword == "case":
            command = self._case()
        elif keyword == "{":
            self.position += 1
            command = Group(line, self._block("}"))
            self._expect("}")
        elif keyword:
            raise self.fail(f"unexpected `{keyword}`")
        elif self.take("("):
            command = Group(line, self._block(")"))
            self.position += 1
        else:
            command = self._simple()
        self.leave()
        if isinstance(command, (Simple, Function)):
            return command
        redirections = self._redirections()
        return Group(line, (command,), redirections) if redirections else command

    def _redirections(self) -> list[Redirection]:
        redirections: list[Redirection] = []
        self.skip_blanks()
        while found := self.match(_REDIRECTION):
            self._redirection(found[1], redirections)
            self.skip_blanks()
        return redirections

    def _redirection(self, operator: str, redirections: list[Redirection]) -> None:
        target = self.word()
        if "<<" in operator:
            self._awaited.append((target, operator.endswith("-"), redirections))
        else:
            redirections.append(Redirection(operator, target))

    def _simple(self) -> Command:
        line, start = self.line, self.position
        if found := self.match(_FUNCTION):
            self._skip_lines()
            return Function(line, found[1], self._command())
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while True:
            self.skip_blanks()
            if redirection := self.match(_REDIRECTION):
                self._redirection(redirection[1], redirections)
            elif not words and (assigned := self.match(_ASSIGNMENT)):
                assignments.append((assigned[1], self.word()))
            elif word := self.word():
                words.append(word)
            else:
                break
        if not words and not assignments and self.position == start:
            raise self.fail(f"unexpected `{self.peek()}`")
        text = " ".join(self.text[start : self.position].replace("\\\n", " ").split())
        # The same list, as here-documents are read at the end of the line.
        return Simple(line, text, tuple(assignments), tuple(words), redirections)

    def _if(self) -> If:
        line = self.line
        branches: list[tuple[Block, Block]] = []
        while (keyword := self._keyword()) in ("if", "elif"):
            self.position += len(keyword)
            condition = self._block("then")
            self._expect("then")
            branches.append((condition, self._block("elif", "else", "fi")))
        if self._keyword() == "else":
            self.position += 4
            branches.append(((), self._block("fi")))
        self._expect("fi")
        return If(line, tuple(branches))

    def _for(self) -> For:
        line = self.line
        self.position += 3
        self.skip_blanks()
        name = self.match(re.compile(r"[A-Za-z_][A-Za-z0-9_]*"))
        if name is None:
            raise self.fail("`for` without a name")
        self._skip_lines()
        words: list[Word] | None = None
        if self._keyword() == "in":
            self.position += 2
            words = []
            self.skip_blanks()
            while word := self.word():
                words.append(word)
                self.skip_blanks()
        self.take(";")
        return For(line, name[0], None if words is None else tuple(words), self._do())

    def _do(self) -> Block:
        self._expect("do")
        body = self._block("done")
        self._expect("done")
        return body

    def _case(self) -> Case:
        line = self.line
        self.position += 4
        self.skip_blanks()
        subject = self.word()
        self._expect("in")
        items: list[tuple[tuple[Word, ...], Block]] = []
        self._skip_lines()
        while self._keyword() != "esac":
            self.take("(")
            patterns = [self._pattern()]
            while self.take("|"):
                patterns.append(self._pattern())
            if not self.take(")"):
                raise self.fail("`)` is missing")
            items.append((tuple(patterns), self._block(";;", "esac")))
            self.take(";;")
            self._skip_lines()
        self._expect("esac")
        return Case(line, subject, tuple(items))

    def _pattern(self) -> Word:
        self.skip_blanks()
        word = self.word()
        if not word:
            raise self.fail(f"unexpected `{self.peek()}`")
        self.skip_blanks()
        return word
