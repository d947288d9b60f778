"""Every form of one environment, and every form of a file that is none."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.documents.text_file import MAX_SIZE, read_text
from docker_envs.environments.conda.declarations.read import environments_of, read_declaration, read_declarations
from docker_envs.errors import DockerEnvsError, InvalidDeclarationError, InvalidInputError
from tests.declared import FORMS, LOCKS, PACKAGES, write_declarations
from tests.unit.environments.conda.support import AMD64, names, packages, read, refusal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, channel: Path) -> Path:
    return write_declarations(tmp_path_factory.mktemp("declared"), channel)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_environment_means_the_same_packages(declared: Path, tmp_path: Path, form: str) -> None:
    file, environment = FORMS[form]
    found = {package.name: package for package in packages(read(declared / file, environment), tmp_path)}
    assert sorted(package.display_name for package in found.values()) == sorted(PACKAGES)
    expected = packages(read(declared / "environment.yml"), tmp_path)
    # Lists hold at most one digest, and no size.
    known = ("sha256", "md5", "size")
    for package in expected:
        own = found[package.name]
        blank = {field: getattr(package, field) for field in known if getattr(own, field) is None}
        assert replace(own, **blank) == package
        assert form in ("explicit", "explicit-md5") or own.sha256 == package.sha256


@pytest.mark.parametrize("form", ["environment.yml", "pixi.toml", "pyproject.toml"])
def test_variables_are_taken_as_they_are_written(declared: Path, form: str) -> None:
    file, environment = FORMS[form]
    assert read(declared / file, environment).variables == {"GREETING": "hello", "VERSION": "1.10"}


def test_several_files_are_one_environment(declared: Path, tmp_path: Path) -> None:
    both = read_declarations([declared / "base.yml", declared / "python.yml"], platform=AMD64)
    assert names(packages(both, tmp_path)) == list(PACKAGES)
    assert len(both.channels) == 1
    assert both.variables == {"GREETING": "hello", "VERSION": "1.10"}
    assert both.notes == (f"{declared / 'python.yml'} sets the variable `GREETING` to another value, which holds",)


@pytest.mark.parametrize("form", LOCKS)
def test_a_lock_cannot_be_merged(declared: Path, form: str) -> None:
    lock = declared / FORMS[form][0]
    for paths in ([lock, declared / "base.yml"], [declared / "base.yml", lock]):
        with pytest.raises(InvalidInputError) as caught:
            read_declarations(paths, platform=AMD64)
        assert str(caught.value) == f"{lock} is a lock, so it cannot be merged with another declaration"


def test_files_tell_their_environments(declared: Path) -> None:
    assert environments_of(declared / "environment.yml") == ("default",)
    assert environments_of(declared / "pixi.lock") == ("default", "small")
    assert environments_of(declared / "workspace/pixi.toml") == ("default", "full", "gpu", "notebooks")


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(declared: Path, tmp_path: Path) -> None:
    for file in ("environment.yml", "explicit-md5.txt", "conda-lock.yml", "workspace/pixi.toml"):
        text = (declared / file).read_text()
        copy = tmp_path / (declared / file).name
        copy.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        first, second = read(declared / file), read(copy)
        assert (first.specs, first.packages) == (second.specs, second.packages)


BROKEN = {
    "empty": (b"", "environment.yml: is empty"),
    "blank": (b" \n\n", "environment.yml: is empty"),
    "only comments": (b"# nothing\n", "environment.yml: declares nothing"),
    "not UTF-8": (
        b"name: gr\xfcn\n",
        "environment.yml: not UTF-8 text (byte 8)\nhint: save it with the encoding UTF-8",
    ),
    "large": (b"#" * (MAX_SIZE + 1), "environment.yml: larger than 67,108,864 bytes, so it is no declaration"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    assert refusal(tmp_path, "environment.yml", content) == message


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    with path.open("wb") as file:
        file.truncate(100 << 30)
    with pytest.raises(InvalidDeclarationError, match="larger than 1,000 bytes"):
        read_text(path, limit=1000)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read(tmp_path / "environment.yml")
    assert str(caught.value) == f"{tmp_path / 'environment.yml'}: no such file"
    with pytest.raises(InvalidDeclarationError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory"
    assert caught.value.hint == "name the file in it that declares the environment"


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    hint = (
        "use an `environment.yml`, an `@EXPLICIT` list, a `conda-lock.yml`, a `pixi.lock`, a `pixi.toml`, "
        "or a `pyproject.toml` with `[tool.pixi]`"
    )
    assert refusal(tmp_path, "notes.txt", "numpy\n") == f"notes.txt: unknown kind of declaration\nhint: {hint}"
    found = refusal(tmp_path, "pyproject.toml", "[project]\nname = 'x'\n")
    assert found == f"pyproject.toml: has no `[tool.pixi]`\nhint: {hint}"


WORDS = (
    *("@EXPLICIT", "metadata:", "package:", "version:", "environments:", "channels:", "dependencies:", "platforms"),
    *("[workspace]", "[tool.pixi]", "[dependencies]", "name", "null", "1", "true", "<<:", "!!python/name:os.system"),
    *("-", "[", "]", "{", "}", "=", '"', "'", "#", "?", "&", "*", "|", ">", "\n", "\n ", "\t"),
)


@given(
    name=st.sampled_from(["environment.yml", "conda-lock.yml", "pixi.lock", "pixi.toml", "pyproject.toml", "list.txt"]),
    text=st.one_of(
        st.text(max_size=200),
        st.lists(
            st.sampled_from(WORDS),
            max_size=30,
        ).map(" ".join),
    ),
)
def test_no_text_breaks_a_reader(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(DockerEnvsError):
        read_declaration(path, platform=AMD64)
