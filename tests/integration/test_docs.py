"""The examples of the documentation that need a registry or an engine, with real ones; see `tests/documents.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient, host_platform
from tests.documents import SERVICES, base, examples, prepare_folder, use_channel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.documents import Example

BASES = ("team/base:1", "continuumio/miniconda3:latest")


@pytest.mark.parametrize("example", [each for each in examples() if each.needs & SERVICES], ids=str)
def test_examples_with_services_run(
    example: Example, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacements: dict[str, str] = {}
    if "engine" in example.needs:
        request.getfixturevalue("engine")
    if "registry" in example.needs:
        address = request.getfixturevalue("registry")
        for name in BASES:
            RegistryClient().push_image(base(host_platform()), Reference.parse(f"{address}/{name}"))
        replacements |= {"registry.example.org": address, "continuumio/": f"{address}/continuumio/"}
    if "channel" in example.needs:
        replacements |= use_channel(tmp_path / "channel", monkeypatch)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    prepare_folder(tmp_path / "work", host_platform())
    printed = example.run(replacements)
    assert example.printed in (None, printed)
