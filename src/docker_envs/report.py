"""Progress as events: who does long work tells a `Reporter`; who talks to people implements one."""

from __future__ import annotations

from typing import Protocol


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 layer`, `2 layers`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


class Task(Protocol):
    """One piece of work in progress."""

    def advance(self, amount: int) -> None:
        """Another `amount` bytes are done."""

    def finish(self, note: str = "") -> None:
        """The work is complete; `note` says how, for example `cached`."""


class Reporter(Protocol):
    """Receives what happens; every method may be called from any thread."""

    def message(self, text: str) -> None:
        """Something worth a line."""

    def warning(self, text: str) -> None:
        """Something a user should know about, without stopping."""

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        """Work on `name` begins; `total` in bytes when known."""


class _SilentTask:
    def advance(self, amount: int) -> None:
        pass

    def finish(self, note: str = "") -> None:
        pass


class SilentReporter:
    """Ignores everything; the default of the library."""

    def message(self, text: str) -> None:
        """Ignore."""

    def warning(self, text: str) -> None:
        """Ignore."""

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        """Ignore."""
        return _SilentTask()


SILENT = SilentReporter()
