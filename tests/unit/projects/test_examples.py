"""The examples of `docs/docker-env.md` are valid, for the reader and for the schema; every key stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from docker_envs.fields import parse_json
from docker_envs.projects import extends, read_apt, read_config, read_environment, read_files, read_image, read_project
from docker_envs.projects.schema import schema_text
from tests.unit.projects.support import project

PAGE = (Path(__file__).parents[3] / "docs/docker-env.md").read_text()
EXAMPLES = re.findall(r"^```(yaml|toml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SCHEMA = jsonschema.Draft202012Validator(parse_json(schema_text().encode(), source="schema"))


def document(kind: str, text: str) -> Any:
    return yaml.safe_load(text) if kind == "yaml" else tomllib.loads(text)["tool"]["docker-envs"]


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_examples_are_valid(tmp_path: Path, kind: str, text: str) -> None:
    for name in (
        "pixi.lock",
        "conda-lock.yml",
        "data/keep.tmp",
        "keys/example.asc",
        "requirements.txt",
        "pyproject.toml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert project(tmp_path, text, "docker-env.yaml" if kind == "yaml" else "pyproject.toml").images
    SCHEMA.validate(document(kind, text))


def test_yaml_and_toml_of_the_first_example_say_the_same(tmp_path: Path) -> None:
    (_, first), (_, second) = EXAMPLES[:2]
    assert project(tmp_path, first).images == project(tmp_path, second, "pyproject.toml").images


def test_every_key_is_documented() -> None:
    spans = " ".join(re.findall(r"`[^`\n]+`", PAGE))
    keys = {
        extends.EXTENDS,
        *read_project.TOP_KEYS,
        *(f"layers.{key}" for key in read_image.LAYERS_KEYS),
        *read_config.CONFIG_KEYS,
        *read_config.HEALTHCHECK_KEYS,
        *read_config.USER_KEYS,
        *read_config.GROUP_KEYS,
        *read_environment.INLINE_KEYS,
        *read_environment.FILE_KEYS,
        *read_apt.APT_KEYS,
        *read_apt.SOURCE_KEYS,
        *(key for keys in read_files.ITEM_KEYS.values() for key in keys),
        *read_image.IMAGE_KEYS,
    } - {"layers"}
    in_examples = " ".join(text for _, text in EXAMPLES)
    missing = [key for key in keys if f"`{key}`" not in spans and not re.search(rf"\b{key}:", in_examples)]
    assert missing == []
