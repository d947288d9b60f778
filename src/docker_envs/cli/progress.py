"""Progress for people: bars on a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Self

from docker_envs.cli.text import human_size, printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from docker_envs.report import Reporter, Task

_NAME_WIDTH = 48


class LineReporter:
    """One line for each piece of work when it is done; what a log wants."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()

    def message(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self._quiet:
            self._print(text)

    def warning(self, text: str) -> None:
        """Print a line, even if quiet."""
        self._print(f"warning: {text}")

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        """Work begins; the line comes at its end."""
        return _LineTask(self, verb, name, total)

    def _print(self, text: str) -> None:
        with self._lock:
            print(printable_lines(text), file=sys.stderr, flush=True)


class _LineTask:
    def __init__(self, reporter: LineReporter, verb: str, name: str, total: int | None) -> None:
        self._reporter = reporter
        self._label = f"{verb:8} {name}"
        self._total = total

    def advance(self, amount: int) -> None:
        pass

    def finish(self, note: str = "") -> None:
        details = ", ".join(filter(None, (human_size(self._total) if self._total else "", note)))
        self._reporter.message(f"{self._label} ({details})" if details else self._label)


class BarReporter:
    """A bar for each piece of work in progress, which goes when it is done; a context manager."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.fields[verb]:8}"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Print a warning above the bars."""
        line = printable_lines(f"warning: {text}")
        self._progress.console.print(line, markup=False, highlight=False, style="yellow", soft_wrap=True)

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        """Show a bar; one without total pulses."""
        name = printable(name)
        shown = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
        return _BarTask(self._progress, self._progress.add_task(shown, total=total, verb=verb))


class _BarTask:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: int) -> None:
        self._progress.advance(self._task, amount)

    def finish(self, note: str = "") -> None:
        self._progress.remove_task(self._task)


@contextlib.contextmanager
def reporter_for(*, quiet: bool) -> Iterator[Reporter]:
    """The reporter that fits where stderr goes."""
    if sys.stderr.isatty() and not quiet:
        with BarReporter() as bars:
            yield bars
    else:
        yield LineReporter(quiet=quiet)
