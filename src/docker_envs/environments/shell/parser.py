"""Reading commands: lists, compound commands, functions and redirections.

Spec: POSIX.1-2024, XCU 2.7 "Redirection", 2.9 "Shell Commands", 2.10 "Shell Grammar".
"""

from __future__ import annotations

import re
from functools import lru_cache

from docker_envs.environments.shell.conditions import ConditionReader
from docker_envs.environments.shell.syntax import (
    NAME,
    AndOr,
    Assignment,
    Background,
    Block,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Not,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Unread,
    UnsupportedShellError,
    Word,
    bare,
)

_KEYWORD = re.compile(
    r"(if|then|elif|else|fi|for|in|while|until|do|done|case|esac|select|function|\[\[|[!{}])(?=[\s;&|()<>]|\\\n|$)"
)
_ASSIGNMENT = re.compile(rf"({NAME.pattern})(\+?=)")
_FUNCTION = re.compile(
    r"(function[ \t]+)?([^\s;&|<>()'\"\\$`=]+)[ \t]*\([ \t]*\)|(function[ \t]+)([^\s;&|<>()'\"\\$`=]+)"
)
_REDIRECTION = re.compile(r"([0-9]*)(<<<|<<-?|<>|<&|<|>>|>&|>\||>)|(&>>?)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
#: Commands whose arguments may be assignments.
_DECLARING = ("export", "readonly")


@lru_cache(maxsize=256)
def parse_script(text: str, *, limit: int) -> Block:
    """The commands of a script, which has no more than `limit` characters.

    Raises:
        UnsupportedShellError: It is no shell script, or one that cannot be read without knowing more of the language.
    """
    if len(text) > limit:
        raise UnsupportedShellError(1, f"longer than {limit:,} characters")
    if "\0" in text:
        raise UnsupportedShellError(1, "a zero byte")
    return _Parser(text).block()


class _Parser(ConditionReader):
    def nested(self, text: str, line: int) -> _Parser:
        return _Parser(text, line, self.depth)

    def block(self, *ends: str) -> Block:
        self.enter()
        commands: list[Command] = []
        while not self._at_end(ends):
            command = self._and_or()
            self.skip_blanks()
            if self.peek(2) not in (";;", ";&") and not self.take(";"):
                if self.take("&"):
                    command = Background(command.line, command)
                elif self.peek() not in ("\n", ")", ""):
                    raise self.fail(f"unexpected `{self.peek()}`")
            commands.append(command)
        self.leave()
        return tuple(commands)

    def _at_end(self, ends: tuple[str, ...]) -> bool:
        self.skip_lines()
        if self.position >= len(self.text):
            self._read_awaited()
            if ends:
                raise self.fail(f"`{ends[0]}` is missing")
            return True
        keyword = self._keyword()
        if keyword in ends or any(end in (")", ";;") and self.peek(len(end)) == end for end in ends):
            return True
        if keyword in ("then", "elif", "else", "fi", "do", "done", "esac", "}", "in") or self.peek() in ";)":
            raise self.fail(f"unexpected `{keyword or self.peek()}`")
        return False

    def skip_lines(self) -> None:
        self.skip_blanks()
        while self.take("\n"):
            self._read_awaited()
            self.skip_blanks()

    def _read_awaited(self) -> None:
        """The here-documents that the line before announced."""
        awaited, self.awaited = self.awaited, []
        for redirection in awaited:
            first_line = self.line
            delimiter = [part for part in redirection.target if isinstance(part, Literal)]
            content = self._lines_up_to(
                "".join(part.text for part in delimiter), indented=redirection.operator == "<<-"
            )
            if any(part.quoted for part in delimiter):
                redirection.target = (Literal(content, quoted=True),)
            else:
                redirection.target = self.here_document(content, first_line)

    def _lines_up_to(self, end: str, *, indented: bool) -> str:
        lines: list[str] = []
        while found := self.match(_LINE):
            line = found[0].lstrip("\t") if indented else found[0]
            if line.rstrip("\n") == end:
                break
            lines.append(line)
        return "".join(lines)

    def _keyword(self) -> str:
        found = _KEYWORD.match(self.text, self.position)
        return found[1] if found else ""

    def _expect(self, keyword: str) -> None:
        self.skip_lines()
        if self._keyword() != keyword:
            raise self.fail(f"`{keyword}` is missing")
        self.position += len(keyword)

    def _and_or(self) -> Command:
        line = self.line
        steps: list[tuple[str, Command]] = [("", self._pipeline())]
        while self.peek_after_blanks(2) in ("&&", "||"):
            operator = self.peek(2)
            self.position += 2
            self.skip_lines()
            steps.append((operator, self._pipeline()))
        return steps[0][1] if len(steps) == 1 else AndOr(line, tuple(steps))

    def _pipeline(self) -> Command:
        line = self.line
        inverted = self._keyword() == "!"
        if inverted:
            self.position += 1
            self.skip_blanks()
        commands = [self._command()]
        while self.peek_after_blanks() == "|" and self.peek(2) != "||":
            self.position += 2 if self.peek(2) == "|&" else 1
            self.skip_lines()
            commands.append(self._command())
        command = commands[0] if len(commands) == 1 else Pipeline(line, tuple(commands))
        return Not(line, command) if inverted else command

    def _command(self) -> Command:
        if self._keyword() in ("", "function") and self.peek() != "(":
            return self._function() or self._simple()
        self.enter()
        line = self.line
        command = self._compound(line, self._keyword())
        self.leave()
        self.skip_blanks()
        redirections: list[Redirection] = []
        while redirection := self._redirection():
            redirections.append(redirection)
            self.skip_blanks()
        return Redirected(line, command, tuple(redirections)) if redirections else command

    def _compound(self, line: int, keyword: str) -> Command:
        if self.take("(("):
            self.skip_arithmetic()
            return Unread(line, "`((`")
        if self.take("("):
            body = self.block(")")
            self.position += 1
            return Group(line, body, subshell=True)
        match keyword:
            case "if":
                return self._if(line)
            case "for":
                return self._for(line)
            case "while" | "until":
                self.position += len(keyword)
                return Loop(line, keyword == "until", self.block("do"), self._do())
            case "case":
                return self._case(line)
            case "{":
                self.position += 1
                body = self.block("}")
                self._expect("}")
                return Group(line, body)
            case "[[":
                self.position += 2
                return self.condition()
        raise self.fail(f"`{keyword}`")

    def _function(self) -> Function | None:
        line, found = self.line, self.match(_FUNCTION)
        if found is None:
            return None
        self.skip_lines()
        self.enter()
        body = self._command()
        self.leave()
        return Function(line, found[2] or found[4], body, keyword=bool(found[1] or found[3]))

    def _simple(self) -> Simple:
        line, start = self.line, self.position
        assignments: list[Assignment] = []
        words: list[Word | Assignment] = []
        redirections: list[Redirection] = []
        while True:
            self.skip_blanks()
            declares = bool(words) and bare(words[0]) in _DECLARING
            if redirection := self._redirection():
                redirections.append(redirection)
            elif (not words or declares) and (found := self.match(_ASSIGNMENT)):
                (words or assignments).append(self._assignment(found))
            elif word := self.word():
                words.append(word)
            else:
                break
        if not words and not assignments and not redirections:
            raise self.fail(f"unexpected `{self.peek()}`")
        text = " ".join(self.text[start : self.position].replace("\\\n", " ").split())
        return Simple(line, text, tuple(assignments), tuple(words), tuple(redirections))

    def _assignment(self, found: re.Match[str]) -> Assignment:
        if self.peek() == "(":
            raise self.fail("an array")
        return Assignment(found[1], found[2] == "+=", self.word())

    def _redirection(self) -> Redirection | None:
        found = self.match(_REDIRECTION)
        if found is None:
            return None
        if self.peek_after_blanks() == "(":
            raise self.fail("a process substitution")
        redirection = Redirection(found[1] or "", found[2] or found[3], self.word())
        if not redirection.target:
            raise self.fail("a redirection without a target")
        if redirection.operator in ("<<", "<<-"):
            if not all(isinstance(part, Literal) for part in redirection.target):
                raise self.fail("a here-document")
            self.awaited.append(redirection)
        return redirection

    def _if(self, line: int) -> If:
        branches: list[tuple[Block, Block]] = []
        while (keyword := self._keyword()) in ("if", "elif"):
            self.position += len(keyword)
            condition = self.block("then")
            self._expect("then")
            branches.append((condition, self.block("elif", "else", "fi")))
        if self._keyword() == "else":
            self.position += 4
            branches.append(((), self.block("fi")))
        self._expect("fi")
        return If(line, tuple(branches))

    def _for(self, line: int) -> For:
        self.position += 3
        self.skip_blanks()
        name = self.match(NAME)
        if name is None:
            raise self.fail("`for` without a name")
        self.skip_lines()
        words: list[Word] | None = None
        if self._keyword() == "in":
            self.position += 2
            words = []
            while self.peek_after_blanks() not in (";", "\n"):
                word = self.word()
                if not word:
                    raise self.fail(f"unexpected `{self.peek()}`")
                words.append(word)
        self.take(";")
        return For(line, name[0], None if words is None else tuple(words), self._do())

    def _do(self) -> Block:
        self._expect("do")
        body = self.block("done")
        self._expect("done")
        return body

    def _case(self, line: int) -> Case:
        self.position += 4
        self.skip_blanks()
        subject = self.word()
        self._expect("in")
        items: list[tuple[tuple[Word, ...], Block]] = []
        self.skip_lines()
        while self._keyword() != "esac":
            self.take("(")
            patterns = [self._pattern()]
            while self.take("|"):
                patterns.append(self._pattern())
            if not self.take(")"):
                raise self.fail("`)` is missing")
            items.append((tuple(patterns), self.block(";;", "esac")))
            self.take(";;")
            if self.peek() == "&":
                raise self.fail("`;;&`")
            self.skip_lines()
        self._expect("esac")
        return Case(line, subject, tuple(items))

    def _pattern(self) -> Word:
        self.skip_blanks()
        word = self.word()
        if not word:
            raise self.fail(f"unexpected `{self.peek()}`")
        self.skip_blanks()
        return word
