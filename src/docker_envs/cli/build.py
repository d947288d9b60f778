"""`docker-envs build`: an environment becomes an image."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.builder.request import AttachmentKind, Attachments, BuildRequest, Destinations
from docker_envs.cli import build_options as opt
from docker_envs.cli import build_output, options
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
    from docker_envs.environments.conda.package import CondaPackage
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
    attach: opt.Attach = None,
    load: opt.Load = False,
    verify: opt.Verify = False,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Build an image from a conda environment, without Docker.

    Packages become layers that every image shares; the base is referenced, not downloaded, unless a file must hold it.
    """
    destinations = Destinations(
        names=tuple(Reference.parse(text) for text in image or ()),
        archive=output,
        layout=oci,
        push=tuple(parse_location(text).registry_reference for text in push or ()),
        load=load,
        attachments=_attachments(attach, environment) if push else Attachments(),
    )
    requests = [container.apply(request, destinations) for request in environment.requests()]
    if not dry_run:
        _check_destinations(destinations)
    if verify and not (container.record and requests[0].declaration):
        raise InvalidInputError("`--verify` needs packages and a record of them in the image")
    if requests[0].declaration is None:
        print(f"note: no specs and no `{DEFAULT_FILE}` here, so the image is the base as it is", file=sys.stderr)
    _run(requests, verify=verify, dry_run=dry_run, as_json=as_json, quiet=quiet)


def _attachments(text: str | None, environment: EnvironmentOptions) -> Attachments:
    wanted = options.parse_attachments(text)
    if AttachmentKind.DECLARATION not in wanted.kinds:
        return wanted
    files, notes = environment.declaration_files()
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return replace(wanted, declarations=files)


def _run(requests: list[BuildRequest], *, verify: bool, dry_run: bool, as_json: bool, quiet: bool) -> None:
    from docker_envs.builder.build import build_platforms

    if dry_run:
        print_plans(requests, explain=False, as_json=as_json, quiet=True)
        return
    with reporter_for(quiet=quiet) as reporter:
        result = build_platforms(requests, reporter=reporter)
        if verify:
            _verify(result, requests, reporter)
    # Standard output may be where the image went.
    out = sys.stderr if requests[0].destinations.archive == STREAM else sys.stdout
    if as_json:
        print(build_output.result_json(result, requests[0]), file=out)
    else:
        digest = result.named.descriptor.digest
        print(digest if quiet else build_output.result_text(result, requests[0]), file=out)


def _verify(result: PlatformsResult, requests: list[BuildRequest], reporter: Reporter) -> None:
    from docker_envs.builder.deliver import channel_opener
    from docker_envs.builder.verify import check_verification, verify_image

    for request, each in zip(requests, result.results, strict=True):
        packages = {
            planned.sha256: replace(planned.package, sha256=planned.sha256)
            for layer in each.plan.layers
            for planned in layer.packages
        }

        def locate(record: Record, packages: dict[str, CondaPackage] = packages) -> list[CondaPackage] | None:
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
            hint="use `--output FILE`, `--oci DIR`, `--push REFERENCE` or `--load`; `--dry-run` only shows the plan",
        )
    if destinations.load and not destinations.names:
        raise InvalidInputError("`--load` needs a name for the image", hint="give it with `--image NAME:TAG`")
