"""Declarative environments as container images, built without Docker."""

from docker_envs.version import __version__

__all__ = ["__version__"]
