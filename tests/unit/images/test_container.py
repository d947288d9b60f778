"""What a container runs: checks, times, and health checks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.images.container import ContainerSettings, Healthcheck, container_changes, parse_duration
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Platform

CONFIG = ImageConfig.empty(Platform("linux", "amd64")).with_container(Shell=["/bin/sh", "-c"], Healthcheck={"Test": []})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30 * 10**9), ("1m30s", 90 * 10**9), ("500ms", 5 * 10**8), ("1.5h", 5400 * 10**9), ("2us3ns", 2003)],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1s ", "1 s", "1d", "1s2", "x1s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInputError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (ContainerSettings(shell=("/bin/bash", "-c")), {"Shell": ["/bin/bash", "-c"]}),
        (ContainerSettings(shell=()), {"Shell": None}),
        (ContainerSettings(healthcheck=Healthcheck(test=("NONE",))), {"Healthcheck": {"Test": ["NONE"]}}),
        (
            ContainerSettings(
                healthcheck=Healthcheck(
                    test=("CMD", "true"),
                    interval=10**9,
                    timeout=10**6,
                    start_period=1 << 40,
                    start_interval=10**7,
                    retries=2,
                )
            ),
            {
                "Healthcheck": {
                    "Test": ["CMD", "true"],
                    "Interval": 10**9,
                    "Timeout": 10**6,
                    "StartPeriod": 1 << 40,
                    "StartInterval": 10**7,
                    "Retries": 2,
                }
            },
        ),
    ],
)
def test_changes_of_a_config(settings: ContainerSettings, changes: dict[str, Any]) -> None:
    assert container_changes(CONFIG, settings) == changes


@pytest.mark.parametrize(
    "fields",
    [
        {"test": ()},
        {"test": ("CMD",)},
        {"test": ("NONE", "x")},
        {"test": ("CMD-SHELL", "a", "b")},
        {"test": ("true",)},
        {"test": ("NONE",), "interval": 0},
        {"test": ("NONE",), "timeout": 999_999},
        {"test": ("NONE",), "retries": 0},
    ],
)
def test_no_health_checks(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="health check"):
        Healthcheck(**fields)


def test_a_health_check_is_recorded_without_what_it_leaves_to_the_engine() -> None:
    check = Healthcheck(test=("CMD-SHELL", "exit 0"), retries=3)
    assert msgspec.to_builtins(check) == {"test": ("CMD-SHELL", "exit 0"), "retries": 3}
    assert msgspec.json.decode(msgspec.json.encode(check), type=Healthcheck) == check
