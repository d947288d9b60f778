"""Progress: one line a piece of work where nobody looks, bars on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import sys

import pytest

from docker_envs.cli.progress import BarReporter, LineReporter, reporter_for
from docker_envs.cli.text import human_size, print_error
from docker_envs.errors import DockerEnvsError


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (999_000_000, "999.0 MB"),
        (2_500_000_000, "2.50 GB"),
        (2_500_000_000_000, "2500.00 GB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


def run(reporter: LineReporter | BarReporter) -> None:
    task = reporter.start("build", "numpy-2.0-0", 2_000_000)
    task.advance(1_000_000)
    task.finish("cached")
    reporter.start("solve", "1 spec").finish()
    reporter.message("a [message]")
    reporter.warning("a [warning]")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    run(LineReporter())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "build    numpy-2.0-0 (2.0 MB, cached)\nsolve    1 spec\na [message]\nwarning: a [warning]\n"
    )


def test_quiet_lines_are_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    run(LineReporter(quiet=True))
    assert capsys.readouterr().err == "warning: a [warning]\n"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> tuple[str, str]:
    """The kind of the reporter, and what a terminal gets from it."""
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys, "stderr", terminal)
        with reporter_for(quiet=quiet) as reporter:
            assert isinstance(reporter, LineReporter | BarReporter)
            run(reporter)
        monkeypatch.undo()
    with os.fdopen(parent, "rb", buffering=0) as screen, contextlib.suppress(OSError):
        # One read may give a part; after the last one there is an error, since nobody writes any more.
        shown = b""
        while piece := screen.read(1 << 16):
            shown += piece
    return type(reporter).__name__, shown.decode()


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, shown = on_a_terminal(monkeypatch, quiet=False)
    assert kind == "BarReporter"
    assert "a [message]" in shown
    assert "warning: a [warning]" in shown
    assert "\x1b[" in shown


def test_no_bars_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_terminal(monkeypatch, quiet=True) == ("LineReporter", "warning: a [warning]\r\n")


def test_no_bars_without_a_terminal() -> None:
    with reporter_for(quiet=False) as reporter:
        assert isinstance(reporter, LineReporter)


def test_no_line_commands_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = LineReporter()
    reporter.start("index", "Deb\x1b]0;owned\x07ian").finish()
    reporter.warning("one\x1b[2J\ntwo")
    print_error(DockerEnvsError("evil\x9b2J", hint="\x1b[H"))
    lines = ["index    Deb\\x1b]0;owned\\x07ian", "warning: one\\x1b[2J", "two", "error: evil\\x9b2J", "hint: \\x1b[H"]
    assert capsys.readouterr().err.splitlines() == lines
