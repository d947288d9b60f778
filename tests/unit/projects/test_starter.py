"""The declaration to start with: made from what is there, and always a valid one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from docker_envs.builder.application.contents import HostFiles, ProjectWheel
from docker_envs.builder.application.host_tree import iter_host_files
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.fields import parse_json
from docker_envs.projects.model import EnvironmentFile, InlineEnvironment
from docker_envs.projects.read_project import read_project
from docker_envs.projects.schema import schema_text
from docker_envs.projects.starter import make_starter, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from docker_envs.projects.model import ImageDeclaration
    from docker_envs.projects.starter import Starter

PROJECT = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['flask']\n"
DYNAMIC = "[project]\nname = 'x'\nversion = '1'\ndynamic = ['dependencies']\n"
PIXI = "[tool.pixi.workspace]\nchannels = []\nplatforms = []\n"


def start(
    folder: Path, files: Mapping[str, str], archives: Sequence[AptSource] = ()
) -> tuple[Starter, ImageDeclaration]:
    """The starter for a folder with these files, and its image."""
    root = folder / "My App!"
    root.mkdir()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    starter = make_starter(root, archives)
    path = root / "docker-env.yaml"
    path.write_text(starter.text)
    jsonschema.Draft202012Validator(parse_json(schema_text().encode(), source="")).validate(
        yaml.safe_load(starter.text)
    )
    (image,) = read_project(path, variables={}).images
    assert image.name is not None
    assert image.name.familiar_name == "my-app"
    return starter, image


def test_an_empty_folder(tmp_path: Path) -> None:
    starter, image = start(tmp_path, {})
    assert image.environments == (InlineEnvironment(("conda-forge",), ("python",)),)
    assert (image.files, image.config.cmd, starter.used, starter.notes) == ((), None, [], [])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"environment.yml": "x: 1", "pixi.lock": "x"}, "environment.yml"),
        ({"environment.yaml": "x: 1"}, "environment.yaml"),
        ({"pixi.lock": "x", "pixi.toml": "x"}, "pixi.lock"),
        ({"conda-lock.yml": "x"}, "conda-lock.yml"),
        ({"pyproject.toml": PIXI, "requirements.txt": "x"}, "pyproject.toml"),
        ({"environment.yml": "x: 1", "requirements.txt": "x", "uv.lock": ""}, "environment.yml"),
    ],
)
def test_the_file_of_the_environment(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    starter, image = start(tmp_path, files)
    (environment,) = image.environments
    assert isinstance(environment, EnvironmentFile)
    assert environment.path.name == expected
    assert starter.used[0] == expected
    assert (str(image.base), image.apt) == ("docker.io/library/debian:bookworm-slim", None)


def test_a_program_and_what_it_may_import(tmp_path: Path) -> None:
    files = dict.fromkeys(["app.py", "main.py", "weather/__init__.py", "tests/__init__.py", "notebooks/a.ipynb"], "")
    starter, image = start(tmp_path, files)
    (layer,) = image.files
    (content,) = layer.contents
    assert isinstance(content, HostFiles)
    assert (content.source, content.path, content.include) == (".", "/app", ("*.py", "weather"))
    assert content.exclude == ("**/__pycache__",)
    assert (image.config.cmd, image.config.workdir) == (("python", "app.py"), "/app")
    assert image.config.env == {"PYTHONUNBUFFERED": "1"}
    assert starter.used == ["app.py", "weather/"]


def test_secrets_stay_here(tmp_path: Path) -> None:
    secrets = [".env", ".git/config", ".netrc", "id_rsa", "app.sqlite", ".venv/lib/x.py", "weather/__pycache__/x.pyc"]
    _, image = start(tmp_path, dict.fromkeys(["app.py", "weather/__init__.py", *secrets], ""))
    (content,) = image.files[0].contents
    assert isinstance(content, HostFiles)
    entries = iter_host_files(content, "app", owner=(0, 0), mtime=0)
    assert [entry.path for entry in entries] == ["app", "app/app.py", "app/weather", "app/weather/__init__.py"]


def test_a_package(tmp_path: Path) -> None:
    starter, image = start(tmp_path, {"web/__main__.py": ""})
    assert image.config.cmd == ("python", "-m", "web")
    assert starter.used == ["web/"]


def test_a_python_project(tmp_path: Path) -> None:
    text = "[build-system]\nrequires = []\n[project]\nname = 'x'\nscripts = {serve = 'x:y', admin = 'x:z'}\n"
    _, image = start(tmp_path, {"pyproject.toml": text, "app.py": ""})
    assert isinstance(image.files[0].contents[0], ProjectWheel)
    assert image.base == "scratch"
    assert image.config.cmd == ("admin",)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"requirements.txt": "flask", "app.py": ""}, ["requirements.txt"]),
        ({"requirements.txt": "flask", "pylock.toml": ""}, ["pylock.toml"]),
        ({"requirements.txt": "flask", "pylock.toml": "", "uv.lock": "", "pyproject.toml": PROJECT}, ["uv.lock"]),
        ({"pyproject.toml": PROJECT}, ["pyproject.toml"]),
        ({"pyproject.toml": DYNAMIC}, []),
        ({"requirements.txt": "flask", "apt.txt": "git"}, ["requirements.txt", "apt.txt"]),
    ],
)
def test_python_without_conda_stands_on_debian(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    starter, image = start(tmp_path, files)
    assert image.base == "scratch"
    assert image.apt is not None
    assert [str(each) for each in image.apt.requests] == ["python3", "ca-certificates"]
    assert image.apt.sources == ()
    assert [each.path.name for each in image.environments if isinstance(each, EnvironmentFile)] == expected
    assert starter.used[: len(expected)] == expected
    assert "# apt: {packages: [python3, ca-certificates], seed: apt}\n" in starter.text


@pytest.mark.parametrize(
    ("files", "command", "packages"),
    [
        ({"apt.txt": "git"}, None, None),
        ({"apt.txt": "git", "app.py": ""}, ("python3", "app.py"), ["python3", "ca-certificates"]),
    ],
)
def test_debian_packages_alone(
    tmp_path: Path, files: dict[str, str], command: tuple[str, ...] | None, packages: list[str] | None
) -> None:
    _, image = start(tmp_path, files)
    assert image.base == "scratch"
    (environment,) = image.environments
    assert isinstance(environment, EnvironmentFile)
    assert environment.path.name == "apt.txt"
    assert image.config.cmd == command
    assert (None if image.apt is None else [str(each) for each in image.apt.requests]) == packages


def test_debian_packages_beside_conda(tmp_path: Path) -> None:
    _, image = start(tmp_path, {"environment.yml": "x: 1", "apt.txt": "git"})
    assert [each.path.name for each in image.environments if isinstance(each, EnvironmentFile)] == [
        "environment.yml", "apt.txt",
    ]  # fmt: skip
    assert str(image.base) == "docker.io/library/debian:bookworm-slim"


def test_requirements_that_cannot_be_built_from(tmp_path: Path) -> None:
    starter, _ = start(tmp_path, {"requirements.txt": "flask\nx y z\n", ".dockerignore": "*.log\n"})
    problem, ignored = starter.notes
    assert problem.startswith("`requirements.txt` cannot be built from as it is: requirements.txt:2: `x y z`")
    assert ignored == "files that `.dockerignore` names are left out of `files`"
    assert starter.used == ["requirements.txt", ".dockerignore"]


ARCHIVES = (
    AptSource(
        "https://me:secret@mirror.example.org/debian",
        ("trixie", "trixie-updates"),
        ("main",),
        "/etc/apt/keyrings/a.gpg",
    ),
    AptSource("http://mirror.example.org/debian-security", ("trixie-security",), ("main", "contrib"), "", ("amd64",),
              check_valid_until=False),
)  # fmt: skip


def test_archives_of_this_machine_are_proposed(tmp_path: Path) -> None:
    starter, image = start(tmp_path, {"requirements.txt": "flask"}, ARCHIVES)
    assert image.apt is not None
    assert (len(image.apt.requests), image.apt.sources) == (2, ())
    assert "secret" not in starter.text
    lines = starter.text.splitlines()
    first = lines.index("  # sources:")
    uncommented = "\n".join(line.replace("# ", "", 1) for line in lines[first : first + 3])
    assert yaml.safe_load(uncommented) == {
        "sources": [
            {
                "uri": "https://mirror.example.org/debian",
                "suites": ["trixie", "trixie-updates"],
                "components": ["main"],
                "signed_by": "/etc/apt/keyrings/a.gpg",
            },
            {
                "uri": "http://mirror.example.org/debian-security",
                "suites": ["trixie-security"],
                "components": ["main", "contrib"],
                "architectures": ["amd64"],
                "check_valid_until": False,
            },
        ]
    }


def test_archives_are_of_no_use_without_debian_packages(tmp_path: Path) -> None:
    starter, _ = start(tmp_path, {"environment.yml": "x: 1"}, ARCHIVES)
    assert "mirror.example.org" not in starter.text


@pytest.mark.parametrize("text", ["on", "1.0", "a: b", "- x", "", "é", "a'b", "0x10", "~", "*a", "plain-name", "/app"])
def test_texts_stay_texts_in_yaml(text: str) -> None:
    assert yaml.safe_load(f"- {quoted(text)}") == [text]
