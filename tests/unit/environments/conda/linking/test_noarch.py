"""`noarch: python` packages go where the environment's Python is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.environments.conda.metadata import EntryPoint, PackageMetadata
from docker_envs.errors import FormatError, PathEscapeError

if TYPE_CHECKING:
    from pathlib import Path


def python(version: str, **index: object) -> PackageMetadata:
    return PackageMetadata("python.conda", {"name": "python", "version": version, "build": "0", **index}, (), ())


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.11.4", PythonInfo("3.11", "lib/python3.11/site-packages")),
        ("3.9", PythonInfo("3.9", "lib/python3.9/site-packages")),
        ("3.14.0rc1", PythonInfo("3.14", "lib/python3.14/site-packages")),
    ],
)
def test_site_packages_follow_from_the_version(version: str, expected: PythonInfo) -> None:
    assert PythonInfo.from_metadata(python(version)) == expected


def test_python_may_say_where_its_site_packages_are() -> None:
    """conda CEP 17: "python_site_packages_path"."""
    metadata = python("3.13.1", python_site_packages_path="lib/python3.13t/site-packages")
    assert PythonInfo.from_metadata(metadata) == PythonInfo("3.13", "lib/python3.13t/site-packages")


@pytest.mark.parametrize(
    ("metadata", "kind", "message"),
    [
        (python("three"), FormatError, "python.conda: no Python version: 'three'"),
        (
            python("3.13", python_site_packages_path=3),
            FormatError,
            "python.conda: python_site_packages_path: expected str, got 3",
        ),
        (
            python("3.13", python_site_packages_path="../../etc"),
            PathEscapeError,
            "python.conda: path '../../etc' points outside of the root",
        ),
    ],
    ids=["version", "type", "escape"],
)
def test_nonsense_is_refused(metadata: PackageMetadata, kind: type[FormatError], message: str) -> None:
    with pytest.raises(kind) as caught:
        PythonInfo.from_metadata(metadata)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("site-packages/a/b.py", "lib/python3.11/site-packages/a/b.py"),
        ("python-scripts/tool", "bin/tool"),
        ("share/site-packages/a.py", "share/site-packages/a.py"),
        ("site-packages", "site-packages"),
        ("site-packages-extra/x", "site-packages-extra/x"),
        ("bin/tool", "bin/tool"),
    ],
)
def test_files_are_mapped(path: str, expected: str) -> None:
    assert PythonInfo("3.11", "lib/python3.11/site-packages").target(path) == expected


@pytest.mark.parametrize("function", ["main", "Commands.run"])
def test_console_scripts_run_and_hand_on_their_status(tmp_path: Path, function: str) -> None:
    prefix = tmp_path / "prefix"
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (prefix / "bin").mkdir(parents=True)
    (prefix / f"bin/python{minor}").symlink_to(sys.executable)
    (tmp_path / "tool.py").write_text(
        "import sys\ndef main():\n    print(sys.argv[0].endswith('bin/command'), *sys.argv[1:])\n    return 7\n"
        "class Commands:\n    run = staticmethod(main)\n"
    )
    script = PythonInfo(minor, "lib").script(EntryPoint("command", "tool", function), str(prefix))
    (prefix / "bin/command").write_bytes(script)
    (prefix / "bin/command").chmod(0o755)
    done = subprocess.run(
        [prefix / "bin/command", "a b"], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (7, "True a b\n"), done.stderr
