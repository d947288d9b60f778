"""Bytecode: what conda would compile, the same bytes each time, by an interpreter that fits or not at all."""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments import bytecode_worker
from docker_envs.environments.bytecode import (
    CompilePolicy,
    Compiler,
    Interpreter,
    choose_interpreter,
    find_interpreter,
)
from docker_envs.environments.bytecode_path import bytecode_path
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import BuildError
from tests.packages.build import PLACEHOLDER, Hardlink, PackageSpec, Symlink, text
from tests.unit.environments.conda.linked import PREFIX, Linked, link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = str(sys.implementation.cache_tag)
OWN = PythonInfo(MINOR, f"lib/python{MINOR}/site-packages")
UNKNOWN = PythonInfo("3.99", "lib/python3.99/site-packages")
ALWAYS = LinkOptions(PREFIX, compile=CompilePolicy.ALWAYS)
PYTHON = PackageSpec("python", f"{MINOR}.0", build="fake_cpython")
# A set in a constant, whose order depends on the seed of hashes before Python 3.11.
SOURCE = b"import os\nNAMES = ('one', 'two')\n\ndef f(x):\n    return x in {'red', 'green', 'blue', 'mauve'}\n"


@pytest.fixture
def interpreter() -> Interpreter:
    found = find_interpreter(OWN)
    assert found is not None
    return found


def compile_all(interpreter: Interpreter, *sources: bytes, name: str = "/opt/env/a.py") -> list[bytes | None]:
    compiler = Compiler(interpreter)
    try:
        return [compiler.compile(source, name) for source in sources]
    finally:
        compiler.close()


def noarch(**files: str) -> PackageSpec:
    return PackageSpec(
        "made", files={f"site-packages/{path}.py": text(content) for path, content in files.items()}, noarch="python"
    )


def test_this_interpreter_is_the_first_choice(interpreter: Interpreter) -> None:
    assert interpreter.executable == sys.executable
    assert interpreter.version == ".".join(map(str, sys.version_info[:3]))
    assert interpreter.cache_tag == TAG


def test_the_bytes_are_an_unchecked_hash_based_pyc(interpreter: Interpreter) -> None:
    """PEP 552: the flags are a bit field, of which the lowest says hash-based, and the next to check the source."""
    (content,) = compile_all(interpreter, SOURCE)
    assert content is not None
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert content[4:8] == b"\1\0\0\0"
    assert content[8:16] == importlib.util.source_hash(SOURCE)
    code = marshal.loads(content[16:])
    assert isinstance(code, types.CodeType)
    assert code.co_filename == "/opt/env/a.py"


def test_the_same_source_gives_the_same_bytes(interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was compiled before in the same process, and in whatever environment."""
    other = b"import os\nred = green = NAMES = one = two = f = x = ('red', 'one')\n"
    first = compile_all(interpreter, SOURCE, SOURCE)
    monkeypatch.setenv("PYTHONHASHSEED", "17")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    second = compile_all(interpreter, other, SOURCE)
    assert first[0] == first[1] == second[1] is not None


@pytest.mark.parametrize(
    "source",
    [b"def f(:\n", b"class {{ name }}: pass\n", b"x = '\xff'\n", b"\0", b"(" * 100_000, b"# coding: nonsense\n"],
    ids=["syntax", "template", "encoding", "zero", "deep", "codec"],
)
def test_sources_that_cannot_be_compiled(interpreter: Interpreter, source: bytes) -> None:
    content, after = compile_all(interpreter, source, SOURCE)
    assert content is None
    assert after is not None


def test_an_empty_module(interpreter: Interpreter) -> None:
    (content,) = compile_all(interpreter, b"")
    assert content is not None
    assert marshal.loads(content[16:]).co_filename == "/opt/env/a.py"


def test_the_worker_compiles_in_its_caller_as_well() -> None:
    assert bytecode_worker.bytecode(b"x = 1\n", "a.py")[:8] == importlib.util.MAGIC_NUMBER + b"\1\0\0\0"


@pytest.mark.parametrize(
    ("source", "expected"),
    [("a/b.py", f"a/__pycache__/b.{TAG}.pyc"), ("b.py", f"__pycache__/b.{TAG}.pyc")],
)
def test_names(source: str, expected: str) -> None:
    assert bytecode_path(source, TAG) == expected
    assert expected == importlib.util.cache_from_source(source, optimization="")


@pytest.mark.parametrize("answer", ["exit 1", "exit 0", "head -c 2 /dev/zero", "printf '\\0\\0\\0\\7abc'"])
def test_an_interpreter_that_dies(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    with pytest.raises(BuildError) as caught:
        compile_all(Interpreter(str(program), "3.11.0", TAG), SOURCE)
    assert str(caught.value) == f"`{program}` died while it compiled `/opt/env/a.py`"


def test_an_interpreter_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot start"):
        compile_all(Interpreter(str(tmp_path / "none"), "3.11.0", TAG), SOURCE)


def write_program(folder: Path, name: str, answer: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return folder


def says(version: str, implementation: str = "cpython", final: str = "true") -> str:
    fields = f'"version": "{version}", "implementation": "{implementation}", "cache_tag": "tag", "final": {final}'
    return f"echo '{{{fields}}}'"


def test_the_first_fitting_interpreter_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim may only complain, another program may only be named so, and a preview may have other bytecode."""
    folders = [
        tmp_path / "missing",
        write_program(tmp_path / "shim", "python3.99", "echo 'no such version' >&2; exit 127"),
        write_program(tmp_path / "other", "python3.99", says("3.98.1")),
        write_program(tmp_path / "pypy", "python3.99", says("3.99.1", "pypy")),
        write_program(tmp_path / "preview", "python3.99", says("3.99.0", final="false")),
        write_program(tmp_path / "right", "python3.99", says("3.99.2")),
        write_program(tmp_path / "later", "python3.99", says("3.99.3")),
    ]
    monkeypatch.setenv("PATH", ":".join(map(str, folders)))
    assert find_interpreter(UNKNOWN) == Interpreter(str(tmp_path / "right/python3.99"), "3.99.2", "tag")


def test_pypy_needs_pypy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = PythonInfo(MINOR, "lib", "pypy")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_interpreter(python) is None
    write_program(tmp_path, f"pypy{MINOR}", says(f"{MINOR}.18", "pypy"))
    assert find_interpreter(python) == Interpreter(str(tmp_path / f"pypy{MINOR}"), f"{MINOR}.18", "tag")


def test_a_host_that_cannot_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.fork")
    assert find_interpreter(OWN) is None


@pytest.mark.parametrize(
    ("policy", "python", "found"),
    [
        (CompilePolicy.NEVER, OWN, False),
        (CompilePolicy.AUTO, OWN, True),
        (CompilePolicy.ALWAYS, OWN, True),
        (CompilePolicy.AUTO, UNKNOWN, False),
        (CompilePolicy.ALWAYS, None, False),
    ],
)
def test_policies(policy: CompilePolicy, python: PythonInfo | None, found: bool) -> None:
    assert (choose_interpreter(policy, python) is not None) is found


def test_always_means_always() -> None:
    with pytest.raises(BuildError) as caught:
        choose_interpreter(CompilePolicy.ALWAYS, UNKNOWN)
    assert str(caught.value) == "no `python3.99` is found here, which is needed to compile bytecode"
    assert caught.value.hint == "put `python3.99` on the `PATH`, or use `--compile auto`"


def test_modules_of_noarch_packages_get_bytecode(tmp_path: Path) -> None:
    """Those that are for site-packages, as files, and as they are after their prefix was replaced."""
    files: dict[str, Node] = {
        "site-packages/a/__init__.py": text(f"WHERE = '{PLACEHOLDER}'\n"),
        "site-packages/a/template.py": text("class {{ name }}:\n"),
        "site-packages/a/b.py": Symlink("__init__.py"),
        "site-packages/a/data.txt": text("x\n"),
        "python-scripts/tool.py": text("print(1)\n"),
        "share/example.py": text("print(2)\n"),
    }
    made = link(tmp_path, PYTHON, PackageSpec("made", files=files, noarch="python"), options=ALWAYS)
    site = f"lib/python{MINOR}/site-packages/a"
    path = f"{site}/__pycache__/__init__.{TAG}.pyc"
    assert [name for name in made.files if name.endswith(".pyc")] == [path]
    code = marshal.loads(made.files[path].content[16:])
    assert (code.co_filename, code.co_consts[0]) == (f"{PREFIX}/{site}/__init__.py", PREFIX)
    assert made.records["made"][path] == {"_path": path, "path_type": "pyc_file"}
    text_ = "cannot be compiled, so there is no bytecode of it"
    assert made.findings == [Finding(FindingKind.NOT_COMPILED, "made", f"{site}/template.py", text_)]


def test_packages_with_bytecode_and_packages_for_one_python_are_left_alone(tmp_path: Path) -> None:
    own = f"site-packages/__pycache__/a.{TAG}.pyc"
    brings = PackageSpec("brings", files={"site-packages/a.py": text("1\n"), own: text("own\n")}, noarch="python")
    fixed = PackageSpec("fixed", files={f"lib/python{MINOR}/site-packages/b.py": text("2\n")})
    made = link(tmp_path, PYTHON, brings, fixed, options=ALWAYS)
    compiled = {path: linked for path, linked in made.files.items() if path.endswith(".pyc")}
    path = f"lib/python{MINOR}/{own}"
    assert compiled == {path: Linked(Kind.FILE, 0o644, b"own\n")}
    assert made.records["brings"][path]["path_type"] == "hardlink"


def test_lost_modules_and_other_names_of_modules_get_none(tmp_path: Path) -> None:
    first = PackageSpec("first", files={"site-packages/a.py": text("1\n")}, noarch="python")
    second = PackageSpec(
        "second",
        files={"site-packages/a.py": text("2\n"), "site-packages/b.py": Hardlink("site-packages/a.py")},
        noarch="python",
    )
    made = link(tmp_path, PYTHON, first, second, options=ALWAYS)
    assert len([path for path in made.files if path.endswith(".pyc")]) == 1
    assert not [path for path in made.records["first"] if path.endswith(".pyc")]


def test_python_takes_the_bytecode_without_asking_the_source(tmp_path: Path) -> None:
    made = link(tmp_path, PYTHON, noarch(probe="VALUE = 'compiled'\n"), options=ALWAYS)
    for path, linked in made.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(linked.content)
    site = tmp_path / f"lib/python{MINOR}/site-packages"
    (site / "probe.py").write_text("VALUE = 'source'\n")
    program = f"import sys; sys.path.insert(0, {str(site)!r}); import probe; print(probe.VALUE)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "compiled\n"


def test_keys_tell_what_compiled_and_only_where_something_is(tmp_path: Path) -> None:
    specs = (PYTHON, noarch(a="1\n"), PackageSpec("generic", files={"a.py": text("1\n")}, noarch="generic"))
    plain, compiled = (
        {layer.title.partition("-")[0]: layer.key for layer in link(tmp_path, *specs, options=options).plan.layers}
        for options in (LinkOptions(PREFIX), ALWAYS)
    )
    assert [name for name in plain if plain[name] != compiled[name]] == ["made"]


def test_nothing_to_compile_needs_no_interpreter(tmp_path: Path) -> None:
    python = PackageSpec("python", "3.99.0")
    assert link(tmp_path, python, options=ALWAYS).files == {}
    with pytest.raises(BuildError, match=r"no `python3\.99` is found here"):
        link(tmp_path, python, noarch(a="1\n"), options=ALWAYS)
    auto = link(tmp_path, python, noarch(a="1\n"), options=LinkOptions(PREFIX, compile=CompilePolicy.AUTO))
    assert auto.files.keys() == {"lib/python3.99/site-packages/a.py"}
