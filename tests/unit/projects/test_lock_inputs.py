"""What of a declaration a lock depends on, and how a change of it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.request import BuildRequest, PythonLayout
from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.environments.pypi.read import read_pypi_declaration
from docker_envs.projects.inputs import inputs_of
from docker_envs.projects.lock_inputs import AptInputs, LockInputs, PypiInputs
from tests.images import AMD64

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration

BEFORE = LockInputs(
    base="debian:12",
    pypi=PypiInputs(requirements=("flask",), indexes=("--index-url https://a.example",), projects={"app": "1"}),
    apt=AptInputs(requests=("git",), sources=("https://d.example trixie main",), snapshot="20250520T000000Z"),
)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEFORE, []),
        (
            LockInputs(
                base="debian:12", apt=BEFORE.apt, pypi=PypiInputs(requirements=("flask>3", "more"), prereleases=True)
            ),
            [
                "the requirement `flask>3` is new",
                "the requirement `more` is new",
                "the requirement `flask` is gone",
                "the index option `--index-url https://a.example` is gone",
                "the project `app` is gone",
                "versions before a release are wanted",
            ],
        ),
        (
            LockInputs(
                base="debian:12",
                apt=BEFORE.apt,
                pypi=PypiInputs(
                    requirements=("flask",),
                    constraints=("click<9",),
                    indexes=("--index-url https://a.example",),
                    hashes="sha256:1",
                    projects={"app": "2"},
                    sdists=("pure",),
                    layout="venv",
                    packages="sha256:2",
                ),
            ),
            [
                "the constraint `click<9` is new",
                "the project `app` needs something else",
                "the permission to build `pure` is new",
                "the hashes of requirements are others",
                "the Python layout is `venv` instead of `auto`",
                "the lock of distributions that it names has other ones",
            ],
        ),
        (
            LockInputs(
                base="debian:12",
                pypi=BEFORE.pypi,
                apt=AptInputs(
                    requests=("git", "curl"), sources=("https://e.example trixie main",), seed="apt", recommends=True
                ),
            ),
            [
                "the Debian package `curl` is new",
                "the archive `https://e.example trixie main` is new",
                "the archive `https://d.example trixie main` is gone",
                "the snapshot is `None` instead of `20250520T000000Z`",
                "the seed is `apt` instead of `None`",
                "recommended packages are wanted",
            ],
        ),
        (LockInputs(base="debian:12", apt=BEFORE.apt), None),
    ],
    ids=["nothing", "requirements", "the rest of PyPI", "Debian", "no PyPI at all"],
)
def test_every_change_has_its_words(now: LockInputs, expected: list[str] | None) -> None:
    found = BEFORE.changes(now)
    assert found if expected is None else found == expected
    assert (found == []) == (now == BEFORE)


def test_the_base_decides_about_packages_that_it_may_have() -> None:
    other = LockInputs(base="debian:13", apt=BEFORE.apt, pypi=BEFORE.pypi)
    assert not other.has_packages_of(BEFORE)
    assert not other.has_debs_of(BEFORE)
    assert other.has_conda_of(BEFORE)
    assert LockInputs(base="a", specs=("x",)).has_packages_of(LockInputs(base="b", specs=("x",)))


def request(folder: Path, pypi: PypiDeclaration) -> BuildRequest:
    return BuildRequest(base=None, declaration=None, platform=AMD64, cache=folder / "cache", pypi=pypi)


def test_nothing_secret_or_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\ndependencies = ["click"]\n')
    (tmp_path / "near-1.0-py3-none-any.whl").touch()
    path = tmp_path / "requirements.txt"
    path.write_text(
        "--index-url https://user:secret@index.example/simple\n--find-links ./wheels\n--pre\n"
        "own @ https://user:secret@files.example/own-1.0-py3-none-any.whl?token=secret\n"
        f"near @ {tmp_path.as_uri()}/near-1.0-py3-none-any.whl\n-e ./app[web]\n"
    )
    found = inputs_of(request(tmp_path, read_requirements_txt(path)), tmp_path).pypi
    assert found is not None
    assert "secret" not in repr(found)
    assert str(tmp_path) not in repr(found)
    assert found.requirements == (
        "near @ ./near-1.0-py3-none-any.whl",
        "own @ https://files.example/own-1.0-py3-none-any.whl",
    )
    assert found.prereleases
    assert list(found.projects) == ["app[web]"]
    (tmp_path / "app/pyproject.toml").write_text('[project]\nname = "app"\nversion = "2"\ndependencies = ["click"]\n')
    again = inputs_of(request(tmp_path, read_requirements_txt(path)), tmp_path).pypi
    assert again == found  # a version of its own says nothing about others
    (tmp_path / "app/pyproject.toml").write_text('[project]\nname = "app"\nversion = "2"\ndependencies = ["flask"]\n')
    again = inputs_of(request(tmp_path, read_requirements_txt(path)), tmp_path).pypi
    assert again is not None
    assert list(found.changes(again)) == ["the project `app[web]` needs something else"]


def test_hashes_layout_and_permissions(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    digests = []
    for digit in "ab":
        path.write_text(f"own==1 --hash=sha256:{digit * 64}\n")
        asked = replace(
            request(tmp_path, read_requirements_txt(path)),
            python_layout=PythonLayout.VENV,
            build_sdists=frozenset({"own"}),
        )
        found = inputs_of(asked, tmp_path).pypi
        assert found is not None
        assert (found.layout, found.sdists) == ("venv", ("own",))
        digests.append(found.hashes)
    assert None not in digests
    assert digests[0] != digests[1]


def test_a_prefix_of_its_own_is_a_virtual_environment(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("own\n")
    asked = request(tmp_path, read_requirements_txt(path))
    found = [inputs_of(replace(asked, prefix=prefix), tmp_path).pypi for prefix in (None, "/app", "/srv")]
    assert [each.layout for each in found if each is not None] == [None, "venv", "venv"]


def test_keyrings_below_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/own.gpg").touch()
    monkeypatch.chdir(tmp_path)
    sources = [
        AptSource("https://a.example/debian", ("trixie",), ("main",), signed_by)
        for signed_by in (str(tmp_path / "keys/own.gpg"), "keys/own.gpg", "0123ABCD")
    ]
    apt = AptDeclaration((PackageRequest("git"),), tuple(sources))
    asked = BuildRequest(base=None, declaration=None, platform=AMD64, cache=tmp_path / "cache", apt=apt)
    found = inputs_of(asked, tmp_path).apt
    assert found is not None
    signed = [source.rpartition(" ")[2] for source in found.sources]
    assert signed == ["[signed-by=keys/own.gpg]", "[signed-by=keys/own.gpg]", "[signed-by=0123ABCD]"]


def test_a_lock_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    digests = []
    for version in ("1.0", "2.0", "2.0"):
        path.write_text(
            'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "own"\n'
            f'version = "{version}"\n[[packages.wheels]]\nurl = "https://i.example/own-{version}-py3-none-any.whl"\n'
            f'hashes = {{sha256 = "{"0" * 64}"}}\n'
        )
        found = inputs_of(request(tmp_path, read_pypi_declaration(path)), tmp_path).pypi
        assert found is not None
        digests.append(found.packages)
    assert digests[0] != digests[1] == digests[2]
    assert digests[0]
