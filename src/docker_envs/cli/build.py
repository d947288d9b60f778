"""`docker-envs build`: an environment becomes an image."""

from __future__ import annotations

import sys
from dataclasses import replace

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import cache_directory, parse_base, source_date_epoch
from docker_envs.builder.request import ActivationMode, BuildRequest, Destinations
from docker_envs.cli import build_options as opt
from docker_envs.cli import build_output, options
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, connection
from docker_envs.cli.declared import Declared
from docker_envs.cli.plan import print_plans
from docker_envs.cli.progress import reporter_for
from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.environments.conda.declarations.read import DEFAULT_FILE
from docker_envs.environments.conda.linking.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.filters import parse_filters
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.errors import InvalidInputError
from docker_envs.images.container import ContainerSettings
from docker_envs.images.location import STREAM, parse_location
from docker_envs.oci.reference import Reference
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS


def build_command(
    *,
    specs: opt.Specs = None,
    base: opt.Base,
    file: opt.File = None,
    channel: opt.Channel = None,
    environment: opt.Environment = DEFAULT_ENVIRONMENT,
    category: opt.Category = None,
    prefix_from: opt.PrefixFrom = None,
    name: opt.EnvironmentName = None,
    add_unowned: opt.AddUnowned = False,
    platform: opt.TargetPlatform = None,
    virtual_package: opt.Virtual = None,
    channel_priority: opt.Priority = None,
    mirror: opt.Mirror = None,
    offline: opt.Offline = False,
    prefix: opt.Prefix = DEFAULT_PREFIX,
    filters: opt.Filters = None,
    compile_policy: opt.Compile = "never",
    keep_setuid: opt.KeepSetuid = False,
    activation: opt.Activate = "env",
    image: opt.Name = None,
    entrypoint: opt.Entrypoint = None,
    cmd: opt.Cmd = None,
    user: opt.User = None,
    workdir: opt.Workdir = None,
    env: opt.Env = None,
    label: opt.Label = None,
    max_layers: opt.MaxLayers = DEFAULT_MAX_LAYERS,
    layers: opt.Layers = "auto",
    group: opt.Group = None,
    compression: opt.Compressed = "gzip",
    output: opt.Output = None,
    oci: opt.Oci = None,
    push: opt.Push = None,
    load: opt.Load = False,
    plain_http: PlainHttp = None,
    insecure: Insecure = None,
    ca_file: CaFile = None,
    auth_file: AuthFile = None,
    cache_dir: opt.CacheDir = None,
    cache_read_only: opt.CacheReadOnly = False,
    strict: opt.Strict = False,
    force: opt.Force = False,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Build an image from a conda environment, without Docker.

    Packages become layers that every image shares; the base is referenced, not downloaded, unless a file must hold it.
    """
    targets = options.parse_platforms(platform or ())
    declared = Declared(
        files=tuple(file or ()),
        specs=tuple(specs or ()),
        channels=tuple(channel or ()),
        environment=environment,
        categories=tuple(category or (DEFAULT_CATEGORY,)),
        prefix=options.installed_prefix(prefix_from, name),
        priority=ChannelPriority.parse(channel_priority) if channel_priority else None,
    )
    first = BuildRequest(
        base=parse_base(base),
        declaration=declared.declaration(targets[0]),
        platform=targets[0],
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
        grouping=options.parse_grouping(layers, group or ()),
        epoch=source_date_epoch(),
        destinations=Destinations(
            names=tuple(Reference.parse(text) for text in image or ()),
            archive=output,
            layout=oci,
            push=tuple(parse_location(text).registry_reference for text in push or ()),
            load=load,
        ),
        connection=connection(plain_http, insecure, ca_file, auth_file),
        filters=parse_filters(filters or ()),
        compile=options.parse_choice(compile_policy, CompilePolicy, "--compile"),
        keep_setuid=keep_setuid,
        activation=options.parse_choice(activation, ActivationMode, "--activation"),
        access=ChannelAccess(offline=offline, mirrors=options.parse_mirrors(mirror or ())),
        files=declared.unowned(wanted=add_unowned),
        strict=strict,
        force=force,
        cache_read_only=cache_read_only,
    )
    if not dry_run:
        _check_destinations(first.destinations)
    if first.declaration is None:
        print(f"note: no specs and no `{DEFAULT_FILE}` here, so the image is the base as it is", file=sys.stderr)
    others = [replace(first, platform=target, declaration=declared.declaration(target)) for target in targets[1:]]
    _run([first, *others], dry_run=dry_run, as_json=as_json, quiet=quiet)


def _run(requests: list[BuildRequest], *, dry_run: bool, as_json: bool, quiet: bool) -> None:
    from docker_envs.builder.build import build_platforms

    if dry_run:
        print_plans(requests, explain=False, as_json=as_json, quiet=True)
        return
    with reporter_for(quiet=quiet) as reporter:
        result = build_platforms(requests, reporter=reporter)
    # Standard output may be where the image went.
    out = sys.stderr if requests[0].destinations.archive == STREAM else sys.stdout
    if as_json:
        print(build_output.result_json(result, requests[0]), file=out)
    else:
        digest = result.named.descriptor.digest
        print(digest if quiet else build_output.result_text(result, requests[0]), file=out)


def _check_destinations(destinations: Destinations) -> None:
    if not (destinations.archive or destinations.layout or destinations.push or destinations.load):
        raise InvalidInputError(
            "nowhere to put the image",
            hint="use `--output FILE`, `--oci DIR`, `--push REFERENCE` or `--load`; `--dry-run` only shows the plan",
        )
    if destinations.load and not destinations.names:
        raise InvalidInputError("`--load` needs a name for the image", hint="give it with `--image NAME:TAG`")
