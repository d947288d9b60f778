"""`docker-envs plan`: the layers that a build would make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.cli import build_options as opt
from docker_envs.cli.connection import Quiet
from docker_envs.cli.option_values import with_options
from docker_envs.cli.progress import reporter_for
from docker_envs.cli.requests import EnvironmentOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.request import BuildRequest


@with_options(EnvironmentOptions)
def plan_command(
    environment: EnvironmentOptions, *, explain: opt.Explain = False, as_json: opt.Json = False, quiet: Quiet = False
) -> None:
    """Show the layers that a build would make, and why."""
    print_plans(environment.requests(), explain=explain, as_json=as_json, quiet=quiet)


def print_plans(requests: Sequence[BuildRequest], *, explain: bool, as_json: bool, quiet: bool) -> None:
    """Plan for each platform, and print it."""
    from docker_envs.builder.build import plan_only
    from docker_envs.builder.forecast import expect_layers
    from docker_envs.cli import plan_output

    with reporter_for(quiet=quiet) as reporter:
        prepared = [plan_only(request, reporter=reporter) for request in requests]
        plans = [
            (each, expect_layers(request, each.plan, each.caches))
            for request, each in zip(requests, prepared, strict=True)
        ]
    print(plan_output.plans_json(plans) if as_json else plan_output.plans_text(plans, explain=explain))
