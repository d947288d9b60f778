"""Every error becomes one message and an exit status."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from docker_envs import errors
from docker_envs.cli.commands import VERBS
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


def loaded(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, or those of a group, by the names that one types."""
    for name, child in getattr(command, "commands", {}).items():
        yield from loaded(f"{prefix} {name}", child)
    if not hasattr(command, "commands"):
        yield prefix, command


LOADED = dict(pair for name, verb in VERBS.items() for pair in loaded(name, verb.load(name)))


def options(command: Any) -> dict[str, set[str]]:
    """The options of a command by the names of their parameters, in every spelling."""
    return {
        each.name: {*each.opts, *each.secondary_opts}
        for each in command.params
        if each.param_type_name == "option" and each.name != "help"
    }


def section(heading: str) -> str:
    """A section of the page, by how its heading begins."""
    found = re.findall(rf"^## {re.escape(heading)}(?!\w).*?(?=^## |\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, heading
    return str(found[0])


def in_tables(text: str) -> set[str]:
    """The options that the tables of a section explain."""
    cells = re.findall(r"^\| (`-[^|]*)\|", text, re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"`(-[^`]*)`", cell)}


def mentioned(text: str) -> set[str]:
    """The options that a section speaks of at all."""
    return set(re.findall(r"`(--?[a-zA-Z][a-z-]*)[^`]*`", text))


# Nothing else has all of them, and nothing but them.
COMMON = {
    name: spellings
    for name, spellings in options(LOADED["copy"]).items()
    if name in ("plain_http", "insecure", "ca_file", "auth_file", "quiet")
}


@pytest.mark.parametrize("name", LOADED)
def test_every_option_is_documented_where_it_belongs(name: str) -> None:
    found, text = options(LOADED[name]), section(f"`docker-envs {name}")
    own = [spellings for parameter, spellings in found.items() if parameter not in COMMON]
    if name == "build":  # which is quieter
        own.append(found["quiet"])
    assert in_tables(text) == set().union(*own)
    assert mentioned(text) <= set().union(*found.values(), *COMMON.values())


def test_the_options_of_connections_are_documented_once() -> None:
    text = section("Connection options")
    assert in_tables(text) == set().union(*COMMON.values())
    # The sentence that says which commands lack which.
    lacking = {name: COMMON.keys() - options(command).keys() for name, command in LOADED.items()}
    assert {name: missing for name, missing in lacking.items() if missing} == {
        **{name: set(COMMON) for name in LOADED if name.startswith("cache ")},
        "init": set(COMMON),
        "schema": set(COMMON),
        "layout gc": set(COMMON),
        "login": {"quiet"},
        "logout": set(COMMON) - {"auth_file"},
    }


def test_the_program_has_its_own_options() -> None:
    group = typer.main.get_command(app)
    text = COMMANDS.partition("## Where images are")[0]
    assert mentioned(text) == {*set().union(*options(group).values()), "-h", "--help"}


def test_commands_are_documented_in_the_order_of_the_help() -> None:
    assert re.findall(r"^## `docker-envs ([a-z]+(?: [a-z]+)?)", COMMANDS, re.MULTILINE) == list(LOADED)
    assert re.findall(r"\[`([a-z]+(?: [a-z]+)?)`\]\(#docker-envs-", COMMANDS.partition("\n## ")[0]) == list(LOADED)


@pytest.mark.parametrize("name", VERBS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    assert (VERBS[name].load(name).help or "").partition("\n")[0] == VERBS[name].help


@pytest.mark.parametrize("status", sorted({status for _, status in EXIT_STATUSES} | {0, 130}))
def test_every_status_is_documented(status: int) -> None:
    assert re.search(rf"^\| {status} \| ", COMMANDS, re.MULTILINE)


def test_every_documented_variable_is_read() -> None:
    documented = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", COMMANDS.partition("## Environment variables")[2]))
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    by_libraries = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
    assert {name for name in documented if name not in source} <= by_libraries


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["-h"], []])
def test_help_answers(tmp_path: Path, arguments: list[str]) -> None:
    done = docker_envs(*arguments, cache=tmp_path / "cache")
    assert done.status in (0, 2)
    assert "build" in done.stdout + done.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["copy", "--help"], ["login", "--help"]])
def test_help_needs_no_heavy_imports(tmp_path: Path, arguments: list[str]) -> None:
    done = docker_envs(*arguments, cache=tmp_path, wrapper=(), variables={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "docker_envs.cli.main" in imported
    assert not imported & {"rattler", "urllib3", "docker", "asyncio", "yaml", "rich.progress"}


def test_the_list_of_commands_imports_none_of_them(tmp_path: Path) -> None:
    done = docker_envs("--help", cache=tmp_path, wrapper=(), variables={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {verb.place.partition(":")[0] for verb in VERBS.values()}


def test_the_version(tmp_path: Path) -> None:
    from docker_envs.version import __version__

    assert docker_envs("--version", cache=tmp_path).stdout == f"docker-envs {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
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
