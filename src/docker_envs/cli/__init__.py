"""The command `docker-envs`: parse, call, print; no logic."""

from __future__ import annotations

from docker_envs.cli.main import main

__all__ = ["main"]
