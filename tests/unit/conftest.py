"""How hypothesis runs: without the clock, and without files beside the tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("docker-envs", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("docker-envs")
