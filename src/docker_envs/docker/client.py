"""The Docker engine's pull, save and load as plain functions; `DOCKER_HOST` says which engine.

pull("continuumio/miniconda3", "latest")
save("continuumio/miniconda3", "latest", "miniconda3.tar")
load("example.tar")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.oci.reference import DEFAULT_TAG, Reference
from docker_envs.transports.engine.client import Engine

if TYPE_CHECKING:
    import os


def pull(name: str, tag: str = DEFAULT_TAG) -> None:
    """Let the engine pull an image.

    Args:
        name: Repository, with its registry unless that is Docker Hub.
        tag: Tag.

    Raises:
        NotFoundError: The registry has no such image.
        EngineError: No engine answers, or it failed.
    """
    with Engine() as engine:
        engine.pull(Reference.parse(f"{name}:{tag}"))


def save(name: str, tag: str, file: str | os.PathLike[str]) -> None:
    """Save an image of the engine into a file, which appears when it is complete.

    Raises:
        NotFoundError: The engine has no such image.
        EngineError: No engine answers, or it failed.
        StorageError: The file cannot be written.
    """
    with Engine() as engine:
        engine.save([Reference.parse(f"{name}:{tag}")], Path(file))


def load(file: str | os.PathLike[str]) -> None:
    """Load the images of a `docker save` file into the engine.

    Raises:
        StorageError: The file cannot be read.
        EngineError: No engine answers, or it refused the file.
    """
    with Engine() as engine:
        engine.load(Path(file))
