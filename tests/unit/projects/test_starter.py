"""The declaration to start with: made from what is there, and always a valid one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from docker_envs.builder.application.contents import HostFiles, ProjectWheel
from docker_envs.builder.application.host_tree import iter_host_files
from docker_envs.fields import parse_json
from docker_envs.projects.model import EnvironmentFile, InlineEnvironment
from docker_envs.projects.read_project import read_project
from docker_envs.projects.schema import schema_text
from docker_envs.projects.starter import make_starter, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker_envs.projects.model import ImageDeclaration
    from docker_envs.projects.starter import Starter

PIXI = "[tool.pixi.workspace]\nchannels = []\nplatforms = []\n"


def start(folder: Path, files: Mapping[str, str]) -> tuple[Starter, ImageDeclaration]:
    """The starter for a folder with these files, and its image."""
    root = folder / "My App!"
    root.mkdir()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    starter = make_starter(root)
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
    ],
)
def test_the_file_of_the_environment(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    starter, image = start(tmp_path, files)
    (environment,) = image.environments
    assert isinstance(environment, EnvironmentFile)
    assert environment.path.name == expected
    assert starter.used[0] == expected


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
    assert image.config.cmd == ("admin",)


def test_requirements(tmp_path: Path) -> None:
    text = "# web\nFlask >= 2, <4\nrequests[socks]==2.31.0 ; python_version > '3'\nnumpy~=1.26\n-r other.txt\ngit+https://x/y\n\n"
    starter, image = start(tmp_path, {"requirements.txt": text, ".dockerignore": "*.log\n"})
    (environment,) = image.environments
    assert isinstance(environment, InlineEnvironment)
    assert environment.dependencies == ("python", "flask>=2,<4", "requests==2.31.0", "numpy~=1.26")
    assert starter.used == ["requirements.txt", ".dockerignore"]
    assert starter.notes == [
        (
            "`requirements.txt` names packages of PyPI; those of the same names in conda-forge are taken: look at "
            "`dependencies` for names that differ there"
        ),
        "`-r other.txt` of `requirements.txt` is left out: it is no plain requirement",
        "`git+https://x/y` of `requirements.txt` is left out: it is no plain requirement",
        "files that `.dockerignore` names are left out of `files`",
    ]


@pytest.mark.parametrize("text", ["on", "1.0", "a: b", "- x", "", "é", "a'b", "0x10", "~", "*a", "plain-name", "/app"])
def test_texts_stay_texts_in_yaml(text: str) -> None:
    assert yaml.safe_load(f"- {quoted(text)}") == [text]
