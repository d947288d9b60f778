"""The schema says what the reader says: the same keys, the same words; and it is where it is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from docker_envs.builder.request import ActivationMode
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.filters import Filter
from docker_envs.fields import parse_json
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS, Strategy
from docker_envs.projects import (
    extends,
    interpolate,
    read_apt,
    read_config,
    read_environment,
    read_files,
    read_image,
    read_project,
)
from docker_envs.projects.schema import SCHEMA_FILE, schema_text

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA: dict[str, Any] = parse_json(schema_text().encode(), source=SCHEMA_FILE)
DEFINITIONS, TOP = SCHEMA["$defs"], SCHEMA["properties"]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_it_is_published_in_the_documentation() -> None:
    assert (DOCS / SCHEMA_FILE).read_text() == schema_text()


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        (SCHEMA, read_project.TOP_KEYS),
        (DEFINITIONS["image"], (extends.EXTENDS, *read_image.IMAGE_KEYS)),
        (TOP["layers"], read_image.LAYERS_KEYS),
        (TOP["config"], read_config.CONFIG_KEYS),
        (DEFINITIONS["healthcheck"], read_config.HEALTHCHECK_KEYS),
        (DEFINITIONS["user"], read_config.USER_KEYS),
        (DEFINITIONS["group"], read_config.GROUP_KEYS),
        (DEFINITIONS["environmentFile"], read_environment.FILE_KEYS),
        (DEFINITIONS["inlineEnvironment"], read_environment.INLINE_KEYS),
        (TOP["apt"]["anyOf"][1], read_apt.APT_KEYS),
        (DEFINITIONS["debianArchive"], read_apt.SOURCE_KEYS),
        (TOP["interpolate"]["items"]["anyOf"][1], interpolate.VARIABLE_KEYS),
        *zip(DEFINITIONS["files"]["oneOf"], read_files.ITEM_KEYS.values(), strict=True),
    ],
)
def test_keys_are_those_of_the_reader(where: dict[str, Any], keys: tuple[str, ...]) -> None:
    assert set(where["properties"]) == set(keys)
    assert where["additionalProperties"] is False


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (TOP["activation"], ActivationMode),
        (TOP["compile"], CompilePolicy),
        (TOP["channel_priority"], ChannelPriority),
        (TOP["filters"]["items"], Filter),
        (TOP["apt"]["anyOf"][1]["properties"]["seed"], Seed),
        (TOP["layers"]["properties"]["strategy"], Strategy),
        (DEFINITIONS["files"]["oneOf"][2]["properties"]["as"], read_files.InstallMode),
    ],
)
def test_words_are_those_of_the_reader(where: dict[str, Any], words: type) -> None:
    assert where["anyOf"][0]["enum"] == [str(word) for word in words]  # type: ignore[attr-defined]


def test_defaults_are_those_of_the_reader() -> None:
    assert TOP["layers"]["properties"]["max"]["default"] == DEFAULT_MAX_LAYERS


def test_each_key_has_a_description() -> None:
    def undescribed(node: Any, place: str) -> list[str]:
        if isinstance(node, list):
            return [each for item in node for each in undescribed(item, place)]
        if not isinstance(node, dict):
            return []
        found = [each for key, value in node.items() for each in undescribed(value, f"{place}/{key}")]
        for key, value in node.get("properties", {}).items():
            target = DEFINITIONS.get(value.get("$ref", "").rpartition("/")[2], {})
            if "description" not in {**target, **value} and not value.get("$ref", "").startswith("#/properties"):
                found.append(f"{place}/{key}")
        return found

    assert undescribed(SCHEMA, "") == []
