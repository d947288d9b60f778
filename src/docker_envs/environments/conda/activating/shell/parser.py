"""Reading commands: lists, compound commands and `[[ … ]]`.

Spec: POSIX.1-2024, XCU 2.9 "Shell Commands", 2.10 "Shell Grammar"; GNU Bash manual, "Conditional Constructs".
"""

from __future__ import annotations

import re

from docker_envs.environments.conda.activating.shell.syntax import (
    NAME,
    AndOr,
    Assignment,
    Block,
    Case,
    Command,
    Condition,
    For,
    Group,
    If,
    Loop,
    Not,
    Refused,
    Simple,
    UnsupportedShellError,
    Word,
    bare,
)
from docker_envs.environments.conda.activating.shell.words import WordReader

#: Longest script that is read, in characters.
MAX_SCRIPT = 64 * 1024

_KEYWORD = re.compile(
    r"(if|then|elif|else|fi|for|in|while|until|do|done|case|esac|select|function|\[\[|[!{}])(?=[\s;&|()]|$)"
)
_ASSIGNMENT = re.compile(rf"({NAME.pattern})(\+?=)")
_FUNCTION = re.compile(r"[^\s;&|<>()'\"\\$`=]+[ \t]*\([ \t]*\)")
_REDIRECTION = re.compile(r"[0-9]*(?:<<-?|<>|<&|<|>>|>&|>\||>)|&>>?")
_UNARY = re.compile(r"-[a-zA-Z]")
_BINARY = frozenset(("=", "==", "!=", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-ef", "-nt", "-ot"))
_HARMLESS = frozenset(
    (">/dev/null", ">>/dev/null", ">&1", ">&2", ">/dev/stderr", ">/dev/stdout", "&>/dev/null", "</dev/null")
)


def parse_script(text: str) -> Block:
    """The commands of a script.

    Raises:
        UnsupportedShellError: It is no shell script, or one that cannot be read without knowing more of the language.
    """
    if len(text) > MAX_SCRIPT:
        raise UnsupportedShellError(1, f"longer than {MAX_SCRIPT:,} characters")
    if "\0" in text:
        raise UnsupportedShellError(1, "a zero byte")
    parser = _Parser(text)
    commands = parser.block()
    if parser.position < len(text):
        raise parser.fail(f"unexpected `{parser.peek()}`")
    return commands


class _Parser(WordReader):
    def block(self, *ends: str) -> Block:
        """Commands up to a keyword or operator of `ends`, which is left; to the end of the text without `ends`."""
        self.enter()
        commands: list[Command] = []
        while not self._at_end(ends):
            commands.append(self._and_or())
            self.skip_blanks()
            if self.peek(2) in (";;", ";&"):
                continue
            if not self.take(";") and self.peek() not in ("\n", ")", ""):
                raise self.fail(f"`{self.peek()}`" if self.peek() == "&" else f"unexpected `{self.peek()}`")
        self.leave()
        return tuple(commands)

    def _at_end(self, ends: tuple[str, ...]) -> bool:
        self._skip_lines()
        if self.position >= len(self.text):
            if ends:
                raise self.fail(f"`{ends[0]}` is missing")
            return True
        keyword = self._keyword()
        if keyword in ends or any(end in (")", ";;") and self.peek(len(end)) == end for end in ends):
            return True
        if keyword in ("then", "elif", "else", "fi", "do", "done", "esac", "}", "in") or self.peek() in ";)":
            raise self.fail(f"unexpected `{keyword or self.peek()}`")
        return False

    def _skip_lines(self) -> None:
        self.skip_blanks()
        while self.take("\n"):
            self.skip_blanks()

    def _keyword(self) -> str:
        found = _KEYWORD.match(self.text, self.position)
        return found[1] if found else ""

    def _expect(self, keyword: str) -> None:
        self._skip_lines()
        if self._keyword() != keyword:
            raise self.fail(f"`{keyword}` is missing")
        self.position += len(keyword)

    def _and_or(self) -> Command:
        line = self.line
        steps: list[tuple[str, Command]] = [("", self._pipeline())]
        while self.peek_after_blanks(2) in ("&&", "||"):
            operator = self.peek(2)
            self.position += 2
            self._skip_lines()
            steps.append((operator, self._pipeline()))
        return steps[0][1] if len(steps) == 1 else AndOr(line, tuple(steps))

    def _pipeline(self) -> Command:
        line = self.line
        inverted = self._keyword() == "!"
        if inverted:
            self.position += 1
            self.skip_blanks()
        command = self._command()
        while self.peek_after_blanks() == "|" and self.peek(2) != "||":
            self.position += 2 if self.peek(2) == "|&" else 1
            self._skip_lines()
            self._command()
            command = Refused(line, "a pipe")
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
            command = self._loop()
        elif keyword == "case":
            command = self._case()
        elif keyword == "{":
            command = self._group()
        elif keyword == "[[":
            command = self._condition()
        elif keyword or self.peek(2) == "((":
            raise self.fail(f"`{keyword or '(('}`")
        elif self.take("("):
            self.block(")")
            self.position += 1
            command = Refused(line, "a subshell")
        else:
            self.leave()
            return self._simple()
        self.leave()
        harmless = True
        self.skip_blanks()
        while _REDIRECTION.match(self.text, self.position):
            harmless = self._redirection() and harmless
            self.skip_blanks()
        return command if harmless else Refused(line, "a redirection")

    def _simple(self) -> Command:
        line = self.line
        if self.match(_FUNCTION):
            self._skip_lines()
            self._command()
            return Refused(line, "a function")
        assignments: list[Assignment] = []
        words: list[Word | Assignment] = []
        harmless = True
        while True:
            self.skip_blanks()
            if _REDIRECTION.match(self.text, self.position):
                harmless = self._redirection() and harmless
                continue
            declares = bool(words) and bare(words[0]) == "export"
            if (not words or declares) and (found := self.match(_ASSIGNMENT)):
                assignment = self._assignment(found)
                if words:
                    words.append(assignment)
                else:
                    assignments.append(assignment)
                continue
            word = self.word()
            if not word:
                break
            words.append(word)
        if not words and not assignments and harmless:
            raise self.fail(f"unexpected `{self.peek()}`")
        return Simple(line, tuple(assignments), tuple(words)) if harmless else Refused(line, "a redirection")

    def _assignment(self, found: re.Match[str]) -> Assignment:
        if self.peek() == "(":
            raise self.fail("an array")
        return Assignment(found[1], found[2] == "+=", self.word())

    def _redirection(self) -> bool:
        found = self.match(_REDIRECTION)
        operator = found[0] if found else ""
        if "<<" in operator:
            raise self.fail("a here-document")
        self.skip_blanks()
        if self.peek() == "(":
            raise self.fail("a process substitution")
        target = self.word()
        if not target:
            raise self.fail("a redirection without a target")
        return f"{operator.lstrip('012')}{bare(target)}" in _HARMLESS

    def _if(self) -> If:
        line = self.line
        branches: list[tuple[Block, Block]] = []
        while self._keyword() in ("if", "elif"):
            self.position += len(self._keyword())
            condition = self.block("then")
            self._expect("then")
            branches.append((condition, self.block("elif", "else", "fi")))
        if self._keyword() == "else":
            self.position += 4
            branches.append(((), self.block("fi")))
        self._expect("fi")
        return If(line, tuple(branches))

    def _for(self) -> For:
        line = self.line
        self.position += 3
        self.skip_blanks()
        name = self.match(NAME)
        if name is None:
            raise self.fail("`for` without a name")
        self._expect("in")
        words: list[Word] = []
        while self.peek_after_blanks() not in (";", "\n"):
            word = self.word()
            if not word:
                raise self.fail(f"unexpected `{self.peek()}`")
            words.append(word)
        self.position += 1
        return For(line, name[0], tuple(words), self._do())

    def _loop(self) -> Loop:
        line, keyword = self.line, self._keyword()
        self.position += 5
        return Loop(line, keyword == "until", self.block("do"), self._do())

    def _do(self) -> Block:
        self._expect("do")
        body = self.block("done")
        self._expect("done")
        return body

    def _group(self) -> Group:
        line = self.line
        self.position += 1
        body = self.block("}")
        self._expect("}")
        return Group(line, body)

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
            items.append((tuple(patterns), self.block(";;", "esac")))
            self.take(";;")
            if self.peek() == "&":
                raise self.fail("`;;&`")
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

    def _condition(self) -> Condition:
        self.position += 2
        condition = self._either()
        if not self.take("]]"):
            raise self.fail("`]]` is missing")
        return condition

    def _either(self) -> Condition:
        line, choices = self.line, [self._both()]
        while self.take("||"):
            choices.append(self._both())
        return choices[0] if len(choices) == 1 else Condition(line, "||", tuple(choices))

    def _both(self) -> Condition:
        line, parts = self.line, [self._primary()]
        while self.take("&&"):
            parts.append(self._primary())
        return parts[0] if len(parts) == 1 else Condition(line, "&&", tuple(parts))

    def _primary(self) -> Condition:
        self.enter()
        self._skip_lines()
        line = self.line
        if self._keyword() == "!":
            self.position += 1
            condition = Condition(line, "!", (self._primary(),))
        elif self.take("("):
            condition = self._either()
            if not self.take(")"):
                raise self.fail("`)` is missing")
        else:
            condition = self._comparison(line)
        self._skip_lines()
        self.leave()
        return condition

    def _comparison(self, line: int) -> Condition:
        words: list[Word] = []
        while len(words) < 3 and self.peek(2) != "]]" and (word := self.word()):
            words.append(word)
            self.skip_blanks()
        operators = [bare(word) or "" for word in words]
        if len(words) == 1:
            return Condition(line, "", words=(words[0],))
        if len(words) == 2 and _UNARY.fullmatch(operators[0]):
            return Condition(line, operators[0], words=(words[1],))
        if len(words) == 3 and operators[1] in _BINARY:
            return Condition(line, operators[1], words=(words[0], words[2]))
        raise self.fail("a `[[ … ]]` of another form")
