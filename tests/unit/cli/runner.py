"""The command line in the tests' own process, which is quicker than one for each command."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

# The package has a function of the same name.
main_module = importlib.import_module("docker_envs.cli.main")


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What was printed, after a good end."""
        assert self.status == 0, self.stderr
        return self.stdout.decode()


class Run(Protocol):
    """Runs a command to its end."""

    def __call__(self, *arguments: str | Path) -> Outcome: ...


def runner(monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> Run:
    """A function that runs commands; `capture` is pytest's `capfdbinary`."""
    main: Callable[[], int] = main_module._run

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr("sys.argv", ["docker-envs", *map(str, arguments)])
        capture.readouterr()
        status = main()
        out, err = capture.readouterr()
        return Outcome(status, out, err.decode())

    return run
