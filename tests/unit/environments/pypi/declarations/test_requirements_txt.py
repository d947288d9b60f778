"""`requirements.txt`: what its lines mean, and exactly what is said about lines that mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.base import PipLine
from docker_envs.environments.pypi.declarations.declaration import PypiIndexes, merge_pypi_declarations
from docker_envs.environments.pypi.declarations.requirements_txt import read_pip_lines, read_requirements_txt
from docker_envs.errors import InvalidDeclarationError
from tests.packages.distribution import write_distribution
from tests.unit.environments.pypi.support import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration

A, B = "a" * 64, "b" * 64


def read(folder: Path, text: str, **variables: str) -> PypiDeclaration:
    path = folder / "requirements.txt"
    path.write_text(text)
    return read_requirements_txt(path, environ=variables)


def texts(declared: PypiDeclaration) -> list[str]:
    return [each.text for each in declared.requirements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flask\n", ["flask"]),
        ("# comment\n\nFlask >= 3 , <4  # why\n", ["Flask >= 3 , <4"]),
        ('uvicorn[standard]; python_version >= "3.9" and sys_platform == "linux"\n',
         ['uvicorn[standard]; python_version >= "3.9" and sys_platform == "linux"']),
        ("flask \\\n  >=3\nrich\n", ["flask    >=3", "rich"]),
        ("flask\\\n", ["flask"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("\ufeffa\n", ["a"]),
        ("${NAME}-x==${V}\n$NAME_y\n" .replace("$NAME_y\n", ""), ["demo-x==1"]),
        ("a @ https://host/a-1.0-py3-none-any.whl\n", ["a@ https://host/a-1.0-py3-none-any.whl"]),
        ("https://host/x/A_b-1.0-py3-none-any.whl ; os_name == 'posix'\n",
         ["a-b @ https://host/x/A_b-1.0-py3-none-any.whl ; os_name == 'posix'"]),
        ("a --config-settings=x=y\n", ["a"]),
    ],
)  # fmt: skip
def test_requirements(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [each.replace(" @", "@") for each in texts(read(tmp_path, text, NAME="demo", V="1"))] == [
        each.replace(" @", "@") for each in expected
    ]


def test_places_are_those_where_lines_begin(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("\nc\n")
    found = read(tmp_path, "# x\na \\\n==1\nb\n-r sub/more.txt\n")
    places = [(each.name, each.place.replace(f"{tmp_path}/", "")) for each in found.requirements]
    assert places == [("a", "requirements.txt:2"), ("b", "requirements.txt:4"), ("c", "sub/more.txt:2")]


def test_hashes(tmp_path: Path) -> None:
    found = read(tmp_path, f"a==1 \\\n    --hash=sha256:{A.upper()} \\\n    --hash sha256:{B}\n")
    assert found.requirements[0].hashes == (f"sha256:{A}", f"sha256:{B}")
    found = read(tmp_path, f"https://host/a-1-py3-none-any.whl#sha256={A}\n")
    assert found.requirements[0].hashes == (f"sha256:{A}",)


def test_options(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("b<2\n-r other.txt\n")
    (tmp_path / "other.txt").write_text("c==1\n")
    (tmp_path / "empty.txt").write_text("")
    found = read(
        tmp_path,
        "-i https://one/simple\n--extra-index-url=https://two --extra-index-url https://three\n-f wheels\n"
        "--find-links https://page\n--pre\n-c constraints.txt\n-rempty.txt\n--no-index\n--only-binary :all:\n"
        "--trusted-host h\n--prefer-binary\na\n",
    )
    assert found.indexes == PypiIndexes(
        "https://one/simple", ("https://two", "https://three"), (str(tmp_path / "wheels"), "https://page"), True
    )
    assert [each.text for each in found.constraints] == ["b<2", "c==1"]
    assert (found.prereleases, texts(found), found.directory) == (True, ["a"], tmp_path)
    (note,) = found.notes
    assert note.endswith("requirements.txt:10: `--trusted-host` is ignored, set `UV_INSECURE_HOST` where a certificate "
                         "cannot be checked")  # fmt: skip


def test_projects_and_wheels_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    wheel = write_distribution(tmp_path / "wheels", "lib")
    found = read(
        tmp_path,
        f"-e ./app[x,y]\napp\napp @ file://{tmp_path}/app\n.\n{wheel}\n./wheels/{wheel.name}[z] ; os_name == 'nt'\n",
    )
    assert [(each.root, each.extras) for each in found.projects] == [
        (tmp_path / "app", ("x", "y")),
        (tmp_path / "app", ()),
        (tmp_path, ()),
    ]
    assert texts(found) == ["app", f"lib @ {wheel.as_uri()}", f"lib[z] @ {wheel.as_uri()} ; os_name == 'nt'"]
    assert [note.replace(f"{tmp_path}/", "") for note in found.notes] == [
        "requirements.txt:1: `./app[x,y]` is installed as a wheel, its source is not looked at later"
    ]


REFUSED = {
    "name": ("a\n!\n", ("requirements.txt:2: `!` is no requirement: expected package name at the start of dependency "
             "specifier")),
    "version": ("a=1\n", ("requirements.txt:1: `a=1` is no requirement: expected semicolon (after name with no version "
                "specifier) or end")),
    "option": ("--indx-url x\n", "requirements.txt:1: unknown option `--indx-url`\nhint: did you mean `--index-url`?"),
    "value": ("-r\n", "requirements.txt:1: `-r` has no value"),
    "missing": ("-r none.txt\n", "requirements.txt:1: `none.txt` is missing"),
    "remote": ("-r https://host/r.txt\n", ("requirements.txt:1: `https://host/r.txt` is not on this machine, so it is "
               "not read")),
    "circle": ("-r requirements.txt\n", "requirements.txt:1: `requirements.txt` is included in a circle"),
    "variable": ("--index-url https://${TOKEN}@host\n", "requirements.txt:1: the variable `TOKEN` is not set"),
    "quote": ("--index-url 'a\n", "requirements.txt:1: cannot be taken apart: No closing quotation"),
    "hash": ("a --hash=md5:00\n", "requirements.txt:1: `md5:00` is no hash\nhint: write `--hash=sha256:…`"),
    "lonely hash": (f"--hash=sha256:{A}\n", "requirements.txt:1: a hash must stand behind its requirement"),
    "line option": ("a --pre\n", "requirements.txt:1: `--pre` must stand on a line of its own"),
    "unhashed": (f"a --hash=sha256:{A}\nb\n",
                 "requirements.txt:2: `b` has no hash, but `requirements.txt:1` wants all to have one"),
    "require": ("--require-hashes\nb\n",
                "requirements.txt:2: `b` has no hash, but `requirements.txt:1` wants all to have one"),
    "repository": ("git+https://host/a.git\n", ("requirements.txt:1: a repository has to be built, which is not done\n"
                   "hint: build its wheel, and name that")),
    "named repository": ("a @ git+ssh://host/a.git@main\n", ("requirements.txt:1: a repository has to be built, which "
                         "is not done\nhint: build its wheel, and name that")),
    "sources": ("https://host/a-1.0.tar.gz\n", ("requirements.txt:1: `https://host/a-1.0.tar.gz` is not the address of "
                "a wheel\nhint: build its wheel, and name that")),
    "no directory": ("-e ./none\n", "requirements.txt:1: there is no `none`"),
    "editable": ("-e flask\n", "requirements.txt:1: `flask` is no directory of a project"),
    "scheme": ("a @ ftp://host/a.whl\n", "requirements.txt:1: unknown kind of address `ftp://host/a.whl`"),
    "wheel": ("https://host/a.whl\n", "requirements.txt:1: `a.whl` is no name of a wheel"),
    "credentials": ("a @ https://u:s3cret@host/a.tar.gz\n", ("requirements.txt:1: `https://host/a.tar.gz` is not the "
                    "address of a wheel\nhint: build its wheel, and name that")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert refusal(lambda: read(tmp_path, text), tmp_path, InvalidDeclarationError) == expected


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    said = refusal(lambda: read_requirements_txt(tmp_path / "x.txt"), tmp_path, InvalidDeclarationError)
    assert said == "x.txt: no such file"


def test_lines_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("b\n")
    lines = [PipLine(text, f"environment.yml:{number}:5", tmp_path) for number, text in enumerate(["a", "-r more.txt"])]
    found = read_pip_lines(lines, source="environment.yml", directory=tmp_path)
    assert [(each.name, each.place.replace(f"{tmp_path}/", "")) for each in found.requirements] == [
        ("a", "environment.yml:0:5"),
        ("b", "more.txt:1"),
    ]
    bad = [PipLine("a==", "environment.yml:7:5", tmp_path)]
    with pytest.raises(InvalidDeclarationError, match=r"environment\.yml:7:5: `a==` is no requirement"):
        read_pip_lines(bad, source="environment.yml", directory=tmp_path)


def test_several_declarations_are_one(tmp_path: Path) -> None:
    one = read(tmp_path, "--extra-index-url https://x\na\n")
    two = read(tmp_path, "--index-url https://y\n--pre\nb\n")
    merged = merge_pypi_declarations([one, read(tmp_path, "#\n"), two])
    assert texts(merged) == ["a", "b"]
    assert merged.indexes == PypiIndexes("https://y", ("https://x",))
    assert merged.prereleases
