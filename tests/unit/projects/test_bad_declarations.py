"""Each bad declaration of `docs/declaration-errors.md` gets the message that stands there, and editors know most."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest
import yaml

from docker_envs.fields import parse_json
from docker_envs.projects.schema import schema_text
from tests.unit.projects.support import refusal

PAGE = Path(__file__).parents[3] / "docs/declaration-errors.md"
_CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n\n```yaml\n(?P<text>.*?)```\n\n```text\n(?P<message>.*?)\n```$", re.MULTILINE | re.DOTALL
)

SCHEMA = jsonschema.Draft202012Validator(parse_json(schema_text().encode(), source="schema"))


class Bad(NamedTuple):
    """A section of the page."""

    title: str
    text: str
    message: str

    @property
    def in_editors(self) -> bool:
        return not self.title.endswith("(+)")


CASES = [Bad(*match.groups()) for match in _CASE.finditer(PAGE.read_text())]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.title)
def test_what_is_said(tmp_path: Path, bad: Bad) -> None:
    assert refusal(tmp_path, bad.text) == bad.message


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.title)
def test_what_an_editor_finds(bad: Bad) -> None:
    try:
        document = yaml.safe_load(bad.text)
    except yaml.YAMLError:
        return
    if "there twice" not in bad.message and document is not None:
        assert SCHEMA.is_valid(document) is not bad.in_editors


def test_the_table_is_whole() -> None:
    sections = PAGE.read_text().count("\n## ")
    assert len(CASES) == sections > 80
    assert len({bad.text for bad in CASES}) == len({bad.title for bad in CASES}) == sections
    assert sum(bad.in_editors for bad in CASES) > 60
