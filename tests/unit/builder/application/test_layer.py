"""Layers of an application: what is put together, and what cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind
from docker_envs.builder.application.account_files import AccountFiles
from docker_envs.builder.application.accounts import User
from docker_envs.builder.application.contents import (
    Content,
    FilesLayer,
    HostFiles,
    InlineFile,
    ProjectSource,
    ProjectWheel,
)
from docker_envs.builder.application.layer import Application, owners_of
from docker_envs.builder.application.planned_accounts import BaseAccounts, PlannedAccounts, plan_accounts
from docker_envs.environments.pypi.installation import Installation
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.oci.image import scratch
from docker_envs.report import SILENT
from tests.images import AMD64, ARM64
from tests.packages.wheel import write_project

PYTHON = Installation("/opt/conda", "3.11", "lib/python3.11/site-packages", 0)
SITE = "opt/conda/lib/python3.11/site-packages"


def application(**options: Any) -> Application:
    fields: dict[str, Any] = {"python": PYTHON, "accounts": PlannedAccounts(), "platform": AMD64, **options}
    return Application(prefix="/opt/conda", **fields)


def opened(*contents: Content, **options: Any) -> dict[str, tuple[Entry, bytes]]:
    with application(**options).open_layer(FilesLayer("test", contents)) as entries:
        return {entry.path: (entry, entry.read()) for entry in entries}


def shape(found: dict[str, tuple[Entry, bytes]]) -> dict[str, tuple[str, int, int, int]]:
    return {path: (entry.kind.name, entry.mode, entry.uid, entry.gid) for path, (entry, _) in found.items()}


def test_contents_together_with_all_directories_above_them(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "x").write_text("x")
    found = opened(
        InlineFile(path="/etc/app.conf", content=b"a=1", mode=0o640, owner="5:6"),
        HostFiles(context=tmp_path, source="src", path="/srv/app/", owner="7"),
        InlineFile(path="/tmp/y", content=b""),
        InlineFile(path="/root/z", content=b""),
        InlineFile(path="/srv/app/extra/b", content=b"b"),
    )
    assert shape(found) == {
        "etc": ("DIRECTORY", 0o755, 0, 0),
        "etc/app.conf": ("FILE", 0o640, 5, 6),
        "root": ("DIRECTORY", 0o700, 0, 0),
        "root/z": ("FILE", 0o644, 0, 0),
        "srv": ("DIRECTORY", 0o755, 0, 0),
        "srv/app": ("DIRECTORY", 0o755, 7, 7),
        "srv/app/extra": ("DIRECTORY", 0o755, 0, 0),
        "srv/app/extra/b": ("FILE", 0o644, 0, 0),
        "srv/app/x": ("FILE", 0o644, 7, 7),
        "tmp": ("DIRECTORY", 0o1777, 0, 0),
        "tmp/y": ("FILE", 0o644, 0, 0),
    }
    assert {entry.mtime for entry, _ in found.values()} == {DIRECTORY_MTIME}


def test_the_epoch_is_the_time_of_what_was_declared() -> None:
    found = opened(InlineFile(path="/a/b", content=b""), epoch=99)
    assert {path: entry.mtime for path, (entry, _) in found.items()} == {"a": DIRECTORY_MTIME, "a/b": 99}


def test_directories_of_the_system_stay_roots(tmp_path: Path) -> None:
    (tmp_path / "usr" / "local" / "app").mkdir(parents=True)
    found = opened(HostFiles(context=tmp_path, source=".", path="/", owner="7"))
    assert shape(found) == {
        "usr": ("DIRECTORY", 0o755, 0, 0),
        "usr/local": ("DIRECTORY", 0o755, 0, 0),
        "usr/local/app": ("DIRECTORY", 0o755, 7, 7),
    }


def test_a_home_stays_its_users_whatever_is_put_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    accounts = plan_accounts(
        BaseAccounts(scratch(AMD64)), [User(name="app", uid=9)], [], owners=(), mtime=5, reporter=SILENT
    )
    built = application(accounts=accounts)
    built.arranged("accounts", accounts.entries)
    for path in ("/home/app", "/home/app/sub"):
        with built.open_layer(FilesLayer("f", (HostFiles(context=tmp_path, source=".", path=path),))) as entries:
            assert [(each.uid, each.mode) for each in entries if each.path == "home/app"] == [(9, 0o755)]
            assert {each.uid for each in entries if each.path == "home/app/sub"} <= {0}


@pytest.mark.parametrize("path", ["/bin/x", "/lib64/x", "/var/run/x", "/lib/a/b"])
def test_nothing_takes_the_place_of_a_link_of_the_base(path: str) -> None:
    with pytest.raises(BuildError, match="most base images have a symbolic link") as caught:
        opened(InlineFile(path=path, content=b""))
    assert caught.value.hint is not None
    assert "put it below `/" in caught.value.hint
    assert path[1:] in opened(InlineFile(path=path, content=b""), has_base=False)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("/a", "/a"), "`/a` is declared twice"),
        (("/a", "/a/b"), "below `/a`, which is no directory"),
        (("a",), "no absolute path"),
        (("/a/../../b",), "no place in an image"),
    ],
)
def test_what_cannot_be_put_together(paths: tuple[str, ...], message: str) -> None:
    with pytest.raises((BuildError, InvalidInputError), match=message):
        opened(*(InlineFile(path=path, content=b"") for path in paths))


def test_owners_by_name() -> None:
    files = AccountFiles("app:x:5:6::/:/bin/sh\n", "www:x:7:\n")
    found = opened(InlineFile(path="/a", content=b"", owner="app:www"), accounts=PlannedAccounts(files))
    assert shape(found) == {"a": ("FILE", 0o644, 5, 7)}
    with pytest.raises(InvalidInputError, match="no user `app`"):
        opened(InlineFile(path="/a", content=b"", owner="app"))


def test_all_owners(tmp_path: Path) -> None:
    files = HostFiles(context=tmp_path, source=".", path="/", owner="a")
    contents = (files, ProjectSource(files), ProjectWheel(tmp_path), InlineFile(path="/", content=b"", owner="b"))
    assert owners_of([FilesLayer("1", contents), FilesLayer("2", ())]) == ["a", "a", "b"]


def test_a_wheel_is_built_and_installed(tmp_path: Path) -> None:
    found = opened(ProjectWheel(write_project(tmp_path / "demo")))
    files = {path: content for path, (entry, content) in found.items() if entry.kind is Kind.FILE}
    info = f"{SITE}/demoapp-1.0.dist-info"
    assert files.keys() == {
        "opt/conda/bin/demoapp",
        f"{SITE}/demoapp/__init__.py",
        *(f"{info}/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "REQUESTED", "WHEEL", "entry_points.txt")),
    }
    assert b"from demoapp import main" in files["opt/conda/bin/demoapp"]
    assert not any(str(tmp_path).encode() in content for content in files.values())
    assert {entry.mtime for entry, _ in found.values()} == {DIRECTORY_MTIME}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag": "cp310-cp310-linux_x86_64"}, "is for cp310-cp310-linux_x86_64, not for Python 3.11"),
        ({"tag": "cp311-cp311-linux_aarch64"}, "not for Python 3.11 on linux/amd64"),
        ({"tag": "cp311-cp311-win_amd64"}, "not for Python 3.11 on linux/amd64"),
        ({"metadata": "Requires-Python: >=3.12\\n"}, "needs Python >=3.12, but the environment has 3.11"),
    ],
)
def test_a_wheel_that_does_not_fit(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        opened(ProjectWheel(write_project(tmp_path / "demo", **options)))


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_aarch64", "cp39-abi3-manylinux_2_17_aarch64", "py3-none-any"])
def test_a_wheel_that_fits(tmp_path: Path, tag: str) -> None:
    assert f"{SITE}/demoapp/__init__.py" in opened(ProjectWheel(write_project(tmp_path, tag=tag)), platform=ARM64)


def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    root = write_project(tmp_path / "demo")
    (root / "fail").touch()
    with pytest.raises(BuildError, match=r"wheel of `.*demo` cannot be built(.|\n)*cannot build this"):
        opened(ProjectWheel(root))


def test_a_backend_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    root = write_project(tmp_path / "demo")
    text = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(text.replace("requires = []", 'requires = ["no-such-backend"]'))
    with pytest.raises(BuildError, match=r"cannot be built:(.|\n)*no-such-backend"):
        opened(ProjectWheel(root))


def test_a_project_without_python(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no Python for the project") as caught:
        opened(ProjectWheel(write_project(tmp_path)), python=None)
    assert caught.value.hint == "add `python` to it"


def test_a_source_is_found_by_python(tmp_path: Path) -> None:
    root = write_project(tmp_path / "demo")
    (root / "demoapp" / "__pycache__").mkdir()
    (root / "demoapp" / "__pycache__" / "x.pyc").touch()
    found = opened(ProjectSource(HostFiles(context=tmp_path, source="demo", path="/app")))
    files = {path: content for path, (entry, content) in found.items() if entry.kind is Kind.FILE}
    info = f"{SITE}/demoapp-1.0.dist-info"
    assert files.keys() == {
        "app/backend.py",
        "app/demoapp/__init__.py",
        "app/pyproject.toml",
        "opt/conda/bin/demoapp",
        f"{SITE}/demoapp.pth",
        *(f"{info}/{name}" for name in ("INSTALLER", "METADATA", "RECORD")),
    }
    assert files[f"{SITE}/demoapp.pth"] == b"/app\n"
    assert files[f"{info}/METADATA"] == b"Metadata-Version: 2.1\nName: demoapp\nVersion: 1.0\n"


def test_a_source_in_src_without_metadata(tmp_path: Path) -> None:
    (tmp_path / "My.App" / "src" / "pkg").mkdir(parents=True)
    (tmp_path / "My.App" / "src" / "pkg" / "__init__.py").touch()
    found = opened(ProjectSource(HostFiles(context=tmp_path, source="My.App", path="/app")))
    assert found[f"{SITE}/my-app.pth"][1] == b"/app/src\n"
    assert not any("dist-info" in path for path in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project", "no TOML"),
        ('[project]\nname = "x"\nversion = "../1"', "invalid version"),
        ('[project]\nname = "x"\n[project.scripts]\n"../a" = "b:c"', "unsafe"),
    ],
)
def test_bad_projects(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(Exception, match=message) as caught:
        opened(ProjectSource(HostFiles(context=tmp_path, source=".", path="/app")))
    assert type(caught.value).__module__ == "docker_envs.errors"


@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_a_real_python_runs_the_project(tmp_path: Path, kind: str) -> None:
    prefix = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = Installation(str(prefix), version, f"lib/python{version}/site-packages", 0)
    root = write_project(tmp_path / "demo")
    # As in the image, the source is at its path under the root, which here is that of the host.
    source = ProjectSource(HostFiles(context=tmp_path, source="demo", path=f"{tmp_path}/app"))
    content = ProjectWheel(root) if kind == "wheel" else source
    target = Application(prefix=str(prefix), platform=AMD64, python=python, accounts=PlannedAccounts(), has_base=False)
    with target.open_layer(FilesLayer("test", (content,))) as entries:
        for entry in entries:
            path = Path("/", entry.path)
            if path.is_relative_to(tmp_path) and entry.kind is Kind.DIRECTORY:
                path.mkdir(exist_ok=True)
            elif path.is_relative_to(tmp_path):
                path.write_bytes(entry.read())
                path.chmod(entry.mode)
    assert (
        subprocess.run([prefix / "bin" / "demoapp"], check=True, capture_output=True).stdout == b"hello from demoapp\n"
    )
    code = "import importlib.metadata as m; d = m.distribution('demoapp'); print(d.version, d.read_text('INSTALLER'))"
    done = subprocess.run([prefix / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1.0", "docker-envs"]
