"""Every error becomes one message and an exit status."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs import errors
from docker_envs.cli.main import EXIT_STATUSES, app
from tests.builds import ROOT, docker_envs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The package has a function of the same name.
main_module = importlib.import_module("docker_envs.cli.main")
COMMANDS = (ROOT / "docs/commands.md").read_text()

CASES: list[tuple[errors.DockerEnvsError, int]] = [
    (errors.InvalidInputError("x"), 2),
    (errors.InvalidReferenceError("x", "y"), 2),
    (errors.InvalidDeclarationError("x", "y"), 2),
    (errors.SolveError("x"), 3),
    (errors.TransportError("x"), 4),
    (errors.NotFoundError("x"), 4),
    (errors.AuthenticationError("x"), 4),
    (errors.EngineError("x"), 4),
    (errors.StorageError("x"), 4),
    (errors.VerificationError("x"), 5),
    (errors.DigestMismatchError("x", expected="y", actual="z"), 5),
    (errors.SizeMismatchError("x", expected=1), 5),
    (errors.FormatError("x", "y"), 5),
    (errors.PathEscapeError("x", "y"), 5),
    (errors.BuildError("x"), 6),
    (errors.PrefixTooLongError(package="x", path="y", prefix="/z", limit=1), 6),
    (errors.DockerEnvsError("x"), 1),
]


def run(monkeypatch: pytest.MonkeyPatch, outcome: object) -> int:
    """The status after the application has ended so."""

    def end() -> None:
        if isinstance(outcome, BaseException):
            raise outcome

    monkeypatch.setattr(main_module, "app", end)
    status = main_module._run()
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize(("error", "status"), CASES, ids=lambda value: type(value).__name__)
def test_statuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: errors.DockerEnvsError, status: int
) -> None:
    assert run(monkeypatch, error) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    expected = f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else "")
    assert captured.err == expected


def test_every_error_has_a_case() -> None:
    kinds = {
        kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.DockerEnvsError)
    }
    assert kinds == {type(error) for error, _ in CASES}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(None, 0), (SystemExit(), 0), (SystemExit(0), 0), (SystemExit(2), 2), (SystemExit("text"), 1)],
)
def test_other_endings(monkeypatch: pytest.MonkeyPatch, outcome: object, status: int) -> None:
    assert run(monkeypatch, outcome) == status


@pytest.mark.parametrize("outcome", [KeyboardInterrupt(), SystemExit(130)])
def test_interruptions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: object) -> None:
    assert run(monkeypatch, outcome) == 130
    assert capsys.readouterr().err == "interrupted; nothing half-made was left behind\n"


def test_foreign_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, ZeroDivisionError())


def options() -> Iterator[str]:
    """All options of all commands, in every spelling."""
    import typer

    group = typer.main.get_command(app)
    for command in (group, *getattr(group, "commands", {}).values()):
        for parameter in command.params:
            if parameter.param_type_name == "option":
                yield from (*parameter.opts, *parameter.secondary_opts)


@pytest.mark.parametrize("option", sorted(set(options()) - {"--install-completion", "--show-completion"}))
def test_every_option_is_documented(option: str) -> None:
    assert f"`{option}`" in COMMANDS


def test_every_documented_option_is_there() -> None:
    documented = set(re.findall(r"`(--?[a-z][a-z-]*)`", COMMANDS))
    assert documented <= set(options()) | {"-h", "--help"}


@pytest.mark.parametrize("status", sorted({status for _, status in EXIT_STATUSES} | {0, 130}))
def test_every_status_is_documented(status: int) -> None:
    assert re.search(rf"^\| {status} \| ", COMMANDS, re.MULTILINE)


def test_every_documented_variable_is_read() -> None:
    documented = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", COMMANDS.partition("## Environment variables")[2]))
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    by_libraries = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "XDG_CACHE_HOME"}
    assert {name for name in documented if name not in source} <= by_libraries


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["-h"], []])
def test_help_answers(tmp_path: Path, arguments: list[str]) -> None:
    done = docker_envs(*arguments, cache=tmp_path / "cache")
    assert done.status in (0, 2)
    assert "build" in done.stdout + done.stderr
    assert not (tmp_path / "cache").exists()


def test_help_needs_no_heavy_imports(tmp_path: Path) -> None:
    done = docker_envs("build", "--help", cache=tmp_path, wrapper=(), variables={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "docker_envs.cli.main" in imported
    assert not imported & {"rattler", "urllib3", "docker", "asyncio", "yaml", "rich.progress"}


def test_the_version(tmp_path: Path) -> None:
    from docker_envs.version import __version__

    assert docker_envs("--version", cache=tmp_path).stdout == f"docker-envs {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "Missing option '--base'"),
        (["build", "-b", "scratch", "--max-layers", "0"], "Invalid value for '--max-layers'"),
        (["build", "-b", "scratch", "--no-such-option"], "No such option: --no-such-option"),
        (["bild"], "No such command 'bild'"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = docker_envs(*arguments, cache=tmp_path, variables={"COLUMNS": "200"})
    assert done.status == 2
    assert done.stdout == ""
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_python_is_new_enough() -> None:
    assert sys.version_info >= (3, 11)
