"""`docker-envs build`: an environment becomes an image."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.request import AttachmentKind, Attachments, Destinations
from docker_envs.cli import build_options as opt
from docker_envs.cli import build_output, options
from docker_envs.cli.declared import written_files
from docker_envs.cli.option_values import with_options
from docker_envs.cli.plan import print_plans
from docker_envs.cli.progress import reporter_for
from docker_envs.cli.requests import ContainerOptions, EnvironmentOptions
from docker_envs.environments.conda.declarations.read import DEFAULT_FILE
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import STREAM, parse_location
from docker_envs.images.transports import Transports
from docker_envs.oci.reference import Reference

if TYPE_CHECKING:
    from docker_envs.builder.build import PlatformsResult
    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.builder.request import BuildRequest
    from docker_envs.cli.project_options import ImageJob
    from docker_envs.records.record import Record
    from docker_envs.report import Reporter


@with_options(EnvironmentOptions, ContainerOptions)
def build_command(
    environment: EnvironmentOptions,
    container: ContainerOptions,
    *,
    image: opt.Name = None,
    output: opt.Output = None,
    oci: opt.Oci = None,
    push: opt.Push = None,
    publish: opt.Publish = False,
    attach: opt.Attach = None,
    load: opt.Load = False,
    verify: opt.Verify = False,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Build an image of packages from conda, PyPI and Debian, without Docker.

    Packages become layers that every image shares; the base is referenced, not downloaded, unless a file must hold it.
    """
    jobs = environment.jobs()
    one_only = {"--image": image, "--output": output, "--push": push}
    if len(jobs) > 1 and (given := [option for option, value in one_only.items() if value]):
        raise InvalidInputError(
            f"`{given[0]}` is for one image, and `{jobs[0].project}` declares {len(jobs)}",
            hint="choose one with `--target`; `--publish` and `--load` know the name of each",
        )
    jobs = [
        replace(
            job,
            requests=_with_destinations(
                job,
                container,
                Destinations(
                    names=tuple(Reference.parse(text) for text in image) if image else job.references,
                    archive=output,
                    layout=oci,
                    push=(
                        *(parse_location(text).registry_reference for text in push or ()),
                        *(_published(job) if publish else ()),
                    ),
                    load=load,
                    attachments=_attachments(attach, job) if push or publish else Attachments(),
                ),
                dry_run=dry_run,
            ),
        )
        for job in jobs
    ]
    if verify and not (container.record and all(job.requests[0].declares_packages for job in jobs)):
        raise InvalidInputError("`--verify` needs packages and a record of them in the image")
    if dry_run:
        print_plans(jobs, explain=False, as_json=as_json, quiet=True)
    else:
        _run(jobs, verify=verify, as_json=as_json, quiet=quiet)


def _with_destinations(
    job: ImageJob, container: ContainerOptions, destinations: Destinations, *, dry_run: bool
) -> list[BuildRequest]:
    requests = [container.apply(request, destinations) for request in job.requests]
    if not dry_run:
        _check_destinations(destinations)
    if not requests[0].declares_packages and job.project is None:
        print(
            f"note: no packages are named, and there is no `{DEFAULT_FILE}` here, so the image is the base as it is",
            file=sys.stderr,
        )
    return requests


def _published(job: ImageJob) -> tuple[Reference, ...]:
    """The names under which an image is published."""
    if job.project is None:
        raise InvalidInputError("`--publish` needs names of a project's file", hint="use `--push REFERENCE`")
    if not job.references:
        what = f"the image `{job.title}`" if job.title else "the image"
        raise InvalidInputError(f"`{job.project}` gives {what} no `name` to publish it under")
    return job.references


def _attachments(text: str | None, job: ImageJob) -> Attachments:
    wanted = options.parse_attachments(text)
    if AttachmentKind.DECLARATION not in wanted.kinds:
        return wanted
    files, notes = written_files(job.files)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return replace(wanted, declarations=files)


def _run(jobs: list[ImageJob], *, verify: bool, as_json: bool, quiet: bool) -> None:
    from docker_envs.builder.build import build_platforms

    results = {}
    with reporter_for(quiet=quiet) as reporter:
        for job in jobs:
            result = build_platforms(job.requests, reporter=reporter)
            if verify:
                _verify(result, job.requests, reporter)
            results[job.title] = (result, job.requests[0])
    # Standard output may be where the image went.
    out = sys.stderr if jobs[0].requests[0].destinations.archive == STREAM else sys.stdout
    if as_json:
        documents = {title: build_output.result_document(*each) for title, each in results.items()}
        print(json.dumps(documents[jobs[0].title] if len(jobs) == 1 else {"images": documents}, indent=2), file=out)
        return
    for title, (result, request) in results.items():
        if len(jobs) > 1 and not quiet:
            print(f"{title}:", file=out)
        digest = result.named.descriptor.digest
        print(digest if quiet else build_output.result_text(result, request), file=out)


def _verify(result: PlatformsResult, requests: list[BuildRequest], reporter: Reporter) -> None:
    from docker_envs.builder.deliver import channel_opener
    from docker_envs.builder.verify import check_verification, verify_image

    for request, each in zip(requests, result.results, strict=True):
        environment = each.plan.environment
        conda = {each.sha256: replace(each.locked, sha256=each.sha256) for each in environment.conda.packages}
        pypi = {each.sha256: replace(each.locked, sha256=each.sha256) for each in environment.pypi.packages}
        debian = {each.sha256: each.locked for each in environment.debian.packages}
        packages: dict[str, AnyPackage] = {**conda, **pypi, **debian}

        def locate(record: Record, packages: dict[str, AnyPackage] = packages) -> list[AnyPackage] | None:
            """Where the packages are; not those of a record of the base."""
            wanted = [each.sha256 for each in record.packages]
            return [packages[sha256] for sha256 in wanted] if set(wanted) == packages.keys() else None

        found = verify_image(
            each.image,
            cache=request.cache,
            locate=locate,
            open_url=channel_opener(Transports(request.connection, reporter=reporter), request.access),
            reporter=reporter,
        )
        check_verification(found, f"the image for `{each.image.platform}`")


def _check_destinations(destinations: Destinations) -> None:
    if not (destinations.archive or destinations.layout or destinations.push or destinations.load):
        raise InvalidInputError(
            "nowhere to put the image",
            hint="use `--output FILE`, `--oci DIR`, `--push REFERENCE`, `--publish` or `--load`; "
            "`--dry-run` only shows the plan",
        )
    if destinations.load and not destinations.names:
        raise InvalidInputError(
            "`--load` needs a name for the image",
            hint="give it with `--image NAME:TAG`, or as `name` in a `docker-env.yaml`",
        )
