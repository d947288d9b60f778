"""Activating an environment at build time: the variables that `conda activate` would set, and where they come from.

The order is that of conda (`conda/activate.py`) and rattler (`rattler_shell/src/activation.rs`): first
`etc/conda/env_vars.d`, then `conda-meta/state`, then `etc/conda/activate.d/*.sh`, each sorted by name. Scripts are
evaluated, never run. A script that needs more than can be known is left out as a whole, and so is each later one that
uses a variable which such a script may use: their order would change otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.conda.activating.shell.interpreter import Interpreter
from docker_envs.environments.conda.activating.shell.state import Touched, Variables
from docker_envs.environments.shell.syntax import UnknownValueError, UnsupportedShellError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker_envs.environments.conda.activating.shell.conditions import PathKind, PathLookup

_SCRIPTS = "etc/conda/activate.d/"
_VARIABLES = "etc/conda/env_vars.d/"
_STATE = "conda-meta/state"
#: What `conda env config vars unset` leaves in the state file.
_UNSET = "***unset***"
_CHANGES_PREFIX = "it changes `CONDA_PREFIX`"
_LOSES_PATH = "it removes `{}/bin` from `PATH`"


@dataclass(frozen=True, slots=True)
class ActivationFile:
    """A file that takes part in activation.

    Attributes:
        package: Name of the package that brings it, or what else does.
        path: Relative to the prefix.
        content: As it is in the image, with the prefix in place of placeholders.
    """

    package: str
    path: str
    content: bytes

    @property
    def origin(self) -> str:
        """`package: path`."""
        return f"{self.package}: {self.path}"

    @property
    def is_script(self) -> bool:
        """Whether a shell sources it when the environment is activated."""
        return self.path.startswith(_SCRIPTS) and self.path.endswith(".sh") and self.path.count("/") == 3


@dataclass(frozen=True, slots=True)
class Unresolved:
    """What could not be evaluated: a whole script, or one variable of a JSON file.

    Attributes:
        line: Where in the file, from one.
        reason: What is there.
    """

    package: str
    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Activation:
    """What activation changes.

    Attributes:
        variables: Exported variables that differ from the environment before, in the order in which they were set.
        removed: Variables of the environment before that are gone.
        origins: Each of these to the `package: path` that set or removed it last.
        unresolved: What was left out, in the order of activation.
    """

    variables: dict[str, str]
    removed: tuple[str, ...]
    origins: dict[str, str]
    unresolved: tuple[Unresolved, ...]


def is_activation_file(path: str) -> bool:
    """Whether a path, relative to the prefix, belongs to what `evaluate_activation` wants to see."""
    return path.startswith((_SCRIPTS, _VARIABLES)) or path == _STATE


def evaluate_activation(
    scripts: Sequence[ActivationFile], *, prefix: str, env: Mapping[str, str], lookup: PathLookup | None = None
) -> Activation:
    """Evaluate what activates an environment.

    Args:
        scripts: Files below `etc/conda/activate.d` and `etc/conda/env_vars.d`, and `conda-meta/state`, in any order;
            others are ignored.
        prefix: Absolute, as in the image.
        env: The environment before: that of the base, with `CONDA_PREFIX` set and the environment's `bin` in `PATH`.
        lookup: Says what is at a path of the image, for `[ -d … ]` and the like; without it, scripts that ask are
            unresolved.

    Cost: no disk, no process; a script may run 10,000 commands at most.
    """
    files = sorted(scripts, key=lambda file: file.path)
    before = Variables.of_environment(env)
    variables = before.copy()
    unresolved: list[Unresolved] = []
    for file in files:
        if file.path.startswith(_VARIABLES):
            unresolved += _apply_json(file, variables, prefix)
    for file in files:
        if file.path == _STATE:
            unresolved += _apply_json(file, variables, prefix)
    run = _ScriptRun(prefix, lookup or _unknown_path, files)
    for file in files:
        if file.is_script:
            variables = run.source(file, variables)
    return _changes(before, variables, (*unresolved, *run.unresolved))


def _unknown_path(path: str) -> PathKind | None:
    return None


class _ScriptRun:
    """Scripts that one shell sources one after the other."""

    def __init__(self, prefix: str, lookup: PathLookup, files: Sequence[ActivationFile]) -> None:
        self._prefix = prefix
        self._lookup = lookup
        self._texts: dict[str, str] = {}
        for file in files:
            try:
                self._texts[f"{prefix}/{file.path}"] = file.content.decode()
            except UnicodeDecodeError:
                continue
        self._touched: list[Touched] = []
        self.unresolved: list[Unresolved] = []

    def source(self, file: ActivationFile, before: Variables) -> Variables:
        """The variables after a script, or those before if it is unresolved."""
        after = before.copy()
        after.origin = file.origin
        after.touched = self._touched
        try:
            text = self._texts.get(f"{self._prefix}/{file.path}")
            if text is None:
                raise UnsupportedShellError(1, "text that is not UTF-8")
            Interpreter(after, self._lookup, self._texts).run(text)
            _check_prefix(after, self._prefix)
        except UnsupportedShellError as error:
            self._touched.append(Touched(file.path, file.content.decode(errors="replace")))
            self.unresolved.append(Unresolved(file.package, file.path, error.line, error.reason))
            return before
        return after


def _check_prefix(variables: Variables, prefix: str) -> None:
    """No script may lose the environment."""
    if variables.values.get("CONDA_PREFIX") != prefix or "CONDA_PREFIX" not in variables.exported:
        raise UnsupportedShellError(1, _CHANGES_PREFIX)
    if f"{prefix}/bin" not in variables.values.get("PATH", "").split(":") or "PATH" not in variables.exported:
        raise UnsupportedShellError(1, _LOSES_PATH.format(prefix))


def _apply_json(file: ActivationFile, variables: Variables, prefix: str) -> Iterator[Unresolved]:
    """Set what a JSON object says; yield what cannot be set."""
    variables.origin = file.origin
    try:
        content: object = json.loads(file.content)
        if file.path == _STATE and isinstance(content, dict):
            # Variables of the state file are in upper case, for conda as for rattler.
            content = {name.upper(): value for name, value in content.get("env_vars", {}).items()}
    except (ValueError, RecursionError, AttributeError):
        content = None
    if not isinstance(content, dict):
        yield Unresolved(file.package, file.path, 1, "no JSON object")
        return
    for name, value in content.items():
        try:
            _set_variable(variables, name, None if value == _UNSET else value, prefix)
        except UnknownValueError as error:
            yield Unresolved(file.package, file.path, 1, str(error))


def _set_variable(variables: Variables, name: str, value: object, prefix: str) -> None:
    if not name or "=" in name or not _is_text(name):
        raise UnknownValueError(f"{name!r}, which is no name of a variable")
    if value is not None and not (isinstance(value, str) and _is_text(value)):
        raise UnknownValueError(f"a value of `{name}` that is no text")
    if name == "CONDA_PREFIX" and value != prefix:
        raise UnknownValueError(_CHANGES_PREFIX)
    if name == "PATH" and not (isinstance(value, str) and f"{prefix}/bin" in value.split(":")):
        raise UnknownValueError(_LOSES_PATH.format(prefix))
    if isinstance(value, str):
        variables.set(name, value)
        variables.export(name)
    else:
        variables.unset(name)


def _is_text(text: str) -> bool:
    """Whether text can be in an environment."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _changes(before: Variables, after: Variables, unresolved: tuple[Unresolved, ...]) -> Activation:
    variables = {
        name: value
        for name, value in after.values.items()
        if name in after.exported and (before.values.get(name) != value)
    }
    removed = tuple(name for name in before.values if name not in after.values or name not in after.exported)
    origins = {name: after.origins[name] for name in (*variables, *removed)}
    return Activation(variables, removed, origins, unresolved)
