"""Images from any registry, without an engine."""

from __future__ import annotations

from docker_envs.docker.base import Image
from docker_envs.oci.reference import DEFAULT_TAG, Reference
from docker_envs.transports.registry.client import RegistryClient


def pull_image(name: str, tag: str = DEFAULT_TAG) -> Image:
    """An image from Docker Hub or the registry that `name` says; only manifest and config are fetched now.

    Args:
        name: Repository, as `continuumio/miniconda3` or `127.0.0.1:5000/team/base`.
        tag: Tag.

    Raises:
        NotFoundError: The registry has no such image, or not for this machine's CPU.
        AuthenticationError: Credentials are missing or refused.
        TransportError: The registry cannot be reached.
    """
    reference = Reference.parse(f"{name}:{tag}")
    return Image(RegistryClient().image(reference), [reference])
