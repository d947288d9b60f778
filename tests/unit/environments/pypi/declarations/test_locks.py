"""`pylock.toml` and `uv.lock`: what a target gets of them, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.declarations.declaration import merge_pypi_declarations
from docker_envs.environments.pypi.read import is_pypi_declaration, read_pypi_declaration
from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
from docker_envs.environments.pypi.resolving.resolve import resolve_pypi
from docker_envs.environments.pypi.resolving.uv import host_python, run_uv
from docker_envs.errors import BuildError, DockerEnvsError, InvalidDeclarationError, InvalidInputError, SolveError
from docker_envs.oci.descriptor import Platform
from tests.packages.distribution import sha256_of, write_distribution
from tests.packages.wheel import write_project
from tests.simulators.package_index import PackageIndexSimulator
from tests.unit.environments.pypi.support import ALPINE, AMD64, ARM64, refusal, settings

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.pypi.resolving.select import PypiResolution
    from docker_envs.environments.pypi.target import PypiTarget

A = "a" * 64
LOCK = f"""\
lock-version = "1.0"
created-by = "test"
requires-python = ">=3.9"
extras = ["fast"]
dependency-groups = ["test"]

[[packages]]
name = "native"
version = "1.0"
sdist = {{ url = "https://host/native-1.0.tar.gz", hashes = {{ sha256 = "{A}" }} }}
wheels = [
  {{ url = "https://host/native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", size = 7, hashes = {{ sha256 = "{A}" }} }},
  {{ url = "https://host/native-1.0-cp311-abi3-musllinux_1_1_x86_64.whl", hashes = {{ sha256 = "{A}" }} }},
  {{ name = "native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", url = "https://h/x", hashes = {{ sha256 = "{A}" }} }},
]

[[packages]]
name = "near"
version = "2.0"
wheels = [{{ path = "wheels/near-2.0-py3-none-any.whl", hashes = {{ sha512 = "00" }} }}]

[[packages]]
name = "windows"
version = "1.0"
marker = "sys_platform == 'win32'"
wheels = [{{ url = "https://host/windows-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]

[[packages]]
name = "quick"
version = "1.0"
marker = "'fast' in extras"
archive = {{ url = "https://user:pass@host/quick-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}

[[packages]]
name = "tests"
version = "1.0"
marker = "'test' in dependency_groups"
directory = {{ path = "../tests" }}
"""


def read(
    folder: Path,
    text: str = LOCK,
    target: PypiTarget = AMD64,
    *installed: InstalledDistribution,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
) -> PypiResolution:
    path = folder / "pylock.toml"
    path.write_text(text)
    return resolve_pypi(
        read_pypi_declaration(path, extras=extras, groups=groups), target, installed=installed,
        settings=settings(folder),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "file_name"),
    [
        (AMD64, "native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
        (replace(AMD64, libc_version=(2, 27)), "native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"),
        (ALPINE, "native-1.0-cp311-abi3-musllinux_1_1_x86_64.whl"),
        (replace(ALPINE, python="3.13"), "native-1.0-cp311-abi3-musllinux_1_1_x86_64.whl"),
    ],
)
def test_the_best_wheel_of_the_target(tmp_path: Path, target: PypiTarget, file_name: str) -> None:
    native, near = read(tmp_path, LOCK, target).packages
    assert (native.file_name, native.sha256, native.direct) == (file_name, A, False)
    assert (near.url, near.sha256) == ((tmp_path / "wheels/near-2.0-py3-none-any.whl").as_uri(), None)


def test_extras_and_groups(tmp_path: Path) -> None:
    found = read(tmp_path, extras=("fast",), groups=("test",))
    assert [package.name for package in found.packages] == ["native", "near", "quick"]
    assert [project.root for project in found.projects] == [tmp_path.parent / "tests"]
    quick = found.packages[-1]
    assert quick.direct_url() == (
        f'{{"archive_info":{{"hashes":{{"sha256":"{A}"}}}},"url":"https://host/quick-1.0-py3-none-any.whl"}}'.encode()
    )


def test_what_conda_has(tmp_path: Path) -> None:
    same = InstalledDistribution("near", "2.0", "conda package `near-2.0-0`")
    found = read(tmp_path, LOCK, AMD64, same)
    assert ([package.name for package in found.packages], found.provided) == (["native"], (same,))
    other = replace(same, version="2.1", owner="conda package `near-2.1-0`")
    said = refusal(lambda: read(tmp_path, LOCK, AMD64, other), tmp_path, SolveError)
    assert said == (
        "pylock.toml wants `near` 2.0, but conda package `near-2.1-0` has 2.1\n"
        "hint: take `near` from one of them alone, or pin the same version in both"
    )


def test_what_has_no_wheel(tmp_path: Path) -> None:
    said = refusal(lambda: read(tmp_path, LOCK, ARM64), tmp_path, BuildError)
    assert said.splitlines()[0] == (
        "`native` 1.0 has no wheel for Python 3.11.7 on linux/arm64 with glibc 2.36, only "
        "`native-1.0-cp311-abi3-musllinux_1_1_x86_64.whl`, `native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl`, "
        "`native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl`"
    )
    without = LOCK.replace(f'sdist = {{ url = "https://host/native-1.0.tar.gz", hashes = {{ sha256 = "{A}" }} }}\n', "")
    assert without != LOCK
    assert refusal(lambda: read(tmp_path, without, ARM64), tmp_path, BuildError) == said
    near = 'wheels = [{ path = "wheels/near-2.0-py3-none-any.whl", hashes = { sha512 = "00" } }]'
    sources = LOCK.replace(
        near, near.replace("wheels = [", "sdist = ").replace("]", "").replace("-py3-none-any.whl", ".tar.gz")
    )
    said = refusal(lambda: read(tmp_path, sources), tmp_path, BuildError)
    assert said.startswith(
        "`near` 2.0 has no wheel for Python 3.11.7 on linux/amd64 with glibc 2.36, only its source\n"
    )


REFUSED = {
    "version": ('lock-version = "1.0"', 'lock-version = "2.0"', "pylock.toml:1:1: pylock version 2.0 is not supported"),
    "wheel": (
        '{ path = "wheels/near-2.0-py3-none-any.whl",',
        "{",
        "pylock.toml:20:11: packages[1].wheels[0]: path or url must be provided",
    ),
    "hashes": (
        'hashes = { sha512 = "00" }',
        "hashes = 3",
        "pylock.toml:20:65: packages[1].wheels[0].hashes: unexpected type int (expected Mapping)",
    ),
    "python": (">=3.9", ">=3.12", "pylock.toml: is not for Python 3.11.7 on linux/amd64 with glibc 2.36: "),
    "name": ("near-2.0-py3", "far-2.0-py3", "pylock.toml:20:11: packages[1].wheels[0]: name in 'far-2.0-py3-none-any"),
    "digest": ('sha512 = "00"', 'sha256 = "a/../../x"', "pylock.toml: near: 'a/../../x' is no SHA-256 digest"),
    "syntax": ("[[packages]]", "[[packages", "pylock.toml:7:11: not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = LOCK.replace(old, new, 1)
    assert text != LOCK
    assert refusal(lambda: read(tmp_path, text), tmp_path, InvalidDeclarationError).startswith(expected)


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    text = LOCK.replace("quick-1.0-py3", "slow-1.0-py3")
    said = refusal(lambda: read(tmp_path, text, extras=("fast",)), tmp_path, InvalidDeclarationError)
    assert said == "pylock.toml: `slow-1.0-py3-none-any.whl` is not quick 1.0"


def test_what_a_lock_does_not_have(tmp_path: Path) -> None:
    assert refusal(lambda: read(tmp_path, extras=("x",)), tmp_path) == "pylock.toml: has no extra `x`"
    assert refusal(lambda: read(tmp_path, groups=("x",)), tmp_path) == "pylock.toml: has no dependency group `x`"


def test_nothing_is_added_to_a_lock(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(LOCK)
    (tmp_path / "r.txt").write_text("a")
    declared = [read_pypi_declaration(tmp_path / name) for name in ("r.txt", "pylock.toml")]
    with pytest.raises(InvalidInputError, match=r"pylock\.toml is a lock"):
        merge_pypi_declarations(declared)


def test_names(tmp_path: Path) -> None:
    names = ("requirements.txt", "uv.lock", "pylock.toml", "pylock.dev.toml")
    assert all(is_pypi_declaration(tmp_path / name) for name in names)
    assert not any(is_pypi_declaration(tmp_path / name) for name in ("pixi.lock", "pyproject.toml", "a.b.toml"))


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A project with a `uv.lock`, made by uv from an index that is gone."""
    files = tmp_path / "files"
    write_distribution(files, "lib", "1.0", requires=["native"])
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64"):
        write_distribution(files, "native", "1.0", tag=tag)
    write_distribution(files, "extra", "1.0")
    write_distribution(files, "tool", "1.0")
    project = write_project(tmp_path / "project")
    path = project / "pyproject.toml"
    path.write_text(
        path.read_text().replace('version = "1.0"\n', 'version = "1.0"\nrequires-python = ">=3.9"\n'
                                 'dependencies = ["lib"]\n', 1)
        + '[project.optional-dependencies]\nx = ["extra"]\n[dependency-groups]\ndev = ["tool"]\n'
    )  # fmt: skip
    with (simulator := PackageIndexSimulator(files)).running():
        arguments = ["lock", *host_python(), "--default-index", simulator.index_url]
        run_uv(arguments, directory=project, settings=settings(tmp_path))
    return project / "uv.lock"


def test_the_lock_of_uv(tmp_path: Path, locked: Path) -> None:
    def names(target: PypiTarget, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> list[str]:
        declared = read_pypi_declaration(locked, extras=extras, groups=groups, settings=settings(tmp_path / "new"))
        found = resolve_pypi(declared, target)
        assert [project.root for project in found.projects] == [locked.parent]
        assert [package.sha256 for package in found.packages] == [
            sha256_of(tmp_path / "files" / package.file_name) for package in found.packages
        ]
        return [package.file_name for package in found.packages]

    lib = "lib-1.0-py3-none-any.whl"
    assert names(AMD64) == [lib, "native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]
    assert names(ARM64, ("x",), ("dev",)) == [
        "extra-1.0-py3-none-any.whl", lib, "native-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        "tool-1.0-py3-none-any.whl",
    ]  # fmt: skip
    s390x = replace(AMD64, platform=Platform("linux", "s390x"))
    with pytest.raises(BuildError, match=r"`native` 1\.0 has no wheel"):
        names(s390x)


def test_a_lock_for_another_python_than_this_machine_s(tmp_path: Path, locked: Path) -> None:
    """It is read all the same, without any Python that it is for."""
    for path in (locked, locked.parent / "pyproject.toml"):
        text = path.read_text()
        assert '">=3.9"' in text
        path.write_text(text.replace('">=3.9"', '">=3.99"'))
    declared = read_pypi_declaration(locked, settings=settings(tmp_path / "new"))
    (note,) = declared.notes
    assert note.endswith("is not compared with `pyproject.toml`, which is for another Python than this machine's")
    with pytest.raises(BuildError, match=r"`native` 1\.0 has no wheel for Python 3\.99"):
        resolve_pypi(declared, replace(AMD64, python="3.99"))
    with pytest.raises(InvalidDeclarationError, match=r"is not for Python 3\.11\.7"):
        resolve_pypi(declared, AMD64)


def test_a_lock_of_uv_that_does_not_fit(tmp_path: Path, locked: Path) -> None:
    using = settings(tmp_path / "new")

    def said(**options: tuple[str, ...]) -> str:
        return refusal(lambda: read_pypi_declaration(locked, settings=using, **options), tmp_path, DockerEnvsError)

    assert "Extra `zzz` is not defined" in said(extras=("zzz",))
    pyproject = locked.parent / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('["lib"]', '["lib", "more"]'))
    assert said().startswith("project/uv.lock: cannot be used: ")
    assert said().endswith("\nhint: bring it up to date with `uv lock`")
    pyproject.unlink()
    assert said() == "project/uv.lock: there is no `pyproject.toml` beside it, which it is the lock of"
    locked.unlink()
    assert said() == "project/uv.lock: no such file"
