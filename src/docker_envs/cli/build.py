"""`docker-envs build`: an environment becomes an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import cache_directory, parse_base, parse_target_platform, source_date_epoch
from docker_envs.builder.request import BuildRequest, ContainerSettings, Destinations
from docker_envs.cli import build_options as opt
from docker_envs.cli import build_output, options
from docker_envs.cli.progress import reporter_for
from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.environments.conda.declaration import DEFAULT_CHANNEL, Declaration
from docker_envs.environments.conda.read import DEFAULT_FILE, read_declaration
from docker_envs.environments.conda.virtual_packages import VirtualPackage
from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Platform


def build_command(
    *,
    specs: opt.Specs = None,
    base: opt.Base,
    file: opt.File = None,
    channel: opt.Channel = None,
    environment: opt.Environment = "default",
    platform: opt.TargetPlatform = None,
    virtual_package: opt.Virtual = None,
    prefix: opt.Prefix = DEFAULT_PREFIX,
    image: opt.Name = None,
    entrypoint: opt.Entrypoint = None,
    cmd: opt.Cmd = None,
    user: opt.User = None,
    workdir: opt.Workdir = None,
    env: opt.Env = None,
    label: opt.Label = None,
    max_layers: opt.MaxLayers = DEFAULT_MAX_LAYERS,
    compression: opt.Compressed = "gzip",
    output: opt.Output = None,
    oci: opt.Oci = None,
    push: opt.Push = None,
    load: opt.Load = False,
    plain_http: opt.PlainHttp = None,
    cache_dir: opt.CacheDir = None,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Build an image from a conda environment, without Docker.

    Packages become layers that every image shares; the base is referenced, not downloaded, unless a file must hold it.
    """
    target = parse_target_platform(platform)
    request = BuildRequest(
        base=parse_base(base),
        declaration=_declaration(file, tuple(specs or ()), tuple(channel or ()), target, environment),
        platform=target,
        cache=cache_directory(cache_dir),
        prefix=prefix,
        virtual_packages=tuple(VirtualPackage.parse(text) for text in virtual_package or ()),
        container=ContainerSettings(
            entrypoint=options.parse_command(entrypoint, "--entrypoint"),
            cmd=options.parse_command(cmd, "--cmd"),
            user=user,
            workdir=workdir,
            env=options.parse_pairs(env or (), "--env"),
            labels=options.parse_pairs(label or (), "--label"),
        ),
        compression=CompressionSetting.parse(compression),
        max_layers=max_layers,
        epoch=source_date_epoch(),
        destinations=Destinations(
            names=tuple(Reference.parse(name) for name in image or ()),
            archive=output,
            layout=oci,
            push=tuple(Reference.parse(text.removeprefix("docker://")) for text in push or ()),
            load=load,
        ),
        plain_http=tuple(plain_http or ()),
    )
    if not dry_run:
        _check_destinations(request.destinations)
    if request.declaration is None:
        print(f"note: no specs and no `{DEFAULT_FILE}` here, so the image is the base as it is", file=sys.stderr)
    _run(request, dry_run=dry_run, as_json=as_json, quiet=quiet)


def _run(request: BuildRequest, *, dry_run: bool, as_json: bool, quiet: bool) -> None:
    from docker_envs.builder.build import build, plan_only

    with reporter_for(quiet=quiet or dry_run) as reporter:
        if dry_run:
            prepared = plan_only(request, reporter=reporter)
        else:
            result = build(request, reporter=reporter)
    if dry_run:
        print(build_output.plan_json(prepared) if as_json else build_output.plan_text(prepared))
    elif as_json:
        print(build_output.result_json(result, request))
    else:
        print(result.image.digest if quiet else build_output.result_text(result, request))


def _declaration(
    file: Path | None, specs: tuple[str, ...], channels: tuple[str, ...], platform: Platform, environment: str
) -> Declaration | None:
    """What was declared: a file and specs together, specs alone, or the file that is looked for by default."""
    if file is None and not specs:
        file = Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None
        if file is None:
            return None
    declared = Declaration() if file is None else read_declaration(file, platform=platform, environment=environment)
    merged = declared.merged(channels=channels, specs=specs)
    if merged.packages is None and not merged.channels:
        merged = merged.merged(channels=(DEFAULT_CHANNEL,), specs=())
    return merged


def _check_destinations(destinations: Destinations) -> None:
    if not (destinations.archive or destinations.layout or destinations.push or destinations.load):
        raise InvalidInputError(
            "nowhere to put the image",
            hint="use `--output FILE`, `--oci DIR`, `--push REFERENCE` or `--load`; `--dry-run` only shows the plan",
        )
    if destinations.load and not destinations.names:
        raise InvalidInputError("`--load` needs a name for the image", hint="give it with `--image NAME:TAG`")
