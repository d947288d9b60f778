from __future__ import annotations

import pytest

from docker_envs.oci import media_types


@pytest.mark.parametrize(("docker", "oci"), media_types.DOCKER_TO_OCI.items())
def test_pairs_lead_there_and_back(docker: str, oci: str) -> None:
    assert media_types.to_oci(docker) == oci
    assert media_types.to_docker(oci) == docker
    assert media_types.is_docker(docker)
    assert not media_types.is_docker(oci)
    assert media_types.is_foreign(docker) is media_types.is_foreign(oci)


@pytest.mark.parametrize("other", [media_types.OCI_LAYER_ZSTD, "application/vnd.in-toto+json"])
def test_others_stay(other: str) -> None:
    assert media_types.to_docker(other) == media_types.to_oci(other) == other


def test_only_foreign_layers_are_foreign() -> None:
    foreign = {kind for kind in media_types.DOCKER_TO_OCI if media_types.is_foreign(kind)}
    assert foreign == {media_types.DOCKER_LAYER_FOREIGN}
