"""Engines that answer with anything give our own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.client import Engine
from tests.fuzz.choices import Choices
from tests.fuzz.documents import changed
from tests.fuzz.targets import outcome
from tests.simulators.http_server import Answer, HttpSimulator, Request, json_answer
from tests.unit.fuzz.test_targets import RECIPES, TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = (
    {"status": "Downloading", "id": "a", "progressDetail": {"current": 1, "total": 2}},
    {"status": "Pull complete", "id": "a", "progressDetail": {}},
    {"stream": "Loaded image: app:1\n"},
    {"error": "no", "errorDetail": {"message": "no"}},
)
REFERENCE = Reference.parse("app:1")

pytestmark = pytest.mark.timeout(60 * TIMES)


class Anything(HttpSimulator):
    """An engine that says what a recipe says."""

    recipe = b""

    def answer(self, request: Request) -> Answer:
        if request.path == "/version":
            return json_answer({"ApiVersion": "1.41"})
        choices = Choices(self.recipe)
        lines = [changed(choices.pick(EVENTS), choices) for _ in range(1 + choices.number(4))]
        return Answer(choices.pick([200, 200, 200, 404, 500]), b"\n".join(lines))


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[Anything, Engine]]:
    simulator = Anything()
    with simulator.running(), Engine(f"tcp://{simulator.address}") as found:
        yield simulator, found


@settings(max_examples=50 * TIMES)
@given(RECIPES | st.binary(min_size=4, max_size=8))
@example(b"\x00\x00\x01\x04\x00")
@example(b"\x00\x00\x00\x00\xdf")
def test_only_our_own_errors_from_engines(engine: tuple[Anything, Engine], recipe: bytes) -> None:
    simulator, client = engine
    simulator.recipe = recipe
    assert len([outcome(client.pull, REFERENCE), outcome(client.image, REFERENCE)]) == 2
