"""The entrypoint, run by real shells with scripts that behave and scripts that do not."""

from __future__ import annotations

import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.activating.activation import ActivationFile, evaluate_activation
from docker_envs.environments.conda.activating.entrypoint import entrypoint_script
from tests.unit.environments.conda.shell_scripts import COMPILERS
from tests.unit.environments.conda.shells import POSIX_SHELLS, SHELLS, write

if TYPE_CHECKING:
    from pathlib import Path

SHOW = [shutil.which("env") or "", "-0"]

#: Scripts, and what of the environment they change. Each runs a command first, so that it is never evaluated.
SCRIPTS: dict[str, tuple[str, dict[str, str | None]]] = {
    "plain": ('export A="$(echo a  b) \'c\' \\"d\\" \\$e"', {"A": "a b 'c' \"d\" $e"}),
    "lines": ('export A="$(printf "1\\n2")\nexport LANG=x\n\n"', {"A": "1\n2\nexport LANG=x\n\n"}),
    "unset": ("$(true); unset LANG EMPTY", {"LANG": None, "EMPTY": None}),
    "not-exported": ("A=$(echo 1); export LANG=$A", {"LANG": "1"}),
    "exits": ("export A=$(echo 1); exit 3; export B=1", {"A": "1"}),
    "returns": ("export A=$(echo 1); return 3; export B=1", {"A": "1"}),
    "fails-under-errexit": ("set -e; export A=$(echo 1); false; export B=1", {"A": "1"}),
    "unset-under-nounset": ("set -u; export A=$(echo 1); export B=$NEVER", {"A": "1"}),
    "leaves-options": ("set -euf; export A=$(echo 1)", {"A": "1"}),
    "required": ("export A=$(echo 1); export B=${NEVER:?no}", {"A": "1"}),
    "takes-arguments": ("set -- x y; shift; export A=$(echo $#)", {"A": "1"}),
    "reads": ('read -r A; export A="<$A>$(true)"', {"A": "<>"}),
    "prints": ("echo noise; export A=$(echo 1)", {"A": "1"}),
    "goes-away": ("cd /; export A=$(pwd)", {"A": "/"}),
    "changes-ifs": ("IFS=:; export A=$(echo 1); unset LANG", {"A": "1", "LANG": None}),
    "sees-prefix": ("export A=$(echo $CONDA_PREFIX/x)", {"A": "@/x"}),
    "sees-no-arguments": ('export A="$(echo $#)"', {"A": "0"}),
    "loses-path": ("export A=$(echo 1) PATH=/nowhere", {"A": "1", "PATH": "@/bin:/nowhere"}),
    "unsets-path": ("$(true); unset PATH", {"PATH": "@/bin"}),
    "compilers": (COMPILERS, {"CXX": "x86_64-conda-linux-gnu-g++", "CXXFLAGS": "-O2"}),
    "arrays": ('A=(1 2); export B="${A[1]}$(true)"', {"B": "2"}),
}
BASH_ONLY = {"compilers", "arrays"}
#: What ends some shells while they read a script.
BROKEN = {"syntax": "export A=1\nfi\n$(", "quote": "export A='", "binary": "\x01\x02 $(x", "directory": None}


def build(prefix: Path, texts: dict[str, str]) -> Path:
    files = [ActivationFile(name, f"etc/conda/activate.d/{name}.sh", text.encode()) for name, text in texts.items()]
    for file in files:
        write(prefix, file.path, file.content)
    env = {"PATH": f"{prefix}/bin", "CONDA_PREFIX": str(prefix)}
    activation = evaluate_activation(files, prefix=str(prefix), env=env)
    assert [unresolved.package for unresolved in activation.unresolved] == sorted(texts)
    target = write(prefix, "entrypoint", entrypoint_script(activation, files, prefix=str(prefix)))
    target.chmod(0o755)
    return target


def run(entrypoint: Path, shell: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [shutil.which(SHELLS[shell][0]) or "", *SHELLS[shell][1:], str(entrypoint), *arguments],
        env={"PATH": "/nowhere", "LANG": "C", "EMPTY": "", **env},
        input=b"input\n",
        capture_output=True,
        cwd=entrypoint.parent,
        timeout=60,
    )


def variables(output: bytes) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in output.decode().split("\0") if pair)
    return {name: value for name, _, value in pairs if name not in ("_", "OLDPWD", "PWD", "SHLVL")}


CASES = [
    pytest.param(name, shell, id=f"{name}-{shell}")
    for name in SCRIPTS
    for shell in SHELLS
    if name not in BASH_ONLY or shell not in POSIX_SHELLS
]


@pytest.mark.parametrize(("name", "shell"), CASES)
def test_scripts(name: str, shell: str, tmp_path: Path) -> None:
    prefix = tmp_path / "with space"
    text, changes = SCRIPTS[name]
    found = run(build(prefix, {name: text}), shell, *SHOW)
    assert found.returncode == 0, found.stderr
    expected = {"PATH": f"{prefix}/bin:/nowhere", "LANG": "C", "EMPTY": "", "CONDA_PREFIX": str(prefix)}
    for variable, value in changes.items():
        expected.pop(variable, None)
        if value is not None:
            expected[variable] = value.replace("@", str(prefix))
    assert variables(found.stdout) == expected


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("broken", BROKEN)
def test_no_script_ends_the_container(broken: str, shell: str, tmp_path: Path) -> None:
    texts = {"a": "export BEFORE=$(echo 1)", "b": BROKEN[broken] or "$(x)", "c": "export AFTER=$(echo 2)"}
    entrypoint = build(tmp_path, texts)
    if BROKEN[broken] is None:
        script = tmp_path / "etc/conda/activate.d/b.sh"
        script.unlink()
        script.mkdir()
    found = run(entrypoint, shell, *SHOW)
    assert found.returncode == 0, found.stderr
    assert variables(found.stdout).items() >= {"BEFORE": "1", "AFTER": "2"}.items()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_is_executed_as_it_is(shell: str, tmp_path: Path) -> None:
    entrypoint = build(tmp_path, {"a": "echo noise; cd /; set -- lost; $(true)"})
    arguments = ["a b", "", "*", "$HOME", "'", "ü", "-n"]
    program = 'printf "<%s>" "$0" "$@" "$PWD"; pwd; read -r line; echo "$line"; exit 7'
    found = run(entrypoint, shell, "/bin/sh", "-c", program, *arguments)
    words = "".join(f"<{word}>" for word in [*arguments, str(tmp_path)])
    assert found.stdout.decode() == f"{words}{tmp_path}\ninput\n"
    assert b"noise" in found.stderr
    assert found.returncode == 7


@pytest.mark.parametrize("shell", SHELLS)
def test_the_directory_stays(shell: str, tmp_path: Path) -> None:
    found = run(build(tmp_path, {"a": "export A=$(echo 1); cd /"}), shell, *SHOW, PWD=str(tmp_path))
    assert f"PWD={tmp_path}\0" in found.stdout.decode().replace("OLDPWD", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_options_of_the_shell_do_no_harm(shell: str, tmp_path: Path) -> None:
    entrypoint = build(tmp_path, {"a": "export A=$(echo 1); false; export B=$NEVER"})
    command = [shutil.which(SHELLS[shell][0]) or "", *SHELLS[shell][1:], "-eu", str(entrypoint), *SHOW]
    found = subprocess.run(command, env={"PATH": "/nowhere"}, capture_output=True, check=True, timeout=60)
    assert variables(found.stdout).items() >= {"A": "1", "B": ""}.items()


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_see_what_earlier_ones_exported(shell: str, tmp_path: Path) -> None:
    found = run(build(tmp_path, {"b": 'export B="$A$(echo 2)"', "a": "export A=$(echo 1)"}), shell, *SHOW)
    assert variables(found.stdout)["B"] == "12"


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_that_are_gone_are_passed_over(shell: str, tmp_path: Path) -> None:
    entrypoint = build(tmp_path, {"a": "export A=$(echo 1)"})
    (tmp_path / "etc/conda/activate.d/a.sh").unlink()
    found = run(entrypoint, shell, *SHOW, CONDA_PREFIX="/other")
    assert found.stderr == b""
    assert variables(found.stdout)["CONDA_PREFIX"] == "/other"


@pytest.mark.skipif("bash" not in SHELLS, reason="there is no Bash")
def test_bash_is_used_where_there_is_one(tmp_path: Path) -> None:
    entrypoint = build(tmp_path, {"a": SCRIPTS["arrays"][0]})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bash").symlink_to(shutil.which("bash") or "")
    assert entrypoint.stat().st_mode & stat.S_IXUSR
    found = subprocess.run(
        [entrypoint, *SHOW], env={"PATH": f"{tmp_path}/bin"}, capture_output=True, check=True, timeout=60
    )
    assert variables(found.stdout)["B"] == "2"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_bash_that_does_not_run_is_not_used(shell: str, tmp_path: Path) -> None:
    entrypoint = build(tmp_path, {"a": "export A=$(echo 1)"})
    write(tmp_path, "bin/bash", b"\x7fELF of another machine")
    assert variables(run(entrypoint, shell, *SHOW, PATH=f"{tmp_path}/bin").stdout)["A"] == "1"


def test_nothing_to_source() -> None:
    files = [
        ActivationFile("a", "etc/conda/activate.d/a.sh", b"export A=1"),
        ActivationFile("b", "etc/conda/env_vars.d/b.json", b"no JSON"),
    ]
    env = {"PATH": "/p/bin", "CONDA_PREFIX": "/p"}
    activation = evaluate_activation(files, prefix="/p", env=env)
    assert len(activation.unresolved) == 1
    assert entrypoint_script(activation, files, prefix="/p") == b""
