"""`docker-envs plan`: the layers that a build would make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from docker_envs.cli import build_options as opt
from docker_envs.cli.connection import Quiet
from docker_envs.cli.option_values import with_options
from docker_envs.cli.progress import reporter_for
from docker_envs.cli.requests import EnvironmentOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.cli.project_options import ImageJob


@with_options(EnvironmentOptions)
def plan_command(
    environment: EnvironmentOptions, *, explain: opt.Explain = False, as_json: opt.Json = False, quiet: Quiet = False
) -> None:
    """Show the layers that a build would make, and why."""
    print_plans(environment.jobs(), explain=explain, as_json=as_json, quiet=quiet)


def print_plans(jobs: Sequence[ImageJob], *, explain: bool, as_json: bool, quiet: bool) -> None:
    """Plan for each platform of each image, and print it."""
    from docker_envs.builder.build import plan_only
    from docker_envs.builder.forecast import expect_layers
    from docker_envs.cli import plan_output

    plans = {}
    with reporter_for(quiet=quiet) as reporter:
        for job in jobs:
            prepared = [plan_only(request, reporter=reporter) for request in job.requests]
            plans[job.title] = [
                (each, expect_layers(request, each.plan, each.caches))
                for request, each in zip(job.requests, prepared, strict=True)
            ]
    if as_json:
        documents = {title: plan_output.plans_document(each) for title, each in plans.items()}
        print(json.dumps(documents[jobs[0].title] if len(jobs) == 1 else {"images": documents}, indent=2))
        return
    texts = {title: plan_output.plans_text(each, explain=explain) for title, each in plans.items()}
    print("\n".join(text if len(texts) == 1 else f"{title}:\n{text}" for title, text in texts.items()))
