"""The grammar: what scripts are read as, and that shells which run them agree on what can be read at all."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.shell.parser import parse_script
from docker_envs.environments.shell.syntax import (
    AndOr,
    Assignment,
    Background,
    Block,
    Case,
    Command,
    Condition,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Not,
    Parameter,
    Part,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Substitution,
    Unread,
    UnsupportedShellError,
    Word,
)

LIMIT = 64 * 1024
DASH = shutil.which("dash")


def parse(text: str) -> Block:
    return parse_script(text, limit=LIMIT)


def shown(node: Word | Block | Command | Part | Assignment | Redirection | None) -> object:
    """A node as nested lists of text, quoted literals in quotes."""
    match node:
        case None:
            return None
        case Literal():
            return f"'{node.text}'" if node.quoted else node.text
        case Parameter():
            more = [shown(node.argument), *([shown(node.replacement)] if node.replacement else [])]
            return [f"${node.name}", node.operator, *more] if node.operator else f"${node.name}"
        case Substitution():
            return ["$()", *map(shown, node.body)]
        case Unread():
            return ["?", node.reason]
        case Assignment():
            return [node.name, "+=" if node.append else "=", shown(node.value)]
        case Redirection():
            return [node.descriptor + node.operator, shown(node.target)]
        case Simple():
            return [*map(shown, node.assignments), *map(shown, node.words), *map(shown, node.redirections)]
        case Pipeline():
            return ["|", *map(shown, node.commands)]
        case AndOr():
            return ["&&||", *((operator, shown(step)) for operator, step in node.steps)]
        case Not():
            return ["!", shown(node.command)]
        case Background():
            return ["&", shown(node.command)]
        case Redirected():
            return ["redirected", shown(node.command), *map(shown, node.redirections)]
        case If():
            return ["if", *((shown(condition), shown(body)) for condition, body in node.branches)]
        case For():
            return ["for", node.name, None if node.words is None else [*map(shown, node.words)], shown(node.body)]
        case Loop():
            return ["until" if node.until else "while", shown(node.condition), shown(node.body)]
        case Case():
            return ["case", shown(node.word), *(([*map(shown, each)], shown(body)) for each, body in node.items)]
        case Condition():
            return ["[[", node.operator, *map(shown, node.conditions), *map(shown, node.words)]
        case Group():
            return ["()" if node.subshell else "{}", *map(shown, node.body)]
        case Function():
            return ["function", node.name, shown(node.body)]
    parts = [shown(part) for part in node]
    is_word = not node or isinstance(node[0], (Literal, Parameter, Substitution, Unread))
    return parts[0] if is_word and len(parts) == 1 else parts


#: What every POSIX shell reads: id, text, the command.
POSIX = [
    ("words", "a 'b c' \"d $e\" f\\ g", ["a", "'b c'", ["'d '", "$e"], ["f", "' '", "g"]]),
    ("assignments", "A=1 B=$C d E=2", [["A", "=", "1"], ["B", "=", "$C"], "d", "E=2"]),
    ("declaring", "readonly A=$B c", ["readonly", ["A", "=", "$B"], "c"]),
    ("parameters", "x $1 ${10} $@ ${#} $? $$", ["x", "$1", "$10", "$@", "$#", "$?", "$$"]),
    ("operators", "x ${A:-b c} ${B%%'*'}", ["x", ["$A", ":-", "b c"], ["$B", "%%", "'*'"]]),
    ("quotes-in-quotes", "x \"${A:-'b'}\"", ["x", ["''", ["$A", ":-", "''b''"]]]),
    ("length", "x ${#A}", ["x", ["?", "`${#A}`"]]),
    ("arithmetic", "x $((1 + (2))) y", ["x", ["?", "arithmetic"], "y"]),
    ("tilde", "x ~ a~", ["x", ["?", "`~`"], "a~"]),
    ("braces", "x {} { }", ["x", "{}", "{", "}"]),
    ("substitution", "x $(a; b 'c)')", ["x", ["$()", ["a"], ["b", "'c)'"]]]),
    ("case-in-substitution", "x $(case a in b) c ;; esac)", ["x", ["$()", ["case", "a", (["b"], [["c"]])]]]),
    ("comment-in-substitution", "x $(a # it's )\n)", ["x", ["$()", ["a"]]]),
    ("backquotes", "x `a \\`b\\``", ["x", ["$()", ["a", ["$()", ["b"]]]]]),
    ("quoted-backquotes", 'x "`a \\"b\\"`"', ["x", ["''", ["$()", ["a", "'b'"]]]]),
    ("redirections", "x >a 2>&1 <b 3>>c", ["x", [">", "a"], ["2>&", "1"], ["<", "b"], ["3>>", "c"]]),
    ("redirections-alone", ">a", [[">", "a"]]),
    ("pipeline", "! a | b", ["!", ["|", ["a"], ["b"]]]),
    ("lists", "a && b ||\nc", ["&&||", ("", ["a"]), ("&&", ["b"]), ("||", ["c"])]),
    ("background", "a && b &", ["&", ["&&||", ("", ["a"]), ("&&", ["b"])]]),
    ("if", "if a; then b; elif c; then d; else e; fi",
     ["if", ([["a"]], [["b"]]), ([["c"]], [["d"]]), ([], [["e"]])]),
    ("for", "for i in a $b; do c; done", ["for", "i", ["a", "$b"], [["c"]]]),
    ("for-lines", "for i\nin a\ndo c\ndone", ["for", "i", ["a"], [["c"]]]),
    ("for-arguments", "for i do c; done", ["for", "i", None, [["c"]]]),
    ("for-arguments-semicolon", "for i; do c; done", ["for", "i", None, [["c"]]]),
    ("while", "while a; do b; done<c", ["redirected", ["while", [["a"]], [["b"]]], ["<", "c"]]),
    ("until", "until a\ndo b\ndone", ["until", [["a"]], [["b"]]]),
    ("case", "case $a in (b|c*) d ;; *) esac", ["case", "$a", (["b", "c*"], [["d"]]), (["*"], [])]),
    ("group", "{ a; b; } >c", ["redirected", ["{}", ["a"], ["b"]], [">", "c"]]),
    ("subshell", "(a; b)", ["()", ["a"], ["b"]]),
    ("function", "f() { a; }", ["function", "f", ["{}", ["a"]]]),
    ("function-line", "f ( )\n(a)", ["function", "f", ["()", ["a"]]]),
    ("keyword-continued", "if\\\n a; then b; fi", ["if", ([["a"]], [["b"]])]),
    ("here-document", 'a <<E >b\nc "$d" \\$e \\"\nE', ["a", ["<<", ["'c \"'", "$d", "'\" $e \\\"\n'"]], [">", "b"]]),
    ("here-document-quoted", "a <<'E'\n$d `\nE\n", ["a", ["<<", "'$d `\n'"]]),
    ("here-document-indented", "a <<-E\n\t\tb\n\tE\n", ["a", ["<<-", "'b\n'"]]),
    ("here-document-in-substitution", "x $(a <<E\nb\nE\n)", ["x", ["$()", ["a", ["<<", "'b\n'"]]]]),
    ("here-documents", "a <<E <<F\n1\nE\n2\nF\n", ["a", ["<<", "'1\n'"], ["<<", "'2\n'"]]),
]  # fmt: skip

#: What Bash reads beyond.
BASH = [
    ("append", "A+=1", [["A", "+=", "1"]]),
    ("function-keyword", "function f { a; }", ["function", "f", ["{}", ["a"]]]),
    ("function-keyword-parentheses", "function f() { a; }", ["function", "f", ["{}", ["a"]]]),
    ("condition", "[[ -n $a && ! ( b == c* ) ]]",
     ["[[", "&&", ["[[", "-n", "$a"], ["[[", "!", ["[[", "==", "b", "c*"]]]),
    ("replacement", "x ${A//b/c}", ["x", ["$A", "//", "b", "c"]]),
    ("here-string", "a <<<$b", ["a", ["<<<", "$b"]]),
    ("both", "a &>b", ["a", ["&>", "b"]]),
    ("pipe-both", "a |& b", ["|", ["a"], ["b"]]),
    ("ansi-quotes", "x $'a b' $\"c\"", ["x", ["?", "`$'…'`"], ["?", '`$"…"`']]),
    ("brace-expansion", "x {a,b}", ["x", [["?", "`{…}` in a word"], "a,b}"]]),
    ("arithmetic-command", "((a++)); b", ["?", "`((`"]),
    ("indirect", "x ${!A}", ["x", ["?", "`${!A}`"]]),
    ("slice", "x ${A:0:1}", ["x", ["?", "`${A:0:1}`"]]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in (*POSIX, *BASH)])
def test_grammar(text: str, expected: object) -> None:
    assert shown(parse(text)[0]) == expected


@pytest.mark.parametrize("text", [pytest.param(row[1], id=row[0]) for row in POSIX])
@pytest.mark.skipif(DASH is None, reason="there is no dash")
def test_dash_reads_the_same(text: str) -> None:
    assert DASH is not None
    assert subprocess.run([DASH, "-n", "-c", text], capture_output=True, check=False).stderr == b""


#: id, text, line, reason.
UNREADABLE = [
    ("open-if", "if a; then\nb\n", 3, "`elif` is missing"),
    ("open-substitution", "x $(a\n", 2, "`)` is missing"),
    ("open-backquote", "x `a", 1, "a quote that is not closed"),
    ("open-double", '\nx "a', 2, "a quote that is not closed"),
    ("open-brace", "x ${a", 1, "`${` that is not closed"),
    ("open-arithmetic", "x $((1 + 2)", 1, "arithmetic that is not closed"),
    ("no-arithmetic", "x $((a); (b))", 1, "arithmetic that is not closed"),
    ("open-condition", "[[ a", 1, "`]]` is missing"),
    ("lone-done", "a\ndone\n", 2, "unexpected `done`"),
    ("lone-parenthesis", "a )", 1, "unexpected `)`"),
    ("lone-end-of-item", "a ;;", 1, "unexpected `;`"),
    ("no-body", "for i in a; b; done", 1, "`do` is missing"),
    ("no-pattern", "case a in ) b ;; esac", 1, "unexpected `)`"),
    ("fall-through", "case a in b) c ;& d) e ;; esac", 1, "unexpected `;`"),
    ("no-target", "a >\n", 1, "a redirection without a target"),
    ("expanded-delimiter", "a <<$b\n$b\n", 1, "a here-document"),
    ("array", "A=(b)", 1, "an array"),
    ("process-substitution", "a <(b)", 1, "a process substitution"),
    ("select", "select a in b; do c; done", 1, "`select`"),
    ("backslash-at-the-end", "a \\", 1, "a backslash at the end"),
    ("ansi-quotes", "a $'it\\'s'", 1, "`$'…'`"),
    ("carriage-return", "a\r\n", 1, "a carriage return"),
    ("zero", "a\0", 1, "a zero byte"),
    ("long", "a\n" * LIMIT, 1, "longer than 65,536 characters"),
    ("in-here-document", "a <<E\n\n$(if\nE\n", 4, "`then` is missing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "reason"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_unreadable(text: str, line: int, reason: str) -> None:
    with pytest.raises(UnsupportedShellError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.reason) == (line, reason)


@pytest.mark.parametrize("piece", ["$(", '"${A:-', "{ ", "f() ", "! ! ( ", "[[ ( ", "<<E $((", "if "])
def test_depth_is_bounded(piece: str) -> None:
    with pytest.raises(UnsupportedShellError):
        parse(piece * 3000)


def test_lines_are_those_of_the_script() -> None:
    commands = parse("a\nb \\\n  c\nd=$(\n\ne)\ncat <<E\n\n$(f)\nE\ng\n")
    assert [command.line for command in commands] == [1, 2, 4, 7, 11]
    assigned, document = commands[2], commands[3]
    assert isinstance(assigned, Simple)
    assert isinstance(document, Simple)
    (inner,) = assigned.assignments[0].value
    assert isinstance(inner, Substitution)
    assert [command.line for command in inner.body] == [6]
    (written,) = [part for part in document.redirections[0].target if isinstance(part, Substitution)]
    assert [command.line for command in written.body] == [9]


def test_text_of_a_command_is_as_it_stands() -> None:
    (command,) = parse("A=1 b  \\\n 'c  d' >&2\n")
    assert isinstance(command, Simple)
    assert command.text == "A=1 b 'c d' >&2"


@given(st.text("ab $(){}[]<>'\"`\\;&|\n#!=~*ifthendocaseswhl", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    line = 1
    try:
        parse(text)
    except UnsupportedShellError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1
