"""Virtual environments, the Python of a base, and bytecode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.bytecode import Compiler, Interpreter
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.environments.pypi.base_python import BasePython, find_base_python
from docker_envs.environments.pypi.bytecode import with_bytecode
from docker_envs.environments.pypi.virtual_environment import VirtualEnvironment
from docker_envs.environments.pypi.wheel import Wheel
from tests.packages.distribution import write_distribution

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_virtual_environment() -> None:
    environment = VirtualEnvironment("/opt/venv", "/usr/bin/python3.11", "3.11", 7)
    found = environment.entries()
    assert [(entry.path, entry.kind, entry.link) for entry in found] == [
        ("opt", Kind.DIRECTORY, ""),
        ("opt/venv", Kind.DIRECTORY, ""),
        ("opt/venv/bin", Kind.DIRECTORY, ""),
        ("opt/venv/bin/python", Kind.SYMLINK, "/usr/bin/python3.11"),
        ("opt/venv/bin/python3", Kind.SYMLINK, "python"),
        ("opt/venv/bin/python3.11", Kind.SYMLINK, "python"),
        ("opt/venv/lib", Kind.DIRECTORY, ""),
        ("opt/venv/lib/python3.11", Kind.DIRECTORY, ""),
        ("opt/venv/lib/python3.11/site-packages", Kind.DIRECTORY, ""),
        ("opt/venv/lib64", Kind.SYMLINK, "lib"),
        ("opt/venv/pyvenv.cfg", Kind.FILE, ""),
    ]
    assert found[-1].read() == b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"
    assert environment.variables == {"VIRTUAL_ENV": "/opt/venv"}
    assert environment.installation.interpreter == "/opt/venv/bin/python3.11"


def test_python_takes_it_for_one(tmp_path: Path) -> None:
    """Written to disk with a wheel in it, by the Python that runs this: its prefix is this."""
    prefix = tmp_path / "venv"
    program = str(Path(sys.executable).resolve())
    environment = VirtualEnvironment(str(prefix), program, VERSION, 7)
    wheel = write_distribution(
        tmp_path,
        "hello",
        files={"hello.py": b"import sys\ndef main(): print(sys.prefix)\n",
               "{info}/entry_points.txt": b"[console_scripts]\nhello = hello:main\n"},
    )  # fmt: skip
    with Wheel(wheel) as opened:
        for entry in [*environment.entries(), *opened.entries(environment.installation)]:
            path = Path("/") / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind is Kind.SYMLINK:
                path.symlink_to(entry.link)
            elif entry.kind is Kind.FILE:
                path.write_bytes(entry.read())
                path.chmod(entry.mode)
    done = subprocess.run([prefix / "bin" / "hello"], check=True, capture_output=True, text=True)
    assert done.stdout == f"{prefix}\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"usr/local/bin/python3": "python3.12", "usr/local/bin/python3.12": "", "usr/bin/python3": "python3.11",
             "usr/bin/python3.11": "", "usr/lib/python3/dist-packages/x.py": ""},
            BasePython("/usr/local/bin/python3.12", "3.12", "/usr/local", "lib/python3.12/site-packages", False),
        ),
        (
            {"usr/bin/python3": "python3.11", "usr/bin/python3.11": "", "usr/bin/python3.9": "",
             "usr/lib/python3/dist-packages/x.py": "", "usr/lib/python3.11/EXTERNALLY-MANAGED": ""},
            BasePython("/usr/bin/python3.11", "3.11", "/usr/local", "lib/python3.11/dist-packages", True),
        ),
        (
            {"usr/bin/python3.12": "", "usr/bin/python3.12-config": "", "usr/lib/python3.12/os.py": ""},
            BasePython("/usr/bin/python3.12", "3.12", "/usr", "lib/python3.12/site-packages", False),
        ),
        ({"usr/bin/python3": "/usr/bin/python3.10"},
         BasePython("/usr/bin/python3.10", "3.10", "/usr", "lib/python3.10/site-packages", False)),
        ({"usr/bin/python3.12": "", "usr/bin/python3.11": ""}, None),
        ({"opt/conda/bin/python3.12": ""}, None),
        ({}, None),
    ],
    ids=["official", "debian", "alpine", "absolute", "several", "elsewhere", "none"],
)  # fmt: skip
def test_the_python_of_a_base(files: dict[str, str], expected: BasePython | None) -> None:
    assert find_base_python(files) == expected


def test_distributions_of_the_python_of_a_base() -> None:
    found = BasePython("/usr/bin/python3.11", "3.11", "/usr/local", "lib/python3.11/dist-packages", True)
    target = found.installation(7)
    assert target.interpreter == "/usr/bin/python3.11"
    assert target.site_packages_path == "usr/local/lib/python3.11/dist-packages"


def test_bytecode(tmp_path: Path) -> None:
    wheel = write_distribution(
        tmp_path,
        "x",
        files={
            "x/__init__.py": b"A = 1\n",
            "x/bad.py": b"(\n",
            "x/brought.py": b"",
            "x/__pycache__/brought.tag.pyc": b"theirs",
            "x/data.txt": b"",
            "{data}/data/share/outside.py": b"",
        },
    )
    target = VirtualEnvironment("/v", "/usr/bin/python3", VERSION, 7).installation
    compiler = Compiler(Interpreter(sys.executable, "", "tag"))
    findings: list[Finding] = []
    with Wheel(wheel) as opened:
        entries = opened.entries(target)
        found = {
            entry.path.removeprefix(f"{target.site_packages_path}/"): (entry.read(), entry.mtime)
            for entry in with_bytecode(
                entries, target, compiler, package="x", findings=findings
            )
        }  # fmt: skip
    compiler.close()
    assert sorted(path for path in found if path.endswith(".pyc")) == [
        "x/__pycache__/__init__.tag.pyc",
        "x/__pycache__/brought.tag.pyc",
    ]
    assert found["x/__pycache__/brought.tag.pyc"][0] == b"theirs"
    content, mtime = found["x/__pycache__/__init__.tag.pyc"]
    assert (content[4:8], mtime) == (b"\x01\0\0\0", 7)
    assert found["x/__init__.py"][0] == b"A = 1\n"
    assert findings == [
        Finding(FindingKind.NOT_COMPILED, "x", f"lib/python{VERSION}/site-packages/x/bad.py",
                "cannot be compiled, so there is no bytecode of it")
    ]  # fmt: skip
