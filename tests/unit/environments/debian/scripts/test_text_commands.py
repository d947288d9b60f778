"""Commands that make text of text, against the programs themselves; and what is not known is said to be so."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from docker_envs.environments.debian.scripts.flow import Input
from docker_envs.environments.debian.scripts.outcome import UNKNOWN
from docker_envs.environments.debian.scripts.text_commands import TextCommands
from docker_envs.environments.debian.system.files import SystemFiles

TEXT = "alpha=1\nalpha=1\n# beta gamma\n\n  delta: 22/33\nAlpha [x] a.b*c\nlast $HOME\\ end"
COMMANDS = TextCommands(SystemFiles((), (), {}))
RUNS = [
    ["sed", "s/a/b/"],
    ["sed", "s/a/<&>/2g"],
    ["sed", "-e", r"s/\(.\)=\(.\)/\2=\1/", "-e", "s,/, ,g"],
    ["sed", "-n", "/alpha/Ip"],
    ["sed", "-ne", r"s/^#[[:space:]]*\([a-z]\+\).*$/\1/p"],
    ["sed", "-E", "s/([0-9]+)\\/([0-9]+)/\\2:\\1/"],
    ["sed", "/^[a-zA-Z]/!d; s/ *$//g"],
    ["sed", "2,4d"],
    ["sed", "/beta/,/delta/s/e/E/g"],
    ["sed", "/beta/,$d"],
    ["sed", "0,/a/ s/^/> /"],
    ["sed", "1,/a/ s/^/> /"],
    ["sed", "3,1 s/^$/empty/"],
    ["sed", "3q"],
    ["sed", "-n", "$p"],
    ["sed", "s/[[:digit:]]/_/g"],
    ["sed", "-n", "p"],
    ["sed", r"s/x*/-/g"],
    ["sed", r"s/ /\n/2"],
    ["sed", "s/[]x[]/_/g"],
    ["sed", "s|a.b\\*c|\\&|"],
    ["grep", "a"],
    ["grep", "-v", "^#"],
    ["grep", "-qx", "alpha=1"],
    ["grep", "-qw", "x"],
    ["grep", "-w", "lph"],
    ["grep", "-E", "^(alpha|last)"],
    ["grep", "-E", "a{1,2}.b?"],
    ["grep", "-F", "a.b*c"],
    ["grep", "-ic", "ALPHA"],
    ["grep", "-e", "beta", "-e", "delta"],
    ["grep", "nothing"],
    ["grep", "*c"],
    ["grep", r"\<a\>"],
    ["egrep", "(a|b)+="],
    ["fgrep", "$HOME"],
    ["cut", "-d", " ", "-f", "2"],
    ["cut", "-d=", "-f1"],
    ["cut", "-c1-3"],
    ["cut", "-d:", "-f2-", "-s"],
    ["tr", "a-z", "A-Z"],
    ["tr", "-d", "=\\n"],
    ["tr", "-cd", "0-9"],
    ["tr", "[:upper:]", "[:lower:]"],
    ["sort"],
    ["sort", "-ur"],
    ["head", "-n", "2"],
    ["head", "-1"],
    ["tail", "-n1"],
    ["uniq"],
    ["wc", "-l"],
    ["basename", "/a/b.c", ".c"],
    ["basename", "/a/b/"],
    ["basename", "b", "b"],
    ["dirname", "/a/b/"],
    ["dirname", "/a"],
    ["dirname", "a"],
    ["seq", "6", "-1", "3"],
    ["seq", "2"],
    ["expr", "3", "-", "1"],
    ["expr", "abc", ":", "a.*"],
    ["expr", "abc", ":", r"a\(.\)"],
    ["expr", "b", ":", "a"],
    ["expr", "a", "=", "a"],
    ["printf", "%s-%s\\n", "a", "b", "c"],
    ["printf", "100%%\\tx"],
]


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_commands_do_what_the_programs_do(words: list[str]) -> None:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"no {words[0]}")
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([program, *words[1:]], input=TEXT.encode(), capture_output=True, check=False, env=environment)
    outcome = COMMANDS.by_name[words[0]](words[1:], Input(TEXT))
    assert outcome != UNKNOWN
    assert (outcome.status, outcome.output) == (done.returncode == 0, done.stdout.decode())


@pytest.mark.parametrize(
    "words",
    [
        ["sed", "y/a/b/"],
        ["sed", r"s/a\|x/_/"],
        ["sed", r"s|a\|x|_|"],
        ["sed", "s/[/]/_/"],
        ["sed", "s/a/\\U&/"],
        ["sed", "s/\\(a*\\)*/x/"],
        ["sed", "s/a\\(b\\|bc\\)\\(cd\\)*/x/"],
        ["sed", "s/[a\\n]/x/"],
        ["sed", "w file"],
        ["sed", "s/a/b/w file"],
        ["sed", "s/a/b/e"],
        ["sed", "s/a"],
        ["sed", "-i.bak", "s/a/b/"],
        ["sed", "s/a/\\1/"],
        ["sed", "{p}"],
        ["grep", "-P", "a"],
        ["grep", "-r", "a", "/"],
        ["grep", "a\\{"],
        ["grep", "[[:nothing:]]"],
        ["grep", "-E", "(a*)*"],
        ["grep", "a", "/nothing"],
        ["cut", "-f0"],
        ["cut", "-f1,2"],
        ["tr", "a-f", "x"],
        ["sort", "-k2"],
        ["tail", "-f"],
        ["expr", "1", "+"],
        ["printf", "%d", "1"],
        ["seq", "1", "1000000000"],
        ["awk", "{print $1}"],
    ],
    ids=" ".join,
)
def test_the_rest_is_unknown(words: list[str]) -> None:
    assert COMMANDS.by_name[words[0]](words[1:], Input(TEXT)) == UNKNOWN


def test_unknown_input_stays_unknown() -> None:
    for words in (words for words in RUNS if words[0] in ("sed", "grep", "cut", "tr", "sort", "head", "wc")):
        assert COMMANDS.by_name[words[0]](words[1:], Input(None)) == UNKNOWN, words


def test_a_program_of_awk_without_input_reaches_its_end_alone() -> None:
    program = "/^LANG=/ {lang=$0;} END {print lang}"
    assert COMMANDS.by_name["awk"]([program], Input("")).output == "\n"
    assert COMMANDS.by_name["awk"]([program], Input("LANG=C\n")) == UNKNOWN


def test_files_are_read() -> None:
    files = SystemFiles((), (), {})
    files.write("/etc/x", b"one\ntwo\n")
    commands = TextCommands(files)
    assert commands.by_name["grep"](["two", "/etc/x"], Input(None)).output == "two\n"
    assert commands.by_name["grep"](["-qs", "two", "/etc/y"], Input(None)).status is False
    assert commands.by_name["cmp"](["-s", "/etc/x", "/etc/x"], Input(None)).status is True
    assert commands.by_name["cmp"](["--silent", "/etc/x", "/etc/y"], Input(None)).status is False
    assert commands.by_name["cmp"](["/etc/x", "/etc/x"], Input(None)) == UNKNOWN
    assert commands.by_name["sed"](["1d", "/etc/x"], Input(None)).output == "two\n"
