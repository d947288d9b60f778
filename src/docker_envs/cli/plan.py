"""`docker-envs plan`: the layers that a build would make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import cache_directory, parse_base
from docker_envs.builder.request import ActivationMode, BuildRequest
from docker_envs.cli import build_options as opt
from docker_envs.cli import options
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, Quiet, connection
from docker_envs.cli.declared import Declared
from docker_envs.cli.progress import reporter_for
from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.environments.conda.linking.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.filters import parse_filters
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_command(
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
    max_layers: opt.MaxLayers = DEFAULT_MAX_LAYERS,
    layers: opt.Layers = "auto",
    group: opt.Group = None,
    compression: opt.Compressed = "gzip",
    plain_http: PlainHttp = None,
    insecure: Insecure = None,
    ca_file: CaFile = None,
    auth_file: AuthFile = None,
    cache_dir: opt.CacheDir = None,
    force: opt.Force = False,
    explain: opt.Explain = False,
    as_json: opt.Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the layers that a build would make, and why."""
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
        compression=CompressionSetting.parse(compression),
        max_layers=max_layers,
        grouping=options.parse_grouping(layers, group or ()),
        connection=connection(plain_http, insecure, ca_file, auth_file),
        filters=parse_filters(filters or ()),
        compile=options.parse_choice(compile_policy, CompilePolicy, "--compile"),
        keep_setuid=keep_setuid,
        activation=options.parse_choice(activation, ActivationMode, "--activation"),
        access=ChannelAccess(offline=offline, mirrors=options.parse_mirrors(mirror or ())),
        files=declared.unowned(wanted=add_unowned),
        force=force,
    )
    others = [replace(first, platform=target, declaration=declared.declaration(target)) for target in targets[1:]]
    print_plans([first, *others], explain=explain, as_json=as_json, quiet=quiet)


def print_plans(requests: Sequence[BuildRequest], *, explain: bool, as_json: bool, quiet: bool) -> None:
    """Plan for each platform, and print it."""
    from docker_envs.builder.build import plan_only
    from docker_envs.builder.forecast import expect_layers
    from docker_envs.cli import plan_output

    with reporter_for(quiet=quiet) as reporter:
        prepared = [plan_only(request, reporter=reporter) for request in requests]
    plans = [(each, expect_layers(request, each.plan)) for request, each in zip(requests, prepared, strict=True)]
    print(plan_output.plans_json(plans) if as_json else plan_output.plans_text(plans, explain=explain))
