"""From the options of `build`, `plan` and their like to what is to be built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import cache_directory, parse_base, source_date_epoch
from docker_envs.builder.request import ActivationMode, BuildRequest
from docker_envs.cli import build_options as opt
from docker_envs.cli import options
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, connection
from docker_envs.cli.declared import Declared
from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.environments.conda.declarations.conda_lock import DEFAULT_CATEGORY
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.environments.conda.linking.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.filters import parse_filters
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.images.container import ContainerSettings
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS

if TYPE_CHECKING:
    from docker_envs.builder.request import DeclarationFile, Destinations


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOptions:
    """What an image is made from, and how; the fields are the options of these names."""

    specs: opt.Specs = None
    base: opt.Base
    file: opt.File = None
    channel: opt.Channel = None
    environment: opt.Environment = DEFAULT_ENVIRONMENT
    category: opt.Category = None
    prefix_from: opt.PrefixFrom = None
    name: opt.EnvironmentName = None
    add_unowned: opt.AddUnowned = False
    platform: opt.TargetPlatform = None
    virtual_package: opt.Virtual = None
    channel_priority: opt.Priority = None
    mirror: opt.Mirror = None
    offline: opt.Offline = False
    prefix: opt.Prefix = DEFAULT_PREFIX
    filters: opt.Filters = None
    compile_policy: opt.Compile = "never"
    keep_setuid: opt.KeepSetuid = False
    activation: opt.Activate = "env"
    max_layers: opt.MaxLayers = DEFAULT_MAX_LAYERS
    layers: opt.Layers = "auto"
    group: opt.Group = None
    compression: opt.Compressed = "gzip"
    plain_http: PlainHttp = None
    insecure: Insecure = None
    ca_file: CaFile = None
    auth_file: AuthFile = None
    cache_dir: opt.CacheDir = None
    cache_read_only: opt.CacheReadOnly = False
    cache_from: opt.CacheFrom = None
    cache_to: opt.CacheTo = None
    cache_verify: opt.CacheVerify = "0"
    strict: opt.Strict = False
    force: opt.Force = False

    def requests(self) -> list[BuildRequest]:
        """A request for each platform, without destinations.

        Raises:
            InvalidInputError: An option makes no sense, or a declaration cannot be understood.
        """
        targets = options.parse_platforms(self.platform or ())
        declared = self._declared()
        first = BuildRequest(
            base=parse_base(self.base),
            declaration=declared.declaration(targets[0]),
            platform=targets[0],
            cache=cache_directory(self.cache_dir),
            prefix=self.prefix,
            virtual_packages=tuple(VirtualPackage.parse(text) for text in self.virtual_package or ()),
            compression=CompressionSetting.parse(self.compression),
            max_layers=self.max_layers,
            grouping=options.parse_grouping(self.layers, self.group or ()),
            epoch=source_date_epoch(),
            connection=connection(self.plain_http, self.insecure, self.ca_file, self.auth_file),
            filters=parse_filters(self.filters or ()),
            compile=options.parse_choice(self.compile_policy, CompilePolicy, "--compile"),
            keep_setuid=self.keep_setuid,
            activation=options.parse_choice(self.activation, ActivationMode, "--activation"),
            access=ChannelAccess(offline=self.offline, mirrors=options.parse_mirrors(self.mirror or ())),
            files=declared.unowned(wanted=self.add_unowned),
            strict=self.strict,
            force=self.force,
            cache_read_only=self.cache_read_only,
            caches=options.parse_caches(self.cache_from or (), self.cache_to or (), self.cache_verify),
        )
        others = [replace(first, platform=target, declaration=declared.declaration(target)) for target in targets[1:]]
        return [first, *others]

    def declaration_files(self) -> tuple[tuple[DeclarationFile, ...], list[str]]:
        """The files that declare the environment, see `Declared.written_files`."""
        return self._declared().written_files()

    def _declared(self) -> Declared:
        return Declared(
            files=tuple(self.file or ()),
            specs=tuple(self.specs or ()),
            channels=tuple(self.channel or ()),
            environment=self.environment,
            categories=tuple(self.category or (DEFAULT_CATEGORY,)),
            prefix=options.installed_prefix(self.prefix_from, self.name),
            priority=ChannelPriority.parse(self.channel_priority) if self.channel_priority else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """What a container of the image runs; the fields are the options of these names."""

    entrypoint: opt.Entrypoint = None
    cmd: opt.Cmd = None
    user: opt.User = None
    workdir: opt.Workdir = None
    env: opt.Env = None
    label: opt.Label = None
    record: opt.Record = True

    def apply(self, request: BuildRequest, destinations: Destinations) -> BuildRequest:
        """A request for an image that runs this, and goes somewhere.

        Raises:
            InvalidInputError: An option makes no sense.
        """
        container = ContainerSettings(
            entrypoint=options.parse_command(self.entrypoint, "--entrypoint"),
            cmd=options.parse_command(self.cmd, "--cmd"),
            user=self.user,
            workdir=self.workdir,
            env=options.parse_pairs(self.env or (), "--env"),
            labels=options.parse_pairs(self.label or (), "--label"),
        )
        return replace(request, container=container, destinations=destinations, record=self.record)
