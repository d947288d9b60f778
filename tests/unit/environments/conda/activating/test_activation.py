"""Activation: packages' scripts and JSON files, evaluated and compared with what real shells do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.activating.activation import (
    Activation,
    ActivationFile,
    Unresolved,
    evaluate_activation,
    is_activation_file,
)
from docker_envs.environments.conda.activating.shell.conditions import PathKind, prefix_lookup
from tests.unit.environments.conda import activation_scripts, shell_scripts
from tests.unit.environments.conda.activation_scripts import BASE, Script
from tests.unit.environments.conda.shells import POSIX_SHELLS, SHELLS, lookup_in, source, write

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = [*activation_scripts.SCRIPTS, *shell_scripts.SCRIPTS]
PREFIX = "/opt/conda"
ENV = {"PATH": f"{PREFIX}/bin:/usr/bin:/bin", "CONDA_PREFIX": PREFIX}
JSON_VALUES = {
    "EDGE_PLAIN": "plain",
    "EDGE_SPACES": "two  words",
    "EDGE_QUOTES": 'it\'s "quoted"',
    "EDGE_DOLLAR": "$HOME is not expanded",
    "EDGE_UNICODE": "grün ✓",
    "EDGE_EMPTY": "",
    "EDGE_MULTILINE": "first\nsecond",
    "lower.case": "kept",
}
LOOKUP = prefix_lookup(PREFIX, {"bin/tool": PathKind.EXECUTABLE})


def environment(prefix: str, **variables: str) -> dict[str, str]:
    return {"PATH": f"{prefix}/bin:/usr/bin:/bin", "CONDA_PREFIX": prefix, **BASE, **variables}


def script(name: str, text: str | bytes, package: str | None = None) -> ActivationFile:
    content = text.encode() if isinstance(text, str) else text
    return ActivationFile(package or name, f"etc/conda/activate.d/{name}.sh", content)


def variables_json(name: str, content: object) -> ActivationFile:
    return ActivationFile(name, f"etc/conda/env_vars.d/{name}.json", json.dumps(content).encode())


def state(variables: object) -> ActivationFile:
    return ActivationFile("declaration", "conda-meta/state", json.dumps({"version": 1, "env_vars": variables}).encode())


def evaluate(*files: ActivationFile, **env: str) -> Activation:
    return evaluate_activation(files, prefix=PREFIX, env={**ENV, **env}, lookup=LOOKUP)


def install(case: Script, prefix: Path) -> tuple[list[ActivationFile], dict[str, str]]:
    """Write a case's files, and give what is to be evaluated and the environment before."""
    for path in case.files:
        write(prefix, path, shell_scripts.SOURCED.get(path, ""))
    sourced = [
        ActivationFile("sourced", path, text.encode())
        for path, text in shell_scripts.SOURCED.items()
        if path in case.files
    ]
    env = {name: value.replace("@", str(prefix)) for name, value in case.env.items()}
    return [script(case.name, case.text.replace("@", str(prefix))), *sourced], environment(str(prefix), **env)


@pytest.mark.parametrize("case", SCRIPTS, ids=lambda case: case.name)
def test_scripts(case: Script, tmp_path: Path) -> None:
    files, env = install(case, tmp_path)
    found = evaluate_activation(files, prefix=str(tmp_path), env=env, lookup=lookup_in(tmp_path))
    assert found.unresolved == ()
    expected = {name: value.replace("@", str(tmp_path)) for name, value in case.expected.items()}
    assert found.variables == {name: value for name, value in expected.items() if env.get(name) != value}
    assert sorted(found.removed) == sorted(case.removed)
    assert found.origins == dict.fromkeys((*found.variables, *found.removed), files[0].origin)


@pytest.mark.parametrize(
    ("case", "shell"),
    [
        pytest.param(case, shell, id=f"{case.name}-{shell}")
        for case in SCRIPTS
        for shell in SHELLS
        if case.posix or shell not in POSIX_SHELLS
    ],
)
def test_scripts_do_the_same_in_a_shell(case: Script, shell: str, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    files, env = install(case, prefix)
    found = evaluate_activation(files, prefix=str(prefix), env=env, lookup=lookup_in(prefix))
    expected = {name: value for name, value in {**env, **found.variables}.items() if name not in found.removed}
    assert source(shell, [write(prefix, files[0].path, files[0].content)], env, tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "text", "line", "reason"), shell_scripts.UNRESOLVED, ids=[row[0] for row in shell_scripts.UNRESOLVED]
)
def test_what_cannot_be_known_leaves_out_the_script(name: str, text: str, line: int, reason: str | None) -> None:
    found = evaluate(script("a", "export BEFORE=1\n"), script(name, text), script("z", "export AFTER=1\n"), LANG="C")
    unresolved, *later = found.unresolved
    assert (unresolved.package, unresolved.path) == (name, f"etc/conda/activate.d/{name}.sh")
    assert unresolved.line == line
    assert reason is None or unresolved.reason == reason.replace("@", PREFIX)
    # What other files do cannot be known either.
    assert [script.package for script in later] == (["z"] if "source" in name else [])
    assert found.variables == ({"BEFORE": "1"} if later else {"BEFORE": "1", "AFTER": "1"})
    assert found.removed == ()


def test_bytes_that_are_no_text() -> None:
    assert evaluate(script("a", b"export A=\xff\n")).unresolved == (
        Unresolved("a", "etc/conda/activate.d/a.sh", 1, "text that is not UTF-8"),
    )


def test_without_a_lookup_no_path_is_known() -> None:
    found = evaluate_activation([script("a", "[ -d /opt/conda ] && export A=1")], prefix=PREFIX, env=ENV)
    assert [unresolved.reason for unresolved in found.unresolved] == [
        "`-d /opt/conda`, a path outside of the environment"
    ]


class TestOrder:
    """Variables of packages, then of the environment, then scripts; each sorted by name."""

    def test_json_then_state_then_scripts(self) -> None:
        found = evaluate(
            script("b", 'export LAST=script LOG="$LOG b"'),
            script("a", 'export LOG="$FIRST a"'),
            state({"last": "state", "first": "state"}),
            variables_json("y", {"FIRST": "y", "LAST": "y", "OTHER": "y"}),
            variables_json("x", {"FIRST": "x", "OTHER": "x"}),
        )
        assert found.variables == {"FIRST": "state", "OTHER": "y", "LAST": "script", "LOG": "state a b"}
        assert found.origins == {
            "FIRST": "declaration: conda-meta/state",
            "OTHER": "y: etc/conda/env_vars.d/y.json",
            "LAST": "b: etc/conda/activate.d/b.sh",
            "LOG": "b: etc/conda/activate.d/b.sh",
        }

    def test_result_does_not_depend_on_the_order_of_files(self) -> None:
        files = [script(name, f"export LOG=${{LOG}}{name}") for name in ("a", "b", "~c", "B")]
        assert evaluate(*files).variables == evaluate(*reversed(files)).variables == {"LOG": "Bab~c"}

    def test_variables_pass_from_script_to_script(self) -> None:
        assert evaluate(script("a", "HIDDEN=1"), script("b", "export SEEN=$HIDDEN")).variables == {"SEEN": "1"}

    def test_other_files_are_ignored(self) -> None:
        others = ["activate.d/a.fish", "activate.d/a.csh", "activate.d/deeper/a.sh", "deactivate.d/a.sh"]
        found = evaluate(*(ActivationFile("a", f"etc/conda/{path}", b"export A=1") for path in others))
        assert found == Activation({}, (), {}, ())

    def test_values_that_were_there_are_no_changes(self) -> None:
        assert evaluate(script("a", "export A=1; unset A; export A=0"), A="0").variables == {}


class TestScriptsAfterUnresolvedOnes:
    """A script stays behind one that was left out, if these may use the same variable."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("export CXX=$(which g++)", 'if [ -n "${CXX+x}" ]; then export NVCC=1; fi'),
            ("export A=$(date)", "export A=1"),
            ('if [ -z "$A" ]; then ls; fi', "export A=1"),
            ('export PATH="$(ls):$PATH"', "export PATH=$CONDA_PREFIX/x:$PATH"),
            ("n=A_; eval export ${n}B=1", "export A_B=1"),
            ('tool=gcc-ar; eval "$(echo $tool)=1"', "export ANY=1"),
            (". /etc/profile", "export ANY=1"),
            ('while read -r n v; do export "$n=$v"; done < /file', "unset ANY"),
            ("export $(cat /file)", "export ANY=1"),
            ("CONDA_PREFIX=/x; ls", "export A=$CONDA_PREFIX"),
        ],
    )
    def test_left_out(self, first: str, second: str) -> None:
        found = evaluate(script("a", first), script("b", second))
        assert [unresolved.package for unresolved in found.unresolved] == ["a", "b"]
        assert "which `etc/conda/activate.d/a.sh` may use before" in found.unresolved[1].reason
        assert found.variables == {}

    @pytest.mark.parametrize("first", ["export A=$(date) # $CONDA_PREFIX", "n=A; eval export ${n}=1", ""])
    def test_others_are_not(self, first: str) -> None:
        found = evaluate(script("a", f"{first}\nls"), script("b", 'export GDAL_DATA="$CONDA_PREFIX/share/gdal"'))
        assert found.variables == {"GDAL_DATA": f"{PREFIX}/share/gdal"}
        assert [unresolved.package for unresolved in found.unresolved] == ["a"]

    def test_compilers_do_not_hold_back_other_packages(self) -> None:
        found = evaluate(
            script("activate-gxx", shell_scripts.COMPILERS),
            script("libglib", activation_scripts.GLIB),
            script("~cuda-nvcc", activation_scripts.CUDA_NVCC),
        )
        assert [unresolved.package for unresolved in found.unresolved] == ["activate-gxx", "~cuda-nvcc"]
        assert set(found.variables) == {"GSETTINGS_SCHEMA_DIR", "GSETTINGS_SCHEMA_DIR_CONDA_BACKUP"}


class TestJson:
    """`env_vars.d` and `state`."""

    def test_values_are_literal(self) -> None:
        found = evaluate(variables_json("edge-activate", JSON_VALUES))
        assert found.variables == JSON_VALUES
        assert list(found.variables) == list(JSON_VALUES)

    def test_values_reach_scripts(self) -> None:
        found = evaluate(variables_json("a", {"A": "x y"}), script("a", 'export B="<$A>"'))
        assert found.variables == {"A": "x y", "B": "<x y>"}

    def test_state_is_in_upper_case(self) -> None:
        assert evaluate(state({"my_var": "1"})).variables == {"MY_VAR": "1"}

    @pytest.mark.parametrize("value", [None, "***unset***"])
    def test_unset(self, value: str | None) -> None:
        found = evaluate(variables_json("a", {"A": "1"}), state({"A": value, "LANG": value}), LANG="C")
        assert (found.variables, found.removed) == ({}, ("LANG",))
        assert found.origins == {"LANG": "declaration: conda-meta/state"}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ({"A": 1}, "a value of `A` that is no text"),
            ({"A": ["x"]}, "a value of `A` that is no text"),
            ({"A": "x\0y"}, "a value of `A` that is no text"),
            ({"A": "\ud800"}, "a value of `A` that is no text"),
            ({"": "x"}, "'', which is no name of a variable"),
            ({"A=B": "x"}, "'A=B', which is no name of a variable"),
            ({"PATH": "/usr/bin"}, "it removes `/opt/conda/bin` from `PATH`"),
            ({"PATH": None}, "it removes `/opt/conda/bin` from `PATH`"),
            ({"CONDA_PREFIX": "/x"}, "it changes `CONDA_PREFIX`"),
            ([], "no JSON object"),
            ("x", "no JSON object"),
        ],
    )
    def test_what_cannot_be_set(self, content: object, reason: str) -> None:
        more = {**content, "B": "2"} if isinstance(content, dict) else content
        found = evaluate(variables_json("a", more))
        assert found.unresolved == (Unresolved("a", "etc/conda/env_vars.d/a.json", 1, reason),)
        assert found.variables == ({"B": "2"} if isinstance(content, dict) else {})

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"env_vars": []}', b"[" * 100_000])
    def test_no_json(self, content: bytes) -> None:
        found = evaluate(ActivationFile("a", "conda-meta/state", content))
        assert [unresolved.reason for unresolved in found.unresolved] == ["no JSON object"]

    def test_path_may_be_extended(self) -> None:
        assert evaluate(variables_json("a", {"PATH": f"/x:{PREFIX}/bin"})).variables == {"PATH": f"/x:{PREFIX}/bin"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/conda", PathKind.DIRECTORY),
        ("/opt/conda/", PathKind.DIRECTORY),
        ("/opt/conda/share//doc/./", PathKind.DIRECTORY),
        ("/opt/conda/share/doc/a", PathKind.FILE),
        ("/opt/conda/share/doc/a/", PathKind.MISSING),
        ("/opt/conda/share/doc/a/b", PathKind.MISSING),
        ("/opt/conda/bin/x", PathKind.EXECUTABLE),
        ("/opt/conda/none", PathKind.MISSING),
        ("/opt/conda/link", None),
        ("/opt/conda/link/below", None),
        ("/opt/conda/share/../bin/x", None),
        ("/opt/condas", None),
        ("/opt", None),
        ("//opt/conda", None),
        ("share", None),
        ("", None),
    ],
)
def test_lookup(path: str, kind: PathKind | None) -> None:
    paths = {"share/doc/a": PathKind.FILE, "bin/x": PathKind.EXECUTABLE, "link": None}
    assert prefix_lookup(PREFIX, paths)(path) is kind


def test_activation_files() -> None:
    wanted = ["etc/conda/activate.d/a.sh", "etc/conda/env_vars.d/a.json", "conda-meta/state"]
    assert all(map(is_activation_file, wanted))
    assert not any(map(is_activation_file, ["conda-meta/a.json", "etc/conda/deactivate.d/a.sh", "etc/x"]))
